//! The User object: one per user, named by the user's id.
//!
//! Invariant: an object can lose its memory between any two events, and can be called again in the middle of
//! an await. So everything essential is in its storage ([`ground::storage`]), its sockets' attachments
//! ([`ground::socket`]) or D1. What is in memory is a cache, or belongs to work in progress whose loss closes
//! its connection. There are no timers except alongside work that is being awaited: everything else that is
//! timed uses the alarm, so that the object can hibernate with its sockets open.
//!
//! The layers, from top to bottom; calls only go down:
//!
//! ```text
//!  entries    this file: fetch, a frame, a close, the alarm: an event in, work, one schedule at the end
//!             calls   remote calls, likewise
//!             measure frames that are not small, before they are copied
//!  events     frames  deliver  notify  service  campaigns  pacemaker  alarm  notices    what each kind of event leads to
//!             end     what follows all of them but the alarm
//!  work       requests/   one file per request event
//!             connect/    accept, join, revoked, refuse, room, upgrade, slow, close
//!             sending/    send, admission, fan_out
//!             watch       presence subscriptions
//!             heartbeat   pings, and connections that are over
//!  services   publish  presence  peers  conversations  unread  campaigns  enrol  receipts  pace  schedule
//!             look  claims  webhook  push  failed    notices: when, what, to whom
//!  ground     sockets, storage, held frames and packets, turns, sends in progress
//! ```

mod alarm;
mod calls;
mod campaigns;
mod connect;
mod deliver;
mod end;
mod frames;
mod ground;
mod heartbeat;
mod measure;
mod notices;
mod notify;
mod pacemaker;
mod requests;
mod sending;
mod service;
mod services;
mod watch;

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use worker::{
    DurableObject, Env, Request, Response, Result, State, WebSocket, WebSocketIncomingMessage,
    WebSocketRequestResponsePair, durable_object,
};

use crate::core::cache::{Cache, MAX_NEGATIVE};
use crate::core::config::{Config, ConfigError};
use crate::core::cost::Spending;
use crate::core::error::ErrorCode;
use crate::core::limits::Bucket;
use crate::core::time::Millis;
use crate::core::unconfirmed::Unconfirmed;
use crate::core::unread::Telling;
use crate::messages::{Connect, Message};
use crate::platform::object_database::ObjectDatabase;
use crate::platform::object_request::{self, ObjectRequest};
use crate::platform::{self, log};
use crate::wire::engine_io::Frame;
use crate::wire::session::Reassembly;
use calls::Call;
pub(crate) use connect::join::AfterConnect;
use ground::flights::Flights;
use ground::held::Held;
use ground::lane::Lane;
use ground::permits::Permits;
pub(crate) use ground::socket::Socket;
use ground::storage::Storage;

/// One user's Durable Object.
#[durable_object]
pub struct UserObject {
    state: State,
    env: Env,
    config: std::result::Result<Rc<Config>, ConfigError>,
    store: Storage,
    /// What is held during a CONNECT or an upgrade, by Engine.IO sid. Losing it closes the connection.
    held: RefCell<HashMap<String, Held>>,
    /// Binary packets whose attachments are still arriving, by Engine.IO sid. Losing one closes the
    /// connection.
    pending: RefCell<HashMap<String, Reassembly>>,
    /// Commits the user's sends one at a time, so that their ids are in order.
    sends: Lane,
    /// The sends in progress. If it is lost, the outbox has them.
    flights: Flights,
    /// Bounds what sends hold in memory until they are answered.
    send_permits: Permits,
    /// Runs one change of blocks or preferences at a time: the row in D1 and the copy here must change in the same order.
    changes: Lane,
    /// What the user's requests have cost. It may be lost when the object is idle, see [`crate::core::cost`].
    spending: Cell<Spending>,
    /// Conversations that D1 has been asked for in vain; a cache.
    inaccessible: RefCell<Cache<ErrorCode>>,
    /// What each client has been sent and not confirmed, by Engine.IO sid; a cache.
    unconfirmed: RefCell<HashMap<String, Unconfirmed>>,
    /// The Engine.IO sids of clients that have been sent much during this event.
    lagging: RefCell<HashSet<String>>,
    /// CONNECTs that failed on our side. If it is lost, a client only retries more often.
    faults: RefCell<Bucket>,
    /// When the user's devices were last told how a campaign goes; a cache.
    progress_told_at: Cell<Millis>,
    /// What the user's devices were last told of what is unread. If it is lost, the next change is told at once.
    unread_telling: Cell<Telling>,
    /// When the alarm is to look for notices that are due. If it is lost, the alarm is set already.
    next_notice_look: Cell<Option<Millis>>,
    /// The keys of the notices that are being sent.
    notices_in_flight: RefCell<HashSet<String>>,
    /// Until when a webhook that has not answered is left alone. If it is lost, one attempt is made in vain.
    webhook_paused_until: Cell<Millis>,
    /// When to retry receipts to senders that could not be reached; a cache.
    unreached_senders: RefCell<HashMap<String, Millis>>,
    /// The object's name, once it has been asked for.
    own_id: OnceCell<String>,
    /// Whether the work just done may need a different alarm than the one that is set. A new instance does not know
    /// whether one is set at all.
    needs_schedule: Cell<bool>,
    /// When the alarm is set for; the outer `None` means that storage has to be read first.
    alarm_at: Cell<Option<Option<Millis>>>,
    /// By when a pacemaker must have called; a cache.
    call_deadline: Cell<Millis>,
    /// Whether the object is about to register with a pacemaker, which may call before it has answered.
    is_registering: Cell<bool>,
    /// How many alarms in a row could not do all of their work.
    failed_alarms: Cell<u8>,
    /// The alarm that was set when this instance started, if the previous one stopped without notice: the
    /// last trace of when that one was alive.
    left_alarm: Rc<Cell<Option<Millis>>>,
}

impl DurableObject for UserObject {
    fn new(state: State, env: Env) -> Self {
        // The platform answers pongs. So they do not wake the object, and the time of the last one shows that
        // the client is alive.
        if let Ok(pair) = WebSocketRequestResponsePair::new("3", "6") {
            state.set_websocket_auto_response(&pair);
        }
        let object = Self {
            config: platform::config(&env),
            store: Storage::new(ObjectDatabase(state.storage().sql())),
            state,
            env,
            held: RefCell::default(),
            pending: RefCell::default(),
            sends: Lane::default(),
            flights: Flights::default(),
            send_permits: Permits::default(),
            changes: Lane::default(),
            spending: Cell::default(),
            inaccessible: RefCell::new(Cache::new(MAX_NEGATIVE)),
            unconfirmed: RefCell::default(),
            lagging: RefCell::default(),
            faults: RefCell::default(),
            progress_told_at: Cell::default(),
            unread_telling: Cell::default(),
            next_notice_look: Cell::default(),
            notices_in_flight: RefCell::default(),
            webhook_paused_until: Cell::default(),
            unreached_senders: RefCell::default(),
            own_id: OnceCell::new(),
            needs_schedule: Cell::new(true),
            alarm_at: Cell::new(None),
            call_deadline: Cell::new(Millis::MAX),
            is_registering: Cell::default(),
            failed_alarms: Cell::default(),
            left_alarm: Rc::default(),
        };
        object.look_for_a_crash();
        object
    }

    async fn fetch(&self, request: Request) -> Result<Response> {
        let response = self.respond(request).await;
        self.end_event().await;
        response
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
        self.on_frame(socket, frame).await;
        self.end_event().await;
        Ok(())
    }

    async fn websocket_close(
        &self,
        ws: WebSocket,
        code: usize,
        _reason: String,
        was_clean: bool,
    ) -> Result<()> {
        self.on_close(ws, code, was_clean);
        self.end_event().await;
        Ok(())
    }

    async fn websocket_error(&self, ws: WebSocket, error: worker::Error) -> Result<()> {
        log::error("websocket", &error);
        self.on_close(ws, 1006, false);
        self.end_event().await;
        Ok(())
    }

    async fn alarm(&self) -> Result<Response> {
        let is_done = self.on_alarm().await;
        self.tend_slow_clients();
        // An error makes the platform try this alarm again.
        self.schedule_after_alarm(is_done).await?;
        Response::empty()
    }
}

impl UserObject {
    /// Answers a request: one for a WebSocket, or a call of the previous version.
    async fn respond(&self, request: Request) -> Result<Response> {
        let mut asked = ObjectRequest::new(request);
        if asked.path() == Connect::PATH {
            return asked.respond(async |connect| self.accept(connect)).await;
        }
        match self.answer(&Call::by_request(asked).await?).await? {
            Some(json) => Response::ok(json),
            None => object_request::unknown(),
        }
    }
}
