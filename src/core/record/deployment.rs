//! What a database remembers of the deployment that it belongs to.
//!
//! The first call writes it, and it stays: another jurisdiction would give every user a new object, and another number
//! or order of shards would look for conversations where they are not.

use serde::Deserialize;

use super::shards::{Shard, Shards};
use super::{Param, Statement};
use crate::core::config::{Config, ConfigError, JURISDICTION, RECORD_SHARDS};

/// Remembers what the configuration says of this shard, unless something is remembered, and reads what is remembered:
/// the second statement returns one [`Remembered`] row. Only the first of all calls writes a row.
pub fn remember(config: &Config, shard: Shard) -> [Statement; 2] {
    [
        Statement {
            sql: "INSERT INTO deployment (id, jurisdiction, shard_index, shard_count)
                  VALUES (1, ?1, ?2, ?3)
                  ON CONFLICT (id) DO NOTHING",
            params: vec![
                Param::from(config.jurisdiction_name()),
                Param::Integer(shard.index() as u64),
                Param::Integer(config.record_shards.count() as u64),
            ],
        },
        Statement {
            sql: "SELECT jurisdiction, shard_index AS shardIndex, shard_count AS shardCount
                  FROM deployment",
            params: Vec::new(),
        },
    ]
}

/// What the database was begun with.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Remembered {
    /// The value of JURISDICTION.
    pub jurisdiction: String,
    /// The place of the database in RECORD_SHARDS, from zero.
    pub shard_index: usize,
    /// The number of databases in RECORD_SHARDS.
    pub shard_count: usize,
}

impl Remembered {
    /// Refuses a configuration with another jurisdiction, or in which the database is another shard.
    pub fn allows(&self, config: &Config, shard: Shard) -> Result<(), ConfigError> {
        self.allows_jurisdiction(config.jurisdiction_name())?;
        self.allows_shard(&config.record_shards, shard)
    }

    fn allows_jurisdiction(&self, jurisdiction: &str) -> Result<(), ConfigError> {
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

    fn allows_shard(&self, shards: &Shards, shard: Shard) -> Result<(), ConfigError> {
        let [place, begun_as] = [shard.index(), self.shard_index].map(|index| index + 1);
        let [count, begun_with] = [shards.count(), self.shard_count];
        if (place, count) == (begun_as, begun_with) {
            return Ok(());
        }
        Err(ConfigError {
            name: RECORD_SHARDS,
            problem: format!(
                "\"{}\" is number {place} of {count}, but its database was begun as number {begun_as} of \
                 {begun_with}, and nobody finds its conversations in another place: set it back, or make a new \
                 deployment with new databases",
                shards.binding(shard)
            ),
        })
    }
}
