//! The platform, as the rest of the code sees it: time, randomness, configuration, calls from
//! object to object, D1 and the log.

pub mod abandoned;
pub mod asked;
pub mod d1;
pub mod js;
pub mod log;
pub mod meter;
pub mod objects;
pub mod telemetry;

use js_sys::{JSON, Reflect};
use worker::{Date, Env, MessageEvent, Request, WebSocket};

use crate::core::close::CloseReason;
use crate::core::config::{Config, ConfigError};
use crate::core::region::Region;
use crate::core::time::Millis;
use crate::wire::engine_io::Frame;

/// The current time. On Workers it stands still while code runs and moves with each I/O.
pub fn now() -> Millis {
    Date::now().as_millis()
}

/// 16 bytes, 122 bits of them random.
pub fn random() -> [u8; 16] {
    *uuid::Uuid::new_v4().as_bytes()
}

/// Where a client is, if the platform knows.
pub fn region(request: &Request) -> Option<Region> {
    let cf = request.cf()?;
    let country = cf.country();
    let longitude = cf.coordinates().map(|(_, longitude)| longitude);
    Region::of(&cf.continent()?, country.as_deref(), longitude)
}

/// What a client speaks, such as `HTTP/2`, if the platform knows.
pub fn http_protocol(request: &Request) -> Option<String> {
    let cf = Reflect::get(request.inner(), &"cf".into()).ok()?;
    Reflect::get(&cf, &"httpProtocol".into()).ok()?.as_string()
}

/// A message that came in on a WebSocket.
pub fn frame(message: &MessageEvent) -> Option<Frame> {
    let text = message.text().map(Frame::Text);
    text.or_else(|| message.bytes().map(Frame::Binary))
}

/// Sends a frame on a WebSocket.
pub fn send(socket: &WebSocket, frame: Frame) -> worker::Result<()> {
    match frame {
        Frame::Text(text) => socket.send_with_str(text),
        Frame::Binary(bytes) => socket.send_with_bytes(bytes),
    }
}

/// Closes a WebSocket. It may be closed already; then there is nothing left to do.
pub fn close(socket: &WebSocket, reason: impl Into<CloseReason>) {
    close_with(socket, reason.into().code());
}

/// Closes a WebSocket with this code and reason, or without a code.
pub fn close_with(socket: &WebSocket, code: Option<(u16, &str)>) {
    let _ = match code {
        Some((code, text)) => socket.close(Some(code), Some(text)),
        None => socket.close(None, None::<&str>),
    };
}

/// Reads and checks the configuration.
pub fn config(env: &Env) -> Result<Config, ConfigError> {
    Config::read(|name| variable(env, name))
}

/// A variable as text. In wrangler.toml it may also be a number, or what cannot be used, which is then
/// told as it stands there.
fn variable(env: &Env, name: &str) -> Option<String> {
    let value = Reflect::get(env, &name.into()).ok()?;
    if value.is_undefined() || value.is_null() {
        return None;
    }
    let json = || JSON::stringify(&value).ok().map(String::from);
    value.as_string().or_else(json)
}
