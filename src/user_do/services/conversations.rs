//! Finds the participants of a conversation. The object knows its user's conversations, so D1 is only queried
//! for unknown ids, most of which belong to other users or do not exist; and that is remembered for a while.

use crate::core::cost::Cost;
use crate::core::events::new_message::Target;
use crate::core::record::history::{self, Pair};
use crate::core::record::users::WithPeer;
use crate::platform::d1::{self, Batch, D1Error};
use crate::platform::meter::Meter;
use crate::platform::now;
use crate::user_do::UserObject;
use crate::user_do::ground::fault::Failure;

impl UserObject {
    /// Returns the other participant.
    pub(crate) async fn peer(
        &self,
        user_id: &str,
        conversation_id: &str,
    ) -> Result<String, Failure> {
        let known = self.store.peer(conversation_id);
        if let Some(peer) = known? {
            return Ok(peer);
        }
        self.refuse_inaccessible(conversation_id)?;
        self.pay(Cost::QUERY)?;
        let shard = self.config()?.record_shards.of(conversation_id);
        let statement = history::participants(conversation_id);
        let pairs: Vec<Pair> = d1::query(&self.env, shard, statement).await?;
        self.unless_erased()?;
        let pair = pairs.first();
        let peer = self.participant(user_id, conversation_id, pair)?;
        if let Some(newest) = pair.and_then(|pair| pair.last_message_id) {
            let target = Target {
                receiver_id: peer.to_owned(),
                conversation_id: conversation_id.to_owned(),
                message_id: newest.to_string(),
            };
            self.store.conversation_found(&target)?;
        }
        Ok(peer.to_owned())
    }

    /// Runs these queries for conversations, all at once. A shard that does not answer fails all of them.
    pub(crate) async fn recorded_conversations(
        &self,
        batches: &[Batch],
    ) -> Result<Vec<WithPeer>, D1Error> {
        let mut recorded: Vec<WithPeer> = Vec::new();
        for answer in d1::batches(&self.env, batches, &Meter::default()).await {
            recorded.extend(d1::rows::<WithPeer>(&answer?, 0)?);
        }
        Ok(recorded)
    }

    /// Refuses a conversation that D1 has recently been asked for in vain, unless it has begun since then.
    pub(crate) fn refuse_inaccessible(&self, conversation_id: &str) -> Result<(), Failure> {
        let code = self.inaccessible.borrow().get(conversation_id, now());
        match code {
            Some(code) if self.store.peer(conversation_id)?.is_none() => {
                Err(history::inaccessible(code).into())
            }
            _ => Ok(()),
        }
    }

    /// Returns the other participant, from D1's answer. A refusal is remembered for a while.
    pub(crate) fn participant<'a>(
        &self,
        user_id: &str,
        conversation_id: &str,
        pair: Option<&'a Pair>,
    ) -> Result<&'a str, Failure> {
        let until = now() + self.config()?.negative_cache;
        let peer = history::peer(user_id, pair).inspect_err(|error| {
            let mut inaccessible = self.inaccessible.borrow_mut();
            inaccessible.insert(conversation_id, error.code, until);
        });
        Ok(peer?)
    }
}
