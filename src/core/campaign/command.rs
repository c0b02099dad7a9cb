//! What can be asked of a campaign.

use serde::{Deserialize, Serialize};

use super::Plan;

/// What can be asked of a campaign.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(PartialEq))]
#[serde(rename_all = "camelCase")]
pub enum Command {
    /// Create it.
    Create(Plan),
    /// Add a part of the receivers.
    #[serde(rename_all = "camelCase")]
    AddReceivers {
        /// The number of the part.
        part: u32,
        /// The receivers.
        receiver_ids: Vec<String>,
    },
    /// Start it, now or at its time.
    Start,
    /// Stop it until it is resumed.
    Pause,
    /// Go on with it.
    Resume,
    /// End it.
    Cancel,
    /// Describe it.
    Get,
    /// Return the results from this chunk on.
    Results {
        /// The number of the chunk.
        from: u32,
    },
    /// Delete it with all that is stored of it.
    Erase,
}

impl Command {
    /// Returns whether the command may make the campaign run, which takes an [`super::Allowance`].
    pub fn may_run(&self) -> bool {
        matches!(self, Self::Start | Self::Resume)
    }

    /// Returns whether the command changes what a campaign is doing.
    pub fn is_change(&self) -> bool {
        self.may_run() || matches!(self, Self::Pause | Self::Cancel)
    }
}
