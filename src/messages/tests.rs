//! Pins the JSON of the current messages and answers: while a deploy runs two versions, each must be able
//! to read what the other writes.
//!
//! When you change a message, add the new text and keep the old one: the previous version writes it, so it
//! must still be readable (`what_the_version_before_writes_is_read`).

use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::*;
use crate::core::campaign::command::Command;
use crate::core::campaign::{Allowance, Plan, State};
use crate::core::error::EventError;
use crate::core::events::mark_as_read::{Read, What};
use crate::core::events::new_message::{Author, Letter, Receipt};
use crate::core::events::send_message::Delivered;
use crate::core::events::typing::UserTyping;
use crate::core::presence::Presence;
use crate::core::token::{Role, TokenError};

/// Asserts that `value` is written as `text` and reads back.
fn pinned<T: Serialize + DeserializeOwned>(value: &T, text: &str) {
    assert_eq!(to_json(value), text);
    assert_eq!(to_json(&serde_json::from_str::<T>(text).unwrap()), text);
}

/// Asserts the same, and that a field known only to a later version is ignored.
fn pinned_and_open<T: Serialize + DeserializeOwned>(value: &T, text: &str) {
    pinned(value, text);
    let mut later: Map<String, Value> = serde_json::from_str(text).unwrap();
    later.insert("later".into(), Value::Bool(true));
    let later = Value::from(later).to_string();
    assert_eq!(to_json(&serde_json::from_str::<T>(&later).unwrap()), text);
}

fn identity() -> Identity {
    Identity {
        user_id: "ü &=?#/1".into(),
        role: Role::Customer,
        name: Some("Ann".into()),
        expires_at: 9,
        issued_at: Some(8),
    }
}

fn watch(by: &str, is_stranger: bool) -> Watch {
    Watch {
        by: by.into(),
        is_stranger,
    }
}

fn session(is_noted: bool) -> SessionRef {
    SessionRef {
        engine_sid: "E".into(),
        opened_at: 7,
        is_noted,
    }
}

fn connect() -> Connect {
    Connect {
        engine_sid: "E".into(),
        opened_at: 7,
        identity: identity(),
        carrier: Carrier::Gateway,
        phase: Phase::Open,
        send_open: false,
        region: Some(Region::Weur),
    }
}

fn presence() -> Presence {
    Presence {
        connection_count: 1,
        last_seen: Some(7),
    }
}

#[test]
fn what_opens_a_connection_is_pinned() {
    pinned_and_open(
        &connect(),
        r#"{"engineSid":"E","openedAt":7,"identity":{"userId":"ü &=?#/1","role":"customer","name":"Ann","expiresAt":9,"issuedAt":8},"carrier":"gateway","phase":"open","sendOpen":false,"region":"weur"}"#,
    );
    pinned_and_open(
        &identity(),
        r#"{"userId":"ü &=?#/1","role":"customer","name":"Ann","expiresAt":9,"issuedAt":8}"#,
    );
}

#[test]
fn messages_to_gateways_are_pinned() {
    pinned_and_open(
        &Greeting {
            engine_sid: "E".into(),
            opened_at: 7,
            own: Err(TokenError::Expired),
        },
        r#"{"engineSid":"E","openedAt":7,"own":{"Err":"expired"}}"#,
    );
    pinned_and_open(
        &Poll {
            session: session(true),
            own: Some(Ok(identity())),
            user: None,
            region: Some(Region::Oc),
        },
        r#"{"engineSid":"E","openedAt":7,"isNoted":true,"own":{"Ok":{"userId":"ü &=?#/1","role":"customer","name":"Ann","expiresAt":9,"issuedAt":8}},"user":null,"region":"oc"}"#,
    );
    pinned_and_open(
        &Route {
            session: session(true),
            user: None,
        },
        r#"{"engineSid":"E","openedAt":7,"isNoted":true,"user":null}"#,
    );
    let steps = [
        (LobbyStep::Probe, "probe"),
        (LobbyStep::Fail, "fail"),
        (LobbyStep::Take, "take"),
        (LobbyStep::End, "end"),
    ];
    for (step, name) in steps {
        let lobby = LobbyRequest {
            session: session(false),
            step,
        };
        let text = format!(r#"{{"engineSid":"E","openedAt":7,"isNoted":false,"step":"{name}"}}"#);
        pinned_and_open(&lobby, &text);
    }
}

#[test]
fn a_reason_that_only_the_next_version_knows_is_a_refusal() {
    let read = |json: &str| serde_json::from_str::<Greeting>(json).unwrap().own;
    let later = r#"{"engineSid":"E","openedAt":7,"own":{"Err":"from_the_future"}}"#;
    assert_eq!(read(later), Err(TokenError::Invalid));
    let known = r#"{"engineSid":"E","openedAt":7,"own":{"Err":"not_yet_valid"}}"#;
    assert_eq!(read(known), Err(TokenError::NotYetValid));
    pinned(&TokenError::Invalid, r#""invalid""#);
}

#[test]
fn what_is_taken_over_is_pinned() {
    pinned(&Taken::Session("4a".into()), r#"{"session":"4a"}"#);
    let greeted = Taken::Greeted {
        queue: "4a".into(),
        own: Err(TokenError::Expired),
    };
    pinned(
        &greeted,
        r#"{"greeted":{"queue":"4a","own":{"Err":"expired"}}}"#,
    );
    pinned(
        &Taken::User(identity()),
        r#"{"user":{"userId":"ü &=?#/1","role":"customer","name":"Ann","expiresAt":9,"issuedAt":8}}"#,
    );
}

#[test]
fn questions_of_presence_are_pinned() {
    let by = |id: &str| Some(id.to_owned());
    pinned_and_open(&PresenceQuery { by: by("a") }, r#"{"by":"a"}"#);
    pinned_and_open(&PresenceQuery { by: None }, r#"{"by":null}"#);
    pinned_and_open(&presence(), r#"{"connectionCount":1,"lastSeen":7}"#);
    pinned_and_open(&watch("a", false), r#"{"by":"a"}"#);
    pinned_and_open(&watch("a", true), r#"{"by":"a","isStranger":true}"#);
    let watching = Watching {
        presence: presence(),
        version: Some(3),
    };
    pinned_and_open(
        &watching,
        r#"{"connectionCount":1,"lastSeen":7,"version":3}"#,
    );
}

#[test]
fn a_delivery_is_pinned() {
    let copy = Deliver {
        conversation_id: "k".into(),
        message_id: "m".into(),
        is_repeat: true,
    };
    pinned_and_open(
        &copy,
        r#"{"conversationId":"k","messageId":"m","isRepeat":true}"#,
    );
    let before = "receiver=r&conversation=k&message=m&repeat=1";
    assert_eq!(Deliver::read(before), Some(copy));
    assert_eq!(Deliver::read("message=m"), None);
    let letter = Letter {
        sender: Author {
            id: "a".into(),
            name: Some("Ann".into()),
            avatar_url: None,
        },
        message_type: "text".into(),
        content: serde_json::from_str(r#"{"text":"Hi"}"#).unwrap(),
        job_id: None,
        created_at: 7,
        wants_receipt: true,
        is_from_contractor: true,
    };
    pinned_and_open(
        &letter,
        r#"{"sender":{"id":"a","name":"Ann","avatarUrl":null},"messageType":"text","content":{"text":"Hi"},"jobId":null,"createdAt":7,"wantsReceipt":true,"isFromContractor":true}"#,
    );
    let receipt = |delivered, held| Receipt { delivered, held };
    pinned_and_open(&receipt(true, false), r#"{"delivered":true}"#);
    pinned_and_open(&receipt(false, true), r#"{"delivered":false,"held":true}"#);
}

#[test]
fn notifications_are_pinned() {
    let delivered = Delivered {
        message_id: "m".into(),
        conversation_id: "k".into(),
        receiver_id: "r".into(),
    };
    let read = |what| Notify::Read {
        read: Read {
            conversation_id: "k".into(),
            what,
            read_by: "u".into(),
        },
        up_to: "m".into(),
    };
    let typing = UserTyping {
        conversation_id: "k".into(),
        user_id: "u".into(),
        is_typing: true,
    };
    let status = StatusChange {
        user_id: "u".into(),
        presence: presence(),
        version: Some(3),
    };
    let forget = Notify::Forget {
        conversation_id: "k".into(),
    };
    let all = [
        (
            Notify::Delivered(delivered),
            r#"{"kind":"delivered","what":{"messageId":"m","conversationId":"k","receiverId":"r"}}"#,
        ),
        (
            read(What::UpTo("m".into())),
            r#"{"kind":"read","what":{"read":{"conversationId":"k","upTo":"m","readBy":"u"},"up_to":"m"}}"#,
        ),
        (
            read(What::MessageIds(vec!["m".into()])),
            r#"{"kind":"read","what":{"read":{"conversationId":"k","messageIds":["m"],"readBy":"u"},"up_to":"m"}}"#,
        ),
        (
            Notify::Typing(typing),
            r#"{"kind":"typing","what":{"conversationId":"k","userId":"u","isTyping":true}}"#,
        ),
        (
            Notify::Status(status),
            r#"{"kind":"status","what":{"userId":"u","presence":{"connectionCount":1,"lastSeen":7},"version":3}}"#,
        ),
        (
            forget,
            r#"{"kind":"forget","what":{"conversation_id":"k"}}"#,
        ),
    ];
    for (notify, text) in all {
        pinned_and_open(&notify, text);
    }
    pinned_and_open(&Heard { is_wanted: true }, r#"{"isWanted":true}"#);
}

#[test]
fn messages_of_the_backend_are_pinned() {
    let act = Act {
        user_id: "u".into(),
        event: "send_message".into(),
        payload: serde_json::from_str(r#"{"a":1}"#).unwrap(),
    };
    pinned_and_open(
        &act,
        r#"{"userId":"u","event":"send_message","payload":{"a":1}}"#,
    );
    let reply = serde_json::from_str(r#"{"a":1}"#).unwrap();
    pinned(&Acted::Reply(reply), r#"{"reply":{"a":1}}"#);
    pinned(
        &Acted::Refused(EventError::rate_limited("m", 7)),
        r#"{"refused":{"code":"rate_limited","message":"m","retryAfterMs":7}}"#,
    );
    pinned_and_open(
        &Erase {
            user_id: "u".into(),
        },
        r#"{"userId":"u"}"#,
    );
    pinned_and_open(
        &ReplayWebhook {
            webhook_id: "w".into(),
        },
        r#"{"webhookId":"w"}"#,
    );
    pinned_and_open(
        &WebhookReplayed { is_replayed: true },
        r#"{"isReplayed":true}"#,
    );
    // These are never read: the path says everything.
    assert_eq!(to_json(&Disconnect {}), "{}");
    assert_eq!(to_json(&Revoke {}), "{}");
    assert_eq!(to_json(&Pulse {}), "{}");
    pinned_and_open(&Disconnected { disconnected: 2 }, r#"{"disconnected":2}"#);
}

#[test]
fn messages_of_pacemakers_are_pinned() {
    let register = Register {
        pacemaker: "FRA-0".into(),
        user_id: "u".into(),
        slots: vec![3, 2],
    };
    pinned_and_open(
        &register,
        r#"{"pacemaker":"FRA-0","userId":"u","slots":[3,2]}"#,
    );
    let registered = Registered {
        is_accepted: true,
        kept_until: 7,
    };
    pinned_and_open(&registered, r#"{"isAccepted":true,"keptUntil":7}"#);
    let beat = Beat {
        pacemaker: "FRA-0".into(),
        kept_until: 7,
        is_look: true,
    };
    pinned_and_open(
        &beat,
        r#"{"pacemaker":"FRA-0","keptUntil":7,"isLook":true}"#,
    );
    pinned_and_open(&BeatAnswer { slots: vec![3] }, r#"{"slots":[3]}"#);
}

fn read_query<M: DeserializeOwned>(query: &str) -> Option<M> {
    serde_json::from_str(&message_in(query)).ok()
}

#[test]
fn what_the_version_before_writes_is_read() {
    let mut query = form_urlencoded::Serializer::new(String::new());
    let query = query.append_pair("m", &to_json(&connect())).finish();
    assert_eq!(read_query(&query), Some(connect()));
    assert_eq!(read_query::<Connect>("m=7"), None);
    assert_eq!(read_query::<Connect>(""), None);
    let by = |id: &str| Some(id.to_owned());
    assert_eq!(
        read_query("by=%C3%BC+%26%3D"),
        Some(PresenceQuery { by: by("ü &=") })
    );
    assert_eq!(read_query(""), Some(PresenceQuery { by: None }));
    assert_eq!(read_query("by=a"), Some(watch("a", false)));
    assert_eq!(read_query::<Watch>(""), None);
    // A missing field means that the value is not known.
    let identity = r#"{"userId":"u","role":"customer","expiresAt":9}"#;
    let identity: Identity = serde_json::from_str(identity).unwrap();
    assert_eq!(identity.issued_at, None);
    let poll: Poll = serde_json::from_str(r#"{"engineSid":"E","openedAt":7,"user":null}"#).unwrap();
    assert_eq!(
        (poll.session.is_noted, poll.own, poll.region),
        (false, None, None)
    );
    let lobby = r#"{"engineSid":"E","openedAt":7,"step":"take"}"#;
    assert!(
        !serde_json::from_str::<LobbyRequest>(lobby)
            .unwrap()
            .session
            .is_noted
    );
    let route = r#"{"engineSid":"E","openedAt":7,"user":null}"#;
    assert!(
        !serde_json::from_str::<Route>(route)
            .unwrap()
            .session
            .is_noted
    );
    let answer = r#"{"connectionCount":1,"lastSeen":7}"#;
    let watching: Watching = serde_json::from_str(answer).unwrap();
    assert_eq!((watching.presence, watching.version), (presence(), None));
    let letter = r#"{"sender":{"id":"a","name":null,"avatarUrl":null},"messageType":"text","content":{},"jobId":null,"createdAt":7}"#;
    let letter: Letter = serde_json::from_str(letter).unwrap();
    assert!(!letter.wants_receipt && !letter.is_from_contractor);
    let change = r#"{"userId":"u","presence":{"connectionCount":1,"lastSeen":7}}"#;
    let change: StatusChange = serde_json::from_str(change).unwrap();
    assert_eq!(change.version, None);
}

fn raw(json: &str) -> Box<RawValue> {
    serde_json::from_str(json).unwrap()
}

fn plan() -> Plan {
    Plan {
        campaign_id: "c".into(),
        sender_id: "s".into(),
        name: None,
        message: raw("{}"),
        send_at: Some(9),
        created_at: 7,
    }
}

const PLAN: &str =
    r#"{"campaignId":"c","senderId":"s","name":null,"message":{},"sendAt":9,"createdAt":7}"#;

#[test]
fn what_is_asked_of_campaigns_is_pinned() {
    let allowance = Allowance {
        is_taken: false,
        left: 1,
        per_day: 2,
        rest_of_day: 3,
    };
    let allowed = r#"{"isTaken":false,"left":1,"perDay":2,"restOfDay":3}"#;
    let part = Command::AddReceivers {
        part: 1,
        receiver_ids: vec!["r".into()],
    };
    for (command, text) in [
        (Command::Create(plan()), &*format!(r#"{{"create":{PLAN}}}"#)),
        (part, r#"{"addReceivers":{"part":1,"receiverIds":["r"]}}"#),
        (Command::Start, "\"start\""),
        (Command::Pause, "\"pause\""),
        (Command::Resume, "\"resume\""),
        (Command::Cancel, "\"cancel\""),
        (Command::Get, "\"get\""),
        (Command::Results { from: 1 }, r#"{"results":{"from":1}}"#),
        (Command::Erase, "\"erase\""),
    ] {
        let call = CampaignCall {
            by: "s".into(),
            command,
            allowance,
        };
        let text = format!(r#"{{"by":"s","command":{text},"allowance":{allowed}}}"#);
        pinned_and_open(&call, &text);
    }
    let done = CampaignAnswer::Done {
        payload: raw("{}"),
        state: State::Running,
        total: 1,
    };
    pinned(
        &done,
        r#"{"done":{"payload":{},"state":"running","total":1}}"#,
    );
    let refused = CampaignAnswer::Refused(EventError::invalid("m"));
    pinned(
        &refused,
        r#"{"refused":{"code":"invalid_payload","message":"m"}}"#,
    );
}

#[test]
fn what_campaigns_ask_and_tell_is_pinned() {
    pinned_and_open(
        &SendChunk {
            campaign_id: "c".into(),
            sender_id: "s".into(),
            message: raw("{}"),
            total: 1,
            chunk: 2,
            receiver_ids: vec!["r".into()],
            only_if_begun: false,
            progress: raw("{}"),
        },
        r#"{"campaignId":"c","senderId":"s","message":{},"total":1,"chunk":2,"receiverIds":["r"],"onlyIfBegun":false,"progress":{}}"#,
    );
    let error = || EventError::invalid("m");
    for (answer, text) in [
        (ChunkAnswer::Sent(raw("{}")), r#"{"sent":{}}"#),
        (ChunkAnswer::NotBegun, "\"notBegun\""),
        (
            ChunkAnswer::Held(error()),
            r#"{"held":{"code":"invalid_payload","message":"m"}}"#,
        ),
        (
            ChunkAnswer::Refused(error()),
            r#"{"refused":{"code":"invalid_payload","message":"m"}}"#,
        ),
    ] {
        pinned(&answer, text);
    }
    let stopped = Stopped {
        state: State::Paused,
        campaign: raw("{}"),
    };
    pinned_and_open(
        &CampaignNews {
            campaign_id: "c".into(),
            stopped: Some(stopped),
        },
        r#"{"campaignId":"c","stopped":{"state":"paused","campaign":{}}}"#,
    );
}

#[test]
fn urls_are_split() {
    for (whole, path, query) in [
        (url::<Connect>().as_str(), "/connect", None),
        ("https://object/watch?by=a?b", "/watch", Some("by=a?b")),
        ("https://object", "/", None),
    ] {
        assert_eq!(split_url(whole), (path, query));
    }
}

#[test]
fn no_url_says_who_somebody_is() {
    assert_eq!(url::<Connect>(), "https://object/connect");
}

#[test]
fn a_header_is_ascii_and_the_same_message() {
    let odd = Connect {
        identity: Identity {
            name: Some("\u{7f}\u{1}\n\"\\ü€😀".into()),
            ..identity()
        },
        ..connect()
    };
    let value = to_header(&odd);
    assert!(value.bytes().all(|byte| matches!(byte, b' '..=b'~')));
    assert_eq!(serde_json::from_str::<Connect>(&value).unwrap(), odd);
}
