//! What the answer of a push service means (RFC 8030, sections 5 and 7.3).

use crate::core::notice::attempt::Outcome;
use crate::core::notice::retry_after::wait;
use crate::core::time::Millis;

/// Returns what came of a push. `retry_after` is the header as it came. Whatever is not known to be final is tried
/// again, also an answer of 401 or 403: keys that do not fit are a mistake that the operator corrects.
pub fn outcome(status: u16, retry_after: Option<&str>, now: Millis) -> Outcome {
    match status {
        200..=299 => Outcome::Taken,
        404 | 410 => Outcome::Gone,
        400 | 413 => Outcome::Refused,
        _ => Outcome::Again {
            after: retry_after.and_then(|value| wait(value, now)),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_status() {
        let again = Outcome::Again { after: None };
        for (status, expected) in [
            (200, Outcome::Taken),
            (201, Outcome::Taken),
            (202, Outcome::Taken),
            (302, again),
            (400, Outcome::Refused),
            (401, again),
            (403, again),
            (404, Outcome::Gone),
            (410, Outcome::Gone),
            (413, Outcome::Refused),
            (429, again),
            (500, again),
            (503, again),
        ] {
            assert_eq!(outcome(status, None, 0), expected, "{status}");
        }
    }

    #[test]
    fn a_service_may_name_a_time() {
        for status in [429, 503] {
            let again = Outcome::Again { after: Some(7_000) };
            assert_eq!(outcome(status, Some("7"), 0), again);
            assert_eq!(
                outcome(status, Some("soon"), 0),
                Outcome::Again { after: None }
            );
        }
        assert_eq!(outcome(201, Some("7"), 0), Outcome::Taken);
    }
}
