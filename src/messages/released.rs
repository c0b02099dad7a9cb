//! Checks that this version and the last released one understand each other, in both directions.
//!
//! `released.json` has the messages and answers as the last released version writes and reads them. It changes only
//! with a release. A test reads each of them and writes it again: what it writes must have everything that the
//! released version has in it, with the same values, since that version ignores what it does not know, and misses what
//! is no longer there.

use std::collections::BTreeSet;

use serde_json::Value;

use super::*;
use crate::core::events::new_message::{Letter, Receipt};
use crate::core::presence::Presence;

const RELEASED: &str = include_str!("released.json");

/// Reads JSON as a message or an answer, and writes that.
type Rewrite = fn(&str) -> String;

fn rewrite<T: Serialize + DeserializeOwned>(json: &str) -> String {
    to_json(&serde_json::from_str::<T>(json).unwrap())
}

/// `Disconnect` and `Pulse` are not here: they have no fields, and nobody reads them.
const TYPES: [(&str, Rewrite); 20] = [
    ("Act", rewrite::<Act>),
    ("Acted", rewrite::<Acted>),
    ("Connect", rewrite::<Connect>),
    ("Deliver", rewrite::<Deliver>),
    ("Disconnected", rewrite::<Disconnected>),
    ("Erase", rewrite::<Erase>),
    ("Greeting", rewrite::<Greeting>),
    ("Heard", rewrite::<Heard>),
    ("Identity", rewrite::<Identity>),
    ("Letter", rewrite::<Letter>),
    ("LobbyRequest", rewrite::<LobbyRequest>),
    ("Notify", rewrite::<Notify>),
    ("Poll", rewrite::<Poll>),
    ("Presence", rewrite::<Presence>),
    ("PresenceQuery", rewrite::<PresenceQuery>),
    ("Receipt", rewrite::<Receipt>),
    ("Route", rewrite::<Route>),
    ("Taken", rewrite::<Taken>),
    ("Watch", rewrite::<Watch>),
    ("Watching", rewrite::<Watching>),
];

/// Returns whether a reader that knows only what is in `released` finds all of it in `current`.
fn has_all(current: &Value, released: &Value) -> bool {
    match (current, released) {
        (Value::Object(current), Value::Object(released)) => released
            .iter()
            .all(|(name, value)| current.get(name).is_some_and(|now| has_all(now, value))),
        _ => current == released,
    }
}

#[test]
fn this_version_and_the_released_one_understand_each_other() {
    let released: Vec<(String, Value)> = serde_json::from_str(RELEASED).unwrap();
    for (name, json) in &released {
        let (_, rewrite) = TYPES.iter().find(|(known, _)| known == name).unwrap();
        let current = serde_json::from_str(&rewrite(&json.to_string())).unwrap();
        assert!(
            has_all(&current, json),
            "{name}: {current} lacks something of {json}"
        );
    }
    let names: BTreeSet<&str> = released.iter().map(|(name, _)| name.as_str()).collect();
    let known: BTreeSet<&str> = TYPES.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, known);
}

#[test]
fn the_released_version_finds_objects_under_the_same_paths() {
    let paths = [
        Act::PATH,
        Connect::PATH,
        Deliver::PATH,
        Disconnect::PATH,
        Erase::PATH,
        Greeting::PATH,
        LobbyRequest::PATH,
        Notify::PATH,
        Poll::PATH,
        PresenceQuery::PATH,
        Pulse::PATH,
        Route::PATH,
        Watch::PATH,
    ];
    assert_eq!(
        paths,
        [
            "/act",
            "/connect",
            "/deliver",
            "/disconnect",
            "/erase",
            "/greet",
            "/lobby",
            "/notify",
            "/poll",
            "/presence",
            "/pulse",
            "/route",
            "/watch"
        ]
    );
}

#[test]
fn a_missing_or_changed_field_is_noticed() {
    let released = serde_json::json!({ "a": { "b": 1 } });
    for (current, is_readable) in [
        (serde_json::json!({ "a": { "b": 1, "new": 2 } }), true),
        (serde_json::json!({ "a": {} }), false),
        (serde_json::json!({ "a": { "b": "1" } }), false),
    ] {
        assert_eq!(has_all(&current, &released), is_readable, "{current}");
    }
}
