//! What the store knows of its own database without asking again.
//!
//! Invariant: a known value is what a query would return now. The object is the only one that writes to its
//! database, and everything that it writes goes through [`Store::write`](super::Store), which names the table
//! and thereby forgets what is known of it, before the statement runs: a statement that fails leaves nothing
//! outdated, either. An eviction, a crash or a trap of the wasm takes this memory away, and with it
//! everything that is known; an erasure calls [`Known::forget_all`]. A property test compares every answer
//! with that of a store that has just opened the same database.

use std::cell::RefCell;
use std::rc::Rc;

use super::log::LogEnds;
use super::{Result, Table, UserState, Watched};
use crate::core::events::get_unread_total::UnreadTotal;
use crate::core::pacemaker::pace::Registration;
use crate::core::quota::SentToday;
use crate::core::time::Millis;

/// A value that is read at most once, until it is forgotten.
pub(super) struct Memo<T>(RefCell<Option<T>>);

impl<T> Default for Memo<T> {
    fn default() -> Self {
        Self(RefCell::new(None))
    }
}

impl<T: Clone> Memo<T> {
    /// Returns the value, by `read` if it is not known.
    pub fn get_or(&self, read: impl FnOnce() -> Result<T>) -> Result<T> {
        if let Some(known) = self.known() {
            return Ok(known);
        }
        let value = read()?;
        self.set(value.clone());
        Ok(value)
    }

    /// Returns the value if it is known.
    pub fn known(&self) -> Option<T> {
        self.0.borrow().clone()
    }

    pub fn set(&self, value: T) {
        self.0.replace(Some(value));
    }

    fn forget(&self) {
        self.0.replace(None);
    }
}

/// The known values.
#[derive(Default)]
pub(super) struct Known {
    /// The names of all tables and indexes, separated by commas.
    pub schema: Memo<Rc<str>>,
    pub user_state: Memo<UserState>,
    pub log_ends: Memo<Option<LogEnds>>,
    pub newest_message: Memo<Option<String>>,
    pub unread_total: Memo<UnreadTotal>,
    pub first_receipt: Memo<Option<u64>>,
    pub has_blocks: Memo<bool>,
    pub watched: Memo<Option<Watched>>,
    pub watcher_count: Memo<usize>,
    pub sent_today: Memo<SentToday>,
    pub revoked_at: Memo<Option<Millis>>,
    pub erased_at: Memo<Option<Millis>>,
    pub registration: Memo<Option<Registration>>,
    pub next_notices: Memo<[Option<Millis>; 2]>,
    pub subscribed_since: Memo<Option<Millis>>,
}

impl Known {
    /// Forgets what a change of this table may change.
    pub fn forget(&self, table: Table) {
        match table {
            Table::UserState => self.user_state.forget(),
            Table::Log => self.log_ends.forget(),
            Table::Conversations => {
                self.newest_message.forget();
                self.unread_total.forget();
            }
            Table::Sent => self.newest_message.forget(),
            Table::Receipts => self.first_receipt.forget(),
            Table::Blocks => self.has_blocks.forget(),
            Table::Watched => {
                self.watched.forget();
                self.watcher_count.forget();
            }
            Table::SentToday => self.sent_today.forget(),
            Table::Revocation => self.revoked_at.forget(),
            Table::Erasure => self.erased_at.forget(),
            Table::Registration => self.registration.forget(),
            Table::Notices => self.next_notices.forget(),
            Table::PushSubscriptions => self.subscribed_since.forget(),
            Table::NewSenders
            | Table::Watches
            | Table::Buckets
            | Table::Outbox
            | Table::Campaigns => {}
        }
    }

    /// Forgets which tables there are: one is about to be made.
    pub fn forget_schema(&self) {
        self.schema.forget();
    }

    pub fn forget_all(&self) {
        self.schema.forget();
        self.user_state.forget();
        self.log_ends.forget();
        self.newest_message.forget();
        self.unread_total.forget();
        self.first_receipt.forget();
        self.has_blocks.forget();
        self.watched.forget();
        self.watcher_count.forget();
        self.sent_today.forget();
        self.revoked_at.forget();
        self.erased_at.forget();
        self.registration.forget();
        self.next_notices.forget();
        self.subscribed_since.forget();
    }
}
