//! Measures frames before they are copied into the wasm's memory: the object's sixth entry.
//!
//! `src/entry.js` asks for a frame that is not small how large it may be, and does not pass on a larger one. So no
//! client can make the memory grow, which all objects of the isolate share and which never shrinks.

// The bindings' generated code is unsafe; our own is not.
#![allow(unsafe_code)]

use wasm_bindgen::prelude::*;

use super::UserObject;
use crate::platform::now;
use crate::user_do::ground::socket::Socket;

#[wasm_bindgen]
impl UserObject {
    /// Returns how many bytes a frame may have that arrives now on this socket.
    #[wasm_bindgen(js_name = maxFrame)]
    pub fn max_frame(&self, ws: web_sys::WebSocket) -> u32 {
        let max = match (Socket::load(ws.into()), self.config()) {
            (Some(socket), Ok(config)) => socket.connection.max_frame(config),
            // Its frames are ignored.
            _ => 0,
        };
        u32::try_from(max).unwrap_or(u32::MAX)
    }

    /// Ends the connection whose frame was too large; `is_connect` is whether it began like a CONNECT.
    #[wasm_bindgen(js_name = refuseFrame)]
    pub async fn refuse_frame(&self, ws: web_sys::WebSocket, is_connect: bool) {
        if let Some(mut socket) = Socket::load(ws.into()) {
            socket.connection.last_heard = now();
            self.end_too_large(&socket, is_connect);
        }
        self.end_event().await;
    }
}
