//! `mark_as_read`

use crate::core::error::to_json;
use crate::core::events::Reply;
use crate::core::events::mark_as_read::{Marking, READ, Read};
use crate::core::record::history::{Moved, Pair, mark_read, peer};
use crate::messages::Notify;
use crate::platform::d1;
use crate::user_do::UserObject;
use crate::user_do::ground::caller::Caller;
use crate::user_do::ground::fault::Failure;

impl UserObject {
    /// Both sides are told only if the watermark moved: marking twice is marking once.
    pub(crate) async fn mark_as_read(
        &self,
        caller: &Caller,
        marking: Marking,
    ) -> Result<Reply, Failure> {
        let user_id = &caller.user_id;
        let results = d1::batch(&self.env, &mark_read(user_id, &marking)).await?;
        let pairs: Vec<Pair> = d1::rows(&results, 0)?;
        let peer = peer(user_id, pairs.first())?;
        let newest = pairs.first().map_or("", |pair| &pair.last_message_id);
        let what = marking.what.within(newest);
        let moved: Vec<Moved> = d1::rows(&results, 1)?;
        let up_to = what.last().to_owned();
        let read = Read {
            conversation_id: marking.conversation_id,
            what,
            read_by: user_id.clone(),
        };
        let payload = to_json(&read);
        if !moved.is_empty() {
            self.publish_read(&read, &up_to, caller.sid.as_deref())?;
            // Whoever is blocked is not to see that the user was here.
            if !self.store.has_blocked(peer)? {
                self.tell_peer(peer, &Notify::Read { read, up_to }).await;
            }
        }
        Ok(Reply::event(READ, payload))
    }
}
