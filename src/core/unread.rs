//! When a user's devices are told how much is unread.
//!
//! Invariant: the devices are told no more often than once in a pause, and the last change within a pause is told at its
//! end. They are not told the same twice in a row, unless something else could have been asked for in between. All of this
//! is kept in memory: if that is lost, the next change is told at once.

use super::events::get_unread_total::UnreadTotal;
use super::time::Millis;

/// What the devices were told last, and whether there is more to tell.
#[derive(Debug, Clone, Copy, Default)]
pub struct Telling {
    told: Option<UnreadTotal>,
    told_at: Millis,
    is_due: bool,
}

impl Telling {
    /// Notes what is unread after something that may have changed it.
    pub fn note(&mut self, total: UnreadTotal) {
        // What is due stays due: a device may have asked since then.
        self.is_due |= self.told != Some(total);
    }

    /// Returns when the devices are to be told, if they are.
    pub fn due_at(self, pause: Millis) -> Option<Millis> {
        self.is_due.then(|| self.told_at.saturating_add(pause))
    }

    /// Notes that the devices have been told.
    pub fn tell(&mut self, total: UnreadTotal, now: Millis) {
        *self = Self {
            told: Some(total),
            told_at: now,
            is_due: false,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    const PAUSE: Millis = 1_000;

    fn total(messages: u64) -> UnreadTotal {
        UnreadTotal {
            messages,
            conversations: 1,
        }
    }

    proptest! {
        #[test]
        fn once_in_a_pause_and_the_last_change_at_its_end(
            changes in vec((0..700_u64, 0..3_u64), 1..40),
        ) {
            let mut telling = Telling::default();
            let mut now = 1_000_000;
            let mut told: Vec<(Millis, u64)> = vec![];
            let mut unread = 0;
            let mut tell = |telling: &mut Telling, now, unread| {
                telling.tell(total(unread), now);
                told.push((now, unread));
            };
            for (pause, messages) in changes {
                now += pause;
                // The alarm comes first.
                if let Some(at) = telling.due_at(PAUSE).filter(|at| *at <= now) {
                    tell(&mut telling, at, unread);
                }
                unread = messages;
                telling.note(total(unread));
                if telling.due_at(PAUSE).is_some_and(|at| at <= now) {
                    tell(&mut telling, now, unread);
                }
            }
            if let Some(at) = telling.due_at(PAUSE) {
                prop_assert!(at <= now + PAUSE);
                tell(&mut telling, at, unread);
            }
            prop_assert_eq!(told.last().map(|(_, told)| *told), Some(unread));
            for pair in told.windows(2) {
                prop_assert!(pair[1].0 >= pair[0].0 + PAUSE);
            }
        }
    }

    #[test]
    fn the_same_is_told_once() {
        let mut telling = Telling::default();
        telling.note(total(0));
        assert_eq!(telling.due_at(PAUSE), Some(PAUSE), "nothing was told yet");
        telling.tell(total(0), 5_000);
        telling.note(total(0));
        assert_eq!(telling.due_at(PAUSE), None);
        // A device may have asked in between, and would stay with what it was told.
        telling.note(total(1));
        telling.note(total(0));
        assert_eq!(telling.due_at(PAUSE), Some(6_000));
    }
}
