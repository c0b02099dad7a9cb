//! What the answer of a webhook means.

use crate::core::notice::attempt::Outcome;
use crate::core::notice::retry_after::wait;
use crate::core::time::Millis;

/// The status that switches a webhook off.
pub const GONE: u16 = 410;

/// One attempt to tell a webhook of something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempt {
    /// What came of it.
    pub outcome: Outcome,
    /// The status of the answer, if there was one.
    pub status: Option<u16>,
}

impl Attempt {
    /// Nobody knows whether the webhook has it: there was no answer, or not even a request.
    pub const UNANSWERED: Self = Self {
        outcome: Outcome::Again { after: None },
        status: None,
    };

    /// The webhook is switched off.
    pub const OFF: Self = Self {
        outcome: Outcome::Gone,
        status: Some(GONE),
    };

    /// The webhook has answered, at `now`. A redirect is no success: the operator has named another server, or nobody.
    pub fn answered(status: u16, retry_after: Option<&str>, now: Millis) -> Self {
        let after = || retry_after.and_then(|value| wait(value, now));
        let outcome = match status {
            200..=299 => Outcome::Taken,
            GONE => Outcome::Gone,
            429 | 503 => Outcome::Again { after: after() },
            _ => Outcome::Again { after: None },
        };
        Self {
            outcome,
            status: Some(status),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_2xx_takes_it_and_only_410_ends_it() {
        let outcome = |status| Attempt::answered(status, Some("7"), 0).outcome;
        for status in 200..300 {
            assert_eq!(outcome(status), Outcome::Taken);
        }
        for status in (100..200).chain(300..600) {
            let expected = match status {
                410 => Outcome::Gone,
                429 | 503 => Outcome::Again { after: Some(7_000) },
                _ => Outcome::Again { after: None },
            };
            assert_eq!(outcome(status), expected, "{status}");
        }
        assert_eq!(Attempt::answered(429, None, 0), {
            let outcome = Outcome::Again { after: None };
            let status = Some(429);
            Attempt { outcome, status }
        });
    }
}
