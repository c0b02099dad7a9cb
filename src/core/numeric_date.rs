//! The times in a token: NumericDate (RFC 7519, section 2), seconds since 1970, which may have a fraction.
//!
//! A time that no calendar reaches is as good as any other that is far ahead. Milliseconds, a common
//! mistake, would be such a time; they are told apart by what they would be as seconds: the years from
//! 33,658 on, of which issuers have no use.

use serde_json::value::RawValue;
use thiserror::Error;

use super::time::Millis;

/// The latest time that JavaScript has (ECMA-262, "Time Values and Time Range"), in the year 275,760:
/// what lies beyond it counts as this, so that there is room to calculate.
const LATEST: Millis = 8_640_000_000_000_000;

/// September 2001 in milliseconds, and a year that never comes in seconds.
const FIRST_MILLISECONDS: Millis = 1_000_000_000_000;

/// The longest time for which a token in milliseconds would be made, in milliseconds.
const CENTURY: Millis = 100 * 365 * 24 * 60 * 60 * 1_000;

/// Why a claim is not a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum DateError {
    /// Not a number.
    #[error("not a number")]
    NotANumber,
    /// Milliseconds, by its size.
    #[error("milliseconds in place of seconds")]
    Milliseconds,
}

/// Reads a claim at time `now`.
pub fn read(claim: &RawValue, now: Millis) -> Result<Millis, DateError> {
    // Every JSON number is one of Rust's; what has no room in it is infinite.
    let seconds: f64 = claim.get().parse().map_err(|_| DateError::NotANumber)?;
    let milliseconds = FIRST_MILLISECONDS as f64..now.saturating_add(CENTURY) as f64;
    if milliseconds.contains(&seconds) {
        return Err(DateError::Milliseconds);
    }
    // A time before 1970 becomes zero.
    Ok(((seconds * 1_000.0) as Millis).min(LATEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Millis = 1_800_000_000_000;

    fn date(claim: &str) -> Result<Millis, DateError> {
        let claim: Box<RawValue> = serde_json::from_str(claim).unwrap();
        read(&claim, NOW)
    }

    #[test]
    fn seconds_with_or_without_a_fraction() {
        for (claim, expected) in [
            ("1800000000", NOW),
            ("1800000000.5", NOW + 500),
            ("1800000000.0", NOW),
            ("1.8e9", NOW),
            ("0", 0),
            ("-5", 0),
            ("-1e400", 0),
        ] {
            assert_eq!(date(claim), Ok(expected), "{claim}");
        }
    }

    #[test]
    fn a_time_may_be_as_far_as_it_likes() {
        // The last second of the year 9999, and the last of which nobody would think as milliseconds.
        assert_eq!(date("253402300799"), Ok(253_402_300_799_000));
        assert_eq!(date("999999999999"), Ok(999_999_999_999_000));
        // The first second that chrono does not know.
        assert_eq!(date("8210266876800"), Ok(8_210_266_876_800_000));
        for claim in [
            // JavaScript's and Rust's largest integers.
            "9007199254740991",
            "9223372036854775807",
            "18446744073709551615",
            "18446744073709551616",
            "1e300",
            "1e400",
        ] {
            assert_eq!(date(claim), Ok(LATEST), "{claim}");
        }
    }

    #[test]
    fn milliseconds_are_told_apart() {
        for claim in [
            "1000000000000",
            "1800000000000",
            "1799999999999.5",
            "1.8e12",
            "1800003600000",
            // In ten years, and in ninety-nine.
            "2115360000000",
            "4922064000000",
        ] {
            assert_eq!(date(claim), Err(DateError::Milliseconds), "{claim}");
        }
    }

    #[test]
    fn what_is_no_number_is_no_time() {
        for claim in [r#""1800000000""#, "true", "null", "[]", "{}"] {
            assert_eq!(date(claim), Err(DateError::NotANumber), "{claim}");
        }
    }
}
