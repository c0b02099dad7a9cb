//! Times: Unix milliseconds in a `u64` internally, and ISO 8601 UTC with milliseconds
//! (`2025-11-05T10:30:00.000Z`) wherever a client reads them.

use chrono::{DateTime, SecondsFormat};

/// Unix time in milliseconds.
pub type Millis = u64;

/// A day.
pub const DAY: Millis = 24 * 60 * 60_000;

/// Formats a time as `2025-11-05T10:30:00.000Z`. A time beyond the calendar's range (year 262142) becomes the
/// epoch instead of a panic; no clock that we read can produce one.
pub fn iso(at: Millis) -> String {
    i64::try_from(at)
        .ok()
        .and_then(DateTime::from_timestamp_millis)
        .unwrap_or_default()
        .to_rfc3339_opts(SecondsFormat::Millis, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn iso_has_milliseconds_and_z() {
        assert_eq!(iso(1_762_338_600_000), "2025-11-05T10:30:00.000Z");
        assert_eq!(iso(1_762_338_600_007), "2025-11-05T10:30:00.007Z");
        assert_eq!(iso(u64::MAX), "1970-01-01T00:00:00.000Z");
    }
}
