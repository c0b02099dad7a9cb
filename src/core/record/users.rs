//! Users, their blocks, the regions of their objects, and their erasure.

use serde::{Deserialize, Serialize};

use super::id::Id;
use super::{Param, Statement};
use crate::core::error::{name_of, to_json};
use crate::core::preferences::{Audience, Preferences};
use crate::core::region::Region;
use crate::core::time::Millis;
use crate::core::token::{Identity, Role};

/// Adds the user. If there is a row already, its role and name stay, and the region is set only if it was
/// unknown.
pub fn add_user(identity: &Identity, region: Option<Region>, now: Millis) -> Statement {
    Statement {
        sql:
            "INSERT INTO users (user_id, role, name, created_at, region) VALUES (?1, ?2, ?3, ?4, ?5)
              ON CONFLICT (user_id) DO UPDATE SET region = excluded.region
              WHERE region IS NULL AND excluded.region IS NOT NULL",
        params: vec![
            Param::from(identity.user_id.as_str()),
            Param::from(name_of(identity.role)),
            Param::from(identity.name.as_deref()),
            Param::Integer(now),
            Param::from(region.map(Region::as_str)),
        ],
    }
}

/// The fields of a user that may be set. `None` leaves a field unchanged.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Profile {
    /// `customer` (the default) or `contractor`.
    pub role: Option<Role>,
    /// The display name.
    pub name: Option<String>,
    /// The URL of the user's picture.
    pub avatar_url: Option<String>,
    /// The region of the user's object.
    pub region: Option<Region>,
}

/// Adds or changes a user.
pub fn put_user(user_id: &str, profile: &Profile, now: Millis) -> Statement {
    let everyone = name_of(Audience::Everyone);
    put(user_id, profile, [&everyone, &everyone], now)
}

/// A new row gets these values of `presence` and `bulk_messages`; in one that is there, they stay.
fn put(user_id: &str, profile: &Profile, audiences: [&str; 2], now: Millis) -> Statement {
    let [presence, bulk_messages] = audiences;
    Statement {
        sql: "INSERT INTO users
                (user_id, role, name, avatar_url, region, created_at, presence, bulk_messages)
              VALUES (?1, coalesce(?2, 'customer'), ?3, ?4, ?5, ?6, ?7, ?8)
              ON CONFLICT (user_id) DO UPDATE SET
                role = coalesce(?2, role), name = coalesce(?3, name),
                avatar_url = coalesce(?4, avatar_url), region = coalesce(?5, region)",
        params: vec![
            Param::from(user_id),
            Param::from(profile.role.map(name_of)),
            Param::from(profile.name.as_deref()),
            Param::from(profile.avatar_url.as_deref()),
            Param::from(profile.region.map(Region::as_str)),
            Param::Integer(now),
            Param::from(presence),
            Param::from(bulk_messages),
        ],
    }
}

/// A user as the API returns it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct User {
    /// The user's id.
    pub user_id: String,
    /// The user's role on the marketplace.
    pub role: Role,
    /// The display name, if any.
    pub name: Option<String>,
    /// The URL of the user's picture, if any.
    pub avatar_url: Option<String>,
    /// The region of the user's object, if known.
    pub region: Option<Region>,
    /// Who may see the user's presence: for the copies of the row. The API has a request of its own for preferences.
    #[serde(skip_serializing)]
    presence: String,
    /// Whose bulk messages the user takes: likewise.
    #[serde(skip_serializing)]
    bulk_messages: String,
}

/// Gives a shard a copy of the user's row in the first one.
pub fn copy_user(user: &User, now: Millis) -> Statement {
    let profile = Profile {
        role: Some(user.role),
        name: user.name.clone(),
        avatar_url: user.avatar_url.clone(),
        region: user.region,
    };
    let audiences = [&*user.presence, &*user.bulk_messages];
    put(&user.user_id, &profile, audiences, now)
}

/// Reads a user: [`User`] rows, none or one.
pub fn find_user(user_id: &str) -> Statement {
    Statement {
        sql: "SELECT user_id AS userId, role, name, avatar_url AS avatarUrl, region,
                presence, bulk_messages AS bulkMessages
              FROM users WHERE user_id = ?1",
        params: vec![Param::from(user_id)],
    }
}

/// Selects whether what a column of a user says is for the other participant of a conversation. `$from_a` is that of the
/// user's messages. Somebody is a contact if the user has written to them.
macro_rules! is_for {
    ($column:expr, $conversation_id:expr, $from_a:expr) => {
        concat!(
            "(",
            $column,
            " = 'everyone' OR ",
            $column,
            " = 'contacts' AND EXISTS (SELECT 1 FROM messages AS own WHERE own.conversation_id = ",
            $conversation_id,
            " AND own.from_a = ",
            $from_a,
            "))"
        )
    };
}

pub(super) use is_for;

/// Sets the preferences in the user's row: those that the sends and lists of others depend on.
pub fn put_preferences(user_id: &str, preferences: &Preferences) -> Statement {
    Statement {
        sql: "UPDATE users SET presence = ?2, bulk_messages = ?3 WHERE user_id = ?1",
        params: vec![
            Param::from(user_id),
            Param::from(name_of(preferences.presence)),
            Param::from(name_of(preferences.bulk_messages)),
        ],
    }
}

/// Reads which of these conversations of the user the user has written in: [`WithPeer`] rows.
pub fn written_in(user_id: &str, conversation_ids: &[String]) -> Statement {
    Statement {
        sql: "SELECT hex(c.conversation_id) AS conversationId,
                CASE ?2 WHEN c.user_a THEN c.user_b ELSE c.user_a END AS peerId
              FROM json_each(?1) AS t
              JOIN conversations AS c ON c.conversation_id = unhex(t.value, '-')
              WHERE ?2 IN (c.user_a, c.user_b) AND EXISTS (
                SELECT 1 FROM messages AS m
                WHERE m.conversation_id = c.conversation_id AND m.from_a = (?2 = c.user_a))",
        params: vec![
            Param::Text(to_json(&conversation_ids)),
            Param::from(user_id),
        ],
    }
}

/// Reads which of these ids belong to users, and the users' regions: [`Placed`] rows.
pub fn regions(user_ids: &[&str]) -> Statement {
    Statement {
        sql: "SELECT u.user_id AS userId, u.region FROM json_each(?1) AS t
              JOIN users AS u ON u.user_id = t.value",
        params: vec![Param::Text(to_json(&user_ids))],
    }
}

/// A user, and the region of their object.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Placed {
    /// The user's id.
    pub user_id: String,
    /// The location hint for the call that creates the object, if the region is known.
    pub region: Option<Region>,
}

/// Blocks a user: from now on, messages from `blocked_id` to `blocker_id` are refused.
pub fn block(blocker_id: &str, blocked_id: &str, now: Millis) -> Statement {
    Statement {
        sql: "INSERT INTO blocks (blocker_id, blocked_id, created_at) VALUES (?1, ?2, ?3)
              ON CONFLICT (blocker_id, blocked_id) DO NOTHING",
        params: vec![
            Param::from(blocker_id),
            Param::from(blocked_id),
            Param::Integer(now),
        ],
    }
}

/// Removes a block.
pub fn unblock(blocker_id: &str, blocked_id: &str) -> Statement {
    Statement {
        sql: "DELETE FROM blocks WHERE blocker_id = ?1 AND blocked_id = ?2",
        params: vec![Param::from(blocker_id), Param::from(blocked_id)],
    }
}

/// Reads every conversation of the user, including those that have not been moved to the tables of today:
/// [`WithPeer`] rows. This scans the tables: every first contact would have to pay for an index.
pub fn conversations_of(user_id: &str) -> Statement {
    Statement {
        sql: "SELECT hex(conversation_id) AS conversationId,
                CASE ?1 WHEN user_a THEN user_b ELSE user_a END AS peerId
              FROM conversations WHERE user_a = ?1 OR user_b = ?1
              UNION ALL
              SELECT conversation_id, CASE ?1 WHEN user_a THEN user_b ELSE user_a END
              FROM old_conversations WHERE user_a = ?1 OR user_b = ?1",
        params: vec![Param::from(user_id)],
    }
}

/// A conversation of the user.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WithPeer {
    /// The conversation's id.
    pub conversation_id: Id,
    /// The other participant.
    pub peer_id: String,
}

/// The number of conversations that one batch of an erasure deletes: a bound text is at most 2 MB.
pub const ERASED_AT_ONCE: usize = 1_000;

/// Deletes these conversations of the user, with all their messages, moved to the tables of today or not. What the
/// messages of a send share stays until its sender is erased: other receivers may have it, too.
pub fn erase_conversations(user_id: &str, conversation_ids: &[String]) -> Vec<Statement> {
    let params = vec![
        Param::Text(to_json(&conversation_ids)),
        Param::from(user_id),
    ];
    // Messages first: they reference their conversation.
    [
        "DELETE FROM messages WHERE conversation_id IN (
           SELECT c.conversation_id FROM json_each(?1) AS t
           JOIN conversations AS c ON c.conversation_id = unhex(t.value, '-')
           WHERE ?2 IN (c.user_a, c.user_b))",
        "DELETE FROM conversations
         WHERE conversation_id IN (SELECT unhex(value, '-') FROM json_each(?1))
           AND ?2 IN (user_a, user_b)",
        "DELETE FROM old_messages WHERE conversation_id IN (
           SELECT c.conversation_id FROM json_each(?1) AS t
           JOIN old_conversations AS c ON c.conversation_id = t.value
           WHERE ?2 IN (c.user_a, c.user_b))",
        "DELETE FROM old_conversations WHERE conversation_id IN (SELECT value FROM json_each(?1))
           AND ?2 IN (user_a, user_b)",
    ]
    .map(|sql| Statement {
        sql,
        params: params.clone(),
    })
    .into()
}

/// Deletes the user, what they have sent to many, every block by or against them, and the webhooks about them that were
/// given up. Their conversations must have been deleted before. This scans `blocks` and `failed_webhooks`, which have no
/// index for it either.
pub fn erase_user(user_id: &str) -> Vec<Statement> {
    [
        "DELETE FROM blocks WHERE blocker_id = ?1 OR blocked_id = ?1",
        "DELETE FROM contents WHERE sender_id = ?1",
        "DELETE FROM failed_webhooks WHERE user_id = ?1",
        "DELETE FROM users WHERE user_id = ?1",
    ]
    .map(|sql| Statement {
        sql,
        params: vec![Param::from(user_id)],
    })
    .into()
}
