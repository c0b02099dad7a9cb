//! Keepalive: what is written to a waiting GET to detect that its client has gone.
//!
//! HTTP/2 and HTTP/3 signal that a client cancels a request. In HTTP/1.1 the server sees at most that the
//! client will send nothing more, which it may do while it still reads; only a write to a closed connection
//! fails. So the response to a long-waiting GET begins with a noop, which grows byte by byte until there is
//! something to send. However long it waits, the client has only one extra packet to ignore.

use crate::wire::engine_io::SEPARATOR;

/// The beginning of the response: a noop packet.
pub const NOOP: &str = "6";

/// One more byte of the noop's data, which clients ignore.
pub const MORE: &str = "-";

/// Returns the rest of the response: a separator and the polling body.
pub fn ending(body: &str) -> String {
    format!("{SEPARATOR}{body}")
}

/// Returns whether this HTTP version needs the keepalive; true if the version is unknown.
pub fn is_needed(protocol: Option<&str>) -> bool {
    !protocol.is_some_and(|protocol| {
        ["HTTP/2", "HTTP/3"]
            .iter()
            .any(|multiplexed| protocol.starts_with(multiplexed))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_poll_is_pinned() {
        let body = format!("{NOOP}{MORE}{MORE}{}", ending("4a\x1e4b"));
        assert_eq!(body, "6--\x1e4a\x1e4b");
    }

    #[test]
    fn http_1_is_written_to() {
        for protocol in [None, Some("HTTP/1.1"), Some("HTTP/1.0"), Some("")] {
            assert!(is_needed(protocol), "{protocol:?}");
        }
        for protocol in ["HTTP/2", "HTTP/3"] {
            assert!(!is_needed(Some(protocol)), "{protocol}");
        }
    }
}
