//! What a registered User object may leave to its pacemaker.

use super::rhythm::{Rhythm, Slot};
use super::roster::Slots;
use crate::core::config::Config;
use crate::core::time::Millis;

/// The registration of a user, as the User object stores it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// The pacemaker's name.
    pub pacemaker: String,
    /// The slot in which it calls for a beat.
    pub beat: Slot,
    /// Whether it also calls to look for the answer, as it was last told.
    pub has_look: bool,
}

impl Registration {
    /// Returns the slots in which the pacemaker is to call.
    pub fn slots(&self, rhythm: Rhythm, config: &Config) -> Slots {
        let look = rhythm.look_slot(self.beat, config.ping_timeout);
        [self.beat]
            .into_iter()
            .chain(look.filter(|_| self.has_look))
            .collect()
    }
}

/// What a User object counts on while it is registered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    rhythm: Rhythm,
    beat: Slot,
    /// The slot in which the pacemaker looks for the answer, if it does.
    look: Option<Slot>,
    safety: Millis,
}

impl Pace {
    /// Returns what may be counted on with this registration.
    pub fn new(registration: &Registration, config: &Config) -> Self {
        let rhythm = Rhythm::of(config);
        let look = rhythm.look_slot(registration.beat, config.ping_timeout);
        Self {
            rhythm,
            beat: registration.beat,
            look: look.filter(|_| registration.has_look),
            safety: config.pacemaker.safety,
        }
    }

    /// Returns by when a call for a ping that is due at `due` must have come. If it has not, nobody calls.
    pub fn missed_at(&self, due: Millis) -> Millis {
        due + self.rhythm.tick
    }

    /// Returns when the object's own alarm is to fire for a ping that is due at `due`: long after that if the next call
    /// comes by then, which it does in every turn but the first.
    pub fn alarm_at(&self, due: Millis, now: Millis) -> Millis {
        if self.rhythm.next(self.beat, now) <= due {
            self.far_out(due)
        } else {
            due
        }
    }

    /// Returns when the alarm is to fire for something at `due` for which the pacemaker calls.
    pub fn far_out(&self, due: Millis) -> Millis {
        due + self.safety
    }

    /// Returns whether the pacemaker will still call to look for the answer to a ping that times out at `dead_at`. It
    /// will not, if its call may be the one that has just come.
    pub fn will_look(&self, dead_at: Millis, now: Millis) -> bool {
        let last_look = self.look.map(|look| self.rhythm.last(look, dead_at + 1));
        last_look.is_some_and(|at| at > now + self.rhythm.tick / 2)
    }

    /// Returns until when the connections are known to have lived, if everybody was called who was due before
    /// `kept_until`.
    pub fn alive_at(&self, kept_until: Millis) -> Millis {
        self.rhythm.last(self.beat, kept_until)
    }
}
