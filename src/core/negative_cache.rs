//! Remembers for a while that something does not exist, so that asking for it over and over costs nothing.
//!
//! Invariant: a negative answer is never older than the time that the caller allows, and there are at most
//! [`MAX_ENTRIES`] of them, whoever asks for how many different ids. It is only a cache: losing it costs a
//! query.

use std::collections::VecDeque;

use super::error::ErrorCode;
use super::time::Millis;

/// The number of answers that are kept: the newest ones.
const MAX_ENTRIES: usize = 1_000;

/// That there is nothing by an id.
#[derive(Debug)]
struct Entry {
    id: String,
    code: ErrorCode,
    until: Millis,
}

/// The negative answers, oldest first.
#[derive(Debug, Default)]
pub struct NegativeCache(VecDeque<Entry>);

impl NegativeCache {
    /// Returns why there is nothing by this id, if that is known.
    pub fn get(&self, id: &str, now: Millis) -> Option<ErrorCode> {
        let is_it = |entry: &&Entry| entry.id == id && now < entry.until;
        self.0.iter().find(is_it).map(|entry| entry.code)
    }

    /// Remembers until `until` that there is nothing by this id.
    pub fn insert(&mut self, id: &str, code: ErrorCode, until: Millis) {
        if self.0.len() >= MAX_ENTRIES {
            self.0.pop_front();
        }
        self.0.push_back(Entry {
            id: id.to_owned(),
            code,
            until,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_holds_for_a_while() {
        let mut cache = NegativeCache::default();
        assert_eq!(cache.get("a", 1_000), None);
        cache.insert("a", ErrorCode::Forbidden, 2_000);
        assert_eq!(cache.get("a", 1_999), Some(ErrorCode::Forbidden));
        assert_eq!(cache.get("a", 2_000), None);
        assert_eq!(cache.get("b", 1_999), None);
        cache.insert("a", ErrorCode::NotFound, 3_000);
        assert_eq!(cache.get("a", 2_000), Some(ErrorCode::NotFound));
    }

    #[test]
    fn the_newest_answers_are_kept() {
        let mut cache = NegativeCache::default();
        for id in 0..5_000 {
            cache.insert(&id.to_string(), ErrorCode::NotFound, 10_000);
            assert!(cache.0.len() <= MAX_ENTRIES);
        }
        let known = |id: usize| cache.get(&id.to_string(), 0).is_some();
        assert!(known(4_999) && known(5_000 - MAX_ENTRIES));
        assert!(!known(4_999 - MAX_ENTRIES));
    }
}
