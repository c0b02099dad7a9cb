//! The check that the configuration is still what the deployment was begun with.
//!
//! Invariant: no object is called, and no conversation is looked for, with a configuration that a database does not
//! allow ([`crate::core::record::deployment`]). A database that is bound under two names is found out by this, too.
//!
//! Each database is asked once per isolate, before its first call to an object. What one that does not answer
//! remembers is not known, and the isolate goes on without: a database that is down must not take the connections
//! with it, and a deploy that changes a variable starts many isolates.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use futures::future::{Either, join_all, select};
use futures::pin_mut;
use worker::{Delay, Env, Error, Result};

use super::{config, d1, log};
use crate::core::config::{Config, ConfigError};
use crate::core::record::deployment::{Remembered, remember};
use crate::core::record::shards::Shard;

/// How long the first request of an isolate waits for the databases.
const PATIENCE: Duration = Duration::from_secs(1);

/// Returns the configuration, unless it is not the one of the deployment.
pub async fn checked_config(env: &Env) -> std::result::Result<Rc<Config>, ConfigError> {
    thread_local! {
        static CHECKED: RefCell<Option<std::result::Result<(), ConfigError>>> = RefCell::default();
    }
    let config = config(env)?;
    let checked = match CHECKED.with_borrow(Clone::clone) {
        Some(checked) => checked,
        None => {
            // Other requests may ask in the meantime, and get the same answer.
            let checked = check(env, &config).await;
            CHECKED.replace(Some(checked.clone()));
            checked
        }
    };
    checked.map(|()| config)
}

async fn check(env: &Env, config: &Config) -> std::result::Result<(), ConfigError> {
    let shards = || config.record_shards.all();
    let answers = join_all(shards().map(|shard| remembered(env, config, shard))).await;
    for (shard, answer) in shards().zip(answers) {
        if let Some(remembered) = log::fault("deployment", answer) {
            remembered.allows(config, shard)?;
        }
    }
    Ok(())
}

async fn remembered(env: &Env, config: &Config, shard: Shard) -> Result<Remembered> {
    let statements = remember(config, shard);
    let asked = d1::batch(env, shard, &statements);
    pin_mut!(asked);
    let results = match select(asked, Delay::from(PATIENCE)).await {
        Either::Left((results, _)) => results?,
        Either::Right(_) => return Err(Error::from("the database does not answer")),
    };
    let none = || Error::from("the database remembers nothing");
    d1::rows(&results, 1)?.pop().ok_or_else(none)
}
