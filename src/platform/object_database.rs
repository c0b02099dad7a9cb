//! An object's SQLite database, behind the interface that the core uses.

use serde::de::DeserializeOwned;
use wasm_bindgen::JsValue;
use worker::{Error, SqlCursor, SqlStorage, SqlStorageValue};

use crate::core::sql::Param;
use crate::core::store::{Database, Result, StoreError};

/// The platform's SQL storage.
pub struct ObjectDatabase(pub SqlStorage);

impl Database for ObjectDatabase {
    fn query<T: DeserializeOwned>(
        &self,
        sql: &str,
        params: Vec<Param>,
    ) -> Result<impl Iterator<Item = Result<T>>> {
        let values: Vec<SqlStorageValue> = params.into_iter().map(value).collect::<Result<_>>()?;
        let rows = Rows(self.0.exec(sql, values).map_err(failed)?);
        Ok(rows
            .map(|row| serde_wasm_bindgen::from_value(row?).map_err(|error| failed(error.into()))))
    }

    fn execute(&self, sql: &str) -> Result<()> {
        self.0.exec(sql, None).map(|_| ()).map_err(failed)
    }
}

/// The rows of a query, read one by one. They are values of JavaScript, so that little is compiled anew for
/// each type of row.
struct Rows(SqlCursor);

impl Iterator for Rows {
    type Item = Result<JsValue>;

    #[inline(never)]
    fn next(&mut self) -> Option<Result<JsValue>> {
        Some(Iterator::next(&mut self.0)?.map_err(failed))
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
