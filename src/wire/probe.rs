//! A WebSocket that asks to take over a polling session: `2probe`, and `5` (Engine.IO protocol v4, "Upgrade").

use super::close::ProtocolEnd;
use super::engine_io::{PROBE, Packet};
use super::session::Effect;

/// Carries out a packet on a WebSocket that asks to take over a polling session.
pub fn receive_probing(packet: &Packet) -> Effect {
    match packet {
        Packet::Ping(data) if data == PROBE => Effect::Probe,
        Packet::Upgrade => Effect::Upgrade,
        Packet::Noop => Effect::Nothing,
        _ => Effect::Close(ProtocolEnd::UpgradeFailed),
    }
}
