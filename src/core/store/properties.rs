//! Whatever happens in whatever order, a store answers what its database says.

use proptest::collection::vec;
use proptest::prelude::*;
use rusqlite::Connection;

use super::testing::store;
use super::*;
use crate::core::events::new_message::Target;
use crate::core::quota::SentToday;

const KEEP: Retention = Retention {
    events: 3,
    time: 50,
};

/// Something that an object does with its store. Users and times are small numbers, so that they meet.
#[derive(Debug, Clone)]
enum Step {
    Append(u64),
    Blank,
    Online(bool),
    Offline(u64, u64),
    Confirm(u64),
    Know,
    Recorded,
    Block(u8),
    Unblock(u8),
    Watch(u8),
    Change(bool),
    Tell(PushOutcome),
    Receipt(u64),
    Converse(u8),
    Send(u64),
    Revoke(u64),
    Erase,
    Evict,
}

fn steps() -> impl Strategy<Value = Step> {
    let outcome = prop_oneof![
        Just(PushOutcome::Heard),
        Just(PushOutcome::Unwanted),
        Just(PushOutcome::Unreached)
    ];
    prop_oneof![
        6 => (0..40_u64).prop_map(Step::Append),
        1 => Just(Step::Blank),
        2 => any::<bool>().prop_map(Step::Online),
        2 => (0..99_u64, 0..9_u64).prop_map(|(seen, confirmed)| Step::Offline(seen, confirmed)),
        2 => (0..200_u64).prop_map(Step::Confirm),
        1 => Just(Step::Know),
        1 => Just(Step::Recorded),
        2 => (0..3_u8).prop_map(Step::Block),
        2 => (0..3_u8).prop_map(Step::Unblock),
        2 => (0..3_u8).prop_map(Step::Watch),
        2 => any::<bool>().prop_map(Step::Change),
        2 => outcome.prop_map(Step::Tell),
        2 => (0..3_u64).prop_map(Step::Receipt),
        1 => (0..3_u8).prop_map(Step::Converse),
        2 => (0..9_u64).prop_map(Step::Send),
        1 => (0..99_u64).prop_map(Step::Revoke),
        1 => Just(Step::Erase),
        2 => Just(Step::Evict),
    ]
}

fn user(id: u8) -> String {
    format!("u{id}")
}

/// Carries out a step at the time `now`, as an object would.
fn run(store: &Store<&Connection>, step: &Step, now: Millis) -> Result<()> {
    match step {
        Step::Append(_) => {
            let entry = NewEntry {
                message_id: &now.to_string(),
                event: "new_message",
                payload: r#"{"conversationId":"k"}"#,
                except_sid: None,
            };
            store.append(&entry, now, &KEEP).map(|_| ())
        }
        Step::Blank => store.blank("k"),
        Step::Online(is_recorded) => store.set_online("me", *is_recorded, now),
        Step::Offline(last_seen, confirmed) => store.set_offline(*last_seen, *confirmed),
        Step::Confirm(confirmed) => store.set_confirmed(*confirmed),
        Step::Know => store.know_user("me"),
        Step::Recorded => store.set_recorded(),
        Step::Block(id) => store.block_add(&user(*id), now),
        Step::Unblock(id) => store.block_remove(&user(*id), now),
        Step::Watch(id) => store.watcher_add(&user(*id), true, 2, now).map(|_| ()),
        Step::Change(is_online) => store.watched_change(*is_online, now),
        Step::Tell(outcome) => tell(store, *outcome, now),
        Step::Receipt(after) => store.receipt_add(&PendingReceipt {
            offset: store.last_offset()? + after,
            sender_id: "s".into(),
            payload: r#"{"conversationId":"k"}"#.into(),
        }),
        Step::Converse(id) => store.conversations_add(&[Target {
            receiver_id: user(*id),
            conversation_id: "k".into(),
            message_id: now.to_string(),
        }]),
        Step::Send(messages) => store.set_sent_today(SentToday {
            messages: *messages,
            ..store.sent_today()?
        }),
        Step::Revoke(revoked_at) => store.revoke(*revoked_at),
        Step::Erase => {
            erase(store.database)?;
            store.forget();
            Ok(())
        }
        Step::Evict => Ok(()),
    }
}

fn tell(store: &Store<&Connection>, outcome: PushOutcome, now: Millis) -> Result<()> {
    if store.watched()?.is_none() {
        return Ok(());
    }
    let step = store.watchers_to_tell(true, 2, now)?;
    for watcher in &step.watchers {
        store.watcher_told(watcher, step.version, outcome)?;
    }
    let is_unreached = outcome == PushOutcome::Unreached;
    store.watched_told(&step, is_unreached.then_some(now + 7), now)
}

/// Deletes everything, as the platform's `deleteAll` does.
fn erase(database: &Connection) -> Result<()> {
    for name in Store::new(database).schema()?.split(',') {
        let _ = database.execute_batch(&format!("DROP TABLE IF EXISTS {name}"));
    }
    Ok(())
}

/// All that the store may know without asking its database.
fn answers(store: &Store<&Connection>, now: Millis) -> Result<String> {
    let bounds = [0, now.saturating_sub(20), now + 1].map(|since| store.log_bounds(since).ok());
    let blocked = [0, 1, 2].map(|id| store.has_blocked(&user(id)).ok());
    let missed = store.events_after(store.last_offset()?.saturating_sub(1), 0, "s", 999)?;
    let missed: Vec<u64> = missed.events.iter().map(|event| event.offset).collect();
    let state = store.user_state()?;
    let watched = (store.watched()?, store.watcher_count()?);
    let sent = store.sent_today()?;
    let revoked_at = store.revoked_at()?;
    let last = store.last_offset()?;
    let receipts = [0, last, last + 1].map(|from| store.next_receipt(from).ok());
    Ok(format!(
        "{state:?} {bounds:?} {last} {missed:?} {receipts:?} {blocked:?} {watched:?} {sent:?} {revoked_at:?}"
    ))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn nothing_outdated_is_known(steps in vec((steps(), any::<bool>()), 1..60)) {
        let database = store().database;
        let mut used = Store::new(&database);
        let mut now = 1_000;
        for (step, is_asked) in steps {
            now += if let Step::Append(pause) = step { pause } else { 1 };
            run(&used, &step, now).unwrap();
            if matches!(step, Step::Evict) {
                used = Store::new(&database);
            }
            // Asking makes the store know more, so it asks only after some of the steps.
            if is_asked {
                let fresh = Store::new(&database);
                prop_assert_eq!(answers(&used, now).unwrap(), answers(&fresh, now).unwrap(), "{:?}", step);
            }
        }
    }
}
