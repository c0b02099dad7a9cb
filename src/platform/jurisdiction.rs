//! Where the objects are: JURISDICTION.
//!
//! Invariant: no object is called in a jurisdiction that the database does not allow ([`super::deployment`]). An id
//! that is made in another jurisdiction is another object, so a changed variable would make a second object for every
//! user, and split their connections and messages between the two.

use wasm_bindgen::{JsCast, JsValue};
use worker::{Env, Error, Result};

use super::config;
use super::deployment::checked_config;
use super::js::ObjectNamespace;

/// Returns whether the objects are in a jurisdiction.
pub fn is_chosen(env: &Env) -> bool {
    config(env).is_ok_and(|config| config.jurisdiction.is_some())
}

/// Returns the objects of a binding, in the configured jurisdiction.
pub async fn objects(env: &Env, binding: &str) -> Result<ObjectNamespace> {
    let config = checked_config(env).await;
    let config = config.map_err(|error| Error::RustError(error.to_string()))?;
    let objects: JsValue = env.durable_object(binding)?.into();
    let objects: ObjectNamespace = objects.unchecked_into();
    match config.jurisdiction {
        Some(jurisdiction) => Ok(objects.jurisdiction(jurisdiction)?),
        None => Ok(objects),
    }
}
