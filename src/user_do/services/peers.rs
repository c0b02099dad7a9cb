//! Calls to other users' objects.

use std::collections::HashMap;

use serde::Serialize;
use worker::Result;

use crate::core::cost::Cost;
use crate::core::presence::Presence;
use crate::messages::{Message, Notify, PresenceQuery};
use crate::platform::{directory, log, objects};
use crate::user_do::UserObject;
use crate::user_do::ground::fault::Failure;

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
    ) -> std::result::Result<HashMap<String, Result<Presence>>, Failure> {
        self.pay_to_ask(user_id, user_ids)?;
        let query = PresenceQuery {
            by: Some(user_id.to_owned()),
        };
        let answers = self.ask_each([&query, &query], user_id, user_ids, || self.presence());
        Ok(answers.await?)
    }

    /// Counts what it costs `user_id` to ask about these users, or refuses it.
    pub(crate) fn pay_to_ask(
        &self,
        user_id: &str,
        user_ids: &[String],
    ) -> std::result::Result<(), Failure> {
        let others = || user_ids.iter().filter(|id| *id != user_id);
        let objects = u32::try_from(others().count()).unwrap_or(u32::MAX);
        let queries = others().any(|id| directory::is_new(id)).into();
        self.pay(Cost::new(objects, queries))
    }

    /// Calls users' objects concurrently, with the second message for those that D1 has no user for; `own`
    /// provides this user's answer. The answer of an object that cannot be reached is an error.
    pub(crate) async fn ask_each<M: Message + Serialize>(
        &self,
        [message, to_strangers]: [&M; 2],
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
        let mut answers =
            objects::call_all(&self.env, &others, message, to_strangers, concurrency).await?;
        if others.len() < user_ids.len() {
            answers.insert(user_id.to_owned(), own());
        }
        Ok(answers)
    }
}
