//! What the database remembers of the deployment itself.

use serde::Deserialize;

use super::{Param, Statement};
use crate::core::config::{ConfigError, JURISDICTION};

/// Remembers the jurisdiction, unless one is remembered, and reads what is remembered: the second statement
/// returns one [`Remembered`] row. Only the first of all calls writes a row.
pub fn remember_jurisdiction(jurisdiction: &str) -> [Statement; 2] {
    [
        Statement {
            sql: "INSERT INTO deployment (id, jurisdiction) VALUES (1, ?1)
                  ON CONFLICT (id) DO NOTHING",
            params: vec![Param::from(jurisdiction)],
        },
        Statement {
            sql: "SELECT jurisdiction FROM deployment",
            params: Vec::new(),
        },
    ]
}

/// Where the objects were made.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Remembered {
    /// The value of JURISDICTION at that time.
    pub jurisdiction: String,
}

impl Remembered {
    /// Refuses any other jurisdiction: it would give every user a new object, without what the old one has.
    pub fn allows(&self, jurisdiction: &str) -> Result<(), ConfigError> {
        if self.jurisdiction == jurisdiction {
            return Ok(());
        }
        Err(ConfigError {
            name: JURISDICTION,
            problem: format!(
                "it is \"{jurisdiction}\", but the objects were made with \"{}\", and nobody finds them with \
                 another value: set it back, or make a new deployment with a new database",
                self.jurisdiction
            ),
        })
    }
}
