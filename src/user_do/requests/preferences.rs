//! `set_preferences`, `get_preferences`

use super::{Caller, CarryOut, Failure, Reply, UserObject};
use crate::core::cost::Cost;
use crate::core::error::EventError;
use crate::core::events::preferences::{Change, reply, unknown_time_zone};
use crate::core::preferences::{Audience, Preferences};
use crate::core::record::users::{put_preferences, written_in};
use crate::platform::d1::{self, Batch};
use crate::platform::js::is_time_zone;
use crate::platform::{log, now};
use crate::wire::socket_io::{MAIN, event_text};

/// How many conversations are looked up when the user lets contacts see their presence. Of older ones it is not known
/// whether the user has written in them, until they do.
const LOOKED_UP: u64 = 1_000;

impl CarryOut for Change {
    /// Writes to the record first and then here, so what is confirmed holds in both. If a shard fails, nothing is changed
    /// here, and repeating the request completes it.
    async fn carry_out(self, object: &UserObject, caller: &Caller) -> Result<Reply, Failure> {
        if self.is_empty() {
            return Ok(reply(&object.store.user_state()?.preferences));
        }
        if !self.time_zone().is_none_or(is_time_zone) {
            return Err(unknown_time_zone().into());
        }
        object.store.know_user(&caller.user_id)?;
        // Meanwhile another device may have changed them.
        let _turn = object.changes.turn().await;
        object.unless_erased()?;
        let before = object.store.user_state()?.preferences;
        let is_about_others = self.is_about_others();
        let after = self.apply(&before);
        if is_about_others {
            object.record_preferences(caller, &after).await?;
        }
        // Meanwhile the user may have connected, sent and received, but not changed their preferences.
        object.unless_erased()?;
        let reply = reply(&after);
        if after != *before {
            object.store.set_preferences(&after, now())?;
            log::fault("notices", object.look_for_notices());
            object.needs_schedule();
            let text = event_text(MAIN, reply.event.unwrap_or_default(), &[&reply.payload]);
            object.send_to_all(&text, caller.sid.as_deref());
        }
        Ok(reply)
    }
}

impl UserObject {
    /// Writes the preferences that others' requests depend on to the user's row in every shard.
    async fn record_preferences(
        &self,
        caller: &Caller,
        preferences: &Preferences,
    ) -> Result<(), Failure> {
        // The backend has looked for the row.
        if caller.sid.is_some() && !self.record_belatedly().await? {
            return Err(EventError::try_again().into());
        }
        self.pay(Cost::of(0, self.config()?.record_shards.count()))?;
        let statement = put_preferences(&caller.user_id, preferences);
        d1::everywhere(&self.env, &[statement]).await?;
        if preferences.presence == Audience::Contacts {
            self.learn_contacts(&caller.user_id).await?;
        }
        Ok(())
    }

    /// Looks up in which conversations the user has written, where that is not known.
    async fn learn_contacts(&self, user_id: &str) -> Result<(), Failure> {
        let unknown = self.store.contacts_unknown(LOOKED_UP)?;
        let shards = &self.config()?.record_shards;
        let batches: Vec<Batch> = shards
            .split(unknown, String::as_str)
            .into_iter()
            .map(|(shard, ids)| (shard, vec![written_in(user_id, &ids)]))
            .collect();
        self.pay(Cost::of(0, batches.len()))?;
        // Meanwhile the user may write in more of them, which their rows will say.
        let found = self.recorded_conversations(&batches).await?;
        let found: Vec<String> = found
            .iter()
            .map(|row| row.conversation_id.to_string())
            .collect();
        Ok(self.store.contacts_found(&found)?)
    }
}
