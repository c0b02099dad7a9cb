//! Where the objects are: JURISDICTION, and the check that it is still what the first object was made with.
//!
//! Invariant: no object is called in a jurisdiction that the database does not allow. An id that is made in
//! another jurisdiction is another object, so a changed variable would make a second object for every user, and
//! split their connections and messages between the two.
//!
//! The database is asked once per isolate, before its first call to an object. If it does not answer, the
//! isolate goes on without: a database that is down must not take the connections with it, and a deploy that
//! changes the variable starts many isolates.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use futures::future::{Either, select};
use futures::pin_mut;
use wasm_bindgen::{JsCast, JsValue};
use worker::{Delay, Env, Error, Result};

use super::js::ObjectNamespace;
use super::{config, d1, log};
use crate::core::config::{Config, ConfigError};
use crate::core::record::deployment::{Remembered, remember_jurisdiction};

/// How long the first request of an isolate waits for the database.
const PATIENCE: Duration = Duration::from_secs(1);

/// Returns the configuration, unless its jurisdiction is not the one of the objects.
pub async fn checked_config(env: &Env) -> std::result::Result<Rc<Config>, ConfigError> {
    thread_local! {
        static CHECKED: RefCell<Option<std::result::Result<(), ConfigError>>> = RefCell::default();
    }
    let config = config(env)?;
    let checked = match CHECKED.with_borrow(Clone::clone) {
        Some(checked) => checked,
        None => {
            // Other requests may ask in the meantime, and get the same answer.
            let checked = check(env, config.jurisdiction_name()).await;
            CHECKED.replace(Some(checked.clone()));
            checked
        }
    };
    checked.map(|()| config)
}

async fn check(env: &Env, jurisdiction: &str) -> std::result::Result<(), ConfigError> {
    match log::fault("jurisdiction", remembered(env, jurisdiction).await) {
        Some(remembered) => remembered.allows(jurisdiction),
        None => Ok(()),
    }
}

async fn remembered(env: &Env, jurisdiction: &str) -> Result<Remembered> {
    let statements = remember_jurisdiction(jurisdiction);
    let asked = d1::batch(env, &statements);
    pin_mut!(asked);
    let results = match select(asked, Delay::from(PATIENCE)).await {
        Either::Left((results, _)) => results?,
        Either::Right(_) => return Err(Error::from("the database does not answer")),
    };
    let none = || Error::from("the database remembers nothing");
    d1::rows(&results, 1)?.pop().ok_or_else(none)
}

/// The objects of a binding.
pub struct Objects {
    pub namespace: ObjectNamespace,
    /// Whether they are in a jurisdiction.
    pub is_restricted: bool,
}

/// Returns the objects of a binding, in the configured jurisdiction.
pub async fn objects(env: &Env, binding: &str) -> Result<Objects> {
    let config = checked_config(env).await;
    let config = config.map_err(|error| Error::RustError(error.to_string()))?;
    let objects: JsValue = env.durable_object(binding)?.into();
    let objects: ObjectNamespace = objects.unchecked_into();
    Ok(Objects {
        namespace: match config.jurisdiction {
            Some(jurisdiction) => objects.jurisdiction(jurisdiction)?,
            None => objects,
        },
        is_restricted: config.jurisdiction.is_some(),
    })
}
