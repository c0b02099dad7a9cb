//! An object's alarm, as storage has it.

use std::time::Duration;

use worker::{Result, Storage};

use super::now;
use crate::core::alarm;
use crate::core::time::Millis;

/// Returns for when the alarm is set, if it is.
pub async fn set_for(storage: &Storage) -> Result<Option<Millis>> {
    let at = storage.get_alarm().await?;
    Ok(at.and_then(|at| Millis::try_from(at).ok()))
}

/// Sets the alarm.
pub async fn set(storage: &Storage, at: Millis) -> Result<()> {
    let pause = Duration::from_millis(at.saturating_sub(now()));
    storage.set_alarm(pause).await
}

/// Sets the alarm for `wanted`, unless it is set early enough ([`alarm::to_set`]). Only storage is awaited, so the object
/// handles no other event in the meantime.
pub async fn ensure(storage: &Storage, wanted: Millis) -> Result<()> {
    match alarm::to_set(wanted, set_for(storage).await?, now()) {
        Some(at) => set(storage, at).await,
        None => Ok(()),
    }
}
