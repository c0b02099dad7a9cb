//! The tables of a User object's own SQLite storage, as migration steps from an empty database, or from
//! any earlier version, to the current one.
//!
//! Invariant: a step is never changed; a change is a new step after it. Each object migrates when it next
//! uses the tables, so databases of every earlier version exist in production.
//!
//! Related tables are created together, by the first write to any of them: a query about an unknown user
//! writes nothing, and a customer who only receives messages has no outbox.

use super::sent::message_id;

/// A migration step. It has run exactly if its marker exists, which is the last thing that its SQL
/// creates.
pub struct Step {
    /// The name of a table or an index.
    pub marker: &'static str,
    /// The SQL to run if the marker is missing.
    pub sql: &'static str,
}

/// Tables for every user who is online or receives anything.
pub const USER: &[Step] = &[
    Step {
        marker: "log",
        sql: "
CREATE TABLE IF NOT EXISTS user_state (
  id          INTEGER PRIMARY KEY CHECK (id = 1),
  user_id     TEXT NOT NULL,
  is_recorded INTEGER NOT NULL DEFAULT 0,
  is_online   INTEGER NOT NULL DEFAULT 0,
  last_seen   INTEGER,
  confirmed   INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS log (
  offset     INTEGER PRIMARY KEY,
  message_id TEXT NOT NULL,
  event      TEXT NOT NULL,
  payload    TEXT NOT NULL,
  created_at INTEGER NOT NULL
);
",
    },
    // conversations: whom the user talks to, and the order of the list; D1 has the rest.
    // except_sid: the session that caused the event and does not receive it.
    Step {
        marker: "conversations_by_last_message",
        sql: "
ALTER TABLE log ADD COLUMN except_sid TEXT;
CREATE TABLE conversations (
  conversation_id TEXT PRIMARY KEY,
  peer_id         TEXT NOT NULL,
  last_message_id TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX conversations_by_last_message ON conversations (last_message_id);
",
    },
    // The list is sorted when it is read: an index would be written with every message. Neither of these indexes ever
    // has a row; the first is the marker of the step before, the second that of this one.
    Step {
        marker: "conversations_unordered",
        sql: "
DROP INDEX conversations_by_last_message;
CREATE INDEX conversations_by_last_message ON conversations (last_message_id) WHERE last_message_id IS NULL;
CREATE INDEX conversations_unordered ON conversations (peer_id) WHERE peer_id IS NULL;
",
    },
    // sent: the user's last sends to many, each with its message ids by conversation id. See store::sent.
    Step {
        marker: "sent",
        sql: "
CREATE TABLE sent (
  send_id TEXT PRIMARY KEY,
  targets TEXT NOT NULL
) WITHOUT ROWID;
",
    },
    // conversations.read_up_to: the user's read marker as D1 has it, a message id, or '' if there is none.
    // conversations.unread: the ids of the messages that the user has received and not read, as JSON. What was received
    // before this step counts as read. See store::unread. The index never has a row; its name says that the step has run.
    Step {
        marker: "conversations_unread",
        sql: "
ALTER TABLE conversations ADD COLUMN read_up_to TEXT NOT NULL DEFAULT '';
ALTER TABLE conversations ADD COLUMN unread TEXT NOT NULL DEFAULT '[]';
CREATE INDEX conversations_unread ON conversations (unread) WHERE unread IS NULL;
",
    },
    // user_state.preferences: see core::preferences; NULL as long as the user has set none.
    // conversations.has_written: whether the user has written in it. It is 0 in rows from before this step, which do not
    // know. See store::contacts.
    // conversations.held_on: the day on which the messages of the other participant are held, if they are. Days are those
    // since the Unix epoch, UTC.
    // log.held: whether the event is held until the next connect.
    // log.incoming: 1 if the event is a message to the user alone, 2 if it is one to many, and 0 if it is neither.
    // new_senders: how many came on a day, and the last day on which some were held. See store::new_senders.
    Step {
        marker: "new_senders",
        sql: "
ALTER TABLE user_state ADD COLUMN preferences TEXT;
ALTER TABLE conversations ADD COLUMN has_written INTEGER NOT NULL DEFAULT 0;
ALTER TABLE conversations ADD COLUMN held_on INTEGER;
ALTER TABLE log ADD COLUMN held INTEGER NOT NULL DEFAULT 0;
ALTER TABLE log ADD COLUMN incoming INTEGER NOT NULL DEFAULT 0;
CREATE TABLE new_senders (
  id      INTEGER PRIMARY KEY CHECK (id = 1),
  day     INTEGER NOT NULL,
  senders INTEGER NOT NULL,
  held_on INTEGER
);
",
    },
];

/// Tables that exist only for users who need one of them.
///
/// - receipts: messages whose senders wait to be told that a device has received them
/// - blocks: whom the user has blocked; D1 has the same rows, for sends
/// - watches: whom each connection watches, by its Socket.IO session id
/// - watchers: the users whose connections watch this user
/// - watched: what the watchers were told, and when to check again
/// - buckets: rate limits
pub const SOCIAL: &[Step] = &[
    Step {
        marker: "buckets",
        sql: "
CREATE TABLE receipts (
  offset    INTEGER PRIMARY KEY,
  sender_id TEXT NOT NULL,
  payload   TEXT NOT NULL
);
CREATE TABLE blocks (
  user_id TEXT PRIMARY KEY
) WITHOUT ROWID;
CREATE TABLE watches (
  sid      TEXT PRIMARY KEY,
  statuses TEXT NOT NULL,
  ended_at INTEGER
) WITHOUT ROWID;
CREATE TABLE watchers (
  user_id TEXT PRIMARY KEY
) WITHOUT ROWID;
CREATE TABLE watched (
  id     INTEGER PRIMARY KEY CHECK (id = 1),
  told   INTEGER NOT NULL,
  due_at INTEGER
);
CREATE TABLE buckets (
  name    TEXT PRIMARY KEY,
  full_at INTEGER NOT NULL
) WITHOUT ROWID;
",
    },
    // watched.version: the number of the user's last change.
    // watched.told: the version that every watcher was told.
    // watched.telling: the version that they are being told.
    // watchers: the version that a later subscription was told, whether a push is owed, and how often the
    // watcher has asked. See core::watch.
    Step {
        marker: "watchers_owed",
        sql: "
ALTER TABLE watched ADD COLUMN version INTEGER NOT NULL DEFAULT 0;
ALTER TABLE watched ADD COLUMN telling INTEGER;
UPDATE watched SET version = told;
ALTER TABLE watchers ADD COLUMN version INTEGER NOT NULL DEFAULT 0;
ALTER TABLE watchers ADD COLUMN owed INTEGER NOT NULL DEFAULT 0;
ALTER TABLE watchers ADD COLUMN asked INTEGER NOT NULL DEFAULT 0;
CREATE INDEX watchers_owed ON watchers (owed) WHERE owed = 1;
",
    },
    // watched.cursor: the last watcher, in the order of their ids, whom this round has told.
    // watched.tell_all: how many rounds, this one included, tell everybody, because it is unknown who was told what. A
    // name for a number would be rounds_to_all; renaming a column would cost every object a migration.
    // watched.retry_at: when to tell those again who could not be reached.
    // The index never has a row; its name says that the step has run.
    Step {
        marker: "watched_round",
        sql: "
ALTER TABLE watched ADD COLUMN cursor TEXT NOT NULL DEFAULT '';
ALTER TABLE watched ADD COLUMN tell_all INTEGER NOT NULL DEFAULT 0;
ALTER TABLE watched ADD COLUMN retry_at INTEGER;
UPDATE watched SET tell_all = telling IS NOT NULL;
CREATE INDEX watched_round ON watched (id) WHERE id <> 1;
",
    },
];

/// Tables for users who send.
pub const OUTBOX: &[Step] = &[
    Step {
        marker: "outbox_by_key",
        sql: "
CREATE TABLE IF NOT EXISTS outbox (
  send_id         TEXT PRIMARY KEY,
  receiver_ids    TEXT NOT NULL,
  pending         TEXT,
  attempts        INTEGER NOT NULL DEFAULT 0,
  next_attempt_at INTEGER,
  idempotency_key TEXT,
  fingerprint     TEXT NOT NULL,
  result          TEXT,
  created_at      INTEGER NOT NULL
) WITHOUT ROWID;
CREATE UNIQUE INDEX IF NOT EXISTS outbox_by_key ON outbox (idempotency_key)
  WHERE idempotency_key IS NOT NULL;
",
    },
    // is_direct: one message to one user, whose delivery is reported to the sender's devices.
    Step {
        marker: "outbox_due",
        sql: "
ALTER TABLE outbox ADD COLUMN is_direct INTEGER NOT NULL DEFAULT 0;
CREATE INDEX outbox_due ON outbox (next_attempt_at) WHERE next_attempt_at IS NOT NULL;
",
    },
    // sent_today: what the user has sent on the day of the last send. See core::quota.
    Step {
        marker: "sent_today",
        sql: "
CREATE TABLE sent_today (
  id            INTEGER PRIMARY KEY CHECK (id = 1),
  day           INTEGER NOT NULL,
  messages      INTEGER NOT NULL,
  bytes         INTEGER NOT NULL,
  conversations INTEGER NOT NULL
);
",
    },
    // outbox.unconfirmed: the receivers whose shard has not confirmed its part of the send, if others have.
    // The index never has a row; its name says that the step has run.
    Step {
        marker: "outbox_unconfirmed",
        sql: "
ALTER TABLE outbox ADD COLUMN unconfirmed TEXT;
CREATE INDEX outbox_unconfirmed ON outbox (send_id) WHERE unconfirmed = '';
",
    },
    // outbox.counted: what the send counts for in sent_today, as JSON. The index never has a row; its name says that the
    // step has run.
    Step {
        marker: "outbox_counted",
        sql: "
ALTER TABLE outbox ADD COLUMN counted TEXT;
CREATE INDEX outbox_counted ON outbox (send_id) WHERE send_id IS NULL;
",
    },
];

/// Tables for contractors who have campaigns.
///
/// - campaigns: their ids, their states as far as the user's object knows them, and for which day (UTC, since 1970) how
///   many receivers count
pub const CAMPAIGNS: &[Step] = &[Step {
    marker: "campaigns",
    sql: "
CREATE TABLE campaigns (
  campaign_id TEXT PRIMARY KEY,
  state       TEXT NOT NULL,
  day         INTEGER,
  receivers   INTEGER
) WITHOUT ROWID;
",
}];

/// Tables for users whose browsers are subscribed to pushes.
///
/// - push_subscriptions: where pushes go (a URL), what they are encrypted for (in base64url), and since when
pub const PUSH: &[Step] = &[Step {
    marker: "push_subscriptions",
    sql: "
CREATE TABLE push_subscriptions (
  endpoint   TEXT PRIMARY KEY,
  p256dh     TEXT NOT NULL,
  auth       TEXT NOT NULL,
  created_at INTEGER NOT NULL
) WITHOUT ROWID;
",
}];

/// When the user's tokens were revoked, and when the user was erased. The tables have their own group, because their
/// rows outlive the user.
pub const REVOCATION: &[Step] = &[
    Step {
        marker: "revocation",
        sql: "
CREATE TABLE revocation (
  id         INTEGER PRIMARY KEY CHECK (id = 1),
  revoked_at INTEGER NOT NULL
);
",
    },
    Step {
        marker: "erasure",
        sql: "
CREATE TABLE erasure (
  id        INTEGER PRIMARY KEY CHECK (id = 1),
  erased_at INTEGER NOT NULL
);
",
    },
];

/// Who wakes the object, besides its alarm. The table has its own group, because most visits are too short for it.
///
/// - registration: the pacemaker with which the object is registered, the slot in which it calls, and whether it also
///   calls to look for the answer. Empty if the object is not registered. See core::pacemaker.
pub const REGISTRATION: &[Step] = &[Step {
    marker: "registration",
    sql: "
CREATE TABLE registration (
  id        INTEGER PRIMARY KEY CHECK (id = 1),
  pacemaker TEXT NOT NULL,
  beat      INTEGER NOT NULL,
  has_look  INTEGER NOT NULL
);
",
}];

/// What others are told of the user. The table has its own group, because it is needed only where there is a webhook, or a
/// browser that has subscribed to pushes.
///
/// - notices: by channel and conversation, or by what else they are about. See core::notice.
///   notified, reminded: up to which messages the channel has been told, as undelivered and as unread.
///   pending: the notice that is claimed and not done, as JSON. due_at: when somebody is to be told of it.
///   next: the one that is told when the other one is done.
pub const NOTICES: &[Step] = &[Step {
    marker: "notices",
    sql: "
CREATE TABLE notices (
  notice_key TEXT PRIMARY KEY,
  notified   TEXT NOT NULL,
  reminded   TEXT NOT NULL,
  pending    TEXT,
  due_at     INTEGER,
  next       TEXT
) WITHOUT ROWID;
",
}];

/// Adds a conversation to the list, or moves it up: its id, the other participant, the message id, and whether the
/// message is the user's own.
pub const ADD_CONVERSATION: &str = "
INSERT INTO conversations (conversation_id, peer_id, last_message_id, has_written) VALUES (?1, ?2, ?3, ?4)
ON CONFLICT (conversation_id) DO UPDATE SET
  last_message_id = max(last_message_id, excluded.last_message_id),
  has_written = max(has_written, excluded.has_written)
WHERE excluded.last_message_id > last_message_id OR excluded.has_written > has_written";

/// Reads a page of the list, newest first. SQLite keeps no more than the page of the conversations that are in no row
/// of `sent`, while it reads all of them.
pub const CONVERSATION_PAGE: &str = concat!(
    "
WITH newest AS MATERIALIZED (
  SELECT key AS conversation_id, max(",
    message_id!(),
    ") AS message_id
  FROM sent, json_each(targets) GROUP BY key
)
SELECT conversation_id, last_message_id FROM conversations
WHERE last_message_id < ?1 AND conversation_id NOT IN (SELECT conversation_id FROM newest)
UNION ALL
SELECT conversation_id, max(last_message_id, message_id) AS moved
FROM newest JOIN conversations USING (conversation_id) WHERE moved < ?1
ORDER BY last_message_id DESC LIMIT ?2"
);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::store::sent::ADD_FIRST_CONTACTS;
    use rusqlite::Connection;

    fn has(db: &Connection, name: &str) -> bool {
        db.prepare("SELECT 1 FROM sqlite_master WHERE name = ?1")
            .unwrap()
            .exists([name])
            .unwrap()
    }

    fn all() -> Connection {
        let db = Connection::open_in_memory().unwrap();
        let groups = [
            USER,
            SOCIAL,
            OUTBOX,
            CAMPAIGNS,
            PUSH,
            REVOCATION,
            REGISTRATION,
            NOTICES,
        ];
        for step in groups.into_iter().flatten() {
            assert!(!has(&db, step.marker));
            db.execute_batch(step.sql).unwrap();
            assert!(has(&db, step.marker));
        }
        db
    }

    #[test]
    fn the_steps_keep_what_is_there() {
        let db = Connection::open_in_memory().unwrap();
        for steps in [USER, SOCIAL, OUTBOX] {
            db.execute_batch(steps[0].sql).unwrap();
        }
        db.execute_batch(
            "INSERT INTO user_state VALUES (1, 'u', 1, 1, 2, 3);
             INSERT INTO log VALUES (7, 'm', 'new_message', '{}', 8);
             INSERT INTO watched VALUES (1, 1, 9);
             INSERT INTO watchers VALUES ('w');
             INSERT INTO outbox VALUES ('s', '[]', NULL, 0, 9, 'k', 'f', NULL, 10);",
        )
        .unwrap();
        let later = [&USER[1..], &SOCIAL[1..], &OUTBOX[1..]];
        for step in later.into_iter().flatten() {
            db.execute_batch(step.sql).unwrap();
            if step.marker == "conversations_by_last_message" {
                let sql = "INSERT INTO conversations VALUES ('k', 'p', 'm1')";
                db.execute_batch(sql).unwrap();
            }
        }
        let read = |sql: &str| db.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
        assert_eq!(
            read("SELECT confirmed FROM user_state WHERE preferences IS NULL"),
            3
        );
        assert_eq!(
            read("SELECT offset FROM log WHERE except_sid IS NULL AND held = 0"),
            7
        );
        assert_eq!(
            read(
                "SELECT count(*) FROM conversations WHERE last_message_id = 'm1' AND has_written = 0",
            ),
            1
        );
        let page: String = db
            .query_row(CONVERSATION_PAGE, ("z", 9), |row| row.get(0))
            .unwrap();
        assert_eq!(page, "k");
        let as_read = "SELECT count(*) FROM conversations WHERE unread = '[]' AND read_up_to = ''";
        assert_eq!(read(as_read), 1);
        assert_eq!(read("SELECT version FROM watched WHERE due_at = 9"), 1);
        assert_eq!(read("SELECT count(*) FROM watchers WHERE owed = 0"), 1);
        assert_eq!(
            read("SELECT tell_all FROM watched WHERE cursor = '' AND retry_at IS NULL"),
            0
        );
        assert_eq!(
            read("SELECT next_attempt_at FROM outbox WHERE is_direct = 0 AND unconfirmed IS NULL"),
            9
        );
    }

    #[test]
    fn a_list_is_read_in_order_without_an_index() {
        let db = all();
        let targets = r#"[{"c":"k1","r":"a","m":"1"},{"c":"k2","r":"b","m":"2"}]"#;
        db.execute(ADD_FIRST_CONTACTS, [targets]).unwrap();
        db.execute(ADD_CONVERSATION, ("k1", "a", "3", false))
            .unwrap();
        // A late message with an older id does not move the conversation.
        db.execute(ADD_CONVERSATION, ("k1", "a", "0", false))
            .unwrap();
        let page = |before: &str| -> Vec<String> {
            db.prepare(CONVERSATION_PAGE)
                .unwrap()
                .query_map((before, 9), |row| row.get(0))
                .unwrap()
                .map(Result::unwrap)
                .collect()
        };
        assert_eq!(page("g"), ["k1", "k2"]);
        assert_eq!(page("3"), ["k2"]);
        assert_eq!(page("2"), [""; 0]);

        let plan: Vec<String> = db
            .prepare(&format!("EXPLAIN QUERY PLAN {CONVERSATION_PAGE}"))
            .unwrap()
            .query_map(("g", 9), |row| row.get("detail"))
            .unwrap()
            .map(Result::unwrap)
            .collect();
        assert_eq!(
            plan.iter()
                .filter(|step| step.contains("conversations"))
                .collect::<Vec<_>>(),
            [
                "SCAN conversations",
                "SEARCH conversations USING PRIMARY KEY (conversation_id=?)"
            ]
        );
    }
}
