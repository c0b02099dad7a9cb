//! Campaigns: one message to more receivers than a bulk send may have.
//!
//! A campaign is prepared (a draft gets its receivers in parts), started (now, or at a time that its draft names), and
//! fed to the sender's object in chunks, each of which is a bulk send with the idempotency key of [`chunk_key`].
//!
//! Invariant: the receivers of a chunk get exactly one message, whatever is lost. A chunk counts as sent when its result
//! is stored, and until then the same chunk is asked for again under the same key, before anything else happens. So
//! whoever stops a campaign has to settle first whether the chunk in progress was begun
//! ([`Progress::is_settled`]): its answer may have been lost, and the key does not last forever.

pub mod command;
pub mod schema;
pub mod store;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::error::{ErrorCode, EventError};
use super::time::{DAY, Millis};

/// How far ahead a campaign may be scheduled.
pub const LONGEST_WAIT: Millis = 90 * DAY;

/// The longest pause between two attempts.
const LONGEST_PAUSE: Millis = 60_000;

/// When to try again to start a campaign that another one holds up.
const PAUSE_WHILE_HELD: Millis = 10_000;

/// How the idempotency keys of chunks begin. Clients cannot use such keys.
pub const KEY_PREFIX: &str = "campaign:";

/// Returns the idempotency key of a chunk.
pub fn chunk_key(campaign_id: &str, chunk: u32) -> String {
    format!("{KEY_PREFIX}{campaign_id}:{chunk}")
}

/// What a campaign is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "CampaignState"))]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It is being prepared.
    Draft,
    /// It will start by itself.
    Scheduled,
    /// It is being sent.
    Running,
    /// It was stopped, by the contractor or because it could not go on, and can be resumed.
    Paused,
    /// Every receiver has a result.
    Finished,
    /// It was ended by the contractor.
    Cancelled,
}

impl State {
    /// Returns whether the campaign can still send anything.
    pub fn is_open(self) -> bool {
        !matches!(self, Self::Finished | Self::Cancelled)
    }
}

/// What a campaign sends, and when. It never changes.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// The campaign's id, a UUIDv7.
    pub campaign_id: String,
    /// The contractor whose campaign it is.
    pub sender_id: String,
    /// What the contractor calls it.
    pub name: Option<String>,
    /// The message: `{ messageType, content, jobId }`.
    pub message: Box<RawValue>,
    /// When to start it.
    pub send_at: Option<Millis>,
    /// When it was created.
    pub created_at: Millis,
}

#[cfg(test)]
impl PartialEq for Plan {
    /// A campaign has one plan.
    fn eq(&self, other: &Self) -> bool {
        self.campaign_id == other.campaign_id
    }
}

/// How far a campaign has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    /// What it is doing.
    pub state: State,
    /// Why it does not go on, for a person.
    pub reason: Option<String>,
    /// How many receivers it has, once it has started.
    pub total: u64,
    /// When it started.
    pub started_at: Option<Millis>,
    /// When it ended.
    pub finished_at: Option<Millis>,
    /// When its state changed last.
    pub changed_at: Millis,
    /// Whether it is known that no chunk without a result has been begun. Matters only while it is stopped.
    pub is_settled: bool,
    /// Whether the sender's object knows the state.
    pub is_told: bool,
    /// When to go on; 0 if nothing has to be waited for.
    pub retry_at: Millis,
    /// How often in a row the chunk, or telling the sender's object, has failed.
    pub attempts: u32,
    /// Since when it has failed.
    pub failing_since: Option<Millis>,
}

/// The limits of campaigns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CampaignLimits {
    /// `MAX_CAMPAIGN_RECEIVERS`: receivers of one campaign.
    pub max_receivers: usize,
    /// `MAX_CAMPAIGN_RECEIVERS_PER_DAY`: receivers of all campaigns of one contractor that start on one day (UTC).
    pub receivers_per_day: u64,
    /// `MAX_OPEN_CAMPAIGNS`: campaigns of one contractor that are neither finished nor cancelled.
    pub max_open: usize,
    /// `CAMPAIGN_CHUNK`: receivers of one chunk.
    pub chunk: usize,
    /// `CAMPAIGN_PATIENCE_MS`: how long a chunk may fail before its campaign is paused.
    pub patience: Millis,
    /// `CAMPAIGN_PROGRESS_MS`: the least time between two reports of progress to a contractor's devices.
    pub progress_pause: Millis,
    /// `CAMPAIGN_RETENTION_MS`: how long a campaign is kept after its last change, with its results.
    pub retention: Millis,
}

/// What a campaign may do if it runs from now on. By default nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Allowance {
    /// Whether another campaign of the contractor is running.
    pub is_taken: bool,
    /// How many are left of today.
    pub left: u64,
    /// How many there are in a day.
    pub per_day: u64,
    /// How long today lasts, in milliseconds.
    pub rest_of_day: Millis,
}

impl Allowance {
    /// Refuses a campaign beside another one, or with more receivers than are left.
    pub fn admit(&self, receivers: u64) -> Result<(), EventError> {
        if self.is_taken {
            let message = "Another campaign is running";
            return Err(EventError::new(ErrorCode::Conflict, message));
        }
        if receivers > self.per_day {
            let message = format!(
                "A campaign must not have more than {} receivers, which is what a day allows",
                self.per_day
            );
            return Err(EventError::new(ErrorCode::TooMany, message));
        }
        if receivers > self.left {
            let message = "Too many receivers of campaigns today, please wait until tomorrow (UTC)";
            return Err(EventError::rate_limited(message, self.rest_of_day));
        }
        Ok(())
    }
}

/// What a campaign's object has to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Nothing before this time.
    Wait(Millis),
    /// Start it.
    Begin,
    /// Send the next chunk, or finish if there is none.
    Send,
    /// Complete the next chunk if it was begun.
    Settle,
    /// Tell the sender's object how it stands.
    Tell,
    /// Delete it.
    Expire,
}

impl Progress {
    /// Returns the progress of a new draft.
    pub fn new(now: Millis) -> Self {
        Self {
            state: State::Draft,
            reason: None,
            total: 0,
            started_at: None,
            finished_at: None,
            changed_at: now,
            is_settled: true,
            is_told: true,
            retry_at: 0,
            attempts: 0,
            failing_since: None,
        }
    }

    /// Returns the next step. A campaign in which nothing happens is deleted after `retention`.
    pub fn step(&self, plan: &Plan, now: Millis, retention: Millis) -> Step {
        if self.retry_at > now {
            return Step::Wait(self.retry_at);
        }
        match self.state {
            State::Scheduled => match plan.send_at.filter(|at| *at > now) {
                Some(at) => Step::Wait(at),
                None => Step::Begin,
            },
            State::Running => Step::Send,
            _ if !self.is_settled => Step::Settle,
            _ if !self.is_told => Step::Tell,
            _ => match self.changed_at.saturating_add(retention) {
                at if at > now => Step::Wait(at),
                _ => Step::Expire,
            },
        }
    }

    fn enter(&mut self, state: State, now: Millis) {
        self.state = state;
        self.reason = None;
        self.changed_at = now;
        self.retry_at = 0;
        self.has_worked();
    }

    /// Starts the campaign, with so many receivers, unless its plan names a later time.
    pub fn start(
        &mut self,
        plan: &Plan,
        total: u64,
        allowance: &Allowance,
        now: Millis,
    ) -> Result<(), EventError> {
        if self.state != State::Draft {
            return Err(conflict("started", self.state));
        }
        if total == 0 {
            return Err(EventError::new(
                ErrorCode::Conflict,
                "The campaign has no receivers",
            ));
        }
        if plan.send_at.is_some_and(|at| at > now) {
            self.enter(State::Scheduled, now);
        } else {
            allowance.admit(total)?;
            self.begin(now);
        }
        self.total = total;
        Ok(())
    }

    /// Runs the campaign from now on.
    pub fn begin(&mut self, now: Millis) {
        self.enter(State::Running, now);
        self.started_at.get_or_insert(now);
    }

    /// Stops the campaign until it is resumed.
    pub fn pause(&mut self, now: Millis) -> Result<(), EventError> {
        if !matches!(self.state, State::Running | State::Scheduled) {
            return Err(conflict("paused", self.state));
        }
        self.stop(State::Paused, now);
        // What the chunk in progress changes is told when it is settled.
        self.is_told = self.is_settled;
        Ok(())
    }

    /// Goes on with a campaign that was stopped.
    pub fn resume(
        &mut self,
        plan: &Plan,
        allowance: &Allowance,
        now: Millis,
    ) -> Result<(), EventError> {
        if self.state != State::Paused {
            return Err(conflict("resumed", self.state));
        }
        match plan.send_at.filter(|at| *at > now) {
            Some(_) => self.enter(State::Scheduled, now),
            None => {
                // Its receivers count for the day on which it started first.
                allowance.admit(0)?;
                self.begin(now);
            }
        }
        Ok(())
    }

    /// Ends the campaign.
    pub fn cancel(&mut self, now: Millis) -> Result<(), EventError> {
        if !self.state.is_open() {
            return Err(conflict("cancelled", self.state));
        }
        self.stop(State::Cancelled, now);
        self.finished_at = Some(now);
        self.is_told = false;
        Ok(())
    }

    fn stop(&mut self, state: State, now: Millis) {
        self.enter(state, now);
        self.is_settled = self.started_at.is_none();
    }

    /// Every chunk has its result.
    pub fn complete(&mut self, now: Millis) {
        if self.state == State::Running {
            self.enter(State::Finished, now);
            self.finished_at = Some(now);
            self.is_told = false;
        }
        self.is_settled = true;
    }

    /// What was tried has worked.
    pub fn has_worked(&mut self) {
        self.attempts = 0;
        self.failing_since = None;
    }

    /// The sender's object does not let the campaign start yet.
    pub fn held(&mut self, error: &EventError, now: Millis) {
        if self.state != State::Running {
            return;
        }
        // It has not started if it was first to run since its last change: no chunk was begun.
        self.started_at = self.started_at.filter(|at| *at != self.changed_at);
        self.enter(State::Scheduled, now);
        self.reason = Some(error.message.clone());
        self.retry_at = now + error.retry_after_ms.unwrap_or(PAUSE_WHILE_HELD);
    }

    /// The chunk was refused.
    pub fn refused(&mut self, error: &EventError, now: Millis, patience: Millis) {
        match error.code {
            ErrorCode::RateLimited => {
                self.retry_at = now + error.retry_after_ms.unwrap_or(LONGEST_PAUSE);
            }
            ErrorCode::Unavailable | ErrorCode::Internal => {
                self.failed(&error.message, now, patience)
            }
            _ => self.give_up(&error.message, now),
        }
    }

    /// What was tried has failed and is tried again, until patience runs out.
    pub fn failed(&mut self, reason: &str, now: Millis, patience: Millis) {
        let since = *self.failing_since.get_or_insert(now);
        let pause = 1_000_u64.saturating_mul(1 << self.attempts.min(6));
        self.attempts = self.attempts.saturating_add(1);
        self.retry_at = now + pause.min(LONGEST_PAUSE).min(patience);
        if now.saturating_sub(since) >= patience {
            self.give_up(reason, now);
        }
    }

    /// Goes no further: whoever resumes or cancels the campaign decides what becomes of the chunk.
    fn give_up(&mut self, reason: &str, now: Millis) {
        if self.state == State::Running {
            self.enter(State::Paused, now);
            self.reason = Some(reason.to_owned());
            self.is_told = false;
        }
        self.is_settled = true;
    }

    /// The sender's object knows how the campaign stands.
    pub fn told(&mut self) {
        self.is_told = true;
        self.has_worked();
    }

    /// The sender's object could not be told, and is told later.
    pub fn not_told(&mut self, now: Millis) {
        self.failed("", now, Millis::MAX);
    }
}

fn conflict(what: &str, state: State) -> EventError {
    let state = super::error::name_of(state);
    EventError::new(
        ErrorCode::Conflict,
        format!("A campaign that is {state} cannot be {what}"),
    )
}

/// The error for a campaign that does not exist, or is somebody else's.
pub fn not_found() -> EventError {
    EventError::new(ErrorCode::NotFound, "Campaign not found")
}
