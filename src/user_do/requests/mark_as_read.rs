//! `mark_as_read`

use super::{Caller, CarryOut, Failure, Reply, UserObject};
use crate::core::cost::Cost;
use crate::core::error::to_json;
use crate::core::events::mark_as_read::{Marking, READ, Read};
use crate::core::record::history::{Moved, Pair, mark_read};
use crate::messages::Notify;
use crate::platform::d1;

impl CarryOut for Marking {
    /// Notifies both participants only if the read marker moved, so a repeat notifies nobody.
    async fn carry_out(self, object: &UserObject, caller: &Caller) -> Result<Reply, Failure> {
        let user_id = &caller.user_id;
        object.refuse_inaccessible(&self.conversation_id)?;
        object.pay(Cost::new(1, 1))?;
        let shard = object.config()?.record_shards.of(&self.conversation_id);
        let results = d1::batch(&object.env, shard, &mark_read(user_id, &self)).await?;
        object.unless_erased()?;
        let pairs: Vec<Pair> = d1::rows(&results, 0)?;
        let peer = object.participant(user_id, &self.conversation_id, pairs.first())?;
        let newest = pairs.first().and_then(|pair| pair.last_message_id);
        let newest = newest.map_or_else(String::new, |id| id.to_string());
        let what = self.what.within(&newest);
        let moved: Vec<Moved> = d1::rows(&results, 1)?;
        let up_to = what.last().to_owned();
        let read = Read {
            conversation_id: self.conversation_id,
            what,
            read_by: user_id.clone(),
        };
        let payload = to_json(&read);
        // Also if the marker has not moved: the answer to an earlier attempt may have been lost.
        let mark = (read.conversation_id.as_str(), up_to.as_str());
        object.note_read(&[mark])?;
        if !moved.is_empty() {
            object.publish_read(&read, &up_to, caller.sid.as_deref())?;
            if object.may_be_seen_by(peer)? {
                object.tell_peer(peer, &Notify::Read { read, up_to }).await;
            }
        }
        Ok(Reply::event(READ, payload))
    }
}
