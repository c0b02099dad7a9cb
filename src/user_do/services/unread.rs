//! Tells the user's devices how much is unread. It is not in the log: whoever connects asks.

use worker::Result;

use crate::core::error::to_json;
use crate::core::events::get_unread_total::UNREAD_TOTAL;
use crate::core::time::Millis;
use crate::platform::{log, now};
use crate::user_do::UserObject;
use crate::user_do::ground::socket::Socket;
use crate::wire::socket_io::{MAIN, event_text};

impl UserObject {
    /// Notes how far the user has read, by conversation, and tells the devices if less is unread than before.
    pub(crate) fn note_read(&self, read_up_to: &[(&str, &str)]) -> Result<()> {
        if self.store.mark_read(read_up_to)? {
            self.show_unread(&self.live_sockets());
        }
        Ok(())
    }

    /// Called after what changes how much is unread. Tells the devices at once or, if they have been told just now,
    /// leaves it to the alarm. Without a device, nothing is counted.
    pub(crate) fn show_unread(&self, live_sockets: &[Socket]) {
        if live_sockets.is_empty() {
            // Whoever connects from now on has been told nothing.
            self.unread_telling.take();
            return;
        }
        log::fault("unread", self.try_show_unread());
    }

    fn try_show_unread(&self) -> Result<()> {
        let mut telling = self.unread_telling.get();
        telling.note(self.store.unread_total()?);
        self.unread_telling.set(telling);
        self.tell_unread()?;
        if self.unread_due()?.is_some() {
            self.needs_schedule();
        }
        Ok(())
    }

    /// Tells the devices if it is due; called by the alarm, too.
    pub(crate) fn tell_unread(&self) -> Result<()> {
        let now = now();
        if self.unread_due()?.is_none_or(|due_at| due_at > now) {
            return Ok(());
        }
        let total = self.store.unread_total()?;
        self.send_to_all(&event_text(MAIN, UNREAD_TOTAL, &[&to_json(&total)]), None);
        let mut telling = self.unread_telling.get();
        telling.tell(total, now);
        self.unread_telling.set(telling);
        Ok(())
    }

    /// Returns when the devices are to be told how much is unread.
    pub(crate) fn unread_due(&self) -> Result<Option<Millis>> {
        let pause = self.config()?.unread_pause;
        Ok(self.unread_telling.get().due_at(pause))
    }
}
