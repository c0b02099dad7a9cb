//! The session: takes a client's packets and returns effects.
//!
//! Invariant: an [`Effect`] depends only on the session and the packet. Any mistake of a client results in
//! [`Effect::Close`] or a reply to that client, never in a panic and never in an effect on another
//! connection. Rules: Socket.IO protocol v5, and the reference server's behaviour.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::close::ProtocolEnd;
use super::engine_io::{Frame, Packet};
use super::socket_io::{self, Args, Body};

/// A namespace that the client has joined.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Joined {
    /// The namespace as the client names it; `/` is the main one.
    pub namespace: String,
    /// The Socket.IO session id in this namespace.
    pub sid: String,
}

/// The Socket.IO side of a connection.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Session {
    joined: Vec<Joined>,
    ever_joined: bool,
}

/// A binary packet whose attachments are still arriving. It is kept in memory only: if the object loses it
/// between two frames, the next frame closes the connection and the client reconnects.
#[derive(Debug)]
pub struct Reassembly(socket_io::SocketPacket);

/// An event from a client, complete with its attachments.
#[derive(Debug)]
pub struct Event {
    /// The namespace that it was sent to.
    pub namespace: String,
    /// The first argument on the wire; a number counts as a name, too.
    pub name: String,
    /// The arguments after the name, as raw JSON.
    pub args: Args,
    /// The id of the ack that the client requests, if any.
    pub ack_id: Option<u64>,
}

/// What to do about a packet.
#[derive(Debug)]
pub enum Effect {
    /// Nothing more.
    Nothing,
    /// Send this message to the client.
    Reply(String),
    /// Handle a CONNECT to a namespace that we serve, with its `auth` object.
    Connect(String, Option<Box<RawValue>>),
    /// The client left a namespace, in which it had this session id.
    Left(String),
    /// Handle an event in a namespace that the client has joined.
    Event(Event),
    /// Answer the first step of an upgrade, `2probe`.
    Probe,
    /// Perform the last step of an upgrade, `5`.
    Upgrade,
    /// Close the connection.
    Close(ProtocolEnd),
}

const INVALID: Effect = Effect::Close(ProtocolEnd::ProtocolError);

impl Session {
    /// Returns whether the client is in at least one namespace.
    pub fn is_joined(&self) -> bool {
        !self.joined.is_empty()
    }

    /// Returns whether a CONNECT was ever accepted.
    pub fn was_joined(&self) -> bool {
        self.ever_joined
    }

    /// Records an accepted CONNECT.
    pub fn join(&mut self, namespace: &str, sid: &str) {
        self.ever_joined = true;
        self.joined.push(Joined {
            namespace: namespace.to_owned(),
            sid: sid.to_owned(),
        });
    }

    /// Returns whether this is the client's session id in any namespace.
    pub fn is_in(&self, sid: &str) -> bool {
        self.joined.iter().any(|joined| joined.sid == sid)
    }

    /// Returns the session id in a namespace, if the client has joined it.
    pub fn sid(&self, namespace: &str) -> Option<&str> {
        self.joined
            .iter()
            .find(|joined| joined.namespace == namespace)
            .map(|joined| joined.sid.as_str())
    }

    /// Handles a packet on an open connection. `namespaces` are the ones that we serve.
    pub fn receive(
        &mut self,
        packet: Packet,
        pending: &mut Option<Reassembly>,
        namespaces: &[&str],
    ) -> Effect {
        match packet {
            Packet::Pong(_) | Packet::Noop => Effect::Nothing,
            Packet::Close => Effect::Close(ProtocolEnd::ClientClosed),
            Packet::Text(_) if pending.is_some() => INVALID,
            Packet::Text(text) => match socket_io::SocketPacket::decode(&text) {
                // Attachments are kept only if their event would be accepted.
                Ok(packet) if packet.attachments > 0 && self.sid(&packet.namespace).is_none() => {
                    INVALID
                }
                Ok(packet) if packet.attachments > 0 => {
                    *pending = Some(Reassembly(packet));
                    Effect::Nothing
                }
                Ok(packet) => self.act(packet, namespaces),
                Err(_) => INVALID,
            },
            Packet::Binary(bytes) => match pending.take() {
                Some(reassembly) => self.attach(reassembly, bytes, pending, namespaces),
                None => INVALID,
            },
            // A client never opens or pings, and sends an upgrade only on a probing WebSocket.
            Packet::Open(_) | Packet::Ping(_) | Packet::Upgrade => INVALID,
        }
    }

    fn attach(
        &mut self,
        Reassembly(mut packet): Reassembly,
        bytes: Vec<u8>,
        pending: &mut Option<Reassembly>,
        namespaces: &[&str],
    ) -> Effect {
        let (Body::Event(_, args) | Body::Ack(args)) = &mut packet.body else {
            return INVALID;
        };
        args.attachments.push(bytes);
        if args.attachments.len() < packet.attachments {
            *pending = Some(Reassembly(packet));
            return Effect::Nothing;
        }
        self.act(packet, namespaces)
    }

    fn act(&mut self, packet: socket_io::SocketPacket, namespaces: &[&str]) -> Effect {
        let namespace = packet.namespace;
        if let Body::Connect(auth) = packet.body {
            return self.connect(namespace, auth, namespaces);
        }
        if self.sid(&namespace).is_none() {
            return INVALID;
        }
        match packet.body {
            Body::Event(name, args) => Effect::Event(Event {
                namespace,
                name,
                args,
                ack_id: packet.ack_id,
            }),
            Body::Disconnect => {
                let sid = self.sid(&namespace).unwrap_or_default().to_owned();
                self.joined.retain(|joined| joined.namespace != namespace);
                Effect::Left(sid)
            }
            // We request no acks. As in the reference server, an ack that nothing waits for is ignored.
            Body::Ack(_) => Effect::Nothing,
            Body::Connect(_) => INVALID,
        }
    }

    fn connect(
        &self,
        namespace: String,
        auth: Option<Box<RawValue>>,
        namespaces: &[&str],
    ) -> Effect {
        if self.sid(&namespace).is_some() {
            return INVALID;
        }
        if !namespaces.contains(&namespace.as_str()) {
            let data = r#"{"message":"Invalid namespace"}"#;
            return Effect::Reply(socket_io::connect_error(&namespace, data));
        }
        Effect::Connect(namespace, auth)
    }
}

/// Decodes a frame, unless it is larger than `max_payload` bytes.
pub fn decode(frame: Frame, max_payload: usize) -> Result<Packet, ProtocolEnd> {
    if frame.len() > max_payload {
        return Err(ProtocolEnd::TooLarge);
    }
    Packet::from_frame(frame).map_err(|_| ProtocolEnd::ProtocolError)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::probe::receive_probing;

    const SERVED: [&str; 1] = ["/"];

    struct Client {
        session: Session,
        pending: Option<Reassembly>,
    }

    impl Client {
        fn new() -> Self {
            Self {
                session: Session::default(),
                pending: None,
            }
        }

        fn joined() -> Self {
            let mut client = Self::new();
            client.session.join("/", "S");
            client
        }

        fn text(&mut self, text: &str) -> Effect {
            self.frame(Frame::Text(text.into()))
        }

        fn frame(&mut self, frame: Frame) -> Effect {
            match decode(frame, 100) {
                Ok(packet) => self.session.receive(packet, &mut self.pending, &SERVED),
                Err(reason) => Effect::Close(reason),
            }
        }
    }

    fn closes(effect: Effect, reason: ProtocolEnd) {
        assert!(
            matches!(effect, Effect::Close(given) if given == reason),
            "{effect:?}"
        );
    }

    #[test]
    fn connect_is_asked_for_and_then_joined() {
        let mut client = Client::new();
        let Effect::Connect(namespace, Some(auth)) = client.text(r#"40{"token":"t"}"#) else {
            panic!()
        };
        assert_eq!((namespace.as_str(), auth.get()), ("/", r#"{"token":"t"}"#));
        assert!(!client.session.is_joined());
    }

    #[test]
    fn an_unknown_namespace_is_refused_and_the_connection_lives() {
        let mut client = Client::new();
        let Effect::Reply(text) = client.text("40/random") else {
            panic!()
        };
        assert_eq!(text, r#"4/random,{"message":"Invalid namespace"}"#);
    }

    #[test]
    fn an_event_arrives_with_its_ack() {
        let Effect::Event(event) = Client::joined().text(r#"4212["e",1]"#) else {
            panic!()
        };
        assert_eq!((event.name.as_str(), event.ack_id), ("e", Some(12)));
    }

    #[test]
    fn a_binary_event_waits_for_its_attachments() {
        let mut client = Client::joined();
        let text = r#"452-["e",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]"#;
        assert!(matches!(client.text(text), Effect::Nothing));
        assert!(matches!(
            client.frame(Frame::Binary(vec![1])),
            Effect::Nothing
        ));
        let Effect::Event(event) = client.frame(Frame::Binary(vec![2])) else {
            panic!()
        };
        assert_eq!(event.args.attachments, [vec![1], vec![2]]);
        assert_eq!(event.args.values.len(), 2);
    }

    #[test]
    fn an_ack_that_nobody_requested_is_ignored_with_its_attachments() {
        let mut client = Client::joined();
        assert!(matches!(client.text("431[7]"), Effect::Nothing));
        let binary = r#"461-0[{"_placeholder":true,"num":0}]"#;
        assert!(matches!(client.text(binary), Effect::Nothing));
        let attachment = client.frame(Frame::Binary(vec![1]));
        assert!(matches!(attachment, Effect::Nothing));
        assert!(matches!(client.text(r#"42["e"]"#), Effect::Event(_)));
        closes(client.text("43/other,1[7]"), ProtocolEnd::ProtocolError);
    }

    #[test]
    fn leaving_keeps_the_connection() {
        let mut client = Client::joined();
        assert!(matches!(client.text("41"), Effect::Left(sid) if sid == "S"));
        assert!(!client.session.is_joined());
        assert!(client.session.was_joined());
        assert!(matches!(client.text("40"), Effect::Connect(..)));
    }

    #[test]
    fn heartbeats_and_noops_ask_for_nothing() {
        for text in ["3", "6"] {
            assert!(matches!(Client::joined().text(text), Effect::Nothing));
        }
        assert!(matches!(Client::joined().text("431[]"), Effect::Nothing));
    }

    #[test]
    fn what_a_client_may_not_send_closes() {
        let bad = [
            "2",
            "2probe",
            "5",
            "0{}",
            "9",
            "",
            "40",
            "4x",
            r#"42["connect"]"#,
            "42",
            r#"42/other,["e"]"#,
            "41/other,",
        ];
        for text in bad {
            closes(Client::joined().text(text), ProtocolEnd::ProtocolError);
        }
        closes(Client::new().text(r#"42["e"]"#), ProtocolEnd::ProtocolError);
        closes(
            Client::joined().frame(Frame::Binary(vec![1])),
            ProtocolEnd::ProtocolError,
        );
        let mut client = Client::joined();
        client.text(r#"451-["e",{"_placeholder":true,"num":0}]"#);
        closes(client.text(r#"42["e"]"#), ProtocolEnd::ProtocolError);
        closes(Client::joined().text("1"), ProtocolEnd::ClientClosed);
        closes(
            Client::joined().text(&"4".repeat(101)),
            ProtocolEnd::TooLarge,
        );
    }

    #[test]
    fn a_probing_websocket_probes_then_upgrades() {
        let probing =
            |text: &str| receive_probing(&Packet::from_frame(Frame::Text(text.into())).unwrap());
        assert!(matches!(probing("2probe"), Effect::Probe));
        assert!(matches!(probing("5"), Effect::Upgrade));
        closes(probing("2"), ProtocolEnd::UpgradeFailed);
        closes(probing("40"), ProtocolEnd::UpgradeFailed);
    }
}
