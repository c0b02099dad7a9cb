//! The lobby: where a client waits until its user is known.
//!
//! The relay runs it for WebSockets, the polling gateway for polling: each passes incoming frames to it and
//! carries out the [`LobbyEffect`]s in order. Invariant: only a valid token admits a client, every refusal is
//! sent to the client and counted, and no refusal extends the client's time. Both transports follow the same
//! rules, because only the lobby decides. If it is the platform that has to check a token's signature, the
//! CONNECT is handed back for that ([`Received::Unchecked`]) and decided afterwards.

use super::close::{CloseReason, MAX_REFUSALS};
use super::config::Config;
use super::connect_refusal::ConnectRefusal;
use super::recovery::ConnectAuth;
use super::time::Millis;
use super::token::claims::Claims;
use super::token::signature::{Opened, SignedToken, open};
use super::token::{Identity, TokenError, Verdict, inherited, user};
use crate::wire::close::ProtocolEnd;
use crate::wire::engine_io::{Frame, PROBE, Packet};
use crate::wire::probe::receive_probing;
use crate::wire::session::{self, Session, decode};

/// A client whose user is not known yet.
#[derive(Debug)]
pub struct Lobby {
    /// The namespaces that the server serves.
    namespaces: &'static [&'static str],
    /// The deadline of the upgrade, while a WebSocket probes for a polling session.
    probing_until: Option<Millis>,
    /// The time by which the user must be known.
    ends_at: Millis,
    /// The verdict on the handshake's token, if the handshake brought one.
    pub handshake: Option<Verdict>,
    refusals: u64,
}

/// What an incoming frame leads to.
#[derive(Debug, PartialEq, Eq)]
pub enum Received {
    /// These effects.
    Effects(Vec<LobbyEffect>),
    /// The CONNECT's token has to be checked by the platform, and the result goes to [`Lobby::checked`].
    /// Until then, no other frame of this client may be passed to the lobby.
    Unchecked(SignedToken, Frame),
}

/// What the caller has to do.
#[derive(Debug, PartialEq, Eq)]
pub enum LobbyEffect {
    /// Send this to the client.
    Send(Packet),
    /// Record that a CONNECT was refused because of its token.
    Refused(TokenError),
    /// The user is known: pass this CONNECT, and everything after it, to the user's object.
    Enter(Identity, Frame),
    /// Tell the gateway that a WebSocket is probing.
    Probe,
    /// Fetch the session from the gateway: it now belongs to the WebSocket.
    TakeOver,
    /// Close the WebSocket, and tell the gateway that the client continues polling.
    AbandonProbe(CloseReason),
    /// Close the connection.
    Close(CloseReason),
}

impl Lobby {
    /// Returns the lobby of a client whose handshake was answered at `opened_at`.
    pub fn new(opened_at: Millis, namespaces: &'static [&'static str], config: &Config) -> Self {
        Self {
            namespaces,
            probing_until: None,
            ends_at: opened_at + config.lobby_timeout(),
            handshake: None,
            refusals: 0,
        }
    }

    /// Returns the lobby of the same client on a WebSocket that probes from `now` on.
    pub fn probing(self, config: &Config, now: Millis) -> Self {
        Self {
            probing_until: Some(now + config.upgrade_timeout),
            ..self
        }
    }

    /// Records that the WebSocket has taken over the session, together with the verdict on the handshake's
    /// token.
    pub fn take_over(&mut self, handshake: Option<Verdict>) {
        self.probing_until = None;
        self.handshake = handshake;
    }

    /// Returns when [`Self::time_out`] is due.
    pub fn deadline(&self) -> Millis {
        self.probing_until.unwrap_or(self.ends_at)
    }

    /// Returns whether the time by which the user must be known has passed.
    pub fn is_over(&self, now: Millis) -> bool {
        now >= self.ends_at
    }

    /// Returns the effects of a passed deadline.
    pub fn time_out(&self) -> Vec<LobbyEffect> {
        self.end(ProtocolEnd::UpgradeFailed, ProtocolEnd::ConnectTimeout)
    }

    /// Returns the effects when the client closes its WebSocket.
    pub fn leave(&self) -> Vec<LobbyEffect> {
        self.end(ProtocolEnd::UpgradeFailed, ProtocolEnd::ClientClosed)
    }

    /// Handles an incoming frame, or a packet from a polling POST. `request` is the verdict on the token of
    /// the request that brought it, if that request has a token.
    pub fn receive(
        &mut self,
        frame: Frame,
        request: Option<&Verdict>,
        config: &Config,
        now: Millis,
    ) -> Received {
        let auth = match self.read(&frame, config) {
            Ok(auth) => auth,
            Err(effects) => return Received::Effects(effects),
        };
        let Some(token) = auth.token else {
            // The CONNECT is authenticated by its request's token, or else by the handshake's.
            let verdict = inherited(request.into_iter().chain(&self.handshake), now);
            return Received::Effects(self.decide(verdict, frame));
        };
        match open(config, &token) {
            Opened::Checked(claims) => Received::Effects(self.checked(claims, frame, config, now)),
            Opened::Unchecked(token) => Received::Unchecked(token, frame),
        }
    }

    /// Returns the effects of a CONNECT with a token of its own, whose signature is checked.
    pub fn checked(
        &mut self,
        claims: Result<Claims, TokenError>,
        connect: Frame,
        config: &Config,
        now: Millis,
    ) -> Vec<LobbyEffect> {
        let verdict = claims.and_then(|claims| user(&claims, config, now));
        self.decide(verdict, connect)
    }

    /// Returns the `auth` object of a CONNECT, or the effects of any other frame.
    fn read(&mut self, frame: &Frame, config: &Config) -> Result<ConnectAuth, Vec<LobbyEffect>> {
        let packet = match decode(frame.clone(), config.max_connect_bytes) {
            Ok(packet) => packet,
            Err(ProtocolEnd::TooLarge) => {
                return Err(self.end_too_large(frame.is_connect(), config));
            }
            Err(reason) => return Err(self.end(reason, reason)),
        };
        if self.probing_until.is_some() {
            return Err(probe(&packet));
        }
        // The client has not joined a namespace, so there is no session state to keep between packets.
        Err(
            match Session::default().receive(packet, &mut None, self.namespaces) {
                session::Effect::Connect(_, auth) => return Ok(ConnectAuth::read(auth.as_deref())),
                session::Effect::Nothing => Vec::new(),
                session::Effect::Reply(refusal) => self.refuse(None, refusal),
                session::Effect::Close(reason) => vec![LobbyEffect::Close(reason.into())],
                // The other effects need a joined namespace or a probing WebSocket.
                _ => vec![LobbyEffect::Close(ProtocolEnd::ProtocolError.into())],
            },
        )
    }

    fn decide(&mut self, verdict: Verdict, connect: Frame) -> Vec<LobbyEffect> {
        match verdict {
            Ok(identity) => vec![LobbyEffect::Enter(identity, connect)],
            Err(error) => self.refuse(Some(error), ConnectRefusal::from(error).packet()),
        }
    }

    /// Sends a refusal and counts it. The last one is also sent, and then the connection is closed.
    fn refuse(&mut self, error: Option<TokenError>, refusal: String) -> Vec<LobbyEffect> {
        self.refusals += 1;
        let is_flooding = self.refusals > MAX_REFUSALS;
        let close = is_flooding.then_some(LobbyEffect::Close(CloseReason::Flooding));
        let refused = error.map(LobbyEffect::Refused).into_iter();
        refused.chain([send(refusal)]).chain(close).collect()
    }

    /// Ends the connection after a frame over `MAX_CONNECT_BYTES`. A CONNECT gets a CONNECT_ERROR first,
    /// unless it arrives before the upgrade.
    pub fn end_too_large(&self, is_connect: bool, config: &Config) -> Vec<LobbyEffect> {
        let is_told = is_connect && self.probing_until.is_none();
        let refusal = || send(ConnectRefusal::TooLarge(config.max_connect_bytes).packet());
        let told = is_told.then(refusal).into_iter();
        told.chain(self.end(ProtocolEnd::TooLarge, ProtocolEnd::TooLarge))
            .collect()
    }

    fn end(&self, of_probe: ProtocolEnd, of_client: ProtocolEnd) -> Vec<LobbyEffect> {
        match self.probing_until {
            Some(_) => vec![LobbyEffect::AbandonProbe(of_probe.into())],
            None => vec![LobbyEffect::Close(of_client.into())],
        }
    }
}

fn probe(packet: &Packet) -> Vec<LobbyEffect> {
    match receive_probing(packet) {
        session::Effect::Probe => {
            // Once it has the pong, the client stops polling, so its GETs must have ended by then.
            vec![
                LobbyEffect::Probe,
                LobbyEffect::Send(Packet::Pong(PROBE.to_owned())),
            ]
        }
        session::Effect::Upgrade => vec![LobbyEffect::TakeOver],
        session::Effect::Close(reason) => vec![LobbyEffect::AbandonProbe(reason.into())],
        _ => Vec::new(),
    }
}

fn send(message: String) -> LobbyEffect {
    LobbyEffect::Send(Packet::Text(message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::token::tests::{NOW, SECRET, sign, unchecked, verdict_of};
    use crate::wire::socket_io::MAIN;
    use serde_json::json;

    const MAX_CONNECT: usize = 10_000;
    const CONNECT_TIMEOUT: Millis = 5_000;
    const UPGRADE_TIMEOUT: Millis = 2_000;

    fn config() -> Config {
        Config::read(|name| match name {
            "JWT_SECRET" => Some(String::from_utf8_lossy(SECRET).into_owned()),
            "MAX_CONNECT_BYTES" => Some(MAX_CONNECT.to_string()),
            "CONNECT_TIMEOUT_MS" => Some(CONNECT_TIMEOUT.to_string()),
            "UPGRADE_TIMEOUT_MS" => Some(UPGRADE_TIMEOUT.to_string()),
            _ => None,
        })
        .unwrap()
    }

    fn token(user_id: &str) -> String {
        sign(json!({ "sub": user_id, "exp": NOW / 1000 + 60 }))
    }

    fn verdict(user_id: &str) -> Verdict {
        verdict_of(&token(user_id))
    }

    fn connect(token: &str) -> String {
        format!("40{}", json!({ "token": token }))
    }

    fn text(text: &str) -> Frame {
        Frame::Text(text.to_owned())
    }

    fn waiting() -> Lobby {
        Lobby::new(NOW, &[MAIN], &config())
    }

    fn probing() -> Lobby {
        waiting().probing(&config(), NOW + 1_000)
    }

    /// Returns the effects of a frame whose request brought this token.
    fn receive_with(
        lobby: &mut Lobby,
        frame: Frame,
        request: Option<&Verdict>,
    ) -> Vec<LobbyEffect> {
        match lobby.receive(frame, request, &config(), NOW) {
            Received::Effects(effects) => effects,
            unchecked => panic!("{unchecked:?}"),
        }
    }

    fn receive(lobby: &mut Lobby, frame: Frame) -> Vec<LobbyEffect> {
        receive_with(lobby, frame, None)
    }

    fn closed(reason: impl Into<CloseReason>) -> Vec<LobbyEffect> {
        vec![LobbyEffect::Close(reason.into())]
    }

    fn abandoned(reason: ProtocolEnd) -> Vec<LobbyEffect> {
        vec![LobbyEffect::AbandonProbe(reason.into())]
    }

    fn refused(error: TokenError) -> Vec<LobbyEffect> {
        let refusal = ConnectRefusal::from(error).packet();
        vec![LobbyEffect::Refused(error), send(refusal)]
    }

    fn unserved() -> LobbyEffect {
        send(r#"4/nowhere,{"message":"Invalid namespace"}"#.to_owned())
    }

    #[test]
    fn the_nearest_token_lets_a_client_in_or_is_refused() {
        let late = || Err(TokenError::Expired);
        let missing = || Err(TokenError::Missing);
        let invalid = || Err(TokenError::Invalid);
        let (own, bad) = (connect(&token("own")), connect("bad"));
        let (near, far) = (|| verdict("near"), || verdict("far"));
        let cases = [
            (own.as_str(), Some(near()), Some(late()), verdict("own")),
            (&own, Some(late()), None, verdict("own")),
            (&bad, Some(near()), None, invalid()),
            ("40", Some(near()), Some(late()), near()),
            ("40", Some(late()), Some(far()), late()),
            ("40", None, Some(far()), far()),
            ("40", None, Some(late()), late()),
            ("40", None, None, missing()),
        ];
        for (packet, request, handshake, expected) in cases {
            let mut greeted = waiting();
            greeted.handshake = handshake.clone();
            let mut upgraded = probing();
            upgraded.take_over(handshake);
            let expected = match expected {
                // The object gets the CONNECT unchanged.
                Ok(user) => vec![LobbyEffect::Enter(user, text(packet))],
                Err(error) => refused(error),
            };
            for mut lobby in [greeted, upgraded] {
                let effects = receive_with(&mut lobby, text(packet), request.as_ref());
                assert_eq!(effects, expected, "{packet} {request:?}");
            }
        }
    }

    #[test]
    fn what_a_client_may_send_before_its_user_is_known() {
        let large = |start: &str| text(&format!("{start}{}", "x".repeat(MAX_CONNECT)));
        let too_large = || LobbyEffect::Close(ProtocolEnd::TooLarge.into());
        let told = send(ConnectRefusal::TooLarge(MAX_CONNECT).packet());
        let mut cases = vec![
            (text("3"), vec![]),
            (text("6"), vec![]),
            (text("40/nowhere,"), vec![unserved()]),
            (text("1"), closed(ProtocolEnd::ClientClosed)),
            (large("40"), vec![told, too_large()]),
            (large("42"), vec![too_large()]),
            (Frame::Binary(vec![1]), closed(ProtocolEnd::ProtocolError)),
            (
                Frame::Binary(vec![b'4'; MAX_CONNECT + 1]),
                vec![too_large()],
            ),
        ];
        for invalid in [
            "",
            "9",
            "2",
            "2probe",
            "5",
            "0{}",
            "4x",
            "41",
            r#"42["e"]"#,
            r#"431[]"#,
        ] {
            cases.push((text(invalid), closed(ProtocolEnd::ProtocolError)));
        }
        // Attachments are not awaited for an event that nobody will handle.
        let event = r#"451-["e",{"_placeholder":true,"num":0}]"#;
        cases.push((text(event), closed(ProtocolEnd::ProtocolError)));
        for (frame, expected) in cases {
            assert_eq!(
                receive(&mut waiting(), frame.clone()),
                expected,
                "{frame:?}"
            );
        }
    }

    #[test]
    fn every_refusal_counts_and_the_eleventh_is_told_and_then_the_end() {
        let (bad, nowhere) = (connect("bad"), "40/nowhere,");
        let rounds: [&[&str]; 3] = [&[&bad], &[nowhere], &[nowhere, &bad, "3"]];
        for round in rounds {
            let mut lobby = waiting();
            let mut refusals = 0;
            for packet in round.iter().cycle() {
                let mut effects = receive(&mut lobby, text(packet));
                refusals += u32::from(*packet != "3");
                if refusals == 11 {
                    assert_eq!(
                        effects.pop(),
                        Some(LobbyEffect::Close(CloseReason::Flooding))
                    );
                }
                let expected = match *packet {
                    "3" => vec![],
                    packet if packet == nowhere => vec![unserved()],
                    _ => refused(TokenError::Invalid),
                };
                assert_eq!(effects, expected, "refusal {refusals}");
                if refusals == 11 {
                    break;
                }
            }
        }
    }

    #[test]
    fn who_was_refused_may_try_again_and_has_no_more_time() {
        let mut lobby = waiting();
        assert_eq!(
            receive(&mut lobby, text("40")),
            refused(TokenError::Missing)
        );
        assert_eq!(lobby.deadline(), NOW + CONNECT_TIMEOUT);
        let connect = connect(&token("second try"));
        let entered = vec![LobbyEffect::Enter(
            verdict("second try").unwrap(),
            text(&connect),
        )];
        assert_eq!(receive(&mut lobby, text(&connect)), entered);
    }

    #[test]
    fn a_probe_ends_every_get_before_its_answer() {
        let pong = LobbyEffect::Send(Packet::Pong(PROBE.to_owned()));
        let cases = [
            (text("2probe"), vec![LobbyEffect::Probe, pong]),
            (text("6"), vec![]),
            (text("5"), vec![LobbyEffect::TakeOver]),
            (text("2"), abandoned(ProtocolEnd::UpgradeFailed)),
            (text("40"), abandoned(ProtocolEnd::UpgradeFailed)),
            (text("1"), abandoned(ProtocolEnd::UpgradeFailed)),
            (
                Frame::Binary(vec![1]),
                abandoned(ProtocolEnd::UpgradeFailed),
            ),
            (text("9"), abandoned(ProtocolEnd::ProtocolError)),
            // No CONNECT is answered before the upgrade, not even one that is too large.
            (
                text(&format!("40{}", "x".repeat(MAX_CONNECT))),
                abandoned(ProtocolEnd::TooLarge),
            ),
        ];
        for (frame, expected) in cases {
            assert_eq!(
                receive(&mut probing(), frame.clone()),
                expected,
                "{frame:?}"
            );
        }
    }

    #[test]
    fn a_client_has_its_time_to_upgrade_and_to_say_who_it_is() {
        let mut lobby = probing();
        assert_eq!(lobby.deadline(), NOW + 1_000 + UPGRADE_TIMEOUT);
        assert_eq!(lobby.time_out(), abandoned(ProtocolEnd::UpgradeFailed));
        assert_eq!(lobby.leave(), abandoned(ProtocolEnd::UpgradeFailed));
        // The upgrade does not extend the time that began with the handshake.
        lobby.take_over(None);
        for lobby in [lobby, waiting()] {
            assert_eq!(lobby.deadline(), NOW + CONNECT_TIMEOUT);
            assert!(!lobby.is_over(NOW + CONNECT_TIMEOUT - 1));
            assert!(lobby.is_over(NOW + CONNECT_TIMEOUT));
            assert_eq!(lobby.time_out(), closed(ProtocolEnd::ConnectTimeout));
            assert_eq!(lobby.leave(), closed(ProtocolEnd::ClientClosed));
        }
    }

    #[test]
    fn a_connect_waits_for_the_check_of_its_signature() {
        let keys = r#"{"keys":[{"kid":"a","kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
        let config = crate::core::token::tests::config(&[("JWKS", keys)]);
        let claims = json!({ "sub": "u", "exp": NOW / 1000 + 60 });
        let connect = text(&connect(&unchecked(r#"{"alg":"EdDSA","kid":"a"}"#, claims)));
        let mut lobby = waiting();
        for is_genuine in [false, true] {
            let received = lobby.receive(connect.clone(), Some(&verdict("near")), &config, NOW);
            let Received::Unchecked(token, frame) = received else {
                panic!("{received:?}");
            };
            let effects = lobby.checked(token.checked(is_genuine), frame, &config, NOW);
            match is_genuine {
                false => assert_eq!(effects, refused(TokenError::Invalid)),
                true => assert_eq!(
                    effects,
                    vec![LobbyEffect::Enter(verdict("u").unwrap(), connect.clone())]
                ),
            }
        }
    }
}
