//! Messages between users' objects and campaigns' objects.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::Message;
use crate::core::campaign::command::Command;
use crate::core::campaign::{Allowance, State};
use crate::core::error::EventError;

/// Asks a campaign's object for something, on behalf of a contractor.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CampaignCall {
    /// The contractor. To anybody but its own, a campaign does not exist.
    pub by: String,
    /// What is asked for.
    pub command: Command,
    /// What the campaign may do if the command makes it run.
    #[serde(default)]
    pub allowance: Allowance,
}

impl Message for CampaignCall {
    const PATH: &'static str = "/campaign";
    type Answer = CampaignAnswer;
}

/// The answer to [`CampaignCall`].
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum CampaignAnswer {
    /// It was done.
    Done {
        /// The payload of the reply.
        payload: Box<RawValue>,
        /// The campaign's state now.
        state: State,
        /// The number of its receivers.
        total: u64,
    },
    /// The error that refused it.
    Refused(EventError),
}

/// Sends a chunk of a campaign: a bulk send of the sender's object. It may have done so already: the answer is the same.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SendChunk {
    /// The campaign.
    pub campaign_id: String,
    /// Its sender, whose object this goes to.
    pub sender_id: String,
    /// The message: `{ messageType, content, jobId }`.
    pub message: Box<RawValue>,
    /// How many receivers the campaign has.
    pub total: u64,
    /// The number of the chunk.
    pub chunk: u32,
    /// The receivers of the chunk.
    pub receiver_ids: Vec<String>,
    /// Whether to send it only if that was begun before.
    pub only_if_begun: bool,
    /// How the campaign stands before this chunk: the payload for the sender's devices.
    pub progress: Box<RawValue>,
}

impl Message for SendChunk {
    const PATH: &'static str = "/campaign/chunk";
    type Answer = ChunkAnswer;
}

/// The answer to [`SendChunk`].
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ChunkAnswer {
    /// Every receiver has a result: the reply to the bulk send.
    Sent(Box<RawValue>),
    /// Nothing was sent, as it had not begun before.
    NotBegun,
    /// The campaign may not run yet.
    Held(EventError),
    /// The error that refused the send.
    Refused(EventError),
}

/// Tells the sender's object that a campaign has come to a stop, or is gone.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CampaignNews {
    /// The campaign.
    pub campaign_id: String,
    /// Its state and the payload for the sender's devices; `None` if it was deleted.
    pub stopped: Option<Stopped>,
}

/// How a campaign has come to a stop.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Stopped {
    /// The state.
    pub state: State,
    /// The payload for the sender's devices.
    pub campaign: Box<RawValue>,
}

impl Message for CampaignNews {
    const PATH: &'static str = "/campaign/news";
    type Answer = ();
}
