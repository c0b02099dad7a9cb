//! The users' routes: their rows, their connections and their erasure.

use super::{ApiAnswer, ApiRequest, ours};
use crate::core::api::body::{profile, wants_revocation};
use crate::core::api::problem::Problem;
use crate::core::error::to_json;
use crate::core::events::preferences;
use crate::core::record::shards::Shard;
use crate::core::record::users::{User, find_user, put_user};
use crate::messages::{Disconnect, Erase, Revoke};
use crate::platform::{d1, directory, now, objects};

impl ApiRequest {
    /// Returns the user's row, or a 404 problem.
    pub(super) async fn known(&self, user_id: &str) -> Result<User, Problem> {
        let users: Vec<User> = d1::query(&self.env, Shard::FIRST, find_user(user_id))
            .await
            .map_err(ours("user"))?;
        users
            .into_iter()
            .next()
            .ok_or_else(|| Problem::new(404, "not_found", "User not found"))
    }

    /// `PUT /v1/users/{id}`
    pub(super) async fn put_user(&self, user_id: &str) -> ApiAnswer {
        let profile = profile(&self.body)?;
        let statement = put_user(user_id, &profile, now());
        let user = d1::write_user(&self.env, user_id, statement)
            .await
            .map_err(ours("user"))?;
        let user = user.ok_or_else(Problem::unavailable)?;
        Ok((200, to_json(&user)))
    }

    /// `PUT /v1/users/{id}/preferences`
    pub(super) async fn put_preferences(&self, user_id: String) -> ApiAnswer {
        self.for_user(user_id, preferences::SET, self.body.clone())
            .await
    }

    /// `POST /v1/users/{id}/disconnect`
    pub(super) async fn disconnect(&self, user_id: &str) -> ApiAnswer {
        let disconnected = if wants_revocation(&self.body)? {
            // Whoever has no row yet may have a token already.
            objects::call(&self.env, user_id, &Revoke {}).await
        } else {
            self.known(user_id).await?;
            objects::call(&self.env, user_id, &Disconnect {}).await
        };
        Ok((200, to_json(&disconnected.map_err(ours("disconnect"))?)))
    }

    /// `DELETE /v1/users/{id}`
    pub(super) async fn delete_user(&self, user_id: String) -> ApiAnswer {
        let erase = Erase { user_id };
        objects::call(&self.env, &erase.user_id, &erase)
            .await
            .map_err(ours("erase"))?;
        directory::forget(&erase.user_id);
        Ok((204, String::new()))
    }
}
