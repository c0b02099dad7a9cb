//! Keepalive: what a GET that waits is sent, so that its client's end is noticed.
//!
//! HTTP/2 and HTTP/3 say when a client gives a request up. In HTTP/1.1 all there is to see is that it
//! will send nothing more, as it may while it reads on; only whoever writes to a connection that is gone is
//! told so. So the answer to a GET that waits for long begins with a noop, which grows byte by byte until
//! there is something to say. A client has one packet more to ignore, however long it waits.

use crate::wire::engine_io::SEPARATOR;

/// The beginning: a noop.
pub const NOOP: &str = "6";

/// One byte more of it.
pub const MORE: &str = "-";

/// What follows the noop.
pub fn ending(body: &str) -> String {
    format!("{SEPARATOR}{body}")
}

/// Whether a client that speaks this has to be written to, as far as is known.
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
