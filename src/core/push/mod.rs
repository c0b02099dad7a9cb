//! Web Push (RFC 8030, 8291, 8292): how a user's browsers hear of messages while no page is open.
//!
//! A browser subscribes at the push service of its vendor, and tells us the URL to which pushes go (the endpoint), and
//! the keys for which they are encrypted. Invariant: only services that `PUSH_HOSTS` names get requests, however an
//! endpoint is written, because a user chooses it ([`hosts`]). And they learn no more than that there is something: the
//! push is encrypted for the browser, and its topic says nothing to anybody else ([`topic`]).

pub mod answer;
pub mod content;
pub mod hosts;
pub mod subscription;
pub mod topic;

use self::hosts::PushHosts;
use super::time::Millis;

/// The settings of Web Push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushSettings {
    /// `VAPID_PUBLIC_KEY`: 65 bytes in base64url, a point of P-256. Browsers subscribe with it, so a subscription ends
    /// with the key.
    pub public_key: String,
    /// `VAPID_PRIVATE_KEY`, a secret of 32 bytes in base64url: the key that belongs to the public one.
    pub private_key: String,
    /// `VAPID_SUBJECT`: whom a push service can ask, a `mailto:` or `https:` URL.
    pub subject: String,
    /// `PUSH_HOSTS`: the push services.
    pub hosts: PushHosts,
    /// `PUSH_TTL_S`, in seconds: how long a push service keeps a push for a browser that is not running.
    pub ttl: u32,
    /// `PUSH_TIMEOUT_MS`: how long a push service may take to answer.
    pub timeout: Millis,
    /// `PUSH_MAX_SUBSCRIPTIONS`: browsers of one user.
    pub max_subscriptions: usize,
}
