//! What is held back for a connection while something of ours is under way: a CONNECT, an upgrade.
//!
//! It is in memory alone. Should the object lose it, the connection is closed and its client comes again.

use crate::user_do::UserObject;
use crate::wire::engine_io::{Frame, Packet};

/// What is held back for a connection while something of ours is under way.
#[derive(Default)]
pub(crate) struct Held {
    /// Frames from the client.
    pub(crate) frames: Vec<Frame>,
    /// How many bytes that is.
    bytes: usize,
    /// Packets for the client.
    pub(crate) packets: Vec<Packet>,
}

impl Held {
    /// Holds a frame, unless that makes it more than `max` bytes.
    pub(crate) fn hold(&mut self, frame: Frame, max: usize) -> bool {
        self.bytes += frame.len();
        self.frames.push(frame);
        self.bytes <= max
    }
}

impl UserObject {
    /// Starts to hold frames and packets back.
    pub(crate) fn start_holding(&self, engine_sid: &str) {
        self.held
            .borrow_mut()
            .insert(engine_sid.to_owned(), Held::default());
    }

    /// Stops, and gives what was held.
    pub(crate) fn stop_holding(&self, engine_sid: &str) -> Held {
        self.held
            .borrow_mut()
            .remove(engine_sid)
            .unwrap_or_default()
    }
}
