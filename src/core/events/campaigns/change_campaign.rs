//! `start_campaign`, `pause_campaign`, `resume_campaign`, `cancel_campaign { campaignId }` → `campaign`

use serde_json::value::RawValue;

use super::super::RequestPayload;
use super::campaign_id;
use crate::core::config::Config;
use crate::core::error::EventError;

/// The request event that starts a draft, now or at its time.
pub const START: &str = "start_campaign";
/// The request event that stops a campaign until it is resumed.
pub const PAUSE: &str = "pause_campaign";
/// The request event that goes on with a campaign.
pub const RESUME: &str = "resume_campaign";
/// The request event that ends a campaign.
pub const CANCEL: &str = "cancel_campaign";

macro_rules! changes {
    ($($(#[$doc:meta])* $name:ident),*) => {
        $(
            $(#[$doc])*
            #[derive(Debug)]
            pub struct $name(pub String);

            impl RequestPayload for $name {
                fn read(payload: &RawValue, _config: &Config) -> Result<Self, EventError> {
                    campaign_id(payload).map(Self)
                }
            }
        )*
    };
}

changes! {
    /// The id of the campaign to start.
    Start,
    /// The id of the campaign to pause.
    Pause,
    /// The id of the campaign to resume.
    Resume,
    /// The id of the campaign to cancel.
    Cancel
}
