//! Small bindings for what the `worker` crate lacks.

// The bindings' generated code is unsafe; our own is not.
#![allow(unsafe_code)]

use js_sys::{Object, Promise};
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
    #[derive(Clone)]
    pub type ObjectNamespace;

    #[wasm_bindgen(method, catch, js_name = getByName)]
    pub fn get_by_name(
        this: &ObjectNamespace,
        name: &str,
        options: &JsValue,
    ) -> Result<ObjectStub, JsValue>;

    /// `DurableObjectStub`
    pub type ObjectStub;

    /// The same `init` can serve many calls, so nothing is built or copied per call.
    #[wasm_bindgen(method, catch)]
    pub fn fetch(this: &ObjectStub, url: &str, init: &Object) -> Result<Promise, JsValue>;
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
