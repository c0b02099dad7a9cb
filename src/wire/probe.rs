//! A WebSocket that probes to take over a polling session: `2probe`, then `5` (Engine.IO protocol v4,
//! "Upgrade").

use super::close::ProtocolEnd;
use super::engine_io::{PROBE, Packet};
use super::session::Effect;

/// Returns the effect of a packet on a probing WebSocket.
pub fn receive_probing(packet: &Packet) -> Effect {
    match packet {
        Packet::Ping(data) if data == PROBE => Effect::Probe,
        Packet::Upgrade => Effect::Upgrade,
        Packet::Noop => Effect::Nothing,
        _ => Effect::Close(ProtocolEnd::UpgradeFailed),
    }
}
