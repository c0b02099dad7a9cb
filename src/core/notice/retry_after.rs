//! The header `Retry-After` of a server outside: seconds, or an HTTP date (RFC 9110, sections 10.2.3 and 5.6.7).

use chrono::NaiveDate;

use crate::core::time::{DAY, Millis};

/// The longest wait that a server can ask for. Whatever it is about is old by then.
const LONGEST: Millis = DAY;

/// Returns how long the server wants us to wait from `now` on, at most a day; `None` if the value is neither seconds
/// nor a date.
pub fn wait(value: &str, now: Millis) -> Option<Millis> {
    let value = value.trim();
    let wait = match value.parse::<u32>() {
        Ok(seconds) => Millis::from(seconds) * 1_000,
        Err(_) => date(value)?.saturating_sub(now),
    };
    Some(wait.min(LONGEST))
}

/// Reads `Sun, 06 Nov 1994 08:49:37 GMT`, the only format that servers may write, as Unix milliseconds.
fn date(text: &str) -> Option<Millis> {
    let (_, text) = text.split_once(", ")?;
    let parts: Vec<&str> = text.split(' ').collect();
    let [day, month, year, time, "GMT"] = parts.as_slice() else {
        return None;
    };
    let month = MONTHS.iter().zip(1..).find(|(name, _)| *name == month)?.1;
    let date = NaiveDate::from_ymd_opt(year.parse().ok()?, month, day.parse().ok()?)?;
    let time: Vec<u32> = time
        .split(':')
        .map(|part| part.parse().ok())
        .collect::<Option<_>>()?;
    let [hour, minute, second] = time.as_slice() else {
        return None;
    };
    let at = date.and_hms_opt(*hour, *minute, *second)?.and_utc();
    Millis::try_from(at.timestamp_millis()).ok()
}

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

#[cfg(test)]
mod tests {
    use super::*;

    /// Sun, 06 Nov 1994 08:49:37 GMT, the example of RFC 9110.
    const THEN: Millis = 784_111_777_000;

    #[test]
    fn seconds_or_a_date() {
        for (value, expected) in [
            ("0", 0),
            ("120", 120_000),
            (" 7 ", 7_000),
            ("4294967295", DAY),
            ("Sun, 06 Nov 1994 08:49:37 GMT", 60_000),
            ("Sun, 06 Nov 1994 08:48:36 GMT", 0),
            ("Tue, 08 Nov 1994 08:49:37 GMT", DAY),
        ] {
            assert_eq!(wait(value, THEN - 60_000), Some(expected), "{value}");
        }
    }

    #[test]
    fn anything_else_says_nothing() {
        for value in [
            "",
            "soon",
            "-1",
            "1.5",
            "4294967296",
            "Sun, 06 Nov 1994 08:49:37",
            "Sun, 06 Nov 1994 08:49:37 CET",
            "Sun, 31 Feb 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 24:49:37 GMT",
            "Sun, 06 Nov 1994 08:49 GMT",
            "Wed, 01 Jan 1969 00:00:00 GMT",
            "1994-11-06T08:49:37Z",
        ] {
            assert_eq!(wait(value, THEN), None, "{value}");
        }
    }
}
