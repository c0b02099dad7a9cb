//! Remembers for a while that something does not exist, so that asking for it over and over costs nothing.
//!
//! Invariant: a negative answer is never older than the time that the caller allows, and there are at most
//! [`MAX_ENTRIES`] of them, whoever asks for how many different ids. It is only a cache: losing it costs a
//! query.

use std::collections::HashMap;

use super::error::ErrorCode;
use super::time::Millis;

/// The number of answers that are kept. When there would be more, those that are out of date go; if that is
/// not enough, all of them.
const MAX_ENTRIES: usize = 1_000;

/// Why there is no answer, by id, and until when that holds.
#[derive(Debug, Default)]
pub struct NegativeCache(HashMap<String, (ErrorCode, Millis)>);

impl NegativeCache {
    /// Returns why there is nothing by this id, if that is known.
    pub fn get(&self, id: &str, now: Millis) -> Option<ErrorCode> {
        let (code, until) = self.0.get(id)?;
        (now < *until).then_some(*code)
    }

    /// Remembers until `until` that there is nothing by this id.
    pub fn insert(&mut self, id: &str, code: ErrorCode, until: Millis, now: Millis) {
        if self.0.len() >= MAX_ENTRIES {
            self.0.retain(|_, (_, until)| now < *until);
        }
        if self.0.len() >= MAX_ENTRIES {
            self.0.clear();
        }
        self.0.insert(id.to_owned(), (code, until));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_holds_for_a_while() {
        let mut cache = NegativeCache::default();
        assert_eq!(cache.get("a", 1_000), None);
        cache.insert("a", ErrorCode::Forbidden, 2_000, 1_000);
        assert_eq!(cache.get("a", 1_999), Some(ErrorCode::Forbidden));
        assert_eq!(cache.get("a", 2_000), None);
        assert_eq!(cache.get("b", 1_999), None);
    }

    #[test]
    fn the_number_of_answers_is_bounded() {
        let mut cache = NegativeCache::default();
        for id in 0..5_000 {
            let now = id;
            cache.insert(&id.to_string(), ErrorCode::NotFound, now + 10_000, now);
            assert!(cache.0.len() <= MAX_ENTRIES);
            assert!(cache.get(&id.to_string(), now).is_some());
        }
    }

    #[test]
    fn answers_that_are_out_of_date_go_first() {
        let mut cache = NegativeCache::default();
        cache.insert("lasting", ErrorCode::NotFound, 9_000, 0);
        for id in 1..MAX_ENTRIES {
            cache.insert(&id.to_string(), ErrorCode::NotFound, 10, 0);
        }
        cache.insert("new", ErrorCode::NotFound, 9_000, 20);
        assert!(cache.get("lasting", 20).is_some());
        assert_eq!(cache.0.len(), 2);
    }
}
