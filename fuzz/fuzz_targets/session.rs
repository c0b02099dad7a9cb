//! A session from first to last: each line is a frame, which is binary if it begins with a `b`.

#![no_main]

use libfuzzer_sys::fuzz_target;
use switchboard::wire::engine_io::Frame;
use switchboard::wire::session::{Effect, Session, decode};

fuzz_target!(|lines: &str| {
    let mut session = Session::default();
    let mut pending = None;
    for line in lines.lines() {
        let frame = match line.strip_prefix('b') {
            Some(bytes) => Frame::Binary(bytes.as_bytes().to_vec()),
            None => Frame::Text(line.to_owned()),
        };
        let Ok(packet) = decode(frame, 1_000) else {
            return;
        };
        match session.receive(packet, &mut pending, &["/", "/custom"]) {
            Effect::Connect(namespace, _) => session.join(&namespace, "S"),
            Effect::Close(_) => return,
            _ => {}
        }
        assert!(pending.is_none() || session.is_joined());
    }
});
