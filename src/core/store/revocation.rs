//! When the user's tokens were last revoked.

use serde::Deserialize;

use super::{Database, Result, Store, Table};
use crate::core::sql::Param;
use crate::core::time::Millis;

#[derive(Deserialize)]
struct Row {
    revoked_at: Millis,
}

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
            let rows: Vec<Row> = self.read(
                &self.revocation,
                "SELECT revoked_at FROM revocation",
                vec![],
            )?;
            Ok(rows.first().map(|row| row.revoked_at))
        })
    }
}
