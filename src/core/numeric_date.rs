//! The times in a token: NumericDate (RFC 7519, section 2), seconds since 1970, possibly with a fraction.
//!
//! A time beyond every calendar is treated like any other time in the far future. Milliseconds, a common
//! mistake, would look like such a time. They are detected by their value: read as seconds, they would mean
//! the year 33,658 or later, which no issuer needs.

use serde_json::value::RawValue;
use thiserror::Error;

use super::time::Millis;

/// The latest time in JavaScript (ECMA-262, "Time Values and Time Range"), in the year 275,760. Later times
/// are capped to it, so that calculations do not overflow.
const LATEST: Millis = 8_640_000_000_000_000;

/// As milliseconds, this is September 2001; as seconds, it is the year 33,658.
const FIRST_MILLISECONDS: Millis = 1_000_000_000_000;

/// The longest plausible lifetime of a token whose times are in milliseconds by mistake.
const CENTURY: Millis = 100 * 365 * 24 * 60 * 60 * 1_000;

/// The reason why a claim is not a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum DateError {
    /// The claim is not a JSON number.
    #[error("not a number")]
    NotANumber,
    /// The claim is so large that it must be in milliseconds.
    #[error("milliseconds in place of seconds")]
    Milliseconds,
}

/// Reads a claim at time `now` and returns it in Unix milliseconds; times before 1970 become 0.
pub fn read(claim: &RawValue, now: Millis) -> Result<Millis, DateError> {
    let seconds = number(claim.get()).ok_or(DateError::NotANumber)?;
    let milliseconds = FIRST_MILLISECONDS as f64..now.saturating_add(CENTURY) as f64;
    if milliseconds.contains(&seconds) {
        return Err(DateError::Milliseconds);
    }
    // A time before 1970 becomes zero.
    Ok(((seconds * 1_000.0) as Millis).min(LATEST))
}

/// Reads a JSON number. One that is too large for an `f64` becomes infinite.
fn number(json: &str) -> Option<f64> {
    let is_number = json.starts_with(|first: char| first == '-' || first.is_ascii_digit());
    let infinite = match json.starts_with('-') {
        true => f64::NEG_INFINITY,
        false => f64::INFINITY,
    };
    is_number.then(|| serde_json::from_str(json).unwrap_or(infinite))
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
        // The last second of the year 9999, and the last value that is not taken for milliseconds.
        assert_eq!(date("253402300799"), Ok(253_402_300_799_000));
        assert_eq!(date("999999999999"), Ok(999_999_999_999_000));
        // The first second that chrono cannot represent.
        assert_eq!(date("8210266876800"), Ok(8_210_266_876_800_000));
        for claim in [
            // The largest integers of JavaScript and Rust.
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
