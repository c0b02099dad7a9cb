//! When the user's tokens were last revoked, and when the user was last erased.

use super::{Database, Result, Store, Table};
use crate::core::sql::Param;
use crate::core::time::Millis;

impl<D: Database> Store<D> {
    /// Records a revocation. An earlier one never replaces a later one.
    pub fn revoke(&self, revoked_at: Millis) -> Result<()> {
        self.write(
            Table::Revocation,
            "INSERT INTO revocation (id, revoked_at) VALUES (1, ?1)
             ON CONFLICT (id) DO UPDATE SET revoked_at = max(revoked_at, excluded.revoked_at)",
            vec![Param::from(revoked_at)],
        )
    }

    /// Returns when the user's tokens were last revoked, if ever.
    pub fn revoked_at(&self) -> Result<Option<Millis>> {
        self.known.revoked_at.get_or(|| {
            let sql = "SELECT revoked_at AS number FROM revocation";
            self.number(&self.revocation, sql, vec![])
        })
    }

    /// Records that the user is erased.
    pub fn set_erased(&self, erased_at: Millis) -> Result<()> {
        self.write(
            Table::Erasure,
            "REPLACE INTO erasure (id, erased_at) VALUES (1, ?1)",
            vec![Param::from(erased_at)],
        )
    }

    /// Returns when the user was last erased, if ever. What is older has no place here any more.
    pub fn erased_at(&self) -> Result<Option<Millis>> {
        self.known.erased_at.get_or(|| {
            let sql = "SELECT erased_at AS number FROM erasure";
            self.number(&self.revocation, sql, vec![])
        })
    }
}
