//! Socket.IO v5 packets, as they appear in an Engine.IO message.
//!
//! Source: Socket.IO protocol v5, "Packet encoding". Arguments stay raw JSON text: decoding them into generic
//! values would reorder keys and reject lone surrogates and `1e400`, which every JavaScript client accepts.

use serde::Serialize;
use serde_json::value::RawValue;
use thiserror::Error;

use super::engine_io::Packet as Engine;

/// The main namespace, which packets need not name.
pub const MAIN: &str = "/";

/// The maximum number of attachments of a binary packet, as in the reference parser.
pub const MAX_ATTACHMENTS: usize = 10;

/// Event names that a client may not emit (Socket.IO, "Reserved events").
const RESERVED: [&str; 6] = [
    "connect",
    "connect_error",
    "disconnect",
    "disconnecting",
    "newListener",
    "removeListener",
];

/// The raw arguments of an event or ack, with the attachments that their placeholders refer to.
#[derive(Debug, Clone, Default)]
pub struct Args {
    /// Each argument as JSON text, without the event's name.
    pub values: Vec<Box<RawValue>>,
    /// Binary attachments, by placeholder number. Empty on a packet that has just been decoded.
    pub attachments: Vec<Vec<u8>>,
}

impl Args {
    fn texts(&self) -> Vec<&str> {
        self.values.iter().map(|value| value.get()).collect()
    }
}

/// A decoded Socket.IO packet.
#[derive(Debug, Clone)]
pub struct SocketPacket {
    /// The namespace; `/` if the packet names none.
    pub namespace: String,
    /// The id of the ack that an event requests, or of the event that an ack answers.
    pub ack_id: Option<u64>,
    /// The number of binary frames that follow.
    pub attachments: usize,
    /// The packet's type and data.
    pub body: Body,
}

/// A packet's type and data.
#[derive(Debug, Clone)]
pub enum Body {
    /// `0`, from a client: its `auth` object, if it has one.
    Connect(Option<Box<RawValue>>),
    /// `1`: the client leaves the namespace.
    Disconnect,
    /// `2`, or `5` with attachments: the event's name and the arguments after it.
    Event(String, Args),
    /// `3`, or `6` with attachments: the ack's arguments.
    Ack(Args),
}

/// The text is not a Socket.IO packet that a client may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("not a Socket.IO packet that a client may send")]
pub struct SocketDecodeError;

impl SocketPacket {
    /// Decodes the text of an Engine.IO message from a client.
    pub fn decode(text: &str) -> Result<Self, SocketDecodeError> {
        let mut rest = text.chars();
        let kind = rest.next().ok_or(SocketDecodeError)?;
        let rest = rest.as_str();
        let (attachments, rest) = match kind {
            '5' | '6' => attachment_count(rest)?,
            _ => (0, rest),
        };
        let (namespace, rest) = namespace(rest);
        let (ack_id, data) = ack_id(rest)?;
        let body = match kind {
            '0' => Body::Connect(connect_auth(data)?),
            '1' if data.is_empty() => Body::Disconnect,
            '2' | '5' => event_body(data)?,
            '3' | '6' if ack_id.is_some() => Body::Ack(args(data)?),
            _ => return Err(SocketDecodeError),
        };
        Ok(Self {
            namespace: namespace.to_owned(),
            ack_id,
            attachments,
            body,
        })
    }
}

fn attachment_count(text: &str) -> Result<(usize, &str), SocketDecodeError> {
    let (count, rest) = text.split_once('-').ok_or(SocketDecodeError)?;
    let count = digits(count)?;
    match usize::try_from(count) {
        Ok(count) if (1..=MAX_ATTACHMENTS).contains(&count) => Ok((count, rest)),
        _ => Err(SocketDecodeError),
    }
}

fn namespace(text: &str) -> (&str, &str) {
    if !text.starts_with('/') {
        return (MAIN, text);
    }
    text.split_once(',').unwrap_or((text, ""))
}

fn ack_id(text: &str) -> Result<(Option<u64>, &str), SocketDecodeError> {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    if end == 0 {
        return Ok((None, text));
    }
    let (id, data) = text.split_at_checked(end).ok_or(SocketDecodeError)?;
    digits(id).map(|id| (Some(id), data))
}

/// Accepts digits only; `str::parse` alone would accept a sign, too.
fn digits(text: &str) -> Result<u64, SocketDecodeError> {
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(SocketDecodeError);
    }
    text.parse().map_err(|_| SocketDecodeError)
}

fn connect_auth(data: &str) -> Result<Option<Box<RawValue>>, SocketDecodeError> {
    if data.is_empty() {
        return Ok(None);
    }
    let auth: Box<RawValue> = serde_json::from_str(data).map_err(|_| SocketDecodeError)?;
    if !auth.get().starts_with('{') {
        return Err(SocketDecodeError);
    }
    Ok(Some(auth))
}

fn args(data: &str) -> Result<Args, SocketDecodeError> {
    let values = serde_json::from_str(data).map_err(|_| SocketDecodeError)?;
    Ok(Args {
        values,
        attachments: Vec::new(),
    })
}

fn event_body(data: &str) -> Result<Body, SocketDecodeError> {
    let mut args = args(data)?;
    if args.values.is_empty() {
        return Err(SocketDecodeError);
    }
    let name = args.values.remove(0);
    // The reference parser accepts a number as a name, too.
    let name = serde_json::from_str::<String>(name.get()).or_else(|_| {
        serde_json::from_str::<serde_json::Number>(name.get()).map(|number| number.to_string())
    });
    match name {
        Ok(name) if !RESERVED.contains(&name.as_str()) => Ok(Body::Event(name, args)),
        _ => Err(SocketDecodeError),
    }
}

/// Returns `0`: the CONNECT was accepted. With a `pid`, the client asks for recovery when it reconnects.
pub fn connected(namespace: &str, sid: &str, pid: Option<&str>) -> String {
    #[derive(Serialize)]
    struct Connected<'a> {
        #[serde(skip_serializing_if = "Option::is_none")]
        pid: Option<&'a str>,
        sid: &'a str,
    }
    format!("0{}{}", prefix(namespace), json(&Connected { pid, sid }))
}

/// Returns `4`: the CONNECT was refused. `data` is JSON text.
pub fn connect_error(namespace: &str, data: &str) -> String {
    format!("4{}{data}", prefix(namespace))
}

/// Returns `1`: the server has ended the session. The client does not reconnect by itself.
pub fn disconnect_text(namespace: &str) -> String {
    format!("1{}", prefix(namespace))
}

/// Returns whether a client's message is a DISCONNECT.
pub fn is_disconnect(message: &str) -> bool {
    message.starts_with('1')
}

/// Returns `2`: an event. The arguments are JSON texts.
pub fn event_text(namespace: &str, name: &str, args: &[&str]) -> String {
    event(namespace, name, args, 0)
}

/// Returns the log offset that one of our events carries as its last argument, if it has one. `message` must
/// be one of our own: our events without an offset end in an object.
pub fn log_offset(message: &str) -> Option<u64> {
    let args = message.strip_prefix('2')?.strip_suffix("\"]")?;
    let (_, offset) = args.rsplit_once(",\"")?;
    offset.parse().ok()
}

/// Returns an event with its attachments: `2`, or `5` followed by a binary packet for each.
pub fn event_packets(namespace: &str, name: &str, args: &Args) -> Vec<Engine> {
    let attachments = args.attachments.len();
    let text = event(namespace, name, &args.texts(), attachments);
    packets(text, &args.attachments)
}

fn event(namespace: &str, name: &str, args: &[&str], attachments: usize) -> String {
    let kind = match attachments {
        0 => "2".to_owned(),
        count => format!("5{count}-"),
    };
    let name = json(name);
    let list: Vec<&str> = std::iter::once(name.as_str())
        .chain(args.iter().copied())
        .collect();
    format!("{kind}{}[{}]", prefix(namespace), list.join(","))
}

/// Returns an ack with its attachments: `3`, or `6` followed by a binary packet for each.
pub fn ack_packets(namespace: &str, ack_id: u64, args: &Args) -> Vec<Engine> {
    let attachments = args.attachments.len();
    let text = ack_text(namespace, ack_id, &args.texts(), attachments);
    packets(text, &args.attachments)
}

fn packets(text: String, attachments: &[Vec<u8>]) -> Vec<Engine> {
    let attachments = attachments.iter().cloned().map(Engine::Binary);
    std::iter::once(Engine::Text(text))
        .chain(attachments)
        .collect()
}

/// Returns an ack: `3`, or `6` with attachments. The arguments are JSON texts.
pub fn ack_text(namespace: &str, ack_id: u64, args: &[&str], attachments: usize) -> String {
    let kind = match attachments {
        0 => "3".to_owned(),
        count => format!("6{count}-"),
    };
    format!("{kind}{}{ack_id}[{}]", prefix(namespace), args.join(","))
}

/// Serializes strings, which cannot fail.
fn json<T: Serialize + ?Sized>(strings: &T) -> String {
    serde_json::to_string(strings).unwrap_or_default()
}

fn prefix(namespace: &str) -> String {
    if namespace == MAIN {
        return String::new();
    }
    format!("{namespace},")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(text: &str) -> SocketPacket {
        SocketPacket::decode(text).unwrap_or_else(|_| panic!("{text}"))
    }

    fn raw(args: &Args) -> Vec<&str> {
        args.values.iter().map(|value| value.get()).collect()
    }

    #[test]
    fn connect() {
        let packet = decode("0");
        assert_eq!(packet.namespace, "/");
        assert!(matches!(packet.body, Body::Connect(None)));
        let packet = decode(r#"0/admin,{"token":"t"}"#);
        assert_eq!(packet.namespace, "/admin");
        let Body::Connect(Some(auth)) = packet.body else {
            panic!()
        };
        assert_eq!(auth.get(), r#"{"token":"t"}"#);
        assert!(matches!(decode("0/admin,").body, Body::Connect(None)));
        assert!(matches!(decode("0/admin").body, Body::Connect(None)));
    }

    #[test]
    fn disconnect_packet() {
        assert!(matches!(decode("1").body, Body::Disconnect));
        assert_eq!(decode("1/admin,").namespace, "/admin");
    }

    #[test]
    fn event_keeps_its_arguments_raw() {
        let packet = decode(r#"2["e",{"b":1,"a":"\ud800"},1e400,null]"#);
        assert_eq!(packet.ack_id, None);
        let Body::Event(name, args) = packet.body else {
            panic!()
        };
        assert_eq!(name, "e");
        assert_eq!(raw(&args), [r#"{"b":1,"a":"\ud800"}"#, "1e400", "null"]);
    }

    #[test]
    fn event_with_namespace_and_ack() {
        let packet = decode(r#"2/admin,456["project:delete",123]"#);
        assert_eq!(
            (packet.namespace.as_str(), packet.ack_id),
            ("/admin", Some(456))
        );
        assert!(matches!(decode("2[5]").body, Body::Event(name, _) if name == "5"));
    }

    #[test]
    fn ack() {
        let packet = decode("3/admin,456[]");
        assert_eq!(packet.ack_id, Some(456));
        assert!(matches!(packet.body, Body::Ack(args) if args.values.is_empty()));
    }

    #[test]
    fn binary_event_and_ack() {
        let packet = decode(r#"52-/admin,7["hello",{"_placeholder":true,"num":0}]"#);
        assert_eq!((packet.attachments, packet.ack_id), (2, Some(7)));
        assert!(matches!(packet.body, Body::Event(..)));
        let packet = decode(r#"61-456[{"_placeholder":true,"num":0}]"#);
        assert_eq!((packet.attachments, packet.ack_id), (1, Some(456)));
        assert!(matches!(packet.body, Body::Ack(_)));
    }

    #[test]
    fn what_is_no_packet_is_refused() {
        let bad = [
            "",
            "7",
            "a",
            "0x",
            "0[]",
            "0\"a\"",
            "0{",
            "1{}",
            "2",
            "2[]",
            "2{}",
            "2[{}]",
            "2[null]",
            "2[\"a\"",
            "2abc[\"a\"]",
            "299999999999999999999999[\"a\"]",
            "3[]",
            "31{}",
            "4{}",
            "5[\"a\"]",
            "5-[\"a\"]x",
            "511-[\"a\"]",
            "50-[\"a\"]",
            "5+1-[\"a\"]",
            "2[\"connect\"]",
            "2[\"connect_error\"]",
            "2[\"disconnect\"]",
            "2[\"disconnecting\"]",
            "2[\"newListener\"]",
            "2[\"removeListener\"]",
        ];
        for text in bad {
            assert!(SocketPacket::decode(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_event_shows_its_offset() {
        let event = |args: &[&str]| log_offset(&event_text("/", "new_message", args));
        assert_eq!(event(&["{}", "\"17\""]), Some(17));
        assert_eq!(event(&[r#"{"text":"a,\"17\"]"}"#, "\"18\""]), Some(18));
        assert_eq!(event(&[r#"{"text":",\"17\"]"}"#]), None);
        assert_eq!(event(&[r#"{"text":"17"}"#]), None);
        assert_eq!(log_offset(&event_text("/", "17", &[])), None);
        assert_eq!(log_offset(&ack_text("/", 3, &["{}", "\"17\""], 0)), None);
        assert_eq!(log_offset(&disconnect_text("/")), None);
    }

    #[test]
    fn what_the_server_sends_is_pinned() {
        assert_eq!(connected("/", "S", None), r#"0{"sid":"S"}"#);
        assert_eq!(connected("/", "S", Some("P")), r#"0{"pid":"P","sid":"S"}"#);
        assert_eq!(
            connect_error("/random", r#"{"message":"Invalid namespace"}"#),
            r#"4/random,{"message":"Invalid namespace"}"#
        );
        assert_eq!(
            event_text("/", "new_message", &["{}", "\"17\""]),
            r#"2["new_message",{},"17"]"#
        );
        assert_eq!(event_text("/admin", "a\"b", &[]), r#"2/admin,["a\"b"]"#);
        let args = Args {
            values: serde_json::from_str(r#"[1,{"_placeholder":true,"num":0}]"#).unwrap(),
            attachments: vec![vec![7]],
        };
        assert_eq!(
            event_packets("/", "e", &args),
            [
                Engine::Text(r#"51-["e",1,{"_placeholder":true,"num":0}]"#.into()),
                Engine::Binary(vec![7]),
            ]
        );
        assert_eq!(
            ack_packets("/admin", 3, &args),
            [
                Engine::Text(r#"61-/admin,3[1,{"_placeholder":true,"num":0}]"#.into()),
                Engine::Binary(vec![7]),
            ]
        );
        assert_eq!(ack_text("/", 4, &["{}"], 0), "34[{}]");
        assert_eq!(ack_text("/admin", 4, &["1", "2"], 2), "62-/admin,4[1,2]");
    }
}
