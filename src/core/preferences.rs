//! What users decide about who reaches them, and who sees whether they are here.
//!
//! Invariant: what is stored is the payload that clients receive, which is also a payload of `set_preferences`. So there
//! is one reader for both ([`crate::core::events::preferences`]), and what is stored has passed the same checks.

use serde::Serialize;

/// Which messages come with a notice.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Notices {
    /// All messages.
    #[default]
    All,
    /// Those to this user alone.
    Direct,
    /// None.
    None,
}

/// Whom a preference admits. A contact of a user is somebody with whom they have a conversation, and in which they have
/// written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Audience {
    /// Everybody.
    #[default]
    Everyone,
    /// The user's contacts.
    Contacts,
    /// Nobody but the user.
    Nobody,
}

/// When the user wants no notices, in local time. The hours may span midnight.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct QuietHours {
    /// When they begin: `HH:MM`.
    #[cfg_attr(test, schemars(regex(pattern = "^([01][0-9]|2[0-3]):[0-5][0-9]$")))]
    pub from: String,
    /// When they end: `HH:MM`.
    #[cfg_attr(test, schemars(regex(pattern = "^([01][0-9]|2[0-3]):[0-5][0-9]$")))]
    pub to: String,
    /// A time zone of the IANA database, such as `Europe/Berlin`.
    pub time_zone: String,
}

/// The preferences of a user.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Preferences {
    /// Which messages come with a notice.
    pub notices: Notices,
    /// When there are no notices; null if there is no such time.
    pub quiet_hours: Option<QuietHours>,
    /// Who sees whether the user is online.
    pub presence: Audience,
    /// Whose bulk messages and campaigns the user takes.
    pub bulk_messages: Audience,
}
