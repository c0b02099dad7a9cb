//! The body of a POST: what it is read as means the same when it is written and read again.

#![no_main]

use libfuzzer_sys::fuzz_target;
use switchboard::wire::engine_io::{decode_payload, encode_payload};
use switchboard::wire::polling::{PollingSession, Push};

fuzz_target!(|body: &[u8]| {
    if let Push::Packets(packets) = PollingSession::new(0).on_post(body, 1, usize::MAX) {
        assert_eq!(decode_payload(&encode_payload(&packets)), Ok(packets));
    }
});
