//! The platform, as the rest of the code sees it: time, randomness, configuration, calls between objects,
//! signatures, D1 and the log.

pub mod abandoned;
pub mod alarm;
pub mod body;
pub mod d1;
pub mod deployment;
pub mod directory;
pub mod js;
pub mod jurisdiction;
pub mod log;
pub mod meter;
pub mod object_database;
pub mod object_request;
pub mod objects;
pub mod outbound;
pub mod public_keys;
pub mod telemetry;
pub mod web_push;
pub mod webhook;

use std::cell::OnceCell;
use std::rc::Rc;

use js_sys::{JSON, Reflect};
use web_sys::Url;
use worker::{Env, MessageEvent, Request, WebSocket};

use crate::core::close::CloseReason;
use crate::core::config::{Config, ConfigError};
use crate::core::region::Region;
use crate::core::time::Millis;
use crate::wire::engine_io::Frame;

/// Returns the current Unix time in milliseconds. On Workers, it stands still while code runs and advances
/// with each I/O.
pub fn now() -> Millis {
    js_sys::Date::now() as Millis
}

/// Returns 16 bytes, of which 122 bits are random.
pub fn random() -> [u8; 16] {
    *uuid::Uuid::new_v4().as_bytes()
}

/// Returns the client's region, if the platform knows where the client is.
pub fn region(request: &Request) -> Option<Region> {
    let cf = request.cf()?;
    let country = cf.country();
    Region::of(&cf.continent()?, country.as_deref(), longitude(request))
}

/// The platform reports the longitude as text, such as `-97.74260`.
fn longitude(request: &Request) -> Option<f64> {
    let cf = Reflect::get(request.inner(), &"cf".into()).ok()?;
    let text = Reflect::get(&cf, &"longitude".into()).ok()?.as_string()?;
    let longitude = js_sys::parse_float(&text);
    (!longitude.is_nan()).then_some(longitude)
}

/// Parses the URL of a client's request, as browsers parse URLs.
pub fn url(request: &Request) -> worker::Result<Url> {
    Ok(Url::new(&request.inner().url())?)
}

/// Returns the URL's query without its question mark, or an empty string if there is none.
pub fn query(url: &Url) -> String {
    let search = url.search();
    search.strip_prefix('?').unwrap_or(&search).to_owned()
}

/// Returns the client's HTTP protocol, such as `HTTP/2`, if the platform knows it.
pub fn http_protocol(request: &Request) -> Option<String> {
    let cf = Reflect::get(request.inner(), &"cf".into()).ok()?;
    Reflect::get(&cf, &"httpProtocol".into()).ok()?.as_string()
}

/// Converts a WebSocket message to a frame.
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

/// Closes a WebSocket. Does nothing if it is already closed.
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

/// Returns the configuration. It is read and validated once, with the bindings that it names: an isolate has the same environment for all of
/// its life, since changing a variable or a secret is a deploy.
pub fn config(env: &Env) -> Result<Rc<Config>, ConfigError> {
    thread_local! {
        static CONFIG: OnceCell<Result<Rc<Config>, ConfigError>> = const { OnceCell::new() };
    }
    let read = || {
        let config = Config::read(|name| variable(env, name))?;
        d1::check_bindings(env, &config.record_shards)?;
        Ok(Rc::new(config))
    };
    CONFIG.with(|config| config.get_or_init(read).clone())
}

impl From<ConfigError> for worker::Error {
    fn from(error: ConfigError) -> Self {
        Self::RustError(error.to_string())
    }
}

/// Returns a variable as text. A value in wrangler.toml that is not a string is returned as JSON: it may
/// be a number, or an invalid value that an error then quotes.
fn variable(env: &Env, name: &str) -> Option<String> {
    let value = Reflect::get(env, &name.into()).ok()?;
    if value.is_undefined() || value.is_null() {
        return None;
    }
    let json = || JSON::stringify(&value).ok().map(String::from);
    value.as_string().or_else(json)
}
