//! Tests of the migrations on existing data, and of moving the record to the tables of today.

use super::*;
use crate::core::error::to_json;
use crate::core::ids::{conversation_id, created_at, message_id, ordered_pair};

/// One batch (`npm run migrate-record`), which moves this many messages.
const MOVE: &str = include_str!("../../../../scripts/lib/move-record.sql");
const ROWS: &str = "10000";

/// Moves a batch of `rows` messages, as one transaction. Returns whether anything remains.
fn move_batch(db: &Connection, rows: usize) -> rusqlite::Result<bool> {
    let sql = MOVE.replace(ROWS, &rows.to_string());
    let (moving, remaining) = sql.rsplit_once("\nSELECT").unwrap();
    db.execute_batch(&format!("BEGIN; {moving}\n; COMMIT;"))
        .inspect_err(|_| db.execute_batch("ROLLBACK").unwrap())?;
    let next: Option<String> = db.query_one(&format!("SELECT{remaining}"), [], |row| row.get(0))?;
    Ok(next.is_some())
}

/// Runs every migration in the folder, in order, on data of the first one's schema. `later` adds to it what the schema
/// of the migrations before the last can hold.
fn migrated(data: &str, later: &str) -> Connection {
    let db = Connection::open_in_memory().unwrap();
    db.execute_batch("PRAGMA foreign_keys = ON").unwrap();
    db.execute_batch(MIGRATIONS[0]).unwrap();
    db.execute_batch(data).unwrap();
    for migration in &MIGRATIONS[1..3] {
        db.execute_batch(migration).unwrap();
    }
    db.execute_batch(later).unwrap();
    for migration in &MIGRATIONS[3..] {
        db.execute_batch(migration).unwrap();
    }
    db
}

/// A message in the tables of before, with the row of its conversation.
fn old(send: Uuid, index: usize, from: &str, to: &str, content: &str, job: Option<&str>) -> String {
    let conversation = conversation_id(from, to);
    let message = message_id(send, index);
    let at = created_at(send);
    let (a, b) = ordered_pair(from, to);
    let job = job.map_or("NULL".to_owned(), |job| format!("'{job}'"));
    format!(
        "INSERT INTO conversations (conversation_id, user_a, user_b, job_id, last_message_id,
           created_at, updated_at)
         VALUES ('{conversation}', '{a}', '{b}', {job}, '{message}', {at}, {at})
         ON CONFLICT DO UPDATE SET last_message_id = excluded.last_message_id,
           updated_at = excluded.updated_at, job_id = coalesce(excluded.job_id, job_id);
         INSERT INTO messages VALUES
           ('{conversation}', '{message}', '{from}', '{to}', 'text', '{content}', {job}, {at});"
    )
}

const HELLO: &str = r#"{"text":"ü 字 🙂 \"x\""}"#;

/// What the version before wrote: sends to many with and without a job, direct messages both ways, a send whose
/// texts differ, and read marks.
fn data() -> [String; 2] {
    let send = |minute| send_id(NOW + minute, [minute as u8; 16]);
    let users = "INSERT INTO users VALUES
        ('a', 'customer', 'Ann', NULL, 1), ('b', 'customer', NULL, NULL, 1),
        ('ü 字', 'customer', NULL, NULL, 1), ('c1', 'contractor', 'Cy', 'https://x', 2),
        ('c2', 'contractor', NULL, NULL, 2);
        INSERT INTO blocks VALUES ('a', 'x', 3);";
    let to_many = |minute, job| {
        let all = ["a", "b", "ü 字"].into_iter().enumerate();
        all.map(|(index, to)| old(send(minute), index, "c1", to, HELLO, job))
            .collect::<String>()
    };
    let messages = [
        users.to_owned(),
        to_many(1, Some("job")),
        to_many(2, None),
        old(send(3), 0, "a", "c1", r#"{"text":"thanks"}"#, None),
        old(send(4), 0, "c1", "a", r#"{"text":"fine"}"#, Some("other")),
        // Its sender's texts differed: the record has what each receiver got.
        old(send(5), 0, "c2", "a", r#"{"text":"1"}"#, None),
        old(send(5), 1, "c2", "b", r#"{"text": "1"}"#, None),
        old(send(5), 2, "c2", "ü 字", r#"{"text":"1"}"#, None),
    ];
    let reading = format!(
        "UPDATE conversations SET read_a = '{}', read_b = '{}' WHERE conversation_id = '{}'",
        message_id(send(2), 0),
        message_id(send(1), 0),
        conversation_id("a", "c1")
    );
    [messages.concat(), reading]
}

/// What each user can read: each conversation as it is listed, and its page of messages.
fn shown(db: &Connection) -> Vec<(String, String)> {
    let users = ["a", "b", "c1", "c2", "ü 字"];
    let pairs = users
        .iter()
        .flat_map(|one| users.map(|other| (*one, other)));
    pairs
        .filter_map(|(one, other)| {
            let list = conversations(one, &[conversation_id(one, other)]);
            let listed = rows::<ConversationRow>(db, &list).pop()?.conversation();
            let [_, read] = messages(&MessagePage {
                conversation_id: listed.conversation_id.clone(),
                limit: 100,
                before: None,
                after: None,
            })
            .try_into()
            .unwrap();
            let page = rows::<MessageRow>(db, &read).into_iter();
            let page: Vec<_> = page.map(MessageRow::message).collect();
            Some((to_json(&listed), to_json(&page)))
        })
        .collect()
}

fn count(db: &Connection, from: &str) -> u64 {
    let sql = format!("SELECT count(*) FROM {from}");
    db.query_one(&sql, [], |row| row.get(0)).unwrap()
}

#[test]
fn the_migrations_are_those_in_the_folder() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations");
    let mut names: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    names.sort();
    let texts: Vec<String> = names
        .iter()
        .map(|name| std::fs::read_to_string(name).unwrap())
        .collect();
    assert_eq!(texts, MIGRATIONS);
    for (index, name) in names.iter().enumerate() {
        let number = format!("{:04}_", index + 1);
        let name = name.file_name().unwrap().to_str().unwrap();
        assert!(name.starts_with(&number));
    }
}

#[test]
fn migrations_keep_what_is_there() {
    let [data, later] = data();
    let db = migrated(&data, &later);
    while move_batch(&db, 10_000).unwrap() {}
    assert_eq!(
        query(
            &db,
            "SELECT user_id, role, name, avatar_url, created_at, region FROM users LIMIT 1"
        ),
        [["a", "customer", "Ann", "NULL", "1", "NULL"]]
    );
    assert_eq!(count(&db, "blocks"), 1);
    // The users' objects were made before there was a choice.
    let jurisdictions = query(&db, "SELECT jurisdiction FROM deployment");
    assert_eq!(jurisdictions, [["none"]]);
    assert_eq!(query(&db, "PRAGMA foreign_key_check"), [[""; 0]; 0]);

    let list = conversations("a", &[conversation_id("a", "c1")]);
    let [row] = rows::<ConversationRow>(&db, &list).try_into().unwrap();
    let json = serde_json::to_value(row.conversation()).unwrap();
    assert_eq!(json["jobId"], "other");
    assert_eq!(json["lastMessage"]["content"]["text"], "fine");
    assert_eq!(json["lastMessage"]["jobId"], "other");
    assert_eq!(json["lastMessage"]["receiverId"], "a");
    assert_eq!(json["updatedAt"], "2027-01-15T08:00:00.004Z");
    assert_eq!(json["unreadCount"], 1);
    let first = message_id(send_id(NOW + 1, [1; 16]), 0);
    assert_eq!(json["participants"][1]["readUpTo"], first);
    // Both of its participants read each message, and nobody reads another.
    let pages = shown(&db);
    for (text, times) in [("ü 字 🙂", 6), ("thanks", 1), (r#"{"text": "1"}"#, 1)] {
        let found: usize = pages
            .iter()
            .map(|(_, page)| page.matches(text).count())
            .sum();
        assert_eq!(found, 2 * times, "{text}");
    }
    assert_eq!(count(&db, "messages"), 11);
    // The contents of the three sends to many. All copies but that of another text share them.
    assert_eq!(count(&db, "contents"), 3);
    assert_eq!(count(&db, "messages WHERE content IS NULL"), 8);
}

#[test]
fn moving_may_stop_anywhere() {
    let [data, later] = data();
    let whole = migrated(&data, &later);
    while move_batch(&whole, 10_000).unwrap() {}
    for rows in 1..5 {
        let db = migrated(&data, &later);
        let mut batches = 0;
        loop {
            // Nothing is lost or doubled in between.
            assert_eq!(count(&db, "old_messages") + count(&db, "messages"), 11);
            if !move_batch(&db, rows).unwrap() {
                break;
            }
            batches += 1;
        }
        assert!(batches >= 10 / rows);
        assert_eq!(shown(&db), shown(&whole));
        // Another batch finds nothing to do.
        let before = db.total_changes();
        assert!(!move_batch(&db, rows).unwrap());
        assert_eq!(db.total_changes(), before);
    }
}

#[test]
fn what_happens_meanwhile_is_kept() {
    let [data, later] = data();
    let db = migrated(&data, &later);
    let with_a = conversation_id("a", "c1");
    let list = conversations("a", std::slice::from_ref(&with_a));
    let newest = || {
        let [row] = rows::<ConversationRow>(&db, &list).try_into().unwrap();
        serde_json::to_value(row.conversation()).unwrap()
    };
    // A message to a conversation that has not been moved yet, and it is read.
    let settled = send(
        &db,
        id(NOW + 60_000),
        "c1",
        &message(&["a"], Some("newest")),
    );
    let marking = Marking {
        conversation_id: with_a.clone(),
        what: What::UpTo(settled.0[0].message_id.clone()),
    };
    let [_, mark] = mark_read("a", &marking).try_into().unwrap();
    assert_eq!(rows::<Moved>(&db, &mark).len(), 1);
    // A send of before whose fan-out is resumed is found, moved or not. Stored again, it does not double.
    let resumed = |db: &Connection| {
        let receivers = ["a".to_owned(), "b".to_owned(), "ü 字".to_owned()];
        let targets = targets(send_id(NOW + 1, [1; 16]), "c1", &receivers);
        let [_, read] = read_back("c1", &targets).try_into().unwrap();
        let all = rows::<StoredMessage>(db, &read);
        assert!(
            all.iter()
                .all(|one| one.content == HELLO && one.job_id.as_deref() == Some("job"))
        );
        let mut ids: Vec<String> = all.into_iter().map(|one| one.receiver_id).collect();
        ids.sort();
        ids
    };
    let all = ["a", "b", "ü 字"];
    assert_eq!(resumed(&db), all);
    while move_batch(&db, 2).unwrap() {
        assert_eq!(resumed(&db), all);
    }
    assert_eq!(resumed(&db), all);
    let json = newest();
    assert_eq!(json["jobId"], "newest");
    assert_eq!(json["lastMessage"]["messageId"], settled.0[0].message_id);
    assert_eq!(json["unreadCount"], 0);
    let first = message_id(send_id(NOW + 1, [1; 16]), 0);
    assert_eq!(json["participants"][1]["readUpTo"], first);
    assert_eq!(count(&db, "messages"), 12);
}

#[test]
fn an_erasure_takes_what_has_not_been_moved() {
    let [data, later] = data();
    let db = migrated(&data, &later);
    move_batch(&db, 3).unwrap();
    assert!(count(&db, "old_messages") > 0 && count(&db, "messages") > 0);
    let list: Vec<String> = rows::<WithPeer>(&db, &conversations_of("c1"))
        .into_iter()
        .map(|one| one.conversation_id.to_string())
        .collect();
    for statement in erase_conversations("c1", &list)
        .iter()
        .chain(&erase_user("c1"))
    {
        run(&db, statement);
    }
    while move_batch(&db, 3).unwrap() {}
    assert_eq!(count(&db, "messages"), 3);
    let of_c2 = "conversations WHERE 'c2' IN (user_a, user_b)";
    assert_eq!([count(&db, "conversations"), count(&db, of_c2)], [3, 3]);
    assert_eq!(count(&db, "contents WHERE sender_id <> 'c2'"), 0);
}

#[test]
fn a_row_of_somebody_else_stops_the_move() {
    let pair = conversation_id("a", "c1");
    let conversation = |id: &str| {
        format!(
            "INSERT INTO old_conversations VALUES ('{id}', 'a', 'c1', NULL, 'm', 4, 5, NULL, NULL);"
        )
    };
    let message = |conversation: &str, id: &str, to: &str, at: Millis| {
        format!(
            "INSERT INTO old_messages VALUES ('{conversation}', '{id}', 'c1', '{to}', 'text', '{{}}', NULL, {at});"
        )
    };
    let good = message_id(id(NOW), 0);
    for bad in [
        message(&pair, "m", "a", NOW),
        message(&pair, &good.replacen("-7", "-4", 1), "a", NOW),
        message(&pair, &good, "a", NOW + 1),
        message(&pair, &good, "b", NOW),
        conversation("k"),
        conversation("k") + &message("k", &good, "a", NOW),
    ] {
        let db = migrated("", "");
        db.execute_batch(&(conversation(&pair) + &bad)).unwrap();
        let [before, messages] = [count(&db, "old_conversations"), count(&db, "old_messages")];
        let error = move_batch(&db, 10).unwrap_err().to_string();
        assert!(error.contains("NOT NULL constraint failed"), "{error}");
        assert_eq!(
            count(&db, "messages") + count(&db, "conversations"),
            0,
            "{bad}"
        );
        let left = [count(&db, "old_conversations"), count(&db, "old_messages")];
        assert_eq!(left, [before, messages], "{bad}");
    }
}

#[test]
fn a_batch_reads_by_key() {
    let db = migrated("", "");
    for statement in MOVE.split(';').filter(|part| part.contains("LIMIT")) {
        let sql = format!("EXPLAIN QUERY PLAN {statement}");
        let mut prepared = db.prepare(&sql).unwrap();
        let plan: Vec<String> = prepared
            .query_map([], |row| row.get("detail"))
            .unwrap()
            .map(Result::unwrap)
            .collect();
        // It scans the tables of before only as far as its LIMIT, in the order of their keys.
        let is_bounded = |step: &&String| {
            let bounded = ["SCAN old_", "SCAN c", "SCAN m", "SCAN (subquery"];
            bounded.iter().any(|scan| step.starts_with(scan))
        };
        let scans: Vec<_> = plan
            .iter()
            .filter(|step| step.starts_with("SCAN"))
            .collect();
        assert!(scans.iter().all(is_bounded), "{plan:?}");
        let tables = scans.iter().filter(|step| step.starts_with("SCAN old_"));
        assert!(
            tables.count() <= statement.matches("LIMIT").count(),
            "{plan:?}"
        );
        assert!(
            !plan.iter().any(|step| step.contains("TEMP B-TREE")),
            "{plan:?}"
        );
    }
}
