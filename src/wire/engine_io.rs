//! Engine.IO v4 packets, independent of the transports that carry them.
//!
//! Source: Engine.IO protocol v4, "Protocol" and "Packet encoding". A WebSocket frame is one packet (a binary
//! frame is a binary message). A polling body is a list of packets joined by the record separator, with
//! binary messages encoded as `b` and base64.

use base64::Engine;
use base64::alphabet;
use base64::engine::general_purpose::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::Serialize;
use thiserror::Error;

use crate::core::error::to_json;

/// Separates the packets in a polling body.
pub const SEPARATOR: char = '\x1e';

/// The data of the ping and the pong that probe a WebSocket.
pub const PROBE: &str = "probe";

/// A WebSocket message that is not a control frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// UTF-8 text.
    Text(String),
    /// Raw bytes.
    Binary(Vec<u8>),
}

impl Frame {
    /// Returns the payload's size in bytes.
    pub fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Binary(bytes) => bytes.len(),
        }
    }

    /// Returns whether the payload is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns whether the payload begins like a CONNECT.
    pub fn is_connect(&self) -> bool {
        matches!(self, Self::Text(text) if text.starts_with("40"))
    }
}

/// A decoded Engine.IO packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Packet {
    /// `0`: the server's handshake, as JSON.
    Open(String),
    /// `1`: the sender closes the connection.
    Close,
    /// `2`: a heartbeat; with the data `probe`, the first step of an upgrade.
    Ping(String),
    /// `3`: the answer to a ping.
    Pong(String),
    /// `4`: a text message, here a Socket.IO packet.
    Text(String),
    /// `5`: the last step of an upgrade.
    Upgrade,
    /// `6`: no content; ends a poll.
    Noop,
    /// A binary message, here an attachment of a Socket.IO packet.
    Binary(Vec<u8>),
}

/// The input is not an Engine.IO packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("not an Engine.IO packet")]
pub struct EngineDecodeError;

impl Packet {
    /// Decodes a WebSocket message.
    pub fn from_frame(frame: Frame) -> Result<Self, EngineDecodeError> {
        match frame {
            Frame::Text(text) => Self::from_text(&text),
            Frame::Binary(bytes) => Ok(Self::Binary(bytes)),
        }
    }

    fn from_text(text: &str) -> Result<Self, EngineDecodeError> {
        let mut rest = text.chars();
        let kind = rest.next().ok_or(EngineDecodeError)?;
        let data = rest.as_str();
        match kind {
            '0' => Ok(Self::Open(data.to_owned())),
            '1' => Ok(Self::Close),
            '2' => Ok(Self::Ping(data.to_owned())),
            '3' => Ok(Self::Pong(data.to_owned())),
            '4' => Ok(Self::Text(data.to_owned())),
            '5' => Ok(Self::Upgrade),
            '6' => Ok(Self::Noop),
            _ => Err(EngineDecodeError),
        }
    }

    /// Returns the size of the packet's data in bytes.
    pub fn data_len(&self) -> usize {
        match self {
            Self::Open(data) | Self::Ping(data) | Self::Pong(data) | Self::Text(data) => data.len(),
            Self::Binary(bytes) => bytes.len(),
            Self::Close | Self::Upgrade | Self::Noop => 0,
        }
    }

    /// Encodes the packet as a WebSocket message.
    pub fn into_frame(self) -> Frame {
        match self {
            Self::Binary(bytes) => Frame::Binary(bytes),
            other => Frame::Text(other.text()),
        }
    }

    /// Encodes the packet as text, for a polling body or a text frame.
    fn text(&self) -> String {
        match self {
            Self::Open(data) => format!("0{data}"),
            Self::Close => "1".to_owned(),
            Self::Ping(data) => format!("2{data}"),
            Self::Pong(data) => format!("3{data}"),
            Self::Text(data) => format!("4{data}"),
            Self::Upgrade => "5".to_owned(),
            Self::Noop => "6".to_owned(),
            Self::Binary(bytes) => format!("b{}", STANDARD.encode(bytes)),
        }
    }
}

/// Decodes a polling body. An empty body is an error.
pub fn decode_payload(body: &str) -> Result<Vec<Packet>, EngineDecodeError> {
    body.split(SEPARATOR)
        .map(|packet| match packet.strip_prefix('b') {
            Some(base64) => decode_base64(base64).map(Packet::Binary),
            None => Packet::from_text(packet),
        })
        .collect()
}

/// Accepts base64 with or without padding, and with any trailing bits: other encoders differ from ours.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Decodes base64 like the reference server, whose `Buffer.from` accepts both alphabets (RFC 4648, sections 4
/// and 5), does not require padding and skips white space: Java's encoder inserts line breaks (RFC 2045,
/// section 6.8). Any other character is an error.
fn decode_base64(text: &str) -> Result<Vec<u8>, EngineDecodeError> {
    let standard: Vec<u8> = text
        .bytes()
        .filter(|byte| !byte.is_ascii_whitespace())
        .map(|byte| match byte {
            b'-' => b'+',
            b'_' => b'/',
            other => other,
        })
        .collect();
    LENIENT.decode(standard).map_err(|_| EngineDecodeError)
}

/// Encodes a polling body.
pub fn encode_payload(packets: &[Packet]) -> String {
    let mut body = String::new();
    for (index, packet) in packets.iter().enumerate() {
        if index > 0 {
            body.push(SEPARATOR);
        }
        body.push_str(&packet.text());
    }
    body
}

/// The values that the handshake announces.
#[derive(Debug, Clone, Copy)]
pub struct Handshake {
    /// The interval between the server's pings, in milliseconds.
    pub ping_interval: u64,
    /// How long the client may take to answer a ping, in milliseconds.
    pub ping_timeout: u64,
    /// The maximum size of a frame or body from the client, in bytes.
    pub max_payload: usize,
}

/// Returns the handshake packet. It has exactly these keys (Engine.IO protocol v4, "Handshake"). `upgrades`
/// is empty on a WebSocket, which cannot be upgraded.
pub fn open(sid: &str, upgrades: &[&str], handshake: Handshake) -> Packet {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Open<'a> {
        sid: &'a str,
        upgrades: &'a [&'a str],
        ping_interval: u64,
        ping_timeout: u64,
        max_payload: usize,
    }
    Packet::Open(to_json(&Open {
        sid,
        upgrades,
        ping_interval: handshake.ping_interval,
        ping_timeout: handshake.ping_timeout,
        max_payload: handshake.max_payload,
    }))
}

/// Why an HTTP request is refused, with the error codes of Engine.IO's reference server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum RequestError {
    /// The transport does not exist, or does not suit this request.
    #[error("Transport unknown")]
    UnknownTransport,
    /// The session does not exist, or has ended.
    #[error("Session ID unknown")]
    UnknownSession,
    /// The handshake is not a GET.
    #[error("Bad handshake method")]
    BadHandshakeMethod,
    /// The request is invalid in another way.
    #[error("Bad request")]
    BadRequest,
    /// JSONP polling, for browsers that no client of this protocol version supports.
    #[error("JSONP polling is not supported")]
    Jsonp,
    /// The query does not contain `EIO=4`.
    #[error("Unsupported protocol version")]
    UnsupportedVersion,
}

impl RequestError {
    /// Returns the body of the 400 response: `{"code":n,"message":"..."}`.
    pub fn body(self) -> String {
        let code = match self {
            Self::UnknownTransport => 0,
            Self::UnknownSession => 1,
            Self::BadHandshakeMethod => 2,
            Self::BadRequest | Self::Jsonp => 3,
            Self::UnsupportedVersion => 5,
        };
        serde_json::json!({ "code": code, "message": self.to_string() }).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Frame {
        Frame::Text(text.to_owned())
    }

    #[test]
    fn every_packet_reads_and_writes() {
        let packets = [
            ("0{}", Packet::Open("{}".into())),
            ("1", Packet::Close),
            ("2", Packet::Ping(String::new())),
            ("2probe", Packet::Ping("probe".into())),
            ("3", Packet::Pong(String::new())),
            ("3probe", Packet::Pong("probe".into())),
            ("4hello", Packet::Text("hello".into())),
            ("4", Packet::Text(String::new())),
            ("5", Packet::Upgrade),
            ("6", Packet::Noop),
        ];
        for (wire, packet) in packets {
            assert_eq!(Packet::from_frame(text(wire)), Ok(packet.clone()));
            assert_eq!(packet.into_frame(), text(wire));
        }
    }

    #[test]
    fn a_binary_frame_is_a_binary_message() {
        let packet = Packet::Binary(vec![1, 2, 3]);
        assert_eq!(
            Packet::from_frame(Frame::Binary(vec![1, 2, 3])),
            Ok(packet.clone())
        );
        assert_eq!(packet.into_frame(), Frame::Binary(vec![1, 2, 3]));
    }

    #[test]
    fn what_is_no_packet_is_refused() {
        for wire in ["", "7", "abc", "b", "é"] {
            assert_eq!(
                Packet::from_frame(text(wire)),
                Err(EngineDecodeError),
                "{wire:?}"
            );
        }
    }

    #[test]
    fn a_polling_body_holds_several_packets() {
        let packets = vec![
            Packet::Text("a".into()),
            Packet::Binary(vec![1, 2, 3, 4]),
            Packet::Ping(String::new()),
        ];
        let body = "4a\x1ebAQIDBA==\x1e2";
        assert_eq!(encode_payload(&packets), body);
        assert_eq!(decode_payload(body), Ok(packets));
        for bad in ["", "4a\x1e", "4a\x1e9", "b*"] {
            assert_eq!(decode_payload(bad), Err(EngineDecodeError), "{bad:?}");
        }
    }

    #[test]
    fn base64_is_read_as_other_encoders_write_it() {
        let bytes: Vec<u8> = (0..=255).rev().collect();
        let base64 = STANDARD.encode(&bytes);
        let lines: Vec<&str> = base64
            .as_bytes()
            .chunks(76)
            .map(|line| std::str::from_utf8(line).unwrap())
            .collect();
        for spelt in [
            base64.clone(),
            // RFC 2045, as Java's Base64.encodeToString(bytes, DEFAULT) writes it.
            format!("{}\n", lines.join("\n")),
            format!("{}\r\n", lines.join("\r\n")),
            base64.trim_end_matches('=').to_owned(),
            base64.replace('+', "-").replace('/', "_"),
            format!(" \t{base64} "),
        ] {
            let expected = Ok(vec![Packet::Binary(bytes.clone()), Packet::Noop]);
            assert_eq!(decode_payload(&format!("b{spelt}\x1e6")), expected);
        }
        for (nothing, expected) in [("b", vec![]), ("b\n", vec![]), ("bAQ", vec![1])] {
            assert_eq!(decode_payload(nothing), Ok(vec![Packet::Binary(expected)]));
        }
        for bad in ["bA", "bAQ=A", "b====", "bü", "bAQ\0"] {
            assert_eq!(decode_payload(bad), Err(EngineDecodeError), "{bad:?}");
        }
    }

    #[test]
    fn the_handshake_is_pinned() {
        let handshake = Handshake {
            ping_interval: 25_000,
            ping_timeout: 20_000,
            max_payload: 1_000_000,
        };
        assert_eq!(
            open("S", &["websocket"], handshake).into_frame(),
            text(
                r#"0{"sid":"S","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}"#
            )
        );
    }

    #[test]
    fn http_errors_are_pinned() {
        let bodies = [
            (
                RequestError::UnknownTransport,
                r#"{"code":0,"message":"Transport unknown"}"#,
            ),
            (
                RequestError::UnknownSession,
                r#"{"code":1,"message":"Session ID unknown"}"#,
            ),
            (
                RequestError::BadHandshakeMethod,
                r#"{"code":2,"message":"Bad handshake method"}"#,
            ),
            (
                RequestError::BadRequest,
                r#"{"code":3,"message":"Bad request"}"#,
            ),
            (
                RequestError::Jsonp,
                r#"{"code":3,"message":"JSONP polling is not supported"}"#,
            ),
            (
                RequestError::UnsupportedVersion,
                r#"{"code":5,"message":"Unsupported protocol version"}"#,
            ),
        ];
        for (error, body) in bodies {
            assert_eq!(error.body(), body);
        }
    }
}
