//! `block_user`, `unblock_user`

use super::{Caller, CarryOut, Failure, Reply, UserObject};
use crate::core::cost::Cost;
use crate::core::error::EventError;
use crate::core::events::block_user::{BLOCKED, Blocking, UNBLOCKED, reply, too_many};
use crate::core::record::Statement;
use crate::core::record::users::{block, unblock};
use crate::platform::{d1, log, now};

/// Writes to where the conversation of the two is: a send looks there.
async fn write(
    object: &UserObject,
    caller: &Caller,
    user_id: &str,
    statement: Statement,
) -> Result<(), Failure> {
    let shards = &object.config()?.record_shards;
    let shard = shards.between(&caller.user_id, user_id);
    d1::batch(&object.env, shard, &[statement]).await?;
    Ok(())
}

impl CarryOut for Blocking<true> {
    /// Writes the block here first, then to D1. If D1 fails, the block already applies here; repeating the
    /// request completes it.
    async fn carry_out(self, object: &UserObject, caller: &Caller) -> Result<Reply, Failure> {
        let Self(user_id) = self;
        if user_id == caller.user_id {
            return Err(EventError::invalid("You cannot block yourself").into());
        }
        object.pay(Cost::new(1, 1))?;
        object.store.know_user(&caller.user_id)?;
        let _turn = object.changes.turn().await;
        object.unless_erased()?;
        let max = object.config()?.max_blocked_users;
        if object.store.blocks_count()? >= max && !object.store.has_blocked(&user_id)? {
            return Err(too_many(max).into());
        }
        object.store.block_add(&user_id, now())?;
        // If the push below fails, the alarm repeats it.
        object.needs_schedule();
        let statement = block(&caller.user_id, &user_id, now());
        write(object, caller, &user_id, statement).await?;
        log::fault("block", object.hide_from(&user_id).await);
        Ok(reply(BLOCKED, &user_id))
    }
}

impl CarryOut for Blocking<false> {
    /// Deletes it from D1 first, so that after a failure the block still applies.
    async fn carry_out(self, object: &UserObject, caller: &Caller) -> Result<Reply, Failure> {
        let Self(user_id) = self;
        object.pay(Cost::QUERY)?;
        let _turn = object.changes.turn().await;
        let statement = unblock(&caller.user_id, &user_id);
        write(object, caller, &user_id, statement).await?;
        object.store.block_remove(&user_id, now())?;
        object.needs_schedule();
        Ok(reply(UNBLOCKED, &user_id))
    }
}
