//! Messages between User objects and pacemakers.

use serde::{Deserialize, Serialize};

use super::Message;
use crate::core::pacemaker::roster::Slots;
use crate::core::time::Millis;

/// Registers a user with a pacemaker, or changes when it calls. Without slots, ends the registration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Register {
    /// The pacemaker's name, which it does not know by itself when its alarm wakes it.
    pub pacemaker: String,
    /// The user whose object asks.
    pub user_id: String,
    /// When it is to be called.
    pub slots: Slots,
}

impl Message for Register {
    const PATH: &'static str = "/register";
    type Answer = Registered;
}

/// The answer to [`Register`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Registered {
    /// Whether it was done; `false` if the pacemaker is full, or has been calling for too long.
    pub is_accepted: bool,
    /// Whoever was due before this time has been called; 0 if the user was not registered.
    pub kept_until: Millis,
}

/// Calls a User object when a ping is due.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Beat {
    /// The pacemaker's name.
    pub pacemaker: String,
    /// Whoever was due before this time has been called.
    pub kept_until: Millis,
    /// Whether no ping is due, but the answer to the last one.
    #[serde(default)]
    pub is_look: bool,
}

impl Message for Beat {
    const PATH: &'static str = "/beat";
    type Answer = BeatAnswer;
}

/// The answer to [`Beat`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BeatAnswer {
    /// When to call from now on; without any, the registration has ended.
    pub slots: Slots,
}
