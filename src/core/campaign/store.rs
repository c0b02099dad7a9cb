//! A campaign's own storage. Its calls are synchronous, so each method is atomic.

use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};

use super::schema::{CAMPAIGN, MAKE_CHUNKS};
use super::{Plan, Progress};
use crate::core::error::to_json;
use crate::core::sql::Param;
use crate::core::store::{Database, Result};

/// The storage, on top of the object's database.
pub struct CampaignStore<D>(D);

/// A chunk that has no result yet.
#[derive(Debug, PartialEq, Eq)]
pub struct Chunk {
    /// Its number, from 0.
    pub number: u32,
    /// Its receivers.
    pub receiver_ids: Vec<String>,
}

/// How many receivers the campaign has reached.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub struct Counts {
    /// Receivers whose copy is stored.
    pub sent: u64,
    /// Receivers who get nothing.
    pub failed: u64,
    /// Receivers with a device that took the message at once.
    pub delivered: u64,
}

impl Counts {
    /// Counts the receivers in the reply to a bulk send. Returns `None` if it is not one.
    pub fn of(reply: &str) -> Option<Self> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Sent {
            total_sent: u64,
            total_failed: u64,
            results: Vec<Receiver>,
        }
        #[derive(Deserialize)]
        struct Receiver {
            delivered: bool,
        }
        let sent: Sent = serde_json::from_str(reply).ok()?;
        let delivered = sent.results.iter().filter(|one| one.delivered).count();
        Some(Self {
            sent: sent.total_sent,
            failed: sent.total_failed,
            delivered: delivered as u64,
        })
    }
}

impl<D: Database> CampaignStore<D> {
    /// Creates the storage on top of the object's database.
    pub fn new(database: D) -> Self {
        Self(database)
    }

    fn read<T: DeserializeOwned>(&self, query: &str, params: Vec<Param>) -> Result<Option<T>> {
        self.0.query(query, params)?.next().transpose()
    }

    fn write(&self, query: &str, params: Vec<Param>) -> Result<()> {
        self.0.query::<IgnoredAny>(query, params).map(|_| ())
    }

    /// Stores a new campaign. A repeat has no further effect.
    pub fn create(&self, plan: &Plan, progress: &Progress) -> Result<()> {
        self.0.execute(CAMPAIGN)?;
        self.write(
            "INSERT INTO campaign (id, plan, progress) VALUES (1, ?1, ?2) ON CONFLICT (id) DO NOTHING",
            vec![to_json(plan).into(), to_json(progress).into()],
        )
    }

    /// Returns the campaign, if there is one.
    pub fn campaign(&self) -> Result<Option<(Plan, Progress)>> {
        #[derive(Deserialize)]
        struct Row {
            plan: String,
            progress: String,
        }
        let tables = "SELECT 1 FROM sqlite_master WHERE name = 'chunks'";
        if self.read::<IgnoredAny>(tables, vec![])?.is_none() {
            return Ok(None);
        }
        let row: Option<Row> = self.read("SELECT plan, progress FROM campaign", vec![])?;
        let Some(row) = row else { return Ok(None) };
        let plan = serde_json::from_str(&row.plan)?;
        Ok(Some((plan, serde_json::from_str(&row.progress)?)))
    }

    /// Stores how far the campaign has come.
    pub fn set_progress(&self, progress: &Progress) -> Result<()> {
        self.write(
            "UPDATE campaign SET progress = ?1",
            vec![to_json(progress).into()],
        )
    }

    /// Adds receivers, in place of those that were added under the same number.
    pub fn set_part(&self, part: u32, receiver_ids: &[String]) -> Result<()> {
        self.write(
            "INSERT INTO parts (part, receivers, receiver_ids) VALUES (?1, ?2, ?3)
             ON CONFLICT (part) DO UPDATE SET
               receivers = excluded.receivers, receiver_ids = excluded.receiver_ids",
            vec![
                Param::from(u64::from(part)),
                Param::from(receiver_ids.len() as u64),
                to_json(receiver_ids).into(),
            ],
        )
    }

    /// Returns how many receivers all parts have together but for this one. A receiver of two parts counts twice.
    pub fn receivers_but(&self, part: Option<u32>) -> Result<u64> {
        self.count(
            "SELECT coalesce(sum(receivers), 0) AS count FROM parts WHERE part IS NOT ?1",
            vec![part.map(u64::from).into()],
        )
    }

    /// Returns how many distinct receivers all parts have together.
    pub fn distinct_receivers(&self) -> Result<u64> {
        self.count(
            "SELECT count(DISTINCT value) AS count FROM parts, json_each(receiver_ids)",
            vec![],
        )
    }

    fn count(&self, query: &str, params: Vec<Param>) -> Result<u64> {
        #[derive(Deserialize)]
        struct Row {
            count: u64,
        }
        let row: Option<Row> = self.read(query, params)?;
        Ok(row.map_or(0, |row| row.count))
    }

    /// Distributes the receivers over chunks of this size, and forgets the parts.
    pub fn make_chunks(&self, size: usize) -> Result<()> {
        self.write(MAKE_CHUNKS, vec![Param::from(size.max(1) as u64)])?;
        self.write("DELETE FROM parts", vec![])
    }

    /// Returns the first chunk without a result.
    pub fn next_chunk(&self) -> Result<Option<Chunk>> {
        #[derive(Deserialize)]
        struct Row {
            chunk: u32,
            receiver_ids: String,
        }
        let row: Option<Row> = self.read(
            "SELECT chunk, receiver_ids FROM chunks WHERE sent IS NULL ORDER BY chunk LIMIT 1",
            vec![],
        )?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some(Chunk {
            number: row.chunk,
            receiver_ids: serde_json::from_str(&row.receiver_ids)?,
        }))
    }

    /// Stores the result of a chunk in place of its receivers.
    pub fn chunk_sent(&self, number: u32, counts: Counts, result: &str) -> Result<()> {
        self.write(
            "UPDATE chunks SET sent = ?2, failed = ?3, delivered = ?4, receiver_ids = NULL, result = ?5
             WHERE chunk = ?1 AND sent IS NULL",
            vec![
                Param::from(u64::from(number)),
                Param::from(counts.sent),
                Param::from(counts.failed),
                Param::from(counts.delivered),
                result.into(),
            ],
        )
    }

    /// Returns how many receivers the campaign has reached.
    pub fn counts(&self) -> Result<Counts> {
        let row = self.read(
            "SELECT coalesce(sum(sent), 0) AS sent, coalesce(sum(failed), 0) AS failed,
               coalesce(sum(delivered), 0) AS delivered
             FROM chunks",
            vec![],
        )?;
        Ok(row.unwrap_or_default())
    }

    /// Returns the result of the first chunk from this one on that has one, and the number of the next chunk that has
    /// one, too.
    pub fn results(&self, from: u32) -> Result<Option<(String, Option<u32>)>> {
        #[derive(Deserialize)]
        struct Row {
            result: String,
            next: Option<u32>,
        }
        let row: Option<Row> = self.read(
            "SELECT result,
               (SELECT min(chunk) FROM chunks AS later WHERE later.chunk > chunks.chunk AND sent IS NOT NULL) AS next
             FROM chunks WHERE chunk >= ?1 AND sent IS NOT NULL ORDER BY chunk LIMIT 1",
            vec![Param::from(u64::from(from))],
        )?;
        Ok(row.map(|row| (row.result, row.next)))
    }
}
