//! Pacemakers: who wakes the User objects of connected users when their pings are due.
//!
//! An object that wakes itself pays a request and a row for each beat, one that is called a request only
//! (docs/cost.md). So a user who stays connected registers with a pacemaker, an object that calls all of its users
//! from one alarm.
//!
//! Invariant: nothing but the price depends on a pacemaker. A User object knows when it should have been called, and beats by
//! itself if it was not; it keeps an alarm of its own, far out, for the case that nothing else wakes it. So whatever
//! becomes of a pacemaker, every user has a heartbeat.

pub mod pace;
pub mod rhythm;
pub mod roster;
pub mod store;

use sha2::{Digest, Sha256};

use super::time::Millis;

/// When pacemakers are used, and what one of them serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PacemakerLimits {
    /// `PACEMAKER` [`on`]: `off` returns to alarms alone.
    pub is_on: bool,
    /// `PACEMAKER_AFTER_MS` [120000]: how long a user has to be connected to be registered. A shorter visit would cost
    /// more than it saves.
    pub after: Millis,
    /// `PACEMAKER_TICK_MS` [5000]: the longest time between two rounds of calls; a tick is as long as that or shorter, so
    /// that a pingInterval has a whole number of them, and at least two.
    pub tick: Millis,
    /// `PACEMAKER_SAFETY_MS` [1200000]: how long after a missing call the object's own alarm fires.
    pub safety: Millis,
    /// `PACEMAKER_MAX_USERS` [1000]: users of one pacemaker. One invocation may make 1,000 calls on the free plan.
    pub max_users: usize,
}

/// How many sizes of data centres there are pacemakers for, each with twice as many as the one before.
const LEVELS: u32 = 10;

/// Returns the names of the pacemakers that a user may register with, in the order in which they are tried: one for the
/// whole data centre, then one of two, of four, and so on. So a small place has one pacemaker, which is the cheapest,
/// and a full one sends its users on to more and more others. Nobody has to set their number.
pub fn candidates(colo: &str, user_id: &str) -> impl Iterator<Item = String> + use<> {
    let hash = Sha256::digest(user_id);
    let hash = hash.iter().take(4);
    let hash = hash.fold(0u32, |hash, byte| (hash << 8) | u32::from(*byte));
    let colo = colo.to_owned();
    (0..LEVELS).map(move |level| {
        let many = 1 << level;
        let shard = many - 1 + hash % many;
        format!("{colo}-{shard}")
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_full_pacemaker_sends_its_users_on_to_twice_as_many() {
        let names: Vec<String> = candidates("FRA", "ann").collect();
        assert_eq!(names[0], "FRA-0");
        assert_eq!(names.len(), 10);
        for level in 0..10usize {
            let of_level: BTreeSet<String> = (0..20_000)
                .filter_map(|user| candidates("FRA", &format!("user{user}")).nth(level))
                .collect();
            assert_eq!(of_level.len(), 1 << level);
        }
        let all: BTreeSet<String> = (0..20_000)
            .flat_map(|user| candidates("FRA", &format!("user{user}")))
            .collect();
        assert_eq!(all.len(), 1023);
    }

    #[test]
    fn the_users_of_a_level_are_spread_evenly() {
        let mut counts = std::collections::BTreeMap::<String, usize>::new();
        for user in 0..8_000 {
            let name = candidates("FRA", &format!("customer-{user}")).nth(3);
            *counts.entry(name.unwrap()).or_default() += 1;
        }
        assert!(
            counts.values().all(|count| (800..1_200).contains(count)),
            "{counts:?}"
        );
    }
}
