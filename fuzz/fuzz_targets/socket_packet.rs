//! A message of Socket.IO from a client.

#![no_main]

use libfuzzer_sys::fuzz_target;
use switchboard::wire::socket_io::{MAX_ATTACHMENTS, Packet, log_offset};

fuzz_target!(|text: &str| {
    if let Ok(packet) = Packet::decode(text) {
        assert!(packet.namespace.starts_with('/'));
        assert!(packet.attachments <= MAX_ATTACHMENTS);
    }
    log_offset(text);
});
