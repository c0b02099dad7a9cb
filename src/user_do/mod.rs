//! The User object: one per user, named by the user's id.
//!
//! Invariant: an object can lose its memory between any two events, and is called again in the
//! middle of an await. So everything that matters stands in its storage ([`store`]), its sockets'
//! attachments ([`socket`]) or D1; what is in memory is a cache, or belongs to work in progress whose
//! loss closes the connection it belongs to. No timers, but for one beside an alarm that waits: time is
//! the alarm's job, so that the object can hibernate with its sockets open.
//!
//! - [`accept`]: a WebSocket comes in
//! - [`frames`]: a frame comes in, and what it leads to
//! - [`join`]: a CONNECT; recovery
//! - [`room`]: the limit of connections
//! - [`upgrade`]: a WebSocket takes over a polling session
//! - [`close`]: the one way out
//! - [`alarm`]: heartbeat, deadlines, outbox
//! - [`presence`], [`deliver`], [`notify`], [`watch`]: what other objects ask and tell
//! - [`receipts`]: senders hear of what a device has confirmed
//! - [`service`]: what the marketplace's backend asks
//! - [`events`]: the request events, one file each
//! - [`send`], [`fan_out`]: sends, to the end

mod accept;
mod alarm;
mod close;
mod conversations;
mod deliver;
mod events;
mod fan_out;
mod frames;
mod join;
mod lane;
mod notify;
mod presence;
mod receipts;
mod room;
mod send;
mod service;
mod socket;
mod store;
mod upgrade;
mod watch;

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use worker::{
    DurableObject, Env, Request, Response, Result, State, WebSocket, WebSocketIncomingMessage,
    WebSocketRequestResponsePair, durable_object,
};

use crate::core::config::{Config, ConfigError};
use crate::core::engine::{Frame, Packet};
use crate::core::session::Reassembly;
use crate::core::telemetry::Fact;
use crate::core::time::Millis;
use crate::messages::{
    Act, Connect, Deliver, Disconnect, Erase, Notify, PresenceQuery, Pulse, Watch, read_query,
};
use crate::platform::{self, log, telemetry};
use lane::Lane;
pub(crate) use socket::Socket;
use store::Store;

/// What is held back for a connection while something of ours is under way.
#[derive(Default)]
struct Held {
    /// Frames from the client.
    frames: Vec<Frame>,
    /// How many bytes that is.
    bytes: usize,
    /// Packets for the client.
    packets: Vec<Packet>,
}

impl Held {
    /// Holds a frame, unless that makes it more than `max` bytes.
    fn hold(&mut self, frame: Frame, max: usize) -> bool {
        self.bytes += frame.len();
        self.frames.push(frame);
        self.bytes <= max
    }
}

/// The Durable Object.
#[durable_object]
pub struct UserObject {
    state: State,
    env: Env,
    config: std::result::Result<Config, ConfigError>,
    store: Store,
    /// By Engine.IO sid. Its loss closes the connection.
    held: RefCell<HashMap<String, Held>>,
    /// Binary packets whose attachments are arriving, by Engine.IO sid. Its loss closes the
    /// connection.
    pending: RefCell<HashMap<String, Reassembly>>,
    /// Sends of this user, one after the other: so messages reach a receiver in their order.
    sends: Lane,
    /// One block or unblock at a time: the record and the copy here must not cross.
    blocking: Lane,
    /// Users whose regions were asked for; a cache.
    placed: RefCell<HashSet<String>>,
    /// When senders who could not be reached are to be told of receipts again; a cache.
    receipts_retry_at: Cell<Millis>,
    /// When the alarm is set for; `None` if that has to be asked first.
    alarm_at: Cell<Option<Option<Millis>>>,
    /// The alarm that was set when this instance woke up, if the one before it left without a
    /// word: the last trace of when it was alive.
    left_alarm: Rc<Cell<Option<Millis>>>,
}

impl DurableObject for UserObject {
    fn new(state: State, env: Env) -> Self {
        // Answers pongs for us: they do not wake the object, and their time is the evidence of life.
        if let Ok(pair) = WebSocketRequestResponsePair::new("3", "6") {
            state.set_websocket_auto_response(&pair);
        }
        let object = Self {
            config: platform::config(&env),
            store: Store::new(state.storage().sql()),
            state,
            env,
            held: RefCell::default(),
            pending: RefCell::default(),
            sends: Lane::default(),
            blocking: Lane::default(),
            placed: RefCell::default(),
            receipts_retry_at: Cell::default(),
            alarm_at: Cell::new(None),
            left_alarm: Rc::default(),
        };
        object.look_for_a_crash();
        object
    }

    async fn fetch(&self, mut request: Request) -> Result<Response> {
        let url = request.url()?;
        let query = url.query().unwrap_or_default();
        match url.path() {
            PresenceQuery::PATH => Response::from_json(&self.presence_for(query)?),
            Watch::PATH => match Watch::read(query) {
                Some(watch) => self.watch(&watch).await,
                None => bad_message(),
            },
            Deliver::PATH => match Deliver::read(query) {
                Some(deliver) => {
                    let body = request.text().await?;
                    self.deliver(&deliver, &body).await
                }
                None => bad_message(),
            },
            Notify::PATH => {
                let body = request.text().await?;
                self.heed(&body)
            }
            Connect::PATH => match read_query::<Connect>(query) {
                Some(connect) => self.accept(connect).await,
                None => bad_message(),
            },
            Act::PATH => match serde_json::from_str::<Act>(&request.text().await?) {
                Ok(act) => self.act(act).await,
                Err(_) => bad_message(),
            },
            Disconnect::PATH => Response::from_json(&self.disconnect().await),
            Erase::PATH => match serde_json::from_str::<Erase>(&request.text().await?) {
                Ok(erase) => self.erase(erase).await,
                Err(_) => bad_message(),
            },
            Pulse::PATH => Response::empty(),
            _ => bad_message(),
        }
    }

    async fn websocket_message(
        &self,
        ws: WebSocket,
        message: WebSocketIncomingMessage,
    ) -> Result<()> {
        let frame = match message {
            WebSocketIncomingMessage::String(text) => Frame::Text(text),
            WebSocketIncomingMessage::Binary(bytes) => Frame::Binary(bytes),
        };
        let Some(mut socket) = Socket::load(ws) else {
            return Ok(());
        };
        socket.connection.last_heard = platform::now();
        socket.save()?;
        self.on_frame(socket, frame).await;
        Ok(())
    }

    async fn websocket_close(
        &self,
        ws: WebSocket,
        code: usize,
        _reason: String,
        was_clean: bool,
    ) -> Result<()> {
        self.on_close(ws, code, was_clean).await;
        Ok(())
    }

    async fn websocket_error(&self, ws: WebSocket, error: worker::Error) -> Result<()> {
        log::error("websocket", &error);
        self.on_close(ws, 1006, false).await;
        Ok(())
    }

    async fn alarm(&self) -> Result<Response> {
        self.on_alarm().await;
        Response::empty()
    }
}

/// A request that nobody of ours makes.
fn bad_message() -> Result<Response> {
    Response::error("unknown message", 400)
}

impl UserObject {
    /// The configuration. No connection gets here with a bad one: the Worker refuses to serve.
    fn config(&self) -> Result<&Config> {
        self.config
            .as_ref()
            .map_err(|error| worker::Error::RustError(error.to_string()))
    }

    /// Tells the operator.
    fn fact(&self, user_id: &str, fact: &Fact) {
        if let Ok(config) = self.config() {
            telemetry::tell(&self.env, config, Some(user_id), fact);
        }
    }

    /// All sockets, live or not.
    fn sockets(&self) -> impl Iterator<Item = Socket> {
        self.state
            .get_websockets()
            .into_iter()
            .filter_map(Socket::load)
    }

    /// The sockets that make the user online.
    fn live_sockets(&self) -> Vec<Socket> {
        self.sockets()
            .filter(|socket| socket.connection.is_live())
            .collect()
    }

    /// The sockets of one Engine.IO session: one, or two during an upgrade.
    fn sockets_of(&self, engine_sid: &str) -> Vec<Socket> {
        self.state
            .get_websockets_with_tag(engine_sid)
            .into_iter()
            .filter_map(Socket::load)
            .collect()
    }
}
