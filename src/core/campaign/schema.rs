//! The tables of a campaign's own SQLite storage.
//!
//! Invariant: what is here is never changed; a change is a further step, as in [`crate::core::store::schema`].

/// Makes the tables.
///
/// - campaign: the plan and the progress, as JSON
/// - parts: the receivers of a draft, as they were added; empty once the campaign has started
/// - chunks: the receivers until they have their result, then the result: the reply to the chunk's bulk send. The counts
///   stand first, so that reading them does not read the rest.
pub const CAMPAIGN: &str = "
CREATE TABLE IF NOT EXISTS campaign (
  id       INTEGER PRIMARY KEY CHECK (id = 1),
  plan     TEXT NOT NULL,
  progress TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS parts (
  part         INTEGER PRIMARY KEY,
  receivers    INTEGER NOT NULL,
  receiver_ids TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS chunks (
  chunk        INTEGER PRIMARY KEY,
  sent         INTEGER,
  failed       INTEGER,
  delivered    INTEGER,
  receiver_ids TEXT,
  result       TEXT
);
";

/// Distributes the receivers of all parts over chunks of `?1` (which the platform binds as a floating-point number), each receiver once, in the order in which they were added
/// first.
pub const MAKE_CHUNKS: &str = "
INSERT INTO chunks (chunk, receiver_ids)
SELECT place / CAST(?1 AS INTEGER), json_group_array(receiver_id ORDER BY place)
FROM (
  SELECT receiver_id, row_number() OVER (ORDER BY part, key) - 1 AS place
  FROM (
    SELECT value AS receiver_id, part, key,
      row_number() OVER (PARTITION BY value ORDER BY part, key) AS nth
    FROM parts, json_each(receiver_ids)
  )
  WHERE nth = 1
)
GROUP BY place / CAST(?1 AS INTEGER)";
