//! `start_campaign`, `pause_campaign`, `resume_campaign`, `cancel_campaign { campaignId }` → `campaign`

/// The request event that starts a draft, now or at its time.
pub const START: &str = "start_campaign";
/// The request event that stops a campaign until it is resumed.
pub const PAUSE: &str = "pause_campaign";
/// The request event that goes on with a campaign.
pub const RESUME: &str = "resume_campaign";
/// The request event that ends a campaign.
pub const CANCEL: &str = "cancel_campaign";
