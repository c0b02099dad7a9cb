//! `block_user`, `unblock_user`

use crate::core::error::EventError;
use crate::core::events::Reply;
use crate::core::events::block_user::{BLOCK, BLOCKED, UNBLOCKED, reply};
use crate::core::presence::Presence;
use crate::core::record::users::{block, unblock};
use crate::platform::{d1, log, now};
use crate::user_do::UserObject;
use crate::user_do::ground::caller::Caller;
use crate::user_do::ground::fault::Failure;

impl UserObject {
    /// Here first, then in D1: should that fail, the block errs on the side of the one who asked for
    /// it until they repeat it.
    pub(crate) async fn block_user(
        &self,
        caller: &Caller,
        user_id: String,
    ) -> Result<Reply, Failure> {
        if user_id == caller.user_id {
            return Err(EventError::invalid("You cannot block yourself").into());
        }
        let _turn = self.blocking.turn().await;
        self.store.know_user(&caller.user_id)?;
        let watcher = self.store.block_add(&user_id)?;
        d1::batch(&self.env, &[block(&caller.user_id, &user_id, now())]).await?;
        if let Some(watcher) = watcher {
            let told = self.tell(&[watcher], Presence::default(), None).await;
            if let Err(error) = told {
                log::error(BLOCK, &error);
            }
        }
        Ok(reply(BLOCKED, &user_id))
    }

    /// In D1 first, for the same reason.
    pub(crate) async fn unblock_user(
        &self,
        caller: &Caller,
        user_id: String,
    ) -> Result<Reply, Failure> {
        let _turn = self.blocking.turn().await;
        d1::batch(&self.env, &[unblock(&caller.user_id, &user_id)]).await?;
        self.store.block_remove(&user_id)?;
        Ok(reply(UNBLOCKED, &user_id))
    }
}
