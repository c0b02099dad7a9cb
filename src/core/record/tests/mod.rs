//! Runs the statements on SQLite with the migrations applied.

mod deployment;
mod history;
mod users;

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
use crate::core::refusal::Refusal;
use crate::core::store::Database;
use crate::core::store::testing::value;
use crate::core::time::Millis;
use crate::core::token::Identity;
use crate::wire::socket_io::Args;

const MIGRATIONS: [&str; 4] = [
    include_str!("../../../../migrations/0001_init.sql"),
    include_str!("../../../../migrations/0002_messaging.sql"),
    include_str!("../../../../migrations/0003_jurisdiction.sql"),
    include_str!("../../../../migrations/0004_shards.sql"),
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
    let mut results: Vec<_> = store(send, sender_id, role, &message.draft, &targets)
        .iter()
        .map(|statement| run(db, statement))
        .collect();
    let outcomes: Vec<RecordedCopy> = results
        .pop()
        .unwrap()
        .into_iter()
        .map(|row| RecordedCopy {
            receiver_id: row[0].clone(),
            stored: row[1].parse().unwrap(),
            known: row[2].parse().unwrap(),
            region: None,
        })
        .collect();
    settle(sender_id, &message.receiver_ids, targets, &outcomes)
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
    assert_eq!(
        query(
            &db,
            "SELECT sender_id, receiver_id, message_type, content, job_id, created_at
             FROM messages ORDER BY receiver_id"
        ),
        [
            [
                "c1",
                "a",
                "text",
                r#"{"text":"hi"}"#,
                "job",
                "1800000000000"
            ],
            [
                "c1",
                "b",
                "text",
                r#"{"text":"hi"}"#,
                "job",
                "1800000000000"
            ],
        ]
    );
    assert_eq!(
        query(
            &db,
            "SELECT user_a, user_b, job_id FROM conversations ORDER BY user_a"
        ),
        [["a", "c1", "job"], ["b", "c1", "job"]]
    );
}

#[test]
fn a_send_run_twice_changes_nothing() {
    let db = database();
    let first = send(&db, id(NOW), "c1", &message(&["a"], None));
    let later = send(&db, id(NOW + 1), "c1", &message(&["a"], None));
    let before = db.total_changes();
    assert_eq!(send(&db, id(NOW), "c1", &message(&["a"], None)), first);
    assert_eq!(db.total_changes(), before);
    assert_eq!(
        query(&db, "SELECT last_message_id, updated_at FROM conversations"),
        [[later.0[0].message_id.clone(), "1800000000001".to_owned()]]
    );
}

#[test]
fn two_rows_are_written_for_a_known_receiver() {
    let db = database();
    send(&db, id(NOW), "c1", &message(&["a", "b"], Some("job")));
    let before = db.total_changes();
    send(&db, id(NOW + 1), "c1", &message(&["a", "b"], None));
    assert_eq!(db.total_changes() - before, 4);
    // A send without a job leaves the conversation's job unchanged.
    assert_eq!(
        query(&db, "SELECT job_id FROM conversations"),
        [["job"], ["job"]]
    );
}

#[test]
fn who_is_no_contractor_stores_nothing() {
    let db = database();
    for sender in ["a", "nobody"] {
        let settled = send(&db, id(NOW), sender, &message(&["b"], None));
        assert_eq!(receivers(&settled), [""; 0]);
    }
    assert_eq!(query(&db, "SELECT count(*) FROM conversations"), [["0"]]);
}

#[test]
fn a_direct_message_takes_no_role_and_writes_two_rows() {
    let db = database();
    let message = message(&["b"], None);
    let targets = targets(id(NOW), "a", &message.receiver_ids);
    let before = db.total_changes();
    for statement in store(id(NOW), "a", None, &message.draft, &targets) {
        run(&db, &statement);
    }
    assert_eq!(db.total_changes() - before, 2);
    assert_eq!(query(&db, "SELECT sender_id FROM messages"), [["a"]]);
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
        conversation_id: "k".into(),
        what: What::UpTo("m".into()),
    };
    let page = |after: Option<&str>| MessagePage {
        conversation_id: "k".into(),
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
    let conversation_ids = ["k".to_owned()];
    let single = vec![
        add_user(&identity, None, NOW),
        put_user("a", &Profile::default(), NOW),
        find_user("a"),
        regions(&["a"]),
        block("a", "b", NOW),
        unblock("a", "b"),
        conversations("a", &conversation_ids),
    ];
    let batches = [
        store(id(NOW), "c1", None, &message.draft, &targets),
        read_back("c1", &targets),
        messages(&page(None)),
        messages(&page(Some("m"))),
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
