//! A live socket with its attachment.

use worker::{Result, State, WebSocket};

use crate::core::close::CloseReason;
use crate::core::connection::Connection;
use crate::core::error::to_json;
use crate::core::time::Millis;
use crate::messages::GatewayControl;
use crate::platform::js::auto_responded_at;
use crate::platform::{close, send};
use crate::wire::engine_io::Packet;

/// A socket and what its attachment says. The attachment is a copy: whoever held one across an
/// await reads it anew.
#[derive(Clone)]
pub struct Socket {
    pub ws: WebSocket,
    pub connection: Connection,
}

impl Socket {
    /// Reads a socket's attachment.
    pub fn load(ws: WebSocket) -> Option<Self> {
        let json: String = ws.deserialize_attachment().ok()??;
        let connection = serde_json::from_str(&json).ok()?;
        Some(Self { ws, connection })
    }

    /// Reads the attachment anew, after an await.
    pub fn reload(self) -> Option<Self> {
        Self::load(self.ws)
    }

    /// Writes the attachment.
    pub fn save(&self) -> Result<()> {
        self.ws.serialize_attachment(to_json(&self.connection))
    }

    /// When the client last answered a ping, if ever.
    pub fn ponged_at(&self, state: &State) -> Option<Millis> {
        auto_responded_at(state, &self.ws).max(self.connection.ponged_by_polling)
    }

    /// When the client was last heard, by packet or by pong.
    pub fn heard(&self, state: &State) -> Millis {
        let pong = self.ponged_at(state).unwrap_or_default();
        self.connection.last_heard.max(pong)
    }

    /// The log's last offset that the client has confirmed by a pong.
    pub fn confirmed(&self, state: &State) -> u64 {
        self.connection.confirmed_by_pong(self.ponged_at(state))
    }

    /// Sends a packet. A socket that cannot take it is closing; its close event will tell.
    pub fn send(&self, packet: Packet) {
        let _ = send(&self.ws, packet.into_frame());
    }

    /// Tells the gateway that carries the connection. One that cannot be told is gone, and its close event
    /// will say so.
    pub fn control(&self, message: &GatewayControl) {
        let _ = self.ws.send_with_str(message.frame());
    }

    /// Closes the WebSocket.
    pub fn close_ws(&self, reason: CloseReason) {
        close(&self.ws, reason);
    }
}
