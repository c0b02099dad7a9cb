//! Runs the statements of `core::record` on D1.

use serde::de::DeserializeOwned;
use thiserror::Error as ThisError;
use wasm_bindgen::JsValue;
use worker::{D1Database, D1Result, Env, Error, Result};

use super::meter::Meter;
use crate::core::events::get_messages::MessagePage;
use crate::core::events::new_message::Message;
use crate::core::record::history::{self, MessageRow, Pair};
use crate::core::record::{Param, Statement};

/// D1 did not answer, or the answer was not as expected.
#[derive(Debug, ThisError)]
#[error("{0}")]
pub struct D1Error(#[from] Error);

impl From<D1Error> for Error {
    fn from(D1Error(error): D1Error) -> Self {
        error
    }
}

/// The result of a D1 call.
type Answer<T> = std::result::Result<T, D1Error>;

/// The binding's name in wrangler.toml.
const BINDING: &str = "DB";

/// Runs the statements as one batch: one round trip and one transaction. Either all of them take effect or
/// none.
pub async fn batch(env: &Env, statements: &[Statement]) -> Answer<Vec<D1Result>> {
    metered(env, statements, &Meter::default()).await
}

/// Like [`batch`], and counts the costs in `meter`.
pub async fn metered(env: &Env, statements: &[Statement], meter: &Meter) -> Answer<Vec<D1Result>> {
    let db = env.d1(BINDING)?;
    let prepared = statements
        .iter()
        .map(|statement| prepare(&db, statement))
        .collect::<Result<Vec<_>>>()?;
    // D1 runs outside of the object: other events may be handled before it answers, and the object may be
    // gone by then.
    let results = db.batch(prepared).await;
    let written = |result: &D1Result| result.meta().ok().flatten()?.rows_written;
    meter.d1(results.iter().flatten().filter_map(written).sum());
    Ok(results?)
}

/// Runs one statement and returns its rows.
pub async fn query<T: DeserializeOwned>(env: &Env, statement: Statement) -> Answer<Vec<T>> {
    Ok(rows(&batch(env, &[statement]).await?, 0)?)
}

/// Reads a page of messages, with one extra message if there are more. Also returns the participants, if
/// the conversation exists.
pub async fn messages(env: &Env, page: &MessagePage) -> Answer<(Option<Pair>, Vec<Message>)> {
    let results = batch(env, &history::messages(page)).await?;
    let pair = rows::<Pair>(&results, 0)?.pop();
    let messages: Vec<MessageRow> = rows(&results, 1)?;
    Ok((
        pair,
        messages.into_iter().map(MessageRow::message).collect(),
    ))
}

/// Checks that D1 answers.
pub async fn ping(env: &Env) -> Answer<()> {
    let statement = Statement {
        sql: "SELECT 1",
        params: Vec::new(),
    };
    batch(env, &[statement]).await.map(|_| ())
}

fn prepare(db: &D1Database, statement: &Statement) -> Result<worker::D1PreparedStatement> {
    let values: Vec<JsValue> = statement.params.iter().map(value).collect();
    db.prepare(statement.sql).bind(&values)
}

fn value(param: &Param) -> JsValue {
    match param {
        Param::Text(text) => JsValue::from_str(text),
        Param::Integer(number) => JsValue::from_f64(*number as f64),
        Param::Null => JsValue::NULL,
    }
}

/// Returns the rows of the batch's statement at `index`.
pub fn rows<T: DeserializeOwned>(results: &[D1Result], index: usize) -> Result<Vec<T>> {
    results
        .get(index)
        .ok_or_else(|| Error::RustError("D1 returned fewer results than statements".into()))?
        .results()
}
