//! `set_preferences { notices?, quietHours?, presence?, bulkMessages? }`, `get_preferences {}` →
//! `preferences { notices, quietHours, presence, bulkMessages }`, which the user's other devices get, too, when something
//! has changed.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::{FromEvent, Reply, fields, optional_text, payload, payload_or_none, present};
use crate::core::config::Config;
use crate::core::error::{EventError, to_json};
use crate::core::preferences::{Audience, Notices, Preferences, QuietHours};
use crate::wire::socket_io::Args;

/// The request event that changes preferences.
pub const SET: &str = "set_preferences";
/// The request event that asks for them.
pub const GET: &str = "get_preferences";

/// The reply to both, sent whether or not an ack is requested.
pub const PREFERENCES: &str = "preferences";

const MAX_TIME_ZONE_CHARS: usize = 64;

/// What is to be changed: `None` leaves a preference as it is.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Change {
    notices: Option<Notices>,
    /// `Some(None)` deletes them.
    quiet_hours: Option<Option<QuietHours>>,
    presence: Option<Audience>,
    bulk_messages: Option<Audience>,
}

/// What is to be changed. What is not given stays as it is.
#[cfg(test)]
#[derive(schemars::JsonSchema)]
#[schemars(rename_all = "camelCase")]
#[allow(dead_code)]
pub(crate) struct SetPreferences {
    /// Which messages come with a notice.
    #[schemars(with = "Option<Notices>")]
    notices: (),
    /// When there are no notices; null deletes them.
    #[schemars(with = "Option<QuietHours>")]
    quiet_hours: (),
    /// Who sees whether the user is online.
    #[schemars(with = "Option<Audience>")]
    presence: (),
    /// Whose bulk messages and campaigns the user takes.
    #[schemars(with = "Option<Audience>")]
    bulk_messages: (),
}

/// The request has no fields.
#[cfg(test)]
#[derive(schemars::JsonSchema)]
pub(crate) struct GetPreferences {}

/// The fields of an object, raw. A field that is null is there.
type Fields = BTreeMap<String, Box<RawValue>>;

impl FromEvent for Change {
    /// Reads either event: the one that asks changes nothing.
    fn from_event(name: &str, args: &Args, _config: &Config) -> Result<Self, EventError> {
        if name == GET {
            return payload_or_none(args).map(|_| Self::default());
        }
        Self::read(payload(args)?)
    }
}

impl Change {
    fn read(payload: &RawValue) -> Result<Self, EventError> {
        let fields: Fields = fields(payload)?;
        Ok(Self {
            notices: choice(&fields, "notices", NOTICES)?,
            quiet_hours: field(&fields, "quietHours").map(quiet_hours).transpose()?,
            presence: choice(&fields, "presence", AUDIENCES)?,
            bulk_messages: choice(&fields, "bulkMessages", AUDIENCES)?,
        })
    }

    /// Returns whether nothing is to be changed.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Returns whether it is about what others are allowed, which the record has to know.
    pub fn is_about_others(&self) -> bool {
        self.presence.is_some() || self.bulk_messages.is_some()
    }

    /// Returns the time zone that it names. Only the platform knows whether there is one of that name.
    pub fn time_zone(&self) -> Option<&str> {
        Some(&self.quiet_hours.as_ref()?.as_ref()?.time_zone)
    }

    /// Returns the preferences after the change.
    pub fn apply(self, before: &Preferences) -> Preferences {
        Preferences {
            notices: self.notices.unwrap_or(before.notices),
            quiet_hours: self
                .quiet_hours
                .unwrap_or_else(|| before.quiet_hours.clone()),
            presence: self.presence.unwrap_or(before.presence),
            bulk_messages: self.bulk_messages.unwrap_or(before.bulk_messages),
        }
    }
}

/// Reads what [`reply`] has written.
pub fn stored(json: &str) -> Result<Preferences, EventError> {
    let payload: &RawValue = serde_json::from_str(json).map_err(|_| EventError::internal())?;
    Change::read(payload).map(|all| all.apply(&Preferences::default()))
}

/// Returns the error for a time zone that the platform does not know.
pub fn unknown_time_zone() -> EventError {
    EventError::invalid(
        "quietHours.timeZone must be the name of a time zone, such as \"Europe/Berlin\"",
    )
}

/// Returns the reply, whose payload is also what is stored.
pub fn reply(preferences: &Preferences) -> Reply {
    Reply::event(PREFERENCES, to_json(preferences))
}

/// The values of a field with their names.
type Choices<T> = [(&'static str, T); 3];

const NOTICES: Choices<Notices> = [
    ("all", Notices::All),
    ("direct", Notices::Direct),
    ("none", Notices::None),
];

const AUDIENCES: Choices<Audience> = [
    ("everyone", Audience::Everyone),
    ("contacts", Audience::Contacts),
    ("nobody", Audience::Nobody),
];

fn field<'a>(fields: &'a Fields, name: &str) -> Option<&'a RawValue> {
    fields.get(name).map(|value| &**value)
}

fn choice<T>(fields: &Fields, name: &str, choices: Choices<T>) -> Result<Option<T>, EventError> {
    let Some(value) = present(field(fields, name)) else {
        return Ok(None);
    };
    let [one, two, three] = choices.each_ref().map(|(choice, _)| *choice);
    let problem = format!("{name} must be \"{one}\", \"{two}\" or \"{three}\"");
    let is_it = |(choice, _): &(&str, T)| value.get().trim_matches('"') == *choice;
    let chosen = choices.into_iter().find(is_it);
    chosen
        .map(|(_, choice)| Some(choice))
        .ok_or_else(|| EventError::invalid(problem))
}

fn quiet_hours(value: &RawValue) -> Result<Option<QuietHours>, EventError> {
    if value.get() == "null" {
        return Ok(None);
    }
    if !value.get().starts_with('{') {
        return Err(EventError::invalid("quietHours must be an object or null"));
    }
    let hours: Fields = fields(value)?;
    let name = "quietHours.timeZone";
    let hours = QuietHours {
        from: time_of_day(&hours, "from")?,
        to: time_of_day(&hours, "to")?,
        time_zone: optional_text(field(&hours, "timeZone"), name, MAX_TIME_ZONE_CHARS)?
            .ok_or_else(unknown_time_zone)?,
    };
    if hours.from == hours.to {
        let message = "quietHours.from and quietHours.to must be different times";
        return Err(EventError::invalid(message));
    }
    Ok(Some(hours))
}

/// Reads a local time, `HH:MM`, from a field of `quietHours`.
fn time_of_day(hours: &Fields, name: &str) -> Result<String, EventError> {
    let text = field(hours, name).map_or("", |value| value.get().trim_matches('"'));
    match text.as_bytes() {
        [b'0'..=b'1', b'0'..=b'9', b':', b'0'..=b'5', b'0'..=b'9']
        | [b'2', b'0'..=b'3', b':', b'0'..=b'5', b'0'..=b'9'] => Ok(text.to_owned()),
        _ => Err(EventError::invalid(format!(
            "quietHours.{name} must be a time, such as \"22:00\""
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Request;
    use super::super::testing::{read, refusal};
    use super::*;

    fn change(payload: &str) -> Change {
        match read(SET, payload) {
            Ok(Request::Preferences(change)) => change,
            other => panic!("{other:?}"),
        }
    }

    const FULL: &str = r#"{"notices":"direct","quietHours":{"from":"22:00","to":"07:30","timeZone":"Europe/Berlin"},"presence":"contacts","bulkMessages":"nobody"}"#;

    #[test]
    fn what_is_not_given_stays_and_null_deletes_quiet_hours() {
        let full = change(FULL).apply(&Preferences::default());
        for nothing in [
            "{}",
            r#"{"notices":null,"presence":null,"bulkMessages":null}"#,
        ] {
            assert!(change(nothing).is_empty(), "{nothing}");
            assert_eq!(change(nothing).apply(&full), full);
        }
        let loud = change(r#"{"quietHours":null,"presence":"everyone"}"#);
        assert!(!loud.is_empty() && loud.is_about_others());
        let expected = Preferences {
            quiet_hours: None,
            presence: Audience::Everyone,
            ..full.clone()
        };
        assert_eq!(loud.apply(&full), expected);
        assert!(!change(r#"{"notices":"none"}"#).is_about_others());
        assert_eq!(change(FULL).time_zone(), Some("Europe/Berlin"));
    }

    #[test]
    fn asking_changes_nothing() {
        let args = Args {
            values: vec![],
            attachments: vec![],
        };
        let config = super::super::testing::config();
        let asked = Request::read(GET, &args, &config).unwrap();
        assert!(matches!(asked, Request::Preferences(change) if change.is_empty()));
    }

    #[test]
    fn names_what_is_wrong() {
        let audience = r#"must be "everyone", "contacts" or "nobody""#;
        let quiet = |hours: &str| format!(r#"{{"quietHours":{hours}}}"#);
        for (payload, message) in [
            (
                r#"{"notices":"loud"}"#.into(),
                r#"notices must be "all", "direct" or "none""#.into(),
            ),
            (r#"{"presence":7}"#.into(), format!("presence {audience}")),
            (
                r#"{"bulkMessages":{"nobody":null}}"#.into(),
                format!("bulkMessages {audience}"),
            ),
            (quiet("7"), "quietHours must be an object or null".into()),
            (
                quiet("{}"),
                r#"quietHours.from must be a time, such as "22:00""#.into(),
            ),
            (
                quiet(r#"{"from":"22:00","to":"24:00","timeZone":"UTC"}"#),
                r#"quietHours.to must be a time, such as "22:00""#.to_owned(),
            ),
            (
                quiet(r#"{"from":"07:00","to":"07:00","timeZone":"UTC"}"#),
                "quietHours.from and quietHours.to must be different times".into(),
            ),
            (
                quiet(r#"{"from":"07:00","to":"08:00"}"#),
                unknown_time_zone().message,
            ),
        ] {
            assert_eq!(refusal(SET, &payload), message, "{payload}");
        }
        for time in ["7:00", "07:60", "07.00", "0700", "29:00", " 7:00", ""] {
            let payload = quiet(&format!(
                r#"{{"from":"{time}","to":"00:00","timeZone":"UTC"}}"#
            ));
            assert!(
                refusal(SET, &payload).starts_with("quietHours.from"),
                "{time}"
            );
        }
    }

    #[test]
    fn the_payload_is_pinned_and_is_what_is_stored() {
        let default = r#"{"notices":"all","quietHours":null,"presence":"everyone","bulkMessages":"everyone"}"#;
        assert_eq!(reply(&Preferences::default()).payload, default);
        assert_eq!(stored(default), Ok(Preferences::default()));
        let full = change(FULL).apply(&Preferences::default());
        assert_eq!(reply(&full).payload, FULL);
        assert_eq!(stored(FULL), Ok(full));
    }
}
