//! `/socket.io/`: where each request goes.
//!
//! | transport | sid | token in URL or header | goes to |
//! | --- | --- | --- | --- |
//! | websocket | no  | valid | the User object, directly |
//! | websocket | no  | none or invalid | [`relay`], which waits for the CONNECT |
//! | websocket | yes |      | an upgrade, at the User object; [`relay`] if the user is not known yet |
//! | polling   | no  | none | answered here; no object is called |
//! | polling   | no  | any  | answered here; the session's gateway is sent the result of checking the token |
//! | polling   | yes |      | the session's gateway, which the sid names |

use crate::wire::close::ProtocolEnd;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use futures::future::{Either, select};
use futures::pin_mut;
use wasm_bindgen::JsValue;
use web_sys::Url;
use worker::{Delay, Env, Method, Request, Response, Result};

use super::relay::{self, Begin, Relay};
use super::{admission, answer, long_poll};
use crate::core::config::Config;
use crate::core::connection::{Carrier, Phase};
use crate::core::cors;
use crate::core::ids::EngineSid;
use crate::core::keepalive;
use crate::core::origin::OriginVerdict;
use crate::core::subprotocol;
use crate::core::token::{TokenError, Verdict};
use crate::handler::{Active, Handler};
use crate::messages::{Connect, Greeting, Poll, Route, SessionRef};
use crate::platform::abandoned::Abandoned;
use crate::platform::deployment::checked_config;
use crate::platform::{self, now, objects, public_keys};
use crate::wire::engine_io::{self, RequestError};

/// How long an upgrade waits for a CONNECT that was posted at the same time. The POST uses a connection that
/// is already open, so it arrives before the WebSocket or shortly after.
const CONNECT_IN_FLIGHT: Duration = Duration::from_millis(300);

/// A request, with what routing needs.
struct SocketIoRequest {
    request: Request,
    env: Env,
    config: Rc<Config>,
    query: HashMap<String, String>,
    path: String,
}

/// Serves a request to `/socket.io/`.
pub async fn serve(request: Request, env: Env, url: &Url, path: &str) -> Result<Response> {
    let config = match checked_config(&env).await {
        Ok(config) => config,
        Err(error) => return answer::misconfigured(&error),
    };
    let origin = request.headers().get("Origin")?;
    let verdict = config
        .allowed_origins
        .judge(origin.as_deref(), &url.origin());
    let cors = cors::headers(&config.allowed_origins, &verdict);
    if verdict == OriginVerdict::Refused {
        return answer::with_headers(answer::forbidden_origin()?, cors);
    }
    let query = form_urlencoded::parse(platform::query(url).as_bytes())
        .into_owned()
        .collect();
    let call = SocketIoRequest {
        request,
        env,
        config,
        query,
        path: path.to_owned(),
    };
    let answered = call.route().await;
    let answered = answered.or_else(|error| answer::unavailable("request", &error))?;
    match answered.status_code() {
        // CORS headers do not apply to WebSockets.
        101 => Ok(answered),
        _ => answer::with_headers(answered, cors),
    }
}

impl SocketIoRequest {
    async fn route(self) -> Result<Response> {
        if self.request.method() == Method::Options {
            let requested = self.request.headers();
            let requested = requested.get("Access-Control-Request-Headers")?;
            return answer::preflight(requested.as_deref());
        }
        if self.param("EIO") != Some("4") {
            return answer::refused(RequestError::UnsupportedVersion);
        }
        match self.param("transport") {
            Some("polling") if self.query.contains_key("j") => answer::refused(RequestError::Jsonp),
            Some("polling") => self.polling().await,
            Some("websocket") => self.websocket().await,
            _ => answer::refused(RequestError::UnknownTransport),
        }
    }

    fn param(&self, name: &str) -> Option<&str> {
        self.query.get(name).map(String::as_str)
    }

    /// The token in the URL, or else in the header.
    fn token(&self) -> Option<String> {
        let header = || self.request.headers().get("Authorization").ok().flatten();
        self.param("token").map(str::to_owned).or_else(header)
    }

    async fn polling(self) -> Result<Response> {
        let method = self.request.method();
        let Some(text) = self.param("sid").map(str::to_owned) else {
            return match method {
                Method::Get => self.handshake().await,
                _ => answer::refused(RequestError::BadHandshakeMethod),
            };
        };
        let Some(sid) = EngineSid::decode(self.config.keys(), &text, now()) else {
            return answer::refused(RequestError::UnknownSession);
        };
        let poll = Poll {
            user: Active::user_at_handshake(&self.path, &text),
            session: SessionRef::new(text, &sid),
            // Only a POST can contain a CONNECT.
            own: match method {
                Method::Post => self.token_verdict().await,
                _ => None,
            },
            region: platform::region(&self.request),
        };
        match method {
            Method::Get => {
                let abandoned = Abandoned::of(&self.request);
                let pause = self.keepalive();
                long_poll::serve(&self.env, sid.gateway(), poll, pause, abandoned).await
            }
            Method::Post => self.post(&sid, &poll).await,
            _ => answer::refused(RequestError::BadRequest),
        }
    }

    /// The interval at which a waiting GET is written to, if it needs keepalives.
    fn keepalive(&self) -> Option<Duration> {
        let protocol = platform::http_protocol(&self.request);
        let pause = self.config.poll_keepalive;
        let is_wanted = pause > 0 && keepalive::is_needed(protocol.as_deref());
        is_wanted.then(|| Duration::from_millis(pause))
    }

    /// Passes the body on unread: only the gateway knows how large it may be.
    async fn post(&self, sid: &EngineSid, poll: &Poll) -> Result<Response> {
        let body = self.request.inner().body();
        let body = body.map_or_else(|| "".into(), JsValue::from);
        match objects::poll(&self.env, &sid.gateway(), poll, Some(body)).await {
            Ok(mut response) => answer::polling(response.status_code(), &response.text().await?),
            Err(error) => answer::unavailable("polling gateway", &error),
        }
    }

    async fn handshake(&self) -> Result<Response> {
        let mut sid = self.new_sid();
        let own = self.token_verdict().await;
        if !self.is_admitted(own.as_ref()).await {
            return answer::too_many_connections();
        }
        if let Some(own) = own {
            match self.greet(&sid, own).await {
                Ok(is_noted) => sid.is_noted = is_noted,
                Err(error) => return answer::unavailable("polling gateway", &error),
            }
        }
        let sid = sid.encode(self.config.secret());
        let open = engine_io::open(&sid, &["websocket"], self.config.handshake());
        answer::polling(200, &engine_io::encode_payload(&[open]))
    }

    /// Sends the verdict on the handshake's token to the session's gateway: some clients send their headers
    /// with the handshake only. Returns whether the gateway recorded it; one that runs an earlier version
    /// does not know this message.
    async fn greet(&self, sid: &EngineSid, own: Verdict) -> Result<bool> {
        let noted = EngineSid {
            is_noted: true,
            ..sid.clone()
        };
        let greeting = Greeting {
            engine_sid: noted.encode(self.config.secret()),
            opened_at: sid.opened_at,
            own,
        };
        let greeted = objects::call_gateway(&self.env, &sid.gateway(), &greeting).await?;
        Ok(greeted.status_code() == 200)
    }

    fn new_sid(&self) -> EngineSid {
        let [shard, _, _, _, random @ ..] = platform::random();
        let colo = self.request.cf().map(|cf| cf.colo()).unwrap_or_default();
        EngineSid {
            colo: colo.into_bytes().try_into().unwrap_or(*b"XXX"),
            shard: (usize::from(shard) % self.config.polling_shards) as u8,
            opened_at: now(),
            random,
            is_noted: false,
        }
    }

    async fn websocket(self) -> Result<Response> {
        let headers = self.request.headers();
        let upgrade = headers.get("Upgrade")?;
        if !upgrade.is_some_and(|upgrade| upgrade.eq_ignore_ascii_case("websocket")) {
            return answer::refused(RequestError::BadRequest);
        }
        let asked = headers.get("Sec-WebSocket-Protocol")?;
        let chosen = asked.as_deref().and_then(subprotocol::choose);
        if asked.is_some() && chosen.is_none() {
            return answer::refused(RequestError::BadRequest);
        }
        let chosen = chosen.map(str::to_owned);
        answer::with_subprotocol(self.open_websocket().await?, chosen)
    }

    async fn open_websocket(self) -> Result<Response> {
        if let Some(text) = self.param("sid").map(str::to_owned) {
            return self.upgrade(text).await;
        }
        let sid = self.new_sid();
        let engine_sid = sid.encode(self.config.secret());
        let own = self.token_verdict().await;
        if !self.is_admitted(own.as_ref()).await {
            return answer::too_many_connections();
        }
        match own {
            Some(Ok(identity)) => {
                let connect = Connect {
                    engine_sid,
                    opened_at: sid.opened_at,
                    identity,
                    carrier: Carrier::WebSocket,
                    phase: Phase::Open,
                    send_open: true,
                    region: platform::region(&self.request),
                };
                connected(objects::connect(&self.env, &connect).await)
            }
            // An invalid token is reported in reply to the CONNECT, where the client can see it.
            own => relay::start(self.relay(sid, engine_sid, own), Begin::Handshake),
        }
    }

    /// Returns whether the client may open a connection.
    async fn is_admitted(&self, own: Option<&Verdict>) -> bool {
        let user = own.and_then(|own| own.as_ref().ok());
        admission::is_admitted(&self.request, &self.env, user).await
    }

    async fn start_relay(
        self,
        sid: EngineSid,
        engine_sid: String,
        own: Option<Verdict>,
        begin: Begin,
    ) -> Result<Response> {
        if !self.is_admitted(own.as_ref()).await {
            return answer::too_many_connections();
        }
        relay::start(self.relay(sid, engine_sid, own), begin)
    }

    /// The verdict on the request's token, if it has one. The request alone depends on it, and the runtime drops
    /// it if its client leaves in the meantime.
    async fn token_verdict(&self) -> Option<Verdict> {
        let token = self.token()?;
        let verdict = public_keys::verify(&self.config, &token).await;
        Some(verdict).filter(|verdict| *verdict != Err(TokenError::Missing))
    }

    fn relay(self, sid: EngineSid, engine_sid: String, own: Option<Verdict>) -> Relay {
        Relay {
            user_at_handshake: Active::user_at_handshake(&self.path, &engine_sid),
            region: platform::region(&self.request),
            env: self.env,
            config: self.config,
            engine_sid,
            sid,
            own,
        }
    }

    /// A WebSocket that upgrades a polling session. The session's gateway knows the user, or soon will; a
    /// client that opens the WebSocket before it sends a CONNECT goes through the relay.
    async fn upgrade(self, text: String) -> Result<Response> {
        let Some(sid) = EngineSid::decode(self.config.keys(), &text, now()) else {
            return answer::refused(RequestError::UnknownSession);
        };
        let route = Route {
            session: SessionRef::new(text.clone(), &sid),
            user: Active::user_at_handshake(&self.path, &text),
        };
        let (env, gateway) = (self.env.clone(), sid.gateway());
        let routed = objects::call_gateway(&env, &gateway, &route);
        pin_mut!(routed);
        let routed = match select(routed, Delay::from(CONNECT_IN_FLIGHT)).await {
            Either::Left((routed, _)) => routed,
            Either::Right((_, routed)) if route.user.is_some() => routed.await,
            Either::Right(_) => {
                let own = self.token_verdict().await;
                return self.start_relay(sid, text, own, Begin::Upgrade).await;
            }
        };
        let mut response = match routed {
            Ok(response) if response.status_code() == 200 => response,
            Ok(_) => return answer::closed_websocket(ProtocolEnd::UpgradeFailed),
            Err(error) => return answer::unavailable("polling gateway", &error),
        };
        let connect = Connect {
            engine_sid: text,
            opened_at: now(),
            identity: response.json().await?,
            carrier: Carrier::WebSocket,
            phase: Phase::Probing,
            send_open: false,
            // The polling session has already reported the client's location.
            region: None,
        };
        connected(objects::connect(&self.env, &connect).await)
    }
}

fn connected(response: Result<Response>) -> Result<Response> {
    match response {
        Ok(response) if response.status_code() == 101 => Ok(response),
        // Clients handle a closed WebSocket better than an HTTP error.
        Ok(response) if response.status_code() == Connect::NOTHING_TO_UPGRADE => {
            answer::closed_websocket(ProtocolEnd::UpgradeFailed)
        }
        Ok(response) => answer::unavailable("user object", &response.status_code()),
        Err(error) => answer::unavailable("user object", &error),
    }
}
