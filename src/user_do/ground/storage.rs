//! The object's SQLite database, behind the interface that `core::store` uses.

use serde::de::DeserializeOwned;
use worker::{Error, SqlStorage, SqlStorageValue};

use crate::core::sql::Param;
use crate::core::store::{Database, Result, Store, StoreError};

pub(crate) type Storage = Store<ObjectDatabase>;

/// The platform's SQL storage.
pub(crate) struct ObjectDatabase(pub(crate) SqlStorage);

impl Database for ObjectDatabase {
    fn query<T: DeserializeOwned>(
        &self,
        sql: &str,
        params: Vec<Param>,
    ) -> Result<impl Iterator<Item = Result<T>>> {
        let values: Vec<SqlStorageValue> = params.into_iter().map(value).collect::<Result<_>>()?;
        let rows = self.0.exec(sql, values).map_err(failed)?.next::<T>();
        Ok(rows.map(|row| row.map_err(failed)))
    }

    fn execute(&self, sql: &str) -> Result<()> {
        self.0.exec(sql, None).map(|_| ()).map_err(failed)
    }
}

fn value(param: Param) -> Result<SqlStorageValue> {
    match param {
        Param::Text(text) => Ok(text.into()),
        Param::Integer(number) => {
            let number = i64::try_from(number).map_err(|error| StoreError(error.to_string()))?;
            SqlStorageValue::try_from_i64(number).map_err(failed)
        }
        Param::Null => Ok(SqlStorageValue::Null),
    }
}

fn failed(error: Error) -> StoreError {
    StoreError(error.to_string())
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        Self::RustError(error.to_string())
    }
}
