//! What the marketplace's own backend requests of a user's object, through the Worker.

use std::collections::HashMap;

use serde_json::value::RawValue;
use worker::{Error, Result};

use crate::core::close::CloseReason;
use crate::core::presence::Presence;
use crate::core::record::users::{
    ERASED_AT_ONCE, conversations_of, erase_conversations, erase_user,
};
use crate::core::store::PushOutcome;
use crate::core::watch::erased_version;
use crate::messages::{Act, Acted, Disconnected, Erase, Heard, Notify};
use crate::platform::d1::{self, Batch};
use crate::platform::{directory, log, now, objects};
use crate::user_do::UserObject;
use crate::user_do::ground::caller::Caller;
use crate::wire::socket_io::Args;

/// How many times WATCHERS_PER_ALARM watchers are told by one attempt to erase a user.
const STEPS_OF_AN_ERASURE: usize = 10;

impl UserObject {
    /// Carries out an event as if one of the user's devices had sent it.
    pub(crate) async fn act(&self, act: Act) -> Result<Acted> {
        self.store.know_user(&act.user_id)?;
        let args = Args {
            values: vec![act.payload],
            attachments: Vec::new(),
        };
        let caller = Caller {
            user_id: act.user_id,
            sid: None,
        };
        Ok(match self.carry_out(&caller, &act.event, &args).await {
            Ok(reply) => Acted::Reply(RawValue::from_string(reply.payload)?),
            Err(failure) => Acted::Refused(failure.told(&act.event)),
        })
    }

    /// Closes every connection with a DISCONNECT, after which clients do not reconnect by themselves.
    pub(crate) fn disconnect(&self) -> Disconnected {
        let sockets = self.live_sockets();
        let disconnected = sockets.len();
        for socket in sockets {
            self.close(socket, CloseReason::Disconnected);
        }
        Disconnected { disconnected }
    }

    /// Closes every connection, and from now on refuses the tokens that they came with
    /// (`connect/revoked.rs`). What was subscribed with such a token gets no more pushes.
    pub(crate) fn revoke(&self) -> Result<Disconnected> {
        self.store.revoke(now())?;
        self.store.push_clear()?;
        Ok(self.disconnect())
    }

    /// Erases the user and revokes their tokens. What remains to be erased is read from D1 and from the
    /// object's own list, which are deleted last, so a repeat finishes an interrupted erasure.
    pub(crate) async fn erase(&self, erase: Erase) -> Result<()> {
        let user_id = erase.user_id;
        self.store.know_user(&user_id)?;
        self.revoke()?;
        let _turn = self.end_of_sends().await;
        self.store.sent_clear()?;
        self.erase_campaigns(&user_id).await?;
        let conversations = self.all_conversations(&user_id).await?;
        // Each chunk is erased completely, so that a repeat continues where an invocation reached its limits.
        for some in conversations.chunks(ERASED_AT_ONCE) {
            self.make_peers_forget(some).await?;
            let ids: Vec<String> = some.iter().map(|(id, _)| id.clone()).collect();
            self.erase_from_record(&user_id, &ids).await?;
            for id in &ids {
                self.store.conversation_remove(id)?;
            }
        }
        d1::everywhere(&self.env, &erase_user(&user_id)).await?;
        self.tell_of_erasure().await?;
        // Meanwhile somebody may have connected with a new token, which added the row again. It is older than the end
        // of the erasure.
        self.disconnect();
        d1::everywhere(&self.env, &erase_user(&user_id)).await?;
        if let Some(registration) = self.store.registration()? {
            log::fault("pacemaker", self.end_registration(&registration).await);
        }
        self.state.storage().delete_alarm().await?;
        self.state.storage().delete_all().await?;
        self.alarm_at.set(Some(None));
        self.left_alarm.set(None);
        self.next_notice_look.set(None);
        self.store.forget();
        // If the object stops before this, the caller gets no answer and repeats the erasure.
        self.store.set_erased(now())?;
        self.store.revoke(now())?;
        directory::forget(&user_id);
        // Connections that have not joined yet still have their deadlines.
        self.needs_schedule();
        Ok(())
    }

    /// Tells the watchers that the user is gone, and forgets them, some at a time. If there are too many for one
    /// invocation, a repeat of the erasure continues.
    async fn tell_of_erasure(&self) -> Result<()> {
        for _ in 0..STEPS_OF_AN_ERASURE {
            let watchers = self.store.watchers(self.config()?.watchers_per_alarm)?;
            if watchers.is_empty() {
                return Ok(());
            }
            let version = erased_version(now());
            self.push(&watchers, Presence::default(), version).await?;
            // Whoever has subscribed again in the meantime stays for the next step.
            for watcher in &watchers {
                let unwanted = PushOutcome::Unwanted;
                self.store.watcher_told(watcher, version, unwanted)?;
            }
        }
        Err(Error::RustError("some watchers remain to be told".into()))
    }

    /// Returns the user's conversations with the other participants, from D1 and the object's own list.
    async fn all_conversations(&self, user_id: &str) -> Result<Vec<(String, String)>> {
        let shards = self.config()?.record_shards.all();
        let batches: Vec<Batch> = shards
            .map(|shard| (shard, vec![conversations_of(user_id)]))
            .collect();
        let recorded = self.recorded_conversations(&batches).await?;
        let recorded = recorded
            .into_iter()
            .map(|one| (one.conversation_id.to_string(), one.peer_id));
        let listed = self.store.conversations_all()?;
        let all: HashMap<String, String> = listed.into_iter().chain(recorded).collect();
        Ok(all.into_iter().collect())
    }

    async fn erase_from_record(&self, user_id: &str, conversation_ids: &[String]) -> Result<()> {
        let shards = &self.config()?.record_shards;
        let batches: Vec<Batch> = shards
            .split(conversation_ids.to_vec(), String::as_str)
            .into_iter()
            .map(|(shard, ids)| (shard, erase_conversations(user_id, &ids)))
            .collect();
        Ok(d1::run_all(&self.env, batches).await?)
    }

    async fn make_peers_forget(&self, conversations: &[(String, String)]) -> Result<()> {
        let all: Vec<(&str, Notify)> = conversations
            .iter()
            .map(|(conversation_id, peer_id)| {
                let conversation_id = conversation_id.clone();
                (peer_id.as_str(), Notify::Forget { conversation_id })
            })
            .collect();
        let Some((_, common)) = all.first() else {
            return Ok(());
        };
        let receivers: Vec<_> = all.iter().map(|(id, own)| (*id, Some(own))).collect();
        let concurrency = self.config()?.fanout_concurrency;
        let forgotten = objects::notify_all(&self.env, &receivers, common, concurrency).await?;
        forgotten
            .into_iter()
            .collect::<Result<Vec<Heard>>>()
            .map(|_| ())
    }
}
