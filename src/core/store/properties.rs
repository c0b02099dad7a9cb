//! Whatever happens in whatever order, a store answers what its database says.

use std::collections::{BTreeMap, VecDeque};

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use rusqlite::Connection;

use super::conversations::Listed;
use super::testing::{send, store};
use super::*;
use crate::core::events::new_message::Target;
use crate::core::notice::pending::{Attempts, Channel, Pending};
use crate::core::pacemaker::pace::Registration;
use crate::core::preferences::Audience;
use crate::core::push::subscription::Subscription;
use crate::core::quota::SentToday;
use crate::core::recovery::LogBounds;

/// How long an event is kept.
const TIME: Millis = 50;

fn keep(events: u64) -> Retention {
    Retention { events, time: TIME }
}

/// Something that an object does with its store. Users and times are small numbers, so that they meet.
#[derive(Debug, Clone)]
enum Step {
    Append(u64),
    Resize(u64),
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
    Converse(u8, u64),
    Prefer(Audience),
    Meet(u8, u64),
    Release,
    /// A send to some of the users, by bits: now or, if it is a repeat, at an earlier time.
    SendBulk(u8, u64),
    /// A message that arrives.
    Receive(u8, u64),
    Read(u8, u64),
    Leave(u8),
    Send(u64),
    Revoke(u64),
    /// A notice with this key is claimed, and due at this time, or is done.
    Notice(u8, Option<Millis>),
    /// A browser subscribes to pushes, or ends its subscription.
    Push(u8, bool),
    /// With the slot in which the pacemaker calls, or not at all.
    Register(Option<u64>),
    Erase,
    Evict,
}

fn steps() -> impl Strategy<Value = Step> {
    let outcome = prop_oneof![
        Just(PushOutcome::Heard),
        Just(PushOutcome::Unwanted),
        Just(PushOutcome::Unreached)
    ];
    let audience = prop_oneof![
        Just(Audience::Everyone),
        Just(Audience::Contacts),
        Just(Audience::Nobody)
    ];
    prop_oneof![
        6 => (0..40_u64).prop_map(Step::Append),
        1 => (1..6_u64).prop_map(Step::Resize),
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
        2 => (0..3_u8, 0..9_u64).prop_map(|(id, age)| Step::Converse(id, age)),
        1 => audience.prop_map(Step::Prefer),
        2 => (0..3_u8, 0..3_u64).prop_map(|(id, max)| Step::Meet(id, max)),
        1 => Just(Step::Release),
        2 => (0..8_u8, 0..9_u64).prop_map(|(ids, age)| Step::SendBulk(ids, age)),
        3 => (0..3_u8, 0..9_u64).prop_map(|(id, age)| Step::Receive(id, age)),
        2 => (0..3_u8, 0..9_u64).prop_map(|(id, age)| Step::Read(id, age)),
        1 => (0..3_u8).prop_map(Step::Leave),
        2 => (0..9_u64).prop_map(Step::Send),
        1 => (0..99_u64).prop_map(Step::Revoke),
        1 => option::of(0..9_u64).prop_map(Step::Register),
        2 => (0..3_u8, option::of(0..9_u64)).prop_map(|(id, due_at)| Step::Notice(id, due_at)),
        2 => (0..3_u8, any::<bool>()).prop_map(|(id, is_there)| Step::Push(id, is_there)),
        1 => Just(Step::Erase),
        2 => Just(Step::Evict),
    ]
}

fn user(id: u8) -> String {
    format!("u{id}")
}

/// Returns the targets of a send to those users whose bit is set. Each has the same message id, whoever else is in it.
fn bulk(time: Millis, ids: u8) -> Vec<Target> {
    let users = [0, 1, 2, 3, 4, 5, 6, 7].map(user);
    let mut targets = send(time, &users.each_ref().map(String::as_str));
    let mut bits = 0..8;
    targets.retain(|_| bits.next().is_some_and(|bit| ids >> bit & 1 == 1));
    targets
}

fn append(store: &Store<&Connection>, now: Millis, events: u64) -> Result<u64> {
    let entry = NewEntry {
        message_id: &now.to_string(),
        event: "new_message",
        payload: r#"{"conversationId":"k"}"#,
        except_sid: None,
        is_held: false,
        incoming: None,
    };
    store.append(&entry, now, &keep(events))
}

/// Carries out a step at the time `now`, as an object would whose log may have so many `events`.
fn run(store: &Store<&Connection>, step: &Step, now: Millis, events: u64) -> Result<()> {
    match step {
        Step::Append(_) => append(store, now, events).map(|_| ()),
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
        Step::Receipt(after) => store.receipt_add(
            &PendingReceipt {
                // Only what is in the log, or was, has a receipt.
                offset: store.last_offset()?.saturating_sub(*after),
                sender_id: "s".into(),
                payload: r#"{"conversationId":"k"}"#.into(),
            },
            false,
        ),
        Step::Converse(id, age) => store.conversations_add(&bulk(now - age, 1 << id)),
        Step::Meet(id, max) => meet(store, *id, *max, now, events),
        Step::Release => store.release_held(now, TIME).map(|_| ()),
        Step::Prefer(presence) => {
            let preferences = Preferences {
                presence: *presence,
                ..Preferences::default()
            };
            store.set_preferences(&preferences, now)
        }
        Step::SendBulk(ids, age) => store.conversations_add(&bulk(now - age, *ids)),
        Step::Receive(id, age) => bulk(now - age, 1 << id)
            .iter()
            .try_for_each(|message| store.message_received(message, None)),
        Step::Read(id, age) => bulk(now - age, 1 << id).iter().try_for_each(|message| {
            let mark = (
                message.conversation_id.as_str(),
                message.message_id.as_str(),
            );
            store.mark_read(&[mark]).map(|_| ())
        }),
        Step::Leave(id) => store.conversation_remove(&user(*id)),
        Step::Send(messages) => store.set_sent_today(SentToday {
            messages: *messages,
            ..store.sent_today()?
        }),
        Step::Revoke(revoked_at) => store.revoke(*revoked_at),
        Step::Notice(id, due_at) => store.set_notice(&user(*id), &notice(*due_at)),
        Step::Push(id, true) => store.push_add(&subscription(*id), 2, now),
        Step::Push(id, false) => store.push_remove(&user(*id)),
        Step::Register(None) => store.forget_registration(),
        Step::Register(Some(beat)) => store.set_registration(&Registration {
            pacemaker: "p".into(),
            beat: *beat,
            has_look: false,
        }),
        Step::Erase => {
            erase(store.database)?;
            store.forget();
            Ok(())
        }
        Step::Resize(_) | Step::Evict => Ok(()),
    }
}

fn notice(due_at: Option<Millis>) -> Notice {
    let pending = due_at.map(|at| Pending {
        id: "i".into(),
        event: "user.online".into(),
        claimed_at: 1,
        messages: None,
        payload: "{}".into(),
        sinks: [(
            "webhook".to_owned(),
            Attempts {
                failed: 0,
                due_at: Some(at),
            },
        )]
        .into(),
    });
    Notice {
        pending,
        ..Notice::default()
    }
}

fn subscription(id: u8) -> Subscription {
    Subscription {
        endpoint: user(id),
        p256dh: "p".into(),
        auth: "a".into(),
    }
}

/// A contractor writes, and may be held.
fn meet(store: &Store<&Connection>, id: u8, max: u64, now: Millis, events: u64) -> Result<()> {
    let [target] = &bulk(now, 1 << id)[..] else {
        return Ok(());
    };
    let held_on = store.held_on(&target.conversation_id, max, now)?;
    let entry = NewEntry {
        message_id: &target.message_id,
        event: "new_message",
        payload: r#"{"messageId":"m","conversationId":"k","receiverId":"me"}"#,
        except_sid: None,
        is_held: held_on.is_some(),
        incoming: None,
    };
    let receipt = PendingReceipt {
        offset: store.append(&entry, now, &keep(events))?,
        sender_id: "s".into(),
        payload: "{}".into(),
    };
    store.receipt_add(&receipt, held_on.is_some())?;
    store.message_received(target, held_on)
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
    let registration = store.registration()?;
    let last = store.last_offset()?;
    let receipts = [0, last, last + 1].map(|from| store.next_receipt(from).ok());
    let log = format!("{bounds:?} {last} {missed:?} {receipts:?}");
    let newest = (store.newest_message()?, store.unread_total()?);
    let others = (
        store.next_notice(Channel::Webhook)?,
        store.subscribed_since()?,
    );
    Ok(format!(
        "{state:?} {log} {newest:?} {blocked:?} {watched:?} {sent:?} {revoked_at:?} {registration:?} {others:?}"
    ))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn nothing_outdated_is_known(steps in vec((steps(), any::<bool>()), 1..60)) {
        let database = store().database;
        let mut used = Store::new(&database);
        let (mut now, mut events) = (1_000, 3);
        for (step, is_asked) in steps {
            now += if let Step::Append(pause) = step { pause } else { 1 };
            if let Step::Resize(other) = step {
                events = other;
            }
            run(&used, &step, now, events).unwrap();
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

    #[test]
    fn who_recovers_misses_nothing(
        steps in vec(log_steps(), 1..60),
        sets_back in prop_oneof![Just(0), Just(30)],
    ) {
        let database = store().database;
        let mut used = Store::new(&database);
        let mut log = Log::default();
        let (mut now, mut events) = (1_000, 3);
        for step in steps {
            match step {
                Step::Append(pause) => {
                    // A clock that is wrong is set right, sooner or later.
                    now = (now + pause).saturating_sub(sets_back).max(1_000);
                    let offset = append(&used, now, events).unwrap();
                    prop_assert!(sets_back > 0 || offset > log.last);
                    log.append(offset, now, events);
                }
                Step::Resize(other) => events = other,
                Step::Erase => {
                    run(&used, &step, now, events).unwrap();
                    log.entries.clear();
                    // More time has passed than the log had events.
                    now += 100;
                }
                _ => used = Store::new(&database),
            }
            let since = now - TIME;
            let bounds = used.log_bounds(since).unwrap();
            if sets_back == 0 {
                prop_assert_eq!(bounds, log.bounds(since));
            }
            let Some(LogBounds { first, last }) = bounds else { continue };
            for after in (first - 1)..=last {
                let missed = used.events_after(after, since, "s", 9_999).unwrap();
                let missed: Vec<u64> = missed.events.iter().map(|event| event.offset).collect();
                prop_assert_eq!(missed, (after + 1..=log.last).collect::<Vec<_>>());
            }
        }
    }
}

fn log_steps() -> impl Strategy<Value = Step> {
    prop_oneof![
        20 => (0..40_u64).prop_map(Step::Append),
        2 => (1..6_u64).prop_map(Step::Resize),
        1 => Just(Step::Erase),
        3 => Just(Step::Evict),
    ]
}

/// What the log should hold: the newest events, by offset and time.
#[derive(Default)]
struct Log {
    entries: VecDeque<(u64, Millis)>,
    last: u64,
}

impl Log {
    fn append(&mut self, offset: u64, now: Millis, events: u64) {
        self.last = offset;
        self.entries.push_back((offset, now));
        while self.entries.len() as u64 > events {
            self.entries.pop_front();
        }
    }

    fn bounds(&self, since: Millis) -> Option<LogBounds> {
        let (last, _) = self.entries.back()?;
        let first = self.entries.iter().find(|(_, at)| *at >= since);
        Some(LogBounds {
            first: first.map_or(last + 1, |(offset, _)| *offset),
            last: *last,
        })
    }
}

fn list_steps() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..8_u8, 0..30_u64).prop_map(|(id, age)| Step::Converse(id, age)),
        4 => (0..8_u8, 0..30_u64).prop_map(|(id, age)| Step::Receive(id, age)),
        1 => (0..8_u8, 0..30_u64).prop_map(|(id, age)| Step::Read(id, age)),
        8 => (any::<u8>(), 0..30_u64).prop_map(|(ids, age)| Step::SendBulk(ids, age)),
        1 => (0..8_u8).prop_map(Step::Leave),
        1 => Just(Step::Erase),
        2 => Just(Step::Evict),
    ]
}

/// Returns the list, read in pages of three.
fn list(store: &Store<&Connection>) -> Vec<(String, String)> {
    let mut all: Vec<Listed> = vec![];
    loop {
        let cursor = all.last().map(|last| last.last_message_id.as_str());
        let page = store.conversation_page(cursor, 3).unwrap();
        if page.is_empty() {
            return all
                .into_iter()
                .map(|one| (one.last_message_id, one.conversation_id))
                .collect();
        }
        all.extend(page);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn the_list_is_in_the_order_of_the_newest_messages(
        steps in vec(list_steps(), 1..40),
        max_bytes in prop_oneof![Just(0), Just(1_100), Just(4_000)],
    ) {
        let database = store().database;
        let mut used = Store::new(&database);
        let mut model: BTreeMap<String, String> = BTreeMap::new();
        for (now, step) in (1_000..).zip(steps) {
            run(&used, &step, now, 3).unwrap();
            let targets = match &step {
                Step::Converse(id, age) | Step::Receive(id, age) => bulk(now - age, 1 << id),
                Step::SendBulk(ids, age) => bulk(now - age, *ids),
                _ => vec![],
            };
            for Target { conversation_id, message_id, .. } in targets {
                let newest = model.entry(conversation_id).or_default();
                *newest = message_id.max(newest.clone());
            }
            match &step {
                Step::Leave(id) => _ = model.remove(&user(*id)),
                Step::Erase => model.clear(),
                Step::Evict => used = Store::new(&database),
                _ => used.sent_fold(max_bytes).unwrap(),
            }
            let mut expected: Vec<_> = model.iter().map(|(id, newest)| (newest.clone(), id.clone())).collect();
            expected.sort_by(|one, other| other.cmp(one));
            let newest = expected.first().map(|(newest, _)| newest.clone());
            prop_assert_eq!(used.newest_message().unwrap(), newest);
            prop_assert_eq!(list(&used), expected);
        }
    }
}
