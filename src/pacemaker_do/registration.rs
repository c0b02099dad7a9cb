//! Registers users, and ends their registration.

use worker::Result;

use super::Pacemaker;
use crate::core::pacemaker::roster::Slots;
use crate::messages::{Register, Registered};

impl Pacemaker {
    /// Registers a user, changes when the user is called, or ends the registration.
    pub(super) fn register(&self, register: &Register) -> Result<Registered> {
        let max = self.config()?.pacemaker.max_users;
        let kept_until = self.kept_until()?;
        let is_new = |user_id| self.with_roster(|roster| roster.slots(user_id).is_empty());
        let is_full = !register.slots.is_empty()
            && is_new(&register.user_id)?
            && self.with_roster(|roster| roster.len())? >= max;
        if !is_full {
            self.store.set_name(&register.pacemaker)?;
            self.kept_until.set(Some(kept_until));
            self.set(&register.user_id, &register.slots)?;
        }
        Ok(Registered {
            is_accepted: !is_full,
            kept_until,
        })
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
