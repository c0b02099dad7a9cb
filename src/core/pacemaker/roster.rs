//! Whom a pacemaker calls, and when.

use super::rhythm::{Rhythm, Slot};
use crate::core::time::Millis;

/// The slots in which a user is called: first the one of the beat, then, if somebody watches the user, the one in which
/// to look for the answer.
pub type Slots = Vec<Slot>;

/// The registered users. They are so few that a list will do, which takes a fraction of the code of a map.
#[derive(Debug, Default)]
pub struct Roster(Vec<(String, Slots)>);

/// A user who is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// The user's id.
    pub user_id: String,
    /// The slots for which the user is registered.
    pub slots: Slots,
    /// Whether only the look is due, and no beat.
    pub is_look: bool,
}

impl Roster {
    /// Returns the roster with these users.
    pub fn new(users: Vec<(String, Slots)>) -> Self {
        Self(users)
    }

    /// Returns the slots of a user; none if the user is not registered.
    pub fn slots(&self, user_id: &str) -> &[Slot] {
        let user = self.0.iter().find(|(id, _)| id == user_id);
        user.map_or(&[], |(_, slots)| slots)
    }

    /// Registers a user for these slots. Without any, the user is no longer registered.
    pub fn set(&mut self, user_id: &str, slots: Slots) {
        self.0.retain(|(id, _)| id != user_id);
        if !slots.is_empty() {
            self.0.push((user_id.to_owned(), slots));
        }
    }

    /// Returns the number of users.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns whether nobody is registered.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns who is due by `now` if everybody who was due before `kept_until` has been called.
    pub fn due(&self, rhythm: Rhythm, kept_until: Millis, now: Millis) -> Vec<Due> {
        let is_due = |slot: &Slot| rhythm.next(*slot, kept_until) <= now;
        let due = self.0.iter().filter(|(_, slots)| slots.iter().any(is_due));
        due.map(|(user_id, slots)| Due {
            user_id: user_id.clone(),
            slots: slots.clone(),
            is_look: !slots.first().is_some_and(is_due),
        })
        .collect()
    }

    /// Returns when the next user is due.
    pub fn next(&self, rhythm: Rhythm, kept_until: Millis) -> Option<Millis> {
        let slots = self.0.iter().flat_map(|(_, slots)| slots);
        slots.map(|slot| rhythm.next(*slot, kept_until)).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::config::Config;

    fn rhythm() -> Rhythm {
        let config =
            Config::read(|name| (name == "JWT_SECRET").then(|| "0123456789".repeat(4))).unwrap();
        Rhythm::of(&config)
    }

    fn due(roster: &Roster, kept_until: Millis, now: Millis) -> Vec<(String, bool)> {
        let due = roster.due(rhythm(), kept_until, now).into_iter();
        due.map(|due| (due.user_id, due.is_look)).collect()
    }

    fn roster() -> Roster {
        let users = [("a", vec![0]), ("b", vec![1, 0]), ("c", vec![4])];
        Roster::new(users.map(|(id, slots)| (id.to_owned(), slots)).into())
    }

    #[test]
    fn everybody_is_called_once_a_turn() {
        let roster = roster();
        let called: Vec<_> = (0..5)
            .map(|tick| {
                let at = 1_000_000 + tick * 5_000;
                due(&roster, at - 4_999, at)
            })
            .collect();
        let one = |id: &str, is_look| (id.to_owned(), is_look);
        assert_eq!(
            called,
            [
                vec![one("a", false), one("b", true)],
                vec![one("b", false)],
                vec![],
                vec![],
                vec![one("c", false)],
            ]
        );
    }

    #[test]
    fn after_an_outage_everybody_is_called_once() {
        let all = due(&roster(), 1_000_000, 1_500_000);
        let called = ["a", "b", "c"].map(|id| (id.to_owned(), false));
        assert_eq!(all, called);
    }

    #[test]
    fn the_next_tick_is_one_with_users() {
        let mut roster = roster();
        assert_eq!(roster.next(rhythm(), 1_000_000), Some(1_000_000));
        assert_eq!(roster.next(rhythm(), 1_000_001), Some(1_005_000));
        assert_eq!(roster.next(rhythm(), 1_005_001), Some(1_020_000));
        roster.set("a", vec![]);
        roster.set("b", vec![]);
        assert_eq!(roster.next(rhythm(), 1_000_000), Some(1_020_000));
        roster.set("c", vec![]);
        assert_eq!(roster.next(rhythm(), 1_000_000), None);
        assert!(roster.is_empty() && roster.slots("c").is_empty());
    }
}
