//! When an object sets its only alarm.
//!
//! Setting an alarm costs a write, so one that is set early enough is left alone. The platform does not keep
//! every promise about alarms, and these rules allow for it:
//!
//! - an alarm that is set for now, or for the past, while another one runs may fire much later or never (workerd
//!   issue 6866), so none is set less than [`SHORTEST_PAUSE`] ahead. For the same reason one that is due already is
//!   not replaced by one for an earlier time: it is about to fire, and replacing it would cancel it;
//! - an alarm may be lost. So one that is overdue by more than [`LONGEST_DELAY`] counts as not set.

use super::time::Millis;

/// How far ahead an alarm is set, at least.
pub const SHORTEST_PAUSE: Millis = 5;

/// How late an alarm may be before it counts as lost.
pub const LONGEST_DELAY: Millis = 5_000;

/// The shortest and the longest pause after an alarm whose work has failed again and again.
const PAUSE_AFTER_FAILURES: [Millis; 2] = [1_000, 30_000];

/// How many times in a row a failing alarm is left to the platform, which tries it again after 2 s, 4 s and so on.
pub const LEFT_TO_THE_PLATFORM: u8 = 2;

/// Returns for when the alarm has to be set, in Unix milliseconds, so that it fires at `wanted`; `None` if the one
/// that is set for `set_for` will do.
pub fn to_set(wanted: Millis, set_for: Option<Millis>, now: Millis) -> Option<Millis> {
    let at = wanted.max(now + SHORTEST_PAUSE);
    match set_for {
        Some(set_for) if set_for <= at && !is_lost(set_for, now) => None,
        _ => Some(at),
    }
}

/// Returns when to try again after an alarm whose work has failed again and again: when the next connection needs
/// attention, but neither at once nor much later.
pub fn after_failures(next_beat: Option<Millis>, now: Millis) -> Millis {
    let [shortest, longest] = PAUSE_AFTER_FAILURES.map(|pause| now + pause);
    next_beat.unwrap_or(longest).clamp(shortest, longest)
}

/// Returns whether an alarm that was set for `set_for`, and has not fired, counts as lost.
pub fn is_lost(set_for: Millis, now: Millis) -> bool {
    now > set_for.saturating_add(LONGEST_DELAY)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Millis = 1_000_000;

    #[test]
    fn none_is_set_for_now_or_the_past() {
        for wanted in [0, NOW - 1, NOW, NOW + 1, NOW + 4] {
            assert_eq!(to_set(wanted, None, NOW), Some(NOW + 5), "{wanted}");
        }
        assert_eq!(to_set(NOW + 6, None, NOW), Some(NOW + 6));
    }

    #[test]
    fn one_that_is_early_enough_is_left_alone() {
        assert_eq!(to_set(NOW + 100, Some(NOW + 100), NOW), None);
        assert_eq!(to_set(NOW + 100, Some(NOW + 7), NOW), None);
        assert_eq!(to_set(NOW + 100, Some(NOW + 101), NOW), Some(NOW + 100));
    }

    #[test]
    fn one_that_is_due_is_not_cancelled_by_an_earlier_one() {
        assert_eq!(to_set(0, Some(NOW), NOW), None);
        assert_eq!(to_set(NOW - 9_000, Some(NOW - 5_000), NOW), None);
    }

    #[test]
    fn work_that_always_fails_is_tried_at_each_heartbeat_and_never_without_a_pause() {
        assert_eq!(after_failures(Some(NOW + 9_000), NOW), NOW + 9_000);
        assert_eq!(after_failures(Some(NOW), NOW), NOW + 1_000);
        assert_eq!(after_failures(Some(NOW + 90_000), NOW), NOW + 30_000);
        assert_eq!(after_failures(None, NOW), NOW + 30_000);
    }

    #[test]
    fn one_that_is_overdue_counts_as_not_set() {
        assert!(!is_lost(NOW - 5_000, NOW));
        assert!(is_lost(NOW - 5_001, NOW));
        assert_eq!(to_set(NOW + 100, Some(NOW - 5_001), NOW), Some(NOW + 100));
        assert_eq!(to_set(0, Some(0), NOW), Some(NOW + 5));
    }
}
