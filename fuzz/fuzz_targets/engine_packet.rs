//! A WebSocket's text frame: what it is read as means the same when it is written and read again.

#![no_main]

use libfuzzer_sys::fuzz_target;
use switchboard::wire::engine_io::{Frame, Packet};

fuzz_target!(|text: &str| {
    if let Ok(packet) = Packet::from_frame(Frame::Text(text.to_owned())) {
        assert_eq!(Packet::from_frame(packet.clone().into_frame()), Ok(packet));
    }
});
