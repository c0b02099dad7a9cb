//! Properties that hold for any input from a client: no decoder panics, and what is written reads back.
//!
//! Random text is hardly ever a packet, so most cases are assembled from the pieces of packets.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use serde_json::value::RawValue;

use super::close::ProtocolEnd;
use super::engine_io::{self, Frame, Packet, SEPARATOR, decode_payload, encode_payload};
use super::polling::{PollingSession, PostOutcome};
use super::session::{Effect, Session, decode};
use super::socket_io::{self, Args, Body, MAX_ATTACHMENTS, ack_packets, event_packets, log_offset};

const NAMESPACES: [&str; 2] = ["/", "/custom"];

/// Text that resembles a packet.
fn nearly() -> impl Strategy<Value = String> {
    let pieces = r#"0 1 2 3 4 5 6 b / /custom , - [ ] { } " \ "a" : null 1e400 \ud800 ü = + probe"#
        .split(' ')
        .chain([" ", "\x1e", "18446744073709551616"])
        .collect::<Vec<_>>();
    let pieces = vec(prop::sample::select(pieces), 0..12);
    prop_oneof![any::<String>(), pieces.prop_map(|pieces| pieces.concat())]
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..20)
}

fn frame() -> impl Strategy<Value = Frame> {
    prop_oneof![
        4 => nearly().prop_map(Frame::Text),
        // Socket.IO packets, which start with Engine.IO's `4`.
        4 => nearly().prop_map(|text| Frame::Text(format!("4{text}"))),
        2 => prop::sample::select(vec!["40", "42[\"a\"]", "451-[\"a\"]", "41", "431[]"])
            .prop_map(|text| Frame::Text(text.to_owned())),
        1 => bytes().prop_map(Frame::Binary),
    ]
}

/// Packets of Engine.IO whose data satisfies `text`.
fn packet(text: impl Strategy<Value = String> + Clone) -> impl Strategy<Value = Packet> {
    prop_oneof![
        text.clone().prop_map(Packet::Open),
        Just(Packet::Close),
        text.clone().prop_map(Packet::Ping),
        text.clone().prop_map(Packet::Pong),
        text.prop_map(Packet::Text),
        Just(Packet::Upgrade),
        Just(Packet::Noop),
        bytes().prop_map(Packet::Binary),
    ]
}

fn json() -> impl Strategy<Value = Box<RawValue>> {
    let texts = prop::sample::select(vec!["null", "1e400", "\"\\ud800\"", "{}", "-0.0", "[[]]"]);
    prop_oneof![
        texts.prop_map(str::to_owned),
        any::<String>().prop_map(|text| serde_json::Value::from(text).to_string()),
        any::<i64>().prop_map(|number| format!("{{\"a\":[{number}]}}")),
    ]
    .prop_map(|text| RawValue::from_string(text).unwrap())
}

fn args() -> impl Strategy<Value = Args> {
    let attachments = vec(bytes(), 0..=MAX_ATTACHMENTS);
    (vec(json(), 0..4), attachments).prop_map(|(values, attachments)| Args {
        values,
        attachments,
    })
}

fn namespace() -> impl Strategy<Value = String> {
    "/[^,]{0,8}"
}

/// Splits off the header's text.
fn split(packets: Vec<Packet>) -> (String, Vec<Packet>) {
    let mut packets = packets.into_iter();
    match packets.next() {
        Some(Packet::Text(text)) => (text, packets.collect()),
        other => panic!("no text: {other:?}"),
    }
}

fn texts(args: &Args) -> Vec<&str> {
    args.values.iter().map(|value| value.get()).collect()
}

proptest! {
    #[test]
    fn an_engine_packet_reads_back(packet in packet(any::<String>())) {
        let read = Packet::from_frame(packet.clone().into_frame());
        prop_assert_eq!(read, Ok(packet));
    }

    #[test]
    fn a_frame_that_is_read_means_the_same_when_it_is_written(frame in frame()) {
        if let Ok(packet) = Packet::from_frame(frame) {
            prop_assert_eq!(Packet::from_frame(packet.clone().into_frame()), Ok(packet));
        }
    }

    #[test]
    fn a_frame_within_the_limit_is_not_too_large(frame in frame(), max_payload in 0usize..30) {
        let is_too_large = frame.len() > max_payload;
        let end = decode(frame, max_payload).err();
        prop_assert_eq!(end == Some(ProtocolEnd::TooLarge), is_too_large);
    }

    #[test]
    fn a_payload_reads_back(packets in vec(packet("[^\x1e]*"), 1..6)) {
        prop_assert_eq!(decode_payload(&encode_payload(&packets)), Ok(packets));
    }

    #[test]
    fn a_payload_that_is_read_has_a_packet_between_separators(body in nearly()) {
        let Ok(packets) = decode_payload(&body) else {
            return Ok(());
        };
        prop_assert_eq!(packets.len(), body.split(SEPARATOR).count());
        prop_assert_eq!(decode_payload(&encode_payload(&packets)), Ok(packets));
    }

    #[test]
    fn a_post_is_packets_or_refused(body in bytes(), text in nearly(), max_payload in 0usize..30) {
        for body in [body.as_slice(), text.as_bytes()] {
            let push = PollingSession::new(0).on_post(body, 1, max_payload);
            prop_assert_eq!(push == PostOutcome::TooLarge, body.len() > max_payload);
            let packets = std::str::from_utf8(body).ok().and_then(|body| decode_payload(body).ok());
            if let PostOutcome::Packets(read) = push {
                prop_assert_eq!(Some(read), packets);
            }
        }
    }

    #[test]
    fn what_is_queued_for_a_poll_comes_once_and_in_order(packets in vec(packet("[^\x1e]*"), 1..6)) {
        let mut session = PollingSession::new(0);
        for packet in &packets {
            prop_assert!(session.push(packet.clone()));
        }
        let body = encode_payload(&packets);
        prop_assert_eq!(session.on_get(1), super::polling::GetOutcome::Body(body));
        prop_assert_eq!(session.drain(), vec![]);
    }

    #[test]
    fn text_is_a_socket_packet_within_the_limits_or_none(text in nearly()) {
        if let Ok(packet) = socket_io::SocketPacket::decode(&text) {
            prop_assert!(packet.namespace.starts_with('/'));
            prop_assert!(packet.attachments <= MAX_ATTACHMENTS);
        }
    }

    #[test]
    fn an_event_reads_back(
        namespace in namespace(),
        ack_id in option::of(any::<u64>()),
        // The reserved event names are all longer.
        name in ".{0,6}",
        args in args(),
    ) {
        let (text, attachments) = split(event_packets(&namespace, &name, &args));
        // Only clients request acks.
        let name_json = serde_json::Value::from(name.as_str()).to_string();
        let data = format!("[{}]", [&[name_json.as_str()], &*texts(&args)].concat().join(","));
        let head = text.strip_suffix(&data).unwrap();
        let text = format!("{head}{}{data}", ack_id.map_or(String::new(), |id| id.to_string()));
        let packet = socket_io::SocketPacket::decode(&text).unwrap();
        prop_assert_eq!(packet.namespace, namespace);
        prop_assert_eq!(packet.ack_id, ack_id);
        prop_assert_eq!(packet.attachments, attachments.len());
        let Body::Event(read, read_args) = packet.body else {
            return Err(TestCaseError::fail("no event"));
        };
        prop_assert_eq!(read, name);
        prop_assert_eq!(texts(&read_args), texts(&args));
    }

    #[test]
    fn an_ack_reads_back(namespace in namespace(), ack_id in any::<u64>(), args in args()) {
        let (text, attachments) = split(ack_packets(&namespace, ack_id, &args));
        let packet = socket_io::SocketPacket::decode(&text).unwrap();
        prop_assert_eq!(packet.namespace, namespace);
        prop_assert_eq!(packet.ack_id, Some(ack_id));
        prop_assert_eq!(packet.attachments, attachments.len());
        let Body::Ack(read) = packet.body else {
            return Err(TestCaseError::fail("no ack"));
        };
        prop_assert_eq!(texts(&read), texts(&args));
    }

    #[test]
    fn an_offset_is_found_where_it_was_put(payload in json(), offset in any::<u64>(), text in nearly()) {
        let last = format!("\"{offset}\"");
        let event = socket_io::event_text("/", "a", &[payload.get(), &last]);
        prop_assert_eq!(log_offset(&event), Some(offset));
        // On any other text it only must not panic.
        log_offset(&text);
    }

    #[test]
    fn a_session_takes_whatever_comes(frames in vec(frame(), 0..12)) {
        let mut session = Session::default();
        let mut pending = None;
        for frame in frames {
            let Ok(packet) = engine_io::Packet::from_frame(frame) else {
                return Ok(());
            };
            match session.receive(packet, &mut pending, &NAMESPACES) {
                Effect::Connect(namespace, _) => {
                    prop_assert!(session.sid(&namespace).is_none());
                    session.join(&namespace, "S");
                }
                Effect::Event(event) => prop_assert!(session.sid(&event.namespace).is_some()),
                Effect::Close(_) => return Ok(()),
                _ => {}
            }
            // Attachments are kept only for clients that have joined.
            prop_assert!(pending.is_none() || session.is_joined());
            let stored = serde_json::to_string(&session).unwrap();
            prop_assert_eq!(serde_json::from_str::<Session>(&stored).unwrap(), session.clone());
        }
    }

    #[test]
    fn an_event_arrives_with_its_attachments(args in args()) {
        let mut session = Session::default();
        session.join("/", "S");
        let mut pending = None;
        let mut packets = event_packets("/", "a", &args);
        let last = packets.pop().unwrap();
        for packet in packets {
            let effect = session.receive(packet, &mut pending, &NAMESPACES);
            prop_assert!(matches!(effect, Effect::Nothing));
        }
        let Effect::Event(event) = session.receive(last, &mut pending, &NAMESPACES) else {
            return Err(TestCaseError::fail("no event"));
        };
        prop_assert!(pending.is_none());
        prop_assert_eq!(texts(&event.args), texts(&args));
        prop_assert_eq!(event.args.attachments, args.attachments);
    }
}
