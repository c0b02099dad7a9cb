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
        common: &str,
        concurrency: u32,
        patience: u32,
    ) -> Result<JsValue, JsValue>;

    /// The deliveries of one send; `calls.js` describes them.
    pub type Deliveries;

    #[wasm_bindgen(constructor)]
    pub fn new(
        objects: &ObjectNamespace,
        path: &str,
        targets: &str,
        letter: &str,
        concurrency: u32,
    ) -> Deliveries;

    #[wasm_bindgen(method)]
    pub fn call(this: &Deliveries, indices: &[u32]);

    #[wasm_bindgen(method)]
    pub fn leave(this: &Deliveries, index: u32);

    #[wasm_bindgen(method, catch)]
    pub async fn answers(this: &Deliveries) -> Result<JsValue, JsValue>;

    /// Sends a request to an object. `headers` is JSON: a list of names and values.
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

#[wasm_bindgen(module = "/src/platform/time_zone.js")]
extern "C" {
    /// Returns whether the platform knows a time zone by this name.
    #[wasm_bindgen(js_name = isTimeZone)]
    pub fn is_time_zone(name: &str) -> bool;

    #[wasm_bindgen(js_name = minuteOfDay)]
    fn minute_of_day_or_less(time_zone: &str, at: f64) -> i32;
}

/// Returns the local time in minutes since midnight; `None` if the platform does not know the time zone.
pub fn minute_of_day(time_zone: &str, at: Millis) -> Option<u32> {
    u32::try_from(minute_of_day_or_less(time_zone, at as f64)).ok()
}

#[wasm_bindgen(module = "/src/platform/frames.js")]
extern "C" {
    /// The limit of a socket's frames, which may be changed.
    pub type FrameLimit;

    #[wasm_bindgen(method, setter)]
    fn set_bytes(this: &FrameLimit, bytes: u32);

    #[wasm_bindgen(method, setter)]
    fn set_total(this: &FrameLimit, bytes: f64);

    #[wasm_bindgen(js_name = limitFrames)]
    fn limit_frames(socket: &web_sys::WebSocket, bytes: u32, total: f64) -> FrameLimit;
}

impl FrameLimit {
    /// Limits a socket's frames to `max` bytes each, and `total` bytes together. Its streams of events that begin later get a boolean instead of a
    /// larger frame: whether that began like a CONNECT.
    pub fn of(socket: &WebSocket, max: usize, total: usize) -> Self {
        limit_frames(socket.as_ref(), bytes(max), total as f64)
    }

    /// Ends the limit of all frames together: from now on they are passed on as they arrive.
    pub fn lift_total(&self) {
        self.set_total(f64::INFINITY);
    }

    /// Changes the limit for the frames that arrive from now on.
    pub fn set(&self, max: usize) {
        self.set_bytes(bytes(max));
    }
}

fn bytes(max: usize) -> u32 {
    u32::try_from(max).unwrap_or(u32::MAX)
}

#[wasm_bindgen(module = "/src/platform/rate_limit.js")]
extern "C" {
    /// The platform's rate limiting binding.
    pub type RateLimiter;

    /// Counts one under `key`. Returns whether that is within the limit.
    #[wasm_bindgen(catch)]
    pub async fn take(limiter: &RateLimiter, key: &str) -> Result<JsValue, JsValue>;
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
