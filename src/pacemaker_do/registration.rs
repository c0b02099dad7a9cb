//! Registers users, and ends their registration.

use worker::Result;

use super::Pacemaker;
use crate::core::pacemaker::rhythm::Rhythm;
use crate::core::pacemaker::roster::Slots;
use crate::messages::{Register, Registered};
use crate::platform::now;

impl Pacemaker {
    /// Registers a user, changes when the user is called, or ends the registration.
    pub(super) fn register(&self, register: &Register) -> Result<Registered> {
        let user_id = &register.user_id;
        let kept_until = self.kept_until()?;
        let is_known = self.with_roster(|roster| !roster.slots(user_id).is_empty())?;
        let is_end = register.slots.is_empty();
        let is_accepted = is_end || (!self.is_stuck()? && (is_known || self.has_room()?));
        if is_accepted {
            self.store.set_name(&register.pacemaker)?;
            // A new user is not called for the past.
            if self.calling_since.get().is_none() {
                self.kept_until.set(Some(kept_until));
            }
            self.set(user_id, &register.slots)?;
        }
        Ok(Registered {
            is_accepted,
            // Nothing is known of a user who was not registered.
            kept_until: if is_known || !is_end { kept_until } else { 0 },
        })
    }

    fn has_room(&self) -> Result<bool> {
        let max = self.config()?.pacemaker.max_users;
        self.with_roster(|roster| roster.len() < max)
    }

    /// Returns whether the alarm has been at work for so long that it may never end. Then nobody would be called.
    fn is_stuck(&self) -> Result<bool> {
        let patience = 2 * Rhythm::of(&*self.config()?).tick;
        let since = self.calling_since.get();
        Ok(since.is_some_and(|since| now() > since + patience))
    }

    /// Stores the slots of a user, unless they are stored already.
    pub(super) fn set(&self, user_id: &str, slots: &Slots) -> Result<()> {
        if self.with_roster(|roster| roster.slots(user_id) == slots.as_slice())? {
            return Ok(());
        }
        self.store.set(user_id, slots)?;
        self.with_roster(|roster| roster.set(user_id, slots.clone()))
    }
}
