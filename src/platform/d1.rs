//! Runs the statements of `core::record` on D1: each in one shard of the record, or in all of them.

use std::rc::Rc;
use std::time::Duration;

use futures::StreamExt;
use futures::future::{ready, select};
use futures::stream::FuturesUnordered;
use serde::de::DeserializeOwned;
use thiserror::Error as ThisError;
use wasm_bindgen::JsValue;
use worker::{D1Database, D1Result, Delay, Env, Error, Result};

use super::meter::Meter;
use super::{config, log, now};
use crate::core::config::{Config, ConfigError, RECORD_SHARDS};
use crate::core::events::get_messages::MessagePage;
use crate::core::events::new_message::Message;
use crate::core::record::history::{self, MessageRow, Pair};
use crate::core::record::shards::{Shard, Shards};
use crate::core::record::users::{User, copy_user, find_user};
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
pub type Answer<T> = std::result::Result<T, D1Error>;

/// What to run in one shard.
pub type Batch = (Shard, Vec<Statement>);

/// Refuses names in RECORD_SHARDS that are not bound to a database.
pub fn check_bindings(env: &Env, shards: &Shards) -> std::result::Result<(), ConfigError> {
    let mut names = shards.all().map(|shard| shards.binding(shard));
    match names.find(|name| env.d1(name).is_err()) {
        None => Ok(()),
        Some(name) => Err(ConfigError {
            name: RECORD_SHARDS,
            problem: format!("wrangler.toml binds no D1 database as \"{name}\""),
        }),
    }
}

/// Runs the statements as one batch: one round trip and one transaction. Either all of them take effect or
/// none.
pub async fn batch(env: &Env, shard: Shard, statements: &[Statement]) -> Answer<Vec<D1Result>> {
    metered(env, shard, statements, &Meter::default()).await
}

/// Like [`batch`], and counts the costs in `meter`.
pub async fn metered(
    env: &Env,
    shard: Shard,
    statements: &[Statement],
    meter: &Meter,
) -> Answer<Vec<D1Result>> {
    let config = configured(env)?;
    let db = env.d1(config.record_shards.binding(shard))?;
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

/// Runs batches of several shards at once, each a transaction of its own, and counts the costs in `meter`. The
/// answers are in the order of the batches.
pub async fn batches(env: &Env, batches: &[Batch], meter: &Meter) -> Vec<Answer<Vec<D1Result>>> {
    run(env, batches, None, meter).await
}

/// Like [`batches`], but once a shard has confirmed its batch, the others have no more than `patience` left. One that
/// takes longer counts as one that did not answer, although it may run its batch yet.
pub async fn batches_within(
    env: &Env,
    batches: &[Batch],
    patience: Duration,
    meter: &Meter,
) -> Vec<Answer<Vec<D1Result>>> {
    run(env, batches, Some(patience), meter).await
}

async fn run(
    env: &Env,
    batches: &[Batch],
    patience: Option<Duration>,
    meter: &Meter,
) -> Vec<Answer<Vec<D1Result>>> {
    let late = |_| Err(D1Error(Error::from("the database takes too long")));
    let mut answers: Vec<Answer<Vec<D1Result>>> = batches.iter().map(late).collect();
    let slots = batches.iter().zip(answers.iter_mut());
    let mut running: FuturesUnordered<_> = slots
        .map(|((shard, statements), answer)| async move {
            *answer = metered(env, *shard, statements, meter).await;
            answer.is_ok()
        })
        .collect();
    while running.next().await == Some(false) {}
    let is_complete = running.is_empty();
    let rest = running.for_each(|_| ready(()));
    match patience {
        // The timer runs no longer than that, and only where there are several shards.
        Some(patience) if !is_complete => drop(select(rest, Delay::from(patience)).await),
        _ => rest.await,
    }
    answers
}

/// Runs the statements in all shards at once. If one of them fails, the others have run nevertheless.
pub async fn everywhere(env: &Env, statements: &[Statement]) -> Answer<()> {
    let shards = configured(env)?.record_shards.all();
    run_all(env, same(shards, statements)).await
}

/// Runs a statement that writes the user's row in the first shard, and gives copies of the row to all others. If one of
/// them fails, a repeat completes it. Returns the row.
pub async fn write_user(env: &Env, user_id: &str, write: Statement) -> Answer<Option<User>> {
    let results = batch(env, Shard::FIRST, &[write, find_user(user_id)]).await?;
    let user: Option<User> = rows(&results, 1)?.pop();
    if let Some(user) = &user {
        let others = configured(env)?.record_shards.all().skip(1);
        run_all(env, same(others, &[copy_user(user, now())])).await?;
    }
    Ok(user)
}

fn same(shards: impl Iterator<Item = Shard>, statements: &[Statement]) -> Vec<Batch> {
    shards.map(|shard| (shard, statements.to_vec())).collect()
}

/// Runs batches of several shards at once. If one of them fails, the others have run nevertheless.
pub async fn run_all(env: &Env, all: Vec<Batch>) -> Answer<()> {
    let answers = batches(env, &all, &Meter::default()).await;
    answers.into_iter().try_for_each(|answer| answer.map(drop))
}

/// Runs one statement and returns its rows.
pub async fn query<T: DeserializeOwned>(
    env: &Env,
    shard: Shard,
    statement: Statement,
) -> Answer<Vec<T>> {
    Ok(rows(&batch(env, shard, &[statement]).await?, 0)?)
}

/// Reads a page of messages, with one extra message if there are more. Also returns the participants, if
/// the conversation exists.
pub async fn messages(env: &Env, page: &MessagePage) -> Answer<(Option<Pair>, Vec<Message>)> {
    let shard = configured(env)?.record_shards.of(&page.conversation_id);
    let results = batch(env, shard, &history::messages(page)).await?;
    let pair = rows::<Pair>(&results, 0)?.pop();
    let messages: Vec<MessageRow> = rows(&results, 1)?;
    Ok((
        pair,
        messages.into_iter().map(MessageRow::message).collect(),
    ))
}

/// Asks all shards at once, and returns the names of those that do not answer, or lack their tables.
pub async fn failing(env: &Env, shards: &Shards) -> Vec<String> {
    let ping = Statement {
        sql: "SELECT 1 FROM users LIMIT 1",
        params: Vec::new(),
    };
    let pings: Vec<Batch> = shards
        .all()
        .map(|shard| (shard, vec![ping.clone()]))
        .collect();
    let answers = batches(env, &pings, &Meter::default()).await;
    let failing = shards.all().zip(answers).filter_map(|(shard, answer)| {
        let name = shards.binding(shard);
        let is_failing = log::fault("d1", answer).is_none();
        is_failing.then(|| name.to_owned())
    });
    failing.collect()
}

fn configured(env: &Env) -> Result<Rc<Config>> {
    config(env).map_err(|error| Error::RustError(error.to_string()))
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
