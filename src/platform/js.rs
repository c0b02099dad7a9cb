//! Small bindings for what the `worker` crate lacks.

// The bindings' generated code is unsafe; our own is not.
#![allow(unsafe_code)]

use wasm_bindgen::prelude::*;
use worker::{State, WebSocket};

use crate::core::time::Millis;

#[wasm_bindgen]
extern "C" {
    /// `DurableObjectState`
    type ObjectState;

    #[wasm_bindgen(method, catch, js_name = getWebSocketAutoResponseTimestamp)]
    fn auto_response_timestamp(
        this: &ObjectState,
        socket: &web_sys::WebSocket,
    ) -> Result<Option<js_sys::Date>, JsValue>;

    /// `DurableObjectNamespace`
    pub type ObjectNamespace;

    /// Returns the same objects in a jurisdiction, where they have other ids.
    #[wasm_bindgen(method, catch)]
    pub fn jurisdiction(this: &ObjectNamespace, name: &str) -> Result<ObjectNamespace, JsValue>;
}

#[wasm_bindgen(module = "/src/platform/calls.js")]
extern "C" {
    /// Calls many objects; `calls.js` describes the parameters.
    #[wasm_bindgen(catch, js_name = callAll)]
    pub async fn call_all(
        objects: &ObjectNamespace,
        path: &str,
        targets: &str,
        common: Option<String>,
        attachment: Option<String>,
        concurrency: u32,
    ) -> Result<JsValue, JsValue>;

    /// Sends a request to an object. `headers` is JSON.
    #[wasm_bindgen(catch)]
    pub async fn request(
        objects: &ObjectNamespace,
        name: &str,
        url: &str,
        method: &str,
        headers: &str,
        body: JsValue,
    ) -> Result<JsValue, JsValue>;
}

/// Returns when the platform last auto-responded to a pong on this socket, if ever.
pub fn auto_responded_at(state: &State, socket: &WebSocket) -> Option<Millis> {
    let state: &ObjectState = state.as_raw().unchecked_ref();
    let date = state.auto_response_timestamp(socket.as_ref()).ok()??;
    Some(date.get_time() as Millis)
}

/// Makes a socket deliver binary messages as `ArrayBuffer`s, which can be read synchronously.
pub fn receive_array_buffers(socket: &WebSocket) {
    socket
        .as_ref()
        .set_binary_type(web_sys::BinaryType::Arraybuffer);
}
