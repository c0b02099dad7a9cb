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
    /// Whether it also calls to look for the answer, as far as it was told.
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
    has_look: bool,
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
            has_look: registration.has_look && look.is_some(),
            safety: config.pacemaker.safety,
        }
    }

    /// Returns when a ping that is due at `due` must have been sent, at the latest. If it was not, nobody has called.
    pub fn missed_at(&self, due: Millis) -> Millis {
        due + self.rhythm.tick
    }

    /// Returns when the object's own alarm is to fire for a ping that is due at `due`, and for which it should be
    /// called: long after that, unless it is known already that nobody has called.
    pub fn safety_at(&self, due: Millis, now: Millis) -> Millis {
        if now < self.missed_at(due) {
            due + self.safety
        } else {
            now
        }
    }

    /// Returns whether the pacemaker will still call to look for the answer to a ping that was sent at `pinged_at` and
    /// times out at `dead_at`.
    pub fn will_look(&self, pinged_at: Millis, dead_at: Millis, now: Millis) -> bool {
        self.has_look
            && self.rhythm.slot(pinged_at) == self.beat
            && now + self.rhythm.tick < dead_at
    }

    /// Returns until when the connections are known to have lived, if everybody was called who was due before
    /// `kept_until`.
    pub fn alive_at(&self, kept_until: Millis) -> Millis {
        self.rhythm.last(self.beat, kept_until)
    }
}
