//! Where the objects are: JURISDICTION.
//!
//! Invariant: no object is called in a jurisdiction that the database does not allow ([`super::deployment`]). An id
//! that is made in another jurisdiction is another object, so a changed variable would make a second object for every
//! user, and split their connections and messages between the two.

use wasm_bindgen::{JsCast, JsValue};
use worker::{Env, Error, Result};

use super::deployment::checked_config;
use super::js::ObjectNamespace;

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
