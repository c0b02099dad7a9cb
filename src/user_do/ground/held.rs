//! What is held for a connection during a CONNECT or an upgrade.
//!
//! It is in memory only. If the object loses it, the connection is closed and its client reconnects.

use crate::user_do::UserObject;
use crate::wire::engine_io::{Frame, Packet};

/// What is held for a connection during a CONNECT or an upgrade.
#[derive(Default)]
pub(crate) struct Held {
    /// Frames from the client.
    pub(crate) frames: Vec<Frame>,
    /// The total size of `frames`.
    bytes: usize,
    /// Packets for the client.
    pub(crate) packets: Vec<Packet>,
}

/// How many frames are held for a connection at most: each is handled again, however small it is.
const MAX_FRAMES: usize = 1_000;

impl Held {
    /// Holds a frame. Returns false if they are too many, or exceed `max` bytes together.
    pub(crate) fn hold(&mut self, frame: Frame, max: usize) -> bool {
        self.bytes += frame.len();
        self.frames.push(frame);
        self.bytes <= max && self.frames.len() <= MAX_FRAMES
    }
}

impl UserObject {
    /// Starts to hold frames and packets for a session.
    pub(crate) fn start_holding(&self, engine_sid: &str) {
        self.held
            .borrow_mut()
            .insert(engine_sid.to_owned(), Held::default());
    }

    /// Stops holding, and returns what was held.
    pub(crate) fn stop_holding(&self, engine_sid: &str) -> Held {
        self.held
            .borrow_mut()
            .remove(engine_sid)
            .unwrap_or_default()
    }
}
