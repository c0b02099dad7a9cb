//! Remembers things by id for a while, so that asking for them over and over costs nothing.
//!
//! Invariant: a value is never older than whoever stored it allows, and there are at most so many of them, whoever
//! asks for how many different ids: the oldest one makes room. It is only a cache: losing it costs a query.

use std::collections::{HashMap, VecDeque};

use super::time::Millis;

/// How many ids are remembered for which there is nothing.
pub const MAX_NEGATIVE: usize = 1_000;

/// The values, by id.
#[derive(Debug)]
pub struct Cache<V> {
    max: usize,
    values: HashMap<String, (V, Millis)>,
    /// The ids, oldest first.
    order: VecDeque<String>,
}

impl<V: Clone> Cache<V> {
    /// Returns a cache for at most `max` values.
    pub fn new(max: usize) -> Self {
        Self {
            max,
            values: HashMap::new(),
            order: VecDeque::new(),
        }
    }

    /// Returns the value by this id, if it is known.
    pub fn get(&self, id: &str, now: Millis) -> Option<V> {
        let (value, until) = self.values.get(id)?;
        (now < *until).then(|| value.clone())
    }

    /// Remembers a value until `until`.
    pub fn insert(&mut self, id: &str, value: V, until: Millis) {
        self.remove(id);
        if self.order.len() >= self.max
            && let Some(oldest) = self.order.pop_front()
        {
            self.values.remove(&oldest);
        }
        self.order.push_back(id.to_owned());
        self.values.insert(id.to_owned(), (value, until));
    }

    /// Forgets the value by this id.
    pub fn remove(&mut self, id: &str) {
        if self.values.remove(id).is_some() {
            self.order.retain(|other| other != id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_holds_for_a_while() {
        let mut cache = Cache::new(10);
        assert_eq!(cache.get("a", 1_000), None);
        cache.insert("a", 1, 2_000);
        assert_eq!(cache.get("a", 1_999), Some(1));
        assert_eq!(cache.get("a", 2_000), None);
        assert_eq!(cache.get("b", 1_999), None);
        cache.insert("a", 2, 3_000);
        assert_eq!(cache.get("a", 2_000), Some(2));
        cache.remove("a");
        assert_eq!(cache.get("a", 2_000), None);
    }

    #[test]
    fn the_newest_values_are_kept() {
        let mut cache = Cache::new(1_000);
        for id in 0..5_000 {
            cache.insert(&id.to_string(), (), 10_000);
            cache.insert("again and again", (), 10_000);
            assert!(cache.values.len() <= 1_000);
            assert_eq!(cache.values.len(), cache.order.len());
        }
        let known = |id: usize| cache.get(&id.to_string(), 0).is_some();
        assert!(known(4_999) && known(4_001));
        assert!(!known(4_000));
    }

    #[test]
    fn what_is_forgotten_takes_no_room() {
        let mut cache = Cache::new(2);
        cache.insert("a", (), 10_000);
        cache.insert("b", (), 10_000);
        cache.remove("b");
        cache.insert("c", (), 10_000);
        assert!(cache.get("a", 0).is_some() && cache.get("c", 0).is_some());
    }
}
