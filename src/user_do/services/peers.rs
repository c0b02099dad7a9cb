//! Calls to other users' objects.

use std::collections::HashMap;

use worker::Result;

use crate::core::presence::Presence;
use crate::core::region::Region;
use crate::messages::{Message, Notify, PresenceQuery};
use crate::platform::objects::UserObjects;
use crate::platform::{log, objects};
use crate::user_do::UserObject;

/// How many looked-up users are remembered.
const MAX_PLACED: usize = 10_000;

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
        let objects = UserObjects::without_body(&self.env, &query)?;
        self.ask_each(&objects, user_id, user_ids, || self.presence())
            .await
    }

    /// Calls users' objects concurrently; `own` provides this user's answer. The answer of an object that
    /// cannot be reached is an error.
    pub(crate) async fn ask_each<M: Message>(
        &self,
        objects: &UserObjects<M>,
        user_id: &str,
        user_ids: &[String],
        own: impl FnOnce() -> Result<M::Answer>,
    ) -> Result<HashMap<String, Result<M::Answer>>> {
        let others: Vec<String> = user_ids
            .iter()
            .filter(|id| *id != user_id)
            .cloned()
            .collect();
        let regions = self.regions(&others).await;
        let concurrency = self.config()?.fanout_concurrency;
        let mut answers = objects::call_all(objects, &others, &regions, concurrency).await;
        if others.len() < user_ids.len() {
            answers.insert(user_id.to_owned(), own());
        }
        Ok(answers)
    }

    /// Returns the regions of users, for calls that may create their objects. Looks each user up once: after
    /// the call that follows, their object exists.
    async fn regions(&self, user_ids: &[String]) -> HashMap<String, Region> {
        let new: Vec<&str> = {
            let mut placed = self.placed.borrow_mut();
            if placed.len() > MAX_PLACED {
                placed.clear();
            }
            user_ids
                .iter()
                .filter(|id| placed.insert((*id).clone()))
                .map(String::as_str)
                .collect()
        };
        objects::regions(&self.env, &new).await
    }
}
