//! Tests of the whole storage on SQLite.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashSet};

use rusqlite::Connection;
use uuid::Uuid;

use super::testing::{send, store};
use super::*;
use crate::core::campaign::{State, chunk_key};
use crate::core::events::new_message::Target;
use crate::core::limits::Bucket;
use crate::core::outbox::{Due, Next, OutboxEntry, Rest};
use crate::core::preferences::{Audience, Preferences};
use crate::core::quota::SentToday;
use crate::core::send_kind::SendKind;
use crate::core::watch::Watches;

const KEEP: Retention = Retention {
    events: 3,
    time: 1_000,
};

fn event(message_id: &str) -> NewEntry<'_> {
    NewEntry {
        message_id,
        event: "new_message",
        payload: r#"{"conversationId":"k"}"#,
        except_sid: None,
        is_held: false,
        incoming: None,
    }
}

fn receipt(offset: u64) -> PendingReceipt {
    PendingReceipt {
        offset,
        sender_id: "s".into(),
        payload: "{}".into(),
    }
}

fn offsets(missed: &Missed) -> Vec<u64> {
    missed.events.iter().map(|entry| entry.offset).collect()
}

#[test]
fn few_of_the_sessions_that_have_ended_keep_their_watches() {
    let store = store();
    let mut watches = Watches::default();
    watches.add(&["u".into()], 1).unwrap();
    let sid = |session: u64| format!("s{session}");
    store.watches_set("live", &watches).unwrap();
    for session in 0..300 {
        store.watches_prune(0).unwrap();
        store.watches_set(&sid(session), &watches).unwrap();
        store.watches_end(&sid(session), 1_000 + session).unwrap();
    }
    store.watches_prune(0).unwrap();
    let kept = (0..300).filter(|session| !store.watches(&sid(*session)).unwrap().is_empty());
    assert_eq!(kept.collect::<Vec<u64>>(), (200..300).collect::<Vec<u64>>());
    assert!(!store.watches("live").unwrap().is_empty());
}

#[test]
fn what_was_sent_today_survives_an_eviction() {
    let database = store().database;
    let store = Store::new(&database);
    assert_eq!(store.sent_today().unwrap(), SentToday::default());
    let sent = SentToday {
        day: 20_000,
        messages: 3,
        bytes: 600,
        conversations: 1,
    };
    store.set_sent_today(SentToday::default()).unwrap();
    store.set_sent_today(sent).unwrap();
    assert_eq!(Store::new(&database).sent_today().unwrap(), sent);
}

#[test]
fn conversations_that_are_not_in_the_list_are_new() {
    let store = store();
    let target = |id: &str| Target {
        receiver_id: format!("user {id}"),
        conversation_id: id.into(),
        message_id: "m".into(),
    };
    let targets = ["a", "b", "c"].map(target);
    assert_eq!(store.count_new(&targets).unwrap(), 3);
    store.conversations_add(&targets[..2]).unwrap();
    assert_eq!(store.count_new(&targets).unwrap(), 1);
    assert_eq!(store.count_new(&targets[..2]).unwrap(), 0);
}

#[test]
fn a_question_about_somebody_unknown_makes_no_table() {
    let store = store();
    assert_eq!(store.user_state().unwrap().last_seen, None);
    assert_eq!(store.last_offset().unwrap(), 0);
    assert!(!store.has_blocked("x").unwrap());
    assert_eq!(store.next_receipt(0).unwrap(), None);
    assert_eq!(store.outbox_due().unwrap(), []);
    assert_eq!(store.revoked_at().unwrap(), None);
    assert_eq!(&*store.schema().unwrap(), "");
}

#[test]
fn a_revocation_is_never_taken_back() {
    let store = store();
    for (revoked_at, expected) in [(5, 5), (9, 9), (7, 9)] {
        store.revoke(revoked_at).unwrap();
        assert_eq!(store.revoked_at().unwrap(), Some(expected));
    }
    assert_eq!(store.erased_at().unwrap(), None);
    store.set_erased(8).unwrap();
    assert_eq!(store.erased_at().unwrap(), Some(8));
    assert_eq!(store.revoked_at().unwrap(), Some(9));
    // An erased user has nothing but these two.
    assert_eq!(&*store.schema().unwrap(), "revocation,erasure");
}

#[test]
fn a_send_that_was_never_committed_does_not_count() {
    let store = store();
    let today = |messages| SentToday {
        day: 20_000,
        messages,
        bytes: 10 * messages,
        conversations: 0,
    };
    let entry = |id| OutboxEntry::new(Uuid::from_u128(id), vec![], 1, SendKind::Direct);
    store.set_sent_today(today(9)).unwrap();
    let counted = Some(today(2));
    store
        .outbox_add(&entry(1), Some("key"), "f", counted, 2)
        .unwrap();
    store.outbox_add(&entry(2), None, "f", counted, 2).unwrap();
    store.outbox_add(&entry(3), None, "f", None, 2).unwrap();
    let mut left = Vec::new();
    for (id, next) in [(1, Next::Void), (2, Next::Done), (3, Next::Void)] {
        store.outbox_update(Uuid::from_u128(id), &next).unwrap();
        left.push(store.sent_today().unwrap());
    }
    assert_eq!(left, [today(7), today(7), today(7)]);
    // The key is free again.
    assert!(store.outbox_by_key("key", 3).unwrap().is_none());
}

#[test]
fn what_ends_after_an_erasure_leaves_no_trace() {
    let store = store();
    let watcher = Watcher {
        user_id: "w".into(),
        asked: 1,
        is_hidden: 0,
        is_due: 0,
    };
    let step = store.watchers_to_tell(true, 9, 1_000).unwrap();
    for outcome in [
        PushOutcome::Heard,
        PushOutcome::Unwanted,
        PushOutcome::Unreached,
    ] {
        store.watcher_told(&watcher, 3, outcome).unwrap();
    }
    store.watched_told(&step, Some(2_000), 1_000).unwrap();
    store.set_recorded().unwrap();
    store.set_offline(1_000, 7).unwrap();
    store.receipt_remove(7).unwrap();
    store.block_remove("w", 1_000).unwrap();
    store.conversation_remove("k").unwrap();
    assert_eq!(&*store.schema().unwrap(), "");
}

/// Returns the offsets that can be replayed at `now`, and how many rows the log has.
fn kept(store: &Store<Connection>, now: Millis, keep: &Retention) -> (Vec<u64>, usize) {
    let missed = store.events_after(0, now.saturating_sub(keep.time), "T", 9_999);
    let rows = "SELECT count(*) FROM log";
    let rows = store.database().query_row(rows, [], |row| row.get(0));
    (offsets(&missed.unwrap()), rows.unwrap())
}

#[test]
fn the_log_is_a_ring() {
    let store = store();
    for (index, id) in ["a", "b", "c", "d"].into_iter().enumerate() {
        let offset = store.append(&event(id), 1 + index as u64, &KEEP).unwrap();
        assert_eq!(offset, index as u64 + 1);
    }
    let bounds = store.log_bounds(0).unwrap().unwrap();
    assert_eq!((bounds.first, bounds.last), (2, 4));
    assert!(!store.has_message("a").unwrap());
    assert!(store.has_message("b").unwrap());
    assert_eq!(kept(&store, 4, &KEEP), (vec![2, 3, 4], 3));
    // What is too old is no longer replayed, but stays until its row is needed. The newest stays in any case, so that
    // offsets only grow.
    assert_eq!(kept(&store, 5_000, &KEEP), (vec![], 3));
    assert_eq!(store.append(&event("e"), 5_000, &KEEP).unwrap(), 5);
    assert_eq!(kept(&store, 5_000, &KEEP), (vec![5], 3));
    assert_eq!(store.log_bounds(4_000).unwrap().unwrap().first, 5);
    assert_eq!(store.time_of(5).unwrap(), 5_000);
    assert_eq!(store.time_of(2).unwrap(), 0);
}

#[test]
fn the_log_of_a_user_who_gets_little_stays_short() {
    let store = store();
    for day in 1..9 {
        let now = day * 2_000;
        let offset = store.append(&event("a"), now, &KEEP).unwrap();
        assert_eq!(kept(&store, now, &KEEP), (vec![offset], 1));
    }
}

#[test]
fn a_log_of_another_size_loses_nothing_that_it_may_hold() {
    let store = store();
    let keep = |events| Retention { events, ..KEEP };
    let append = |events| store.append(&event("a"), 1, &keep(events)).unwrap();
    for _ in 0..7 {
        append(5);
    }
    assert_eq!(kept(&store, 1, &KEEP), (vec![3, 4, 5, 6, 7], 5));
    assert_eq!(append(3), 8);
    assert_eq!(kept(&store, 1, &KEEP), (vec![6, 7, 8], 3));
    assert_eq!(append(4), 9);
    assert_eq!(append(4), 10);
    assert_eq!(kept(&store, 1, &KEEP), (vec![7, 8, 9, 10], 4));
    assert_eq!(append(1), 11);
    assert_eq!(kept(&store, 1, &KEEP), (vec![11], 1));
}

#[test]
fn the_log_and_the_list_of_the_first_version_go_on() {
    let store = store();
    store.database().execute_batch(USER[0].sql).unwrap();
    for offset in 11..=20 {
        let sql = "INSERT INTO log VALUES (?1, ?1, 'new_message', '{}', 500)";
        store.database().execute(sql, [offset]).unwrap();
    }
    let bounds = store.log_bounds(0).unwrap().unwrap();
    assert_eq!((bounds.first, bounds.last), (11, 20));
    assert_eq!(store.append(&event("a"), 600, &KEEP).unwrap(), 21);
    assert_eq!(kept(&store, 600, &KEEP), (vec![19, 20, 21], 3));
    assert_eq!(store.newest_message().unwrap(), None);
}

#[test]
fn the_log_of_a_user_who_was_erased_goes_on_behind_the_old_one() {
    let old = store().append(&event("a"), 1_000, &KEEP).unwrap();
    let new = store();
    assert!(new.append(&event("b"), 2_000, &KEEP).unwrap() > old + 1);
}

#[test]
fn what_a_client_missed_is_its_newest_part_in_order() {
    let store = store();
    let keep = Retention {
        events: 99,
        time: 1_000,
    };
    for id in ["a", "b", "c"] {
        store.append(&event(id), 1, &keep).unwrap();
    }
    let own = NewEntry {
        except_sid: Some("S"),
        ..event("d")
    };
    store.append(&own, 2, &keep).unwrap();
    let missed = store.events_after(1, 0, "S", 1_000).unwrap();
    assert_eq!((offsets(&missed), missed.is_complete), (vec![2, 3], true));
    let missed = store.events_after(0, 0, "T", 2 * 24).unwrap();
    assert_eq!((offsets(&missed), missed.is_complete), (vec![3, 4], false));
    assert_eq!(store.last_offset_at(1).unwrap(), 3);
    assert_eq!(store.last_offset_at(0).unwrap(), 0);
    // A blanked conversation keeps its offsets.
    store.blank("k").unwrap();
    assert_eq!(
        offsets(&store.events_after(0, 0, "T", 999).unwrap()),
        [0; 0]
    );
    assert_eq!(store.last_offset().unwrap(), 4);
}

#[test]
fn receipts_are_told_in_order_and_go_with_their_messages() {
    let store = store();
    for id in ["a", "b", "c"] {
        let offset = store.append(&event(id), 1, &KEEP).unwrap();
        store.receipt_add(&receipt(offset), false).unwrap();
    }
    assert_eq!(store.next_receipt(2).unwrap(), Some(2));
    let told: Vec<u64> = store
        .receipts_up_to(2)
        .unwrap()
        .iter()
        .map(|receipt| receipt.offset)
        .collect();
    assert_eq!(told, [1, 2]);
    store.receipt_remove(1).unwrap();
    store.receipts_drop(2, 3).unwrap();
    assert_eq!(store.next_receipt(0).unwrap(), Some(3));
    for id in ["d", "e", "f"] {
        store.append(&event(id), 1, &KEEP).unwrap();
    }
    assert_eq!(store.next_receipt(0).unwrap(), None);
}

#[test]
fn receipts_of_what_a_device_has_or_may_have_outlive_their_messages() {
    let store = store();
    store.set_online("u", true, 10).unwrap();
    let fill = || {
        for id in ["x", "y", "z"] {
            store.append(&event(id), 1, &KEEP).unwrap();
        }
    };
    for id in ["a", "b"] {
        let offset = store.append(&event(id), 1, &KEEP).unwrap();
        store.receipt_add(&receipt(offset), false).unwrap();
    }
    // A device is online and was sent both messages.
    fill();
    assert_eq!(store.receipts_up_to(9).unwrap().len(), 2);
    // The device has disconnected. The sender of the message that it has confirmed is still to be told.
    store.set_offline(20, 1).unwrap();
    fill();
    let left = store.receipts_up_to(9).unwrap();
    let left: Vec<u64> = left.iter().map(|receipt| receipt.offset).collect();
    assert_eq!(left, [1]);
}

#[test]
fn receipts_go_with_their_conversation() {
    let store = store();
    for (offset, conversation) in [(1, "k"), (2, "other")] {
        let receipt = PendingReceipt {
            payload: format!(r#"{{"conversationId":"{conversation}"}}"#),
            ..receipt(offset)
        };
        store.receipt_add(&receipt, false).unwrap();
    }
    store.blank("k").unwrap();
    assert_eq!(store.next_receipt(0).unwrap(), Some(2));
}

#[test]
fn confirmation_and_last_seen_only_move_forward() {
    let store = store();
    store.set_online("u", true, 100).unwrap();
    store.set_confirmed(7).unwrap();
    store.set_confirmed(5).unwrap();
    store.set_offline(90, 6).unwrap();
    let state = store.user_state().unwrap();
    assert_eq!((state.is_online, state.is_recorded), (0, 1));
    assert_eq!((state.confirmed, state.last_seen), (7, Some(100)));
    assert_eq!(state.user_id, "u");
}

#[test]
fn a_send_stays_until_it_is_done_and_its_key_for_longer() {
    let store = store();
    let kind = |id| {
        if id == 2 {
            SendKind::Direct
        } else {
            SendKind::Bulk
        }
    };
    let entry = |id: u128| OutboxEntry::new(Uuid::from_u128(id), vec!["r".into()], 100, kind(id));
    store
        .outbox_add(&entry(1), Some("key"), "f", None, 500)
        .unwrap();
    store.outbox_add(&entry(2), None, "f", None, 400).unwrap();
    let due = |id, attempts, next_attempt_at| Due {
        send_id: entry(id).send_id,
        attempts,
        next_attempt_at,
    };
    assert_eq!(
        store.outbox_due().unwrap(),
        [due(2, 0, 400), due(1, 0, 500)]
    );
    let retry = |unconfirmed: &[&str]| Next::Retry {
        rest: Some(Rest {
            pending: HashSet::from(["r".to_owned()]),
            unconfirmed: unconfirmed.iter().map(|id| (*id).to_owned()).collect(),
        }),
        at: 600,
    };
    store
        .outbox_update(entry(2).send_id, &retry(&["x"]))
        .unwrap();
    let open = store.outbox_open().unwrap();
    assert_eq!(open.len(), 2);
    assert_eq!((open[1].0.attempts, open[1].0.kind), (1, SendKind::Direct));
    assert_eq!(open[1].0.unreached().collect::<Vec<_>>(), ["r"]);
    assert_eq!(open[1].0.unconfirmed, HashSet::from(["x".to_owned()]));
    assert_eq!(
        store.outbox_due().unwrap(),
        [due(1, 0, 500), due(2, 1, 600)]
    );
    let next = |after| store.outbox_next(after).unwrap().map(|next| next.0.send_id);
    assert_eq!(next(None), Some(entry(1).send_id));
    assert_eq!(next(next(None)), Some(entry(2).send_id));
    assert_eq!(next(next(next(None))), None);
    store.outbox_keep_result(entry(1).send_id, "{}").unwrap();
    for id in [1, 2] {
        store.outbox_update(entry(id).send_id, &Next::Done).unwrap();
    }
    assert_eq!(store.outbox_due().unwrap(), []);
    let keyed = store.outbox_by_key("key", 200).unwrap().unwrap();
    assert_eq!(keyed.result.as_deref(), Some("{}"));
    assert!(store.outbox_by_key("key", 90_000_000).unwrap().is_none());
}

#[test]
fn the_newest_chunk_of_each_campaign_is_kept_as_long_as_the_campaign() {
    let store = store();
    let [one, other] = [1, 2].map(|id| Uuid::from_u128(id).to_string());
    let add = |id: u128, key: &str| {
        let entry = OutboxEntry::new(Uuid::from_u128(id), vec!["a".into()], 100, SendKind::Bulk);
        store.outbox_add(&entry, Some(key), "f", None, 500).unwrap();
        store.outbox_keep_result(entry.send_id, "{}").unwrap();
        store.outbox_update(entry.send_id, &Next::Done).unwrap();
    };
    let is_known = |key: &str| store.outbox_by_key(key, 90_000_000).unwrap().is_some();
    add(1, &chunk_key(&one, 0));
    add(2, &chunk_key(&one, 1));
    add(3, "key");
    add(4, &chunk_key(&other, 10));
    assert!(!is_known(&chunk_key(&one, 0)));
    assert!(is_known(&chunk_key(&one, 1)));
    assert!(!is_known("key"));
    assert!(is_known(&chunk_key(&other, 10)));
    add(5, &chunk_key(&other, 11));
    assert!(!is_known(&chunk_key(&other, 10)));
    store.campaign_remove(&one).unwrap();
    assert!(!is_known(&chunk_key(&one, 1)));
    assert!(is_known(&chunk_key(&other, 11)));
}

/// Records every statement that is run.
struct Spy {
    database: Connection,
    seen: RefCell<BTreeSet<String>>,
}

impl Database for Spy {
    fn query<T: DeserializeOwned>(
        &self,
        sql: &str,
        params: Vec<Param>,
    ) -> Result<impl Iterator<Item = Result<T>>> {
        self.seen.borrow_mut().insert(sql.to_owned());
        self.database.query(sql, params)
    }

    fn execute(&self, sql: &str) -> Result<()> {
        Database::execute(&self.database, sql)
    }
}

/// Runs every statement that any event runs, at least once.
fn run_everything(store: &Store<Spy>) -> Result<()> {
    let target = Target {
        receiver_id: "r".into(),
        conversation_id: "k".into(),
        message_id: "m".into(),
    };
    let entry = OutboxEntry::new(Uuid::nil(), vec!["r".into()], 1, SendKind::Direct);
    store.know_user("u")?;
    store.set_online("u", true, 1)?;
    store.set_recorded()?;
    store.set_confirmed(1)?;
    store.append(&event("a"), 1, &KEEP)?;
    store.append(&event("b"), 5_000, &KEEP)?;
    store.has_message("a")?;
    store.events_after(0, 0, "S", 99)?;
    store.last_offset_at(1)?;
    store.held_on("k", 0, 1)?;
    let held = NewEntry {
        is_held: true,
        incoming: None,
        ..event("c")
    };
    store.append(&held, 5_000, &KEEP)?;
    store.release_held(5_000, 5_000)?;
    store.time_of(1)?;
    store.receipt_add(&receipt(1), false)?;
    store.receipts_up_to(9)?;
    store.receipts_drop(0, 9)?;
    store.receipt_remove(1)?;
    let preferences = Preferences {
        presence: Audience::Contacts,
        ..Preferences::default()
    };
    store.set_preferences(&preferences, 1)?;
    store.contacts_add(std::slice::from_ref(&target), 1)?;
    store.contacts_unknown(9)?;
    store.contacts_found(&["k".into()])?;
    store.message_received(&target, None)?;
    store.conversation_found(&target)?;
    store.conversations_add(&[target])?;
    store.conversations_add(&send(1, &["a", "b"]))?;
    store.conversations_add(&send(2, &["a", "b"]))?;
    store.sent_fold(0)?;
    store.peer("k")?;
    store.conversation_page(None, 9)?;
    store.newest_message()?;
    store.conversation_remove("k")?;
    store.sent_clear()?;
    store.block_add("b", 1)?;
    store.has_blocked("b")?;
    store.block_remove("b", 1)?;
    let mut watches = Watches::default();
    watches.add(&["w".into()], 9);
    store.watches_set("S", &watches)?;
    store.watches_end("S", 1)?;
    store.watches_resume("S", 1)?;
    store.watches_prune(1)?;
    store.watches_remove("S")?;
    store.watcher_add("w", true, 9, 1)?;
    store.watched_change(false, 1)?;
    store.watched_sync(false, 1)?;
    store.watched()?;
    store.watchers(1)?;
    let step = store.watchers_to_tell(false, 1, 1)?;
    for watcher in &step.watchers {
        for outcome in [
            PushOutcome::Heard,
            PushOutcome::Unreached,
            PushOutcome::Unwanted,
        ] {
            store.watcher_told(watcher, step.version, outcome)?;
        }
    }
    store.watched_told(&step, Some(1), 1)?;
    let step = store.watchers_to_tell(false, 1, 1)?;
    store.watched_told(&step, None, 1)?;
    store.bucket_set("bulk", Bucket::default())?;
    store.bucket("bulk")?;
    store.outbox_add(&entry, Some("key"), "f", None, 1)?;
    store.outbox_renew(&entry, 1)?;
    store.outbox_open()?;
    store.outbox_next(None)?;
    store.outbox_due()?;
    store.outbox_by_key("key", 1)?;
    store.outbox_keep_result(entry.send_id, "{}")?;
    for next in [Next::Void, Next::Done] {
        store.outbox_update(entry.send_id, &next)?;
    }
    store.campaign_set("c", State::Draft)?;
    store.campaign_runs("c", 1, 1)?;
    store.campaign_state("c")?;
    store.campaign_page(None, 1)?;
    store.campaign_allowance("c", 1, 1)?;
    store.campaign_remove("c")?;
    store.revoke(1)?;
    store.revoked_at()?;
    store.set_offline(1, 1)
}

/// Tables that may be scanned: they have one row, or every row has to be read.
const SCANNED: [&str; 16] = [
    "user_state",
    "new_senders",
    // What is held is looked for by a connect, as long as the last day on which something was is recent.
    "log",
    "revocation",
    "watched",
    // A page of the list is sorted when it is read, and the newest message is looked for once by an instance.
    "conversations",
    // So are the last sends to many, the number of which is bounded.
    "sent",
    "json_each",
    // The ids of what is unread in one conversation.
    "(subquery-3)",
    "newest",
    // Most pushes go to every watcher.
    "watchers",
    // A subscription deletes the watches of lost connections by time: one row per connection.
    "watches",
    // A send with a key deletes expired results by time: one row per send of the last day.
    "outbox",
    // What counts for today is added up: one row per campaign, which expires.
    "campaigns",
    "t",
    "sqlite_master",
];

#[test]
fn every_statement_of_an_event_reads_by_key() {
    let store = Store::new(Spy {
        database: Connection::open_in_memory().unwrap(),
        seen: RefCell::default(),
    });
    run_everything(&store).unwrap();
    let Spy { database, seen } = &store.database;
    assert!(seen.borrow().len() > 40);
    for sql in seen.borrow().iter() {
        let mut plan = database
            .prepare(&format!("EXPLAIN QUERY PLAN {sql}"))
            .unwrap();
        let count = plan.parameter_count();
        let nothing = rusqlite::params_from_iter(std::iter::repeat_n(None::<i64>, count));
        let steps = plan.query_map(nothing, |row| row.get::<_, String>("detail"));
        for step in steps.unwrap().map(std::result::Result::unwrap) {
            let Some(scan) = step.strip_prefix("SCAN ") else {
                continue;
            };
            let table = scan.split(' ').next().unwrap();
            let is_in_order = scan.contains("USING INTEGER PRIMARY KEY") || sql.contains("LIMIT 1");
            assert!(
                SCANNED.contains(&table) || is_in_order || scan == "CONSTANT ROW",
                "{step}: {sql}"
            );
        }
    }
}
