//! The object's storage in tests: SQLite in memory.

use rusqlite::types::Value;
use rusqlite::{Connection, Row, params_from_iter};
use serde::de::DeserializeOwned;

use super::{Database, Result, Store, StoreError};
use crate::core::events::new_message::Target;
use crate::core::ids::{message_id, send_id};
use crate::core::sql::Param;
use crate::core::time::Millis;

/// Returns an empty storage.
pub fn store() -> Store<Connection> {
    Store::new(Connection::open_in_memory().unwrap())
}

/// Returns the targets of a send that was accepted at this time. The ids of the conversations are those of the users.
pub fn send(time: Millis, user_ids: &[&str]) -> Vec<Target> {
    let send_id = send_id(time, [time.to_be_bytes()[7]; 16]);
    let target = |(index, id): (usize, &&str)| Target {
        receiver_id: (*id).into(),
        conversation_id: (*id).into(),
        message_id: message_id(send_id, index),
    };
    user_ids.iter().enumerate().map(target).collect()
}

/// Draws pseudorandom numbers, the same ones for the same seed (xorshift64*).
pub struct Draw(pub u64);

impl Draw {
    /// Returns a number below `limit`.
    pub fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % limit
    }

    /// Returns true once in so many times.
    pub fn once_in(&mut self, limit: usize) -> bool {
        self.below(limit) == 0
    }
}

impl Database for Connection {
    fn query<T: DeserializeOwned>(
        &self,
        sql: &str,
        params: Vec<Param>,
    ) -> Result<impl Iterator<Item = Result<T>>> {
        let mut statement = self.prepare_cached(sql).map_err(failed)?;
        let names: Vec<String> = statement
            .column_names()
            .into_iter()
            .map(str::to_owned)
            .collect();
        let rows: Vec<serde_json::Value> = statement
            .query_map(params_from_iter(params.iter().map(value)), |row| {
                Ok(object(&names, row))
            })
            .map_err(failed)?
            .collect::<rusqlite::Result<_>>()
            .map_err(failed)?;
        Ok(rows
            .into_iter()
            .map(|row| serde_json::from_value(row).map_err(StoreError::from)))
    }

    fn execute(&self, sql: &str) -> Result<()> {
        self.execute_batch(sql).map_err(failed)
    }
}

/// Several stores on one database.
impl<D: Database> Database for &D {
    fn query<T: DeserializeOwned>(
        &self,
        sql: &str,
        params: Vec<Param>,
    ) -> Result<impl Iterator<Item = Result<T>>> {
        (*self).query(sql, params)
    }

    fn execute(&self, sql: &str) -> Result<()> {
        (*self).execute(sql)
    }
}

/// Converts a row to an object, as the platform returns it.
pub fn object(names: &[String], row: &Row) -> serde_json::Value {
    let fields = names.iter().enumerate().map(|(column, name)| {
        let value = match row.get(column).unwrap() {
            Value::Integer(number) => number.into(),
            Value::Text(text) => text.into(),
            _ => serde_json::Value::Null,
        };
        (name.clone(), value)
    });
    serde_json::Value::Object(fields.collect())
}

/// Converts a parameter to a SQLite value.
pub fn value(param: &Param) -> Value {
    match param {
        Param::Text(text) => Value::Text(text.clone()),
        Param::Integer(number) => Value::Integer(i64::try_from(*number).unwrap()),
        Param::Null => Value::Null,
    }
}

fn failed(error: rusqlite::Error) -> StoreError {
    StoreError(error.to_string())
}
