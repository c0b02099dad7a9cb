//! Quiet hours: notices wait until they end. The platform knows the rules of time zones; this only counts minutes.

use crate::core::preferences::QuietHours;
use crate::core::time::Millis;

const MINUTE: Millis = 60_000;
const MINUTES_A_DAY: u32 = 24 * 60;

/// Returns when the quiet hours end, if they are now. `minute_of_day` returns the local time in minutes since midnight.
///
/// If the clocks change before the end, the count of minutes is wrong by what they change; the local time at the end shows
/// by how much.
pub fn quiet_until(
    hours: &QuietHours,
    now: Millis,
    minute_of_day: impl Fn(Millis) -> Option<u32>,
) -> Option<Millis> {
    let [from, to] = [&hours.from, &hours.to].map(|time| minutes(time));
    let (from, to, local) = (from?, to?, minute_of_day(now)?);
    let is_quiet = if from < to {
        (from..to).contains(&local)
    } else {
        local >= from || local < to
    };
    if !is_quiet {
        return None;
    }
    let at = now - now % MINUTE + Millis::from(between(local, to)) * MINUTE;
    let then = minute_of_day(at)?;
    let (early, late) = (between(then, to), between(to, then));
    Some(if early <= late {
        at + Millis::from(early) * MINUTE
    } else {
        at.saturating_sub(Millis::from(late) * MINUTE)
            .max(now + MINUTE)
    })
}

/// Returns how many minutes after `from` it is `to`.
fn between(from: u32, to: u32) -> u32 {
    (to + MINUTES_A_DAY - from) % MINUTES_A_DAY
}

/// Reads `HH:MM`.
fn minutes(time: &str) -> Option<u32> {
    let (hours, minutes) = time.split_once(':')?;
    Some(hours.parse::<u32>().ok()? * 60 + minutes.parse::<u32>().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Millis = 60 * MINUTE;

    fn hours(from: &str, to: &str) -> QuietHours {
        QuietHours {
            from: from.into(),
            to: to.into(),
            time_zone: "Test/Zone".into(),
        }
    }

    /// The local time where the clocks go forward by `shift` minutes at `change`.
    fn local(change: Millis, shift: i64) -> impl Fn(Millis) -> Option<u32> {
        move |at| {
            let minutes = (at / MINUTE) as i64 + if at >= change { shift } else { 0 };
            u32::try_from(minutes.rem_euclid(i64::from(MINUTES_A_DAY))).ok()
        }
    }

    fn plain(at: Millis) -> Option<u32> {
        local(0, 0)(at)
    }

    #[test]
    fn within_a_day_and_over_midnight() {
        let day = hours("13:00", "14:30");
        assert_eq!(quiet_until(&day, 12 * HOUR + 59 * MINUTE, plain), None);
        let end = 14 * HOUR + 30 * MINUTE;
        assert_eq!(quiet_until(&day, 13 * HOUR + 1_234, plain), Some(end));
        assert_eq!(quiet_until(&day, end - 1, plain), Some(end));
        assert_eq!(quiet_until(&day, end, plain), None);
        let night = hours("22:00", "07:00");
        let end = 31 * HOUR;
        for now in [22 * HOUR, 24 * HOUR, end - 1] {
            assert_eq!(quiet_until(&night, now, plain), Some(end), "{now}");
        }
        for now in [7 * HOUR, 21 * HOUR + 59 * MINUTE, end] {
            assert_eq!(quiet_until(&night, now, plain), None, "{now}");
        }
    }

    #[test]
    fn the_end_is_by_the_clock_if_the_clocks_change() {
        let night = hours("22:00", "07:00");
        let (now, change) = (23 * HOUR, 26 * HOUR);
        assert_eq!(quiet_until(&night, now, local(change, 60)), Some(30 * HOUR));
        assert_eq!(
            quiet_until(&night, now, local(change, -60)),
            Some(32 * HOUR)
        );
    }

    #[test]
    fn a_time_zone_that_is_no_more_is_never_quiet() {
        assert_eq!(quiet_until(&hours("22:00", "07:00"), 0, |_| None), None);
    }
}
