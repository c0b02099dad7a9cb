//! Runs the statements on SQLite with the migrations applied.

mod deployment;
mod history;
mod migration;
mod shards;
mod size;
mod unread;
mod users;
mod webhooks;

use std::collections::{BTreeSet, HashSet};

use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use uuid::Uuid;

use super::history::*;
use super::send::*;
use super::users::*;
use super::*;
use crate::core::config::Config;
use crate::core::events::Request;
use crate::core::events::get_messages::MessagePage;
use crate::core::events::mark_as_read::{Marking, What};
use crate::core::events::new_message::Target;
use crate::core::events::send_bulk_message::BulkMessage;
use crate::core::ids::send_id;
use crate::core::preferences::{Audience, Preferences};
use crate::core::refusal::Refusal;
use crate::core::store::Database;
use crate::core::store::testing::value;
use crate::core::time::Millis;
use crate::core::token::Identity;
use crate::wire::socket_io::Args;

const MIGRATIONS: [&str; 7] = [
    include_str!("../../../../migrations/0001_init.sql"),
    include_str!("../../../../migrations/0002_messaging.sql"),
    include_str!("../../../../migrations/0003_jurisdiction.sql"),
    include_str!("../../../../migrations/0004_compact_record.sql"),
    include_str!("../../../../migrations/0005_shards.sql"),
    include_str!("../../../../migrations/0006_preferences.sql"),
    include_str!("../../../../migrations/0007_webhooks.sql"),
];

const NOW: Millis = 1_800_000_000_000;

fn database() -> Connection {
    let db = Connection::open_in_memory().unwrap();
    db.execute_batch("PRAGMA foreign_keys = ON").unwrap();
    for migration in MIGRATIONS {
        db.execute_batch(migration).unwrap();
    }
    for (id, role) in [
        ("c1", Role::Contractor),
        ("a", Role::Customer),
        ("b", Role::Customer),
    ] {
        add(&db, id, role, None);
    }
    db
}

fn add(db: &Connection, id: &str, role: Role, name: Option<&str>) {
    let identity = Identity {
        user_id: id.into(),
        role,
        name: name.map(str::to_owned),
        expires_at: 0,
        issued_at: None,
    };
    run(db, &add_user(&identity, None, NOW));
}

/// Runs a statement and returns its rows as text.
fn run(db: &Connection, statement: &Statement) -> Vec<Vec<String>> {
    let params = statement.params.iter().map(value);
    let mut prepared = db.prepare(statement.sql).unwrap();
    let columns = prepared.column_count();
    let rows = prepared
        .query_map(params_from_iter(params), |row| {
            (0..columns)
                .map(|column| row.get::<_, Value>(column).map(|value| text(&value)))
                .collect()
        })
        .unwrap();
    rows.map(Result::unwrap).collect()
}

/// Runs a statement and returns its rows as objects, as D1 does.
fn rows<T: serde::de::DeserializeOwned>(db: &Connection, statement: &Statement) -> Vec<T> {
    let rows = Database::query(db, statement.sql, statement.params.clone()).unwrap();
    rows.map(Result::unwrap).collect()
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => "NULL".into(),
        Value::Integer(number) => number.to_string(),
        Value::Text(text) => text.clone(),
        Value::Blob(bytes) => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
        other => panic!("{other:?}"),
    }
}

fn query(db: &Connection, sql: &'static str) -> Vec<Vec<String>> {
    let params = vec![];
    run(db, &Statement { sql, params })
}

fn message(receiver_ids: &[&str], job_id: Option<&str>) -> BulkMessage {
    let payload = serde_json::json!([{
        "receiverIds": receiver_ids,
        "messageType": "text",
        "content": { "text": "hi" },
        "jobId": job_id,
    }]);
    let args = Args {
        values: serde_json::from_str(&payload.to_string()).unwrap(),
        attachments: vec![],
    };
    let config = Config::read(|name| (name == "JWT_SECRET").then(|| "0123456789".repeat(4)));
    match Request::read("send_bulk_message", &args, &config.unwrap()) {
        Ok(Request::SendBulkMessage(message)) => message,
        other => panic!("{other:?}"),
    }
}

/// The stored targets, and the refused receivers.
type Settled = (Vec<Target>, Vec<(String, Refusal)>);

/// Returns each refused receiver and the reason that the sender is told.
fn refusals((_, refused): &Settled) -> Vec<(String, String)> {
    refused
        .iter()
        .map(|(id, refusal)| (id.clone(), refusal.to_string()))
        .collect()
}

/// Runs a send's statements and returns the outcome. D1 runs them in one transaction.
fn send(db: &Connection, send: Uuid, sender_id: &str, message: &BulkMessage) -> Settled {
    let targets = targets(send, sender_id, &message.receiver_ids);
    let role = Some(Role::Contractor);
    let results: Vec<_> = store(send, sender_id, role, &message.draft, &targets)
        .iter()
        .map(|statement| run(db, statement))
        .collect();
    let outcomes: Vec<RecordedCopy> = results[3]
        .iter()
        .map(|row| RecordedCopy {
            receiver_id: row[0].clone(),
            stored: row[1].parse().unwrap(),
            known: row[2].parse().unwrap(),
            blocked: row[3].parse().unwrap(),
            region: None,
        })
        .collect();
    settle(
        sender_id,
        &message.receiver_ids,
        targets,
        &outcomes,
        &HashSet::new(),
    )
}

fn id(now: Millis) -> Uuid {
    send_id(now, [7; 16])
}

fn receivers((stored, _): &Settled) -> Vec<&str> {
    stored
        .iter()
        .map(|target| target.receiver_id.as_str())
        .collect()
}

#[test]
fn a_send_stores_one_message_and_one_conversation_per_receiver() {
    let db = database();
    let settled = send(
        &db,
        id(NOW),
        "c1",
        &message(&["b", "nobody", "c1", "a"], Some("job")),
    );
    assert_eq!(receivers(&settled), ["b", "a"]);
    assert_eq!(
        refusals(&settled),
        [
            ("nobody".to_owned(), "Receiver not found".to_owned()),
            (
                "c1".to_owned(),
                "You cannot send a message to yourself".to_owned()
            ),
        ]
    );
    let messages = query(
        &db,
        "SELECT c.user_a, c.user_b, m.from_a, m.message_type, m.content, m.job_id
         FROM messages AS m JOIN conversations AS c ON c.conversation_id = m.conversation_id
         ORDER BY c.user_a",
    );
    let shared = |user_a| [user_a, "c1", "0", "NULL", "NULL", "NULL"];
    assert_eq!(messages, [shared("a"), shared("b")]);
    assert_eq!(
        query(&db, "SELECT * FROM contents"),
        [[
            "c1",
            "01a3185c500070008707070707070707",
            "text",
            r#"{"text":"hi"}"#,
            "job"
        ]]
    );
    assert_eq!(
        query(
            &db,
            "SELECT user_a, user_b, job_id, created_at FROM conversations ORDER BY user_a"
        ),
        [
            ["a", "c1", "job", "1800000000000"],
            ["b", "c1", "job", "1800000000000"]
        ]
    );
}

#[test]
fn a_send_run_twice_changes_nothing() {
    let db = database();
    let first = send(&db, id(NOW), "c1", &message(&["a", "b"], Some("1")));
    send(&db, id(NOW + 1), "c1", &message(&["a", "b"], Some("2")));
    let before = db.total_changes();
    let again = send(&db, id(NOW), "c1", &message(&["a", "b"], Some("1")));
    assert_eq!(again, first);
    assert_eq!(db.total_changes(), before);
    assert_eq!(query(&db, "SELECT job_id FROM conversations"), [["2"]; 2]);
}

#[test]
fn one_row_is_written_for_a_known_receiver_and_one_for_the_content() {
    let db = database();
    send(&db, id(NOW), "c1", &message(&["a", "b"], Some("job")));
    let written = |now, job| {
        let before = db.total_changes();
        send(&db, id(now), "c1", &message(&["a", "b"], job));
        db.total_changes() - before
    };
    assert_eq!(written(NOW + 1, Some("job")), 3);
    // A send without a job leaves the conversation's job unchanged.
    assert_eq!(written(NOW + 2, None), 3);
    let jobs = || query(&db, "SELECT job_id FROM conversations");
    assert_eq!(jobs(), [["job"], ["job"]]);
    assert_eq!(written(NOW + 3, Some("other")), 5);
    assert_eq!(jobs(), [["other"], ["other"]]);
    let before = db.total_changes();
    send(&db, id(NOW + 4), "c1", &message(&["a"], None));
    assert_eq!(db.total_changes() - before, 1);
}

#[test]
fn a_send_that_arrives_late_leaves_the_job_of_a_later_one() {
    let db = database();
    send(&db, id(NOW + 1), "c1", &message(&["a"], Some("later")));
    send(&db, id(NOW), "c1", &message(&["a", "b"], Some("earlier")));
    let jobs = query(&db, "SELECT job_id FROM conversations ORDER BY user_a");
    assert_eq!(jobs, [["later"], ["earlier"]]);
}

#[test]
fn who_is_no_contractor_stores_nothing() {
    let db = database();
    for sender in ["a", "nobody"] {
        let settled = send(&db, id(NOW), sender, &message(&["b", "c1"], None));
        assert_eq!(receivers(&settled), [""; 0]);
    }
    // A send that reaches nobody has no content, either.
    send(&db, id(NOW), "c1", &message(&["nobody", "none"], None));
    for table in ["conversations", "messages", "contents"] {
        let count: u64 = db
            .query_one(&format!("SELECT count(*) FROM {table}"), [], |row| {
                row.get(0)
            })
            .unwrap();
        assert_eq!(count, 0, "{table}");
    }
}

#[test]
fn a_direct_message_takes_no_role_and_has_its_content_itself() {
    let db = database();
    let message = message(&["b"], None);
    let written = |now| {
        let targets = targets(id(now), "a", &message.receiver_ids);
        let before = db.total_changes();
        for statement in store(id(now), "a", None, &message.draft, &targets) {
            run(&db, &statement);
        }
        db.total_changes() - before
    };
    assert_eq!([written(NOW), written(NOW + 1)], [2, 1]);
    assert_eq!(
        query(&db, "SELECT from_a, message_type, content FROM messages"),
        [["1", "text", r#"{"text":"hi"}"#]; 2]
    );
}

#[test]
fn a_receiver_who_blocked_the_sender_gets_nothing() {
    let db = database();
    query(&db, "INSERT INTO blocks VALUES ('a', 'c1', 0)");
    let settled = send(&db, id(NOW), "c1", &message(&["a", "b"], None));
    assert_eq!(receivers(&settled), ["b"]);
    assert_eq!(
        refusals(&settled),
        [(
            "a".to_owned(),
            "Receiver is not accepting messages from you".to_owned()
        )]
    );
}

fn prefer(db: &Connection, user_id: &str, presence: Audience, bulk_messages: Audience) {
    let preferences = Preferences {
        presence,
        bulk_messages,
        ..Preferences::default()
    };
    run(db, &put_preferences(user_id, &preferences));
}

/// Sends a direct message.
fn send_one(db: &Connection, now: Millis, from: &str, to: &str) -> Vec<Target> {
    let message = message(&[to], None);
    let targets = targets(id(now), from, &message.receiver_ids);
    for statement in store(id(now), from, None, &message.draft, &targets) {
        run(db, &statement);
    }
    targets
}

#[test]
fn a_receiver_decides_whose_bulk_messages_to_take() {
    let db = database();
    // "zoe" comes after the contractor in the order of ids, the others before.
    add(&db, "zoe", Role::Customer, None);
    let everybody = ["a", "b", "zoe"];
    let mut now = NOW;
    let mut send = || {
        now += 1;
        send(&db, id(now), "c1", &message(&everybody, None))
    };
    for user in everybody {
        prefer(&db, user, Audience::Everyone, Audience::Contacts);
    }
    let (stored, refused) = send();
    assert_eq!(stored, []);
    let refusals: BTreeSet<String> = refused.iter().map(|(_, why)| why.to_string()).collect();
    assert_eq!(
        refusals.into_iter().collect::<Vec<_>>(),
        ["Receiver does not accept bulk messages"]
    );
    // A refused message leaves nothing behind, and one to nobody else is not affected.
    assert_eq!(query(&db, "SELECT count(*) FROM conversations"), [["0"]]);
    send_one(&db, NOW + 50, "c1", "zoe");
    assert_eq!(
        receivers(&send()),
        [""; 0],
        "the contractor has written, not the receiver"
    );
    send_one(&db, NOW + 51, "a", "c1");
    send_one(&db, NOW + 52, "zoe", "c1");
    assert_eq!(receivers(&send()), ["a", "zoe"]);
    prefer(&db, "a", Audience::Contacts, Audience::Nobody);
    prefer(&db, "b", Audience::Nobody, Audience::Everyone);
    assert_eq!(receivers(&send()), ["b", "zoe"]);
    run(&db, &block("a", "c1", NOW));
    let why = refusals_of(&send(), "a");
    assert_eq!(why, "Receiver is not accepting messages from you");
    // Nobody else's messages to them are affected.
    run(&db, &unblock("a", "c1"));
    send_one(&db, NOW + 99, "c1", "a");
    let direct = "SELECT count(*) FROM messages WHERE content IS NOT NULL";
    assert_eq!(query(&db, direct), [["4"]]);
}

fn refusals_of(settled: &Settled, user_id: &str) -> String {
    let mut all = refusals(settled).into_iter();
    let found = all.find(|(id, _)| id == user_id);
    found.map(|(_, why)| why).unwrap_or_default()
}

#[test]
fn a_repeat_is_what_it_was_whatever_the_receiver_prefers_since() {
    let db = database();
    let first = send(&db, id(NOW), "c1", &message(&["a", "b"], None));
    prefer(&db, "a", Audience::Everyone, Audience::Nobody);
    let before = db.total_changes();
    let again = send(&db, id(NOW), "c1", &message(&["a", "b"], None));
    assert_eq!(again, first);
    assert_eq!(db.total_changes(), before);
}

#[test]
fn ids_of_digits_and_quotes_stay_what_they_are() {
    let db = database();
    for odd in ["007", "it's", "\"q\"", "ü 字 🙂"] {
        add(&db, odd, Role::Customer, None);
        let settled = send(&db, id(NOW), "c1", &message(&[odd], None));
        assert_eq!(receivers(&settled), [odd]);
    }
}

#[test]
fn the_database_decides_once_a_user_is_there() {
    let db = database();
    add(&db, "n", Role::Customer, Some("Ann"));
    add(&db, "n", Role::Contractor, Some("Bob"));
    assert_eq!(
        query(&db, "SELECT role, name FROM users WHERE user_id = 'n'"),
        [["customer", "Ann"]]
    );
}

#[test]
fn a_send_reads_back() {
    let db = database();
    let sent = message(&["a", "nobody", "b"], Some("job"));
    send(&db, id(NOW), "c1", &sent);
    let targets = targets(id(NOW), "c1", &sent.receiver_ids);
    let statements = read_back("c1", &targets);
    assert_eq!(run(&db, &statements[0]), [["contractor", "NULL", "NULL"]]);
    let rows = run(&db, &statements[1]);
    let row = |receiver| [receiver, "text", r#"{"text":"hi"}"#, "job", "NULL"];
    assert_eq!(rows, [row("a"), row("b")]);
}

#[test]
fn every_statement_reads_by_key() {
    let db = database();
    let message = message(&["a"], None);
    let targets = targets(id(NOW), "c1", &message.receiver_ids);
    let marking = Marking {
        conversation_id: targets[0].conversation_id.clone(),
        what: What::UpTo(targets[0].message_id.clone()),
    };
    let page = |after: Option<&str>| MessagePage {
        conversation_id: targets[0].conversation_id.clone(),
        limit: 1,
        before: None,
        after: after.map(str::to_owned),
    };
    let identity = Identity {
        user_id: "a".into(),
        role: Role::Customer,
        name: None,
        expires_at: 0,
        issued_at: None,
    };
    let conversation_ids = [targets[0].conversation_id.clone()];
    let single = vec![
        add_user(&identity, None, NOW),
        put_user("a", &Profile::default(), NOW),
        find_user("a"),
        regions(&["a"]),
        block("a", "b", NOW),
        unblock("a", "b"),
        put_preferences("a", &Preferences::default()),
        written_in("a", &conversation_ids),
        conversations("a", &conversation_ids),
    ];
    let batches = [
        store(id(NOW), "c1", None, &message.draft, &targets),
        store(
            id(NOW),
            "c1",
            Some(Role::Contractor),
            &message.draft,
            &targets,
        ),
        read_back("c1", &targets),
        messages(&page(None)),
        messages(&page(Some(&targets[0].message_id))),
        mark_read("a", &marking),
        erase_conversations("a", &conversation_ids),
        single,
    ];
    for statement in batches.into_iter().flatten() {
        let sql = format!("EXPLAIN QUERY PLAN {}", statement.sql);
        let mut prepared = db.prepare(&sql).unwrap();
        let nulls = vec![Value::Null; prepared.parameter_count()];
        let plan: Vec<String> = prepared
            .query_map(params_from_iter(nulls), |row| row.get("detail"))
            .unwrap()
            .map(Result::unwrap)
            .collect();
        let is_scan = |step: &&String| {
            let others = [
                "VIRTUAL TABLE",
                "SCAN up_to",
                "SCAN (subquery",
                "CONSTANT ROW",
            ];
            step.starts_with("SCAN") && !others.iter().any(|other| step.contains(other))
        };
        assert_eq!(plan.iter().filter(is_scan).count(), 0, "{sql}: {plan:?}");
        // Rows read in key order are not sorted. Rows from a list of ids may be.
        let sorts = plan.iter().filter(|step| step.contains("TEMP B-TREE"));
        let is_list = statement.sql.contains("json_each");
        assert!(is_list || sorts.count() == 0, "{sql}: {plan:?}");
    }
}
