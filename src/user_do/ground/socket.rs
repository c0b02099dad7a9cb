//! A socket with its attachment.

use worker::{Result, State, WebSocket};

use crate::core::close::CloseReason;
use crate::core::connection::Connection;
use crate::core::error::to_json;
use crate::core::time::Millis;
use crate::messages::GatewayControl;
use crate::platform::js::auto_responded_at;
use crate::platform::{close, send};
use crate::wire::engine_io::Packet;

/// A socket and its decoded attachment. The attachment is a copy, so reload it after an await.
#[derive(Clone)]
pub struct Socket {
    pub ws: WebSocket,
    pub connection: Connection,
}

impl Socket {
    /// Reads the socket's attachment. Returns `None` if it is missing or invalid.
    pub fn load(ws: WebSocket) -> Option<Self> {
        let json: String = ws.deserialize_attachment().ok()??;
        let connection = serde_json::from_str(&json).ok()?;
        Some(Self { ws, connection })
    }

    /// Reads the attachment again, after an await.
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

    /// Returns whether the client has answered the last ping.
    pub fn is_answered(&self, state: &State) -> bool {
        self.connection.is_answered(self.ponged_at(state))
    }

    /// When the client was last heard: its last packet or pong.
    pub fn heard(&self, state: &State) -> Millis {
        let pong = self.ponged_at(state).unwrap_or_default();
        self.connection.last_heard.max(pong)
    }

    /// Returns the last log offset that the client has confirmed by a pong.
    pub fn confirmed(&self, state: &State) -> u64 {
        self.connection.confirmed_by_pong(self.ponged_at(state))
    }

    /// Sends a packet. If that fails, the socket is closing, and its close event handles it.
    pub fn send(&self, packet: Packet) {
        let _ = send(&self.ws, packet.into_frame());
    }

    /// Sends a message to the gateway that carries the connection. If that fails, the gateway is gone, and
    /// the close event handles it.
    pub fn control(&self, message: &GatewayControl) {
        let _ = self.ws.send_with_str(message.frame());
    }

    pub fn close_ws(&self, reason: CloseReason) {
        close(&self.ws, reason);
    }
}
