//! The rhythm of a pacemaker, which its users know as well.
//!
//! Time is divided into ticks, and a whole number of them makes a turn, which is one pingInterval. A slot is the place
//! of a tick in its turn. Whoever is called in the same slot of each turn is called once every pingInterval. All of this
//! follows from the time and the configuration, so nothing has to be stored or agreed on.

use crate::core::config::Config;
use crate::core::time::Millis;

/// The place of a tick in its turn, from 0.
pub type Slot = u64;

/// The length of a tick, and how many of them are a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rhythm {
    /// In milliseconds.
    pub tick: Millis,
    slots: u64,
}

impl Rhythm {
    /// Returns the configured rhythm.
    pub fn of(config: &Config) -> Self {
        let interval = config.ping_interval.max(1);
        // At least two ticks, so that a call that does not come is missed before clients give up.
        let slots = interval.div_ceil(config.pacemaker.tick.max(1)).max(2);
        Self {
            // Rounded down: a turn that is a few milliseconds too short makes no ping late.
            tick: (interval / slots).max(1),
            slots,
        }
    }

    /// Returns the slot of the tick that begins at `at`, or is in progress then. A call in the slot of the time at
    /// which a ping is due is never late, and less than a tick early.
    pub fn slot(&self, at: Millis) -> Slot {
        at / self.tick % self.slots
    }

    /// Returns the slot in which to look whether a ping of slot `beat` has been answered: the last one before
    /// `timeout` is over. `None` if that is the slot of the ping itself.
    pub fn look_slot(&self, beat: Slot, timeout: Millis) -> Option<Slot> {
        let look = (beat + timeout / self.tick) % self.slots;
        (look != beat).then_some(look)
    }

    /// Returns when the first tick in this slot begins at `from` or later.
    pub fn next(&self, slot: Slot, from: Millis) -> Millis {
        let first = from.div_ceil(self.tick);
        // A slot of a longer turn, from before the configuration changed, is one of this turn, too.
        let ahead = (slot % self.slots + self.slots - first % self.slots) % self.slots;
        (first + ahead) * self.tick
    }

    /// Returns when the last tick in this slot began before `before`.
    pub fn last(&self, slot: Slot, before: Millis) -> Millis {
        let turn = self.tick * self.slots;
        self.next(slot, before).saturating_sub(turn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rhythm(interval: &str, tick: &str) -> Rhythm {
        let config = Config::read(|name| {
            let value = match name {
                "JWT_SECRET" => "0123456789".repeat(4),
                "PING_INTERVAL_MS" => interval.into(),
                "PACEMAKER_TICK_MS" => tick.into(),
                _ => return None,
            };
            Some(value)
        });
        Rhythm::of(&config.unwrap())
    }

    #[test]
    fn a_turn_is_one_ping_interval() {
        let five = rhythm("25000", "5000");
        assert_eq!((five.tick, five.slots), (5_000, 5));
        let shorter = rhythm("24000", "5000");
        assert_eq!((shorter.tick, shorter.slots), (4_800, 5));
        // It may be shorter by less than a millisecond for each slot.
        let uneven = rhythm("25001", "5000");
        assert_eq!((uneven.tick, uneven.slots), (4_166, 6));
        let one = rhythm("2000", "5000");
        assert_eq!((one.tick, one.slots), (1_000, 2));
    }

    #[test]
    fn a_call_is_never_late_and_less_than_a_tick_early() {
        let rhythm = rhythm("25000", "5000");
        for due in (1_000_000..1_060_000).step_by(777) {
            let called_at = rhythm.next(rhythm.slot(due), due - 24_999);
            let called_at = if called_at + 25_000 <= due {
                called_at + 25_000
            } else {
                called_at
            };
            assert!(
                called_at <= due && due - called_at < 5_000,
                "{due}: {called_at}"
            );
        }
    }

    #[test]
    fn slots_come_again_every_turn() {
        let rhythm = rhythm("25000", "5000");
        assert_eq!(rhythm.slot(1_000_000), 0);
        assert_eq!(rhythm.slot(1_009_999), 1);
        assert_eq!(rhythm.slot(1_025_000), 0);
        assert_eq!(rhythm.next(1, 1_000_000), 1_005_000);
        assert_eq!(rhythm.next(1, 1_005_000), 1_005_000);
        assert_eq!(rhythm.next(1, 1_005_001), 1_030_000);
        assert_eq!(rhythm.last(1, 1_005_001), 1_005_000);
        assert_eq!(rhythm.last(1, 1_005_000), 980_000);
        assert_eq!(rhythm.next(6, 1_000_000), 1_005_000);
    }

    #[test]
    fn it_looks_for_the_answer_just_before_the_timeout() {
        let rhythm = rhythm("25000", "5000");
        assert_eq!(rhythm.look_slot(3, 20_000), Some(2));
        assert_eq!(rhythm.look_slot(3, 24_000), Some(2));
        assert_eq!(rhythm.look_slot(3, 4_000), None);
        assert_eq!(rhythm.look_slot(3, 25_000), None);
        assert_eq!(rhythm.look_slot(3, 40_000), Some(1));
    }
}
