//! Calls to other users' objects.

use std::collections::HashMap;

use serde::Serialize;
use worker::Result;

use crate::core::presence::Presence;
use crate::messages::{Message, Notify, PresenceQuery};
use crate::platform::{log, objects};
use crate::user_do::UserObject;

impl UserObject {
    /// Notifies another user's object. If that fails, the user finds out at their next query.
    pub(crate) async fn tell_peer(&self, peer_id: &str, notify: &Notify) {
        if let Err(error) = objects::call(&self.env, peer_id, notify).await {
            log::error("notify", &error);
        }
    }

    /// Returns the presence of users, as `user_id` may see it.
    pub(crate) async fn presences(
        &self,
        user_id: &str,
        user_ids: &[String],
    ) -> Result<HashMap<String, Result<Presence>>> {
        let query = PresenceQuery {
            by: Some(user_id.to_owned()),
        };
        self.ask_each(&query, user_id, user_ids, || self.presence())
            .await
    }

    /// Calls users' objects concurrently; `own` provides this user's answer. The answer of an object that
    /// cannot be reached is an error.
    pub(crate) async fn ask_each<M: Message + Serialize>(
        &self,
        message: &M,
        user_id: &str,
        user_ids: &[String],
        own: impl FnOnce() -> Result<M::Answer>,
    ) -> Result<HashMap<String, Result<M::Answer>>> {
        let others: Vec<String> = user_ids
            .iter()
            .filter(|id| *id != user_id)
            .cloned()
            .collect();
        let concurrency = self.config()?.fanout_concurrency;
        let mut answers = objects::call_all(&self.env, &others, message, concurrency).await?;
        if others.len() < user_ids.len() {
            answers.insert(user_id.to_owned(), own());
        }
        Ok(answers)
    }
}
