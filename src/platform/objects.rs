//! Calls to User objects and polling gateways.

use std::collections::HashMap;
use std::marker::PhantomData;
use std::time::Duration;

use futures::{StreamExt, stream};
use js_sys::{Object, Reflect};
use serde::Serialize;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use worker::{
    Delay, Env, Error, Headers, Method, Request, RequestInit, Response, Result, WebSocket,
};

use super::js::{self, ObjectNamespace, receive_array_buffers};
use super::{d1, log};
use crate::core::error::to_json;
use crate::core::events::new_message::Letter;
use crate::core::record::users::{self, Placed};
use crate::core::region::Region;
use crate::messages::{Connect, Deliver, HEADER, Message, Poll, Pulse, Receipt, to_header, url};

/// The binding of the User objects in wrangler.toml. An object's name is its user's id.
pub const USER: &str = "USER";

/// The binding of the polling gateways in wrangler.toml.
pub const POLLING_GATEWAY: &str = "POLLING_GATEWAY";

/// Requests a WebSocket from the user's object. The response may be passed on to a client.
pub async fn connect(env: &Env, connect: &Connect) -> Result<Response> {
    let headers = Headers::new();
    headers.set("Upgrade", "websocket")?;
    headers.set(HEADER, &to_header(connect))?;
    let mut init = RequestInit::new();
    init.with_headers(headers);
    let request = Request::new_with_init(&url::<Connect>(), &init)?;
    env.durable_object(USER)?
        .get_by_name(&connect.identity.user_id)?
        .fetch_with_request(request)
        .await
}

/// The pauses before each further attempt to reach a user's object. Its client has been accepted by then,
/// and would reconnect at once if it were disconnected.
const PAUSES: [Duration; 3] = [
    Duration::from_millis(500),
    Duration::from_millis(1_500),
    Duration::from_millis(2_000),
];

/// Opens a WebSocket to the user's object, for frames that the caller forwards.
pub async fn open(env: &Env, message: &Connect) -> Result<WebSocket> {
    let mut response = connect(env, message).await;
    for pause in PAUSES {
        if !is_fault(&response) {
            break;
        }
        Delay::from(pause).await;
        response = connect(env, message).await;
    }
    let response = response?;
    let status = response.status_code();
    let socket = response
        .websocket()
        .ok_or_else(|| Error::RustError(format!("a User object returned {status}")))?;
    receive_array_buffers(&socket);
    socket.accept()?;
    Ok(socket)
}

fn is_fault(response: &Result<Response>) -> bool {
    response
        .as_ref()
        .map_or(true, |response| response.status_code() >= 500)
}

/// Forwards a client's POST, or its GET (`body` is `None`), to its gateway.
pub async fn poll(
    env: &Env,
    gateway: &str,
    poll: &Poll,
    body: Option<Vec<u8>>,
) -> Result<Response> {
    let headers = Headers::new();
    headers.set(HEADER, &to_header(poll))?;
    let mut init = RequestInit::new();
    init.with_headers(headers);
    if let Some(body) = body {
        init.with_method(Method::Post);
        init.with_body(Some(js_sys::Uint8Array::from(body.as_slice()).into()));
    }
    fetch_gateway(env, gateway, &url::<Poll>(), &init).await
}

/// Sends a message to a gateway.
pub async fn call_gateway<M: Message + Serialize>(
    env: &Env,
    gateway: &str,
    message: &M,
) -> Result<Response> {
    let mut init = RequestInit::new();
    init.with_method(Method::Post);
    init.with_body(Some(to_json(message).into()));
    fetch_gateway(env, gateway, &url::<M>(), &init).await
}

async fn fetch_gateway(
    env: &Env,
    gateway: &str,
    url: &str,
    init: &RequestInit,
) -> Result<Response> {
    env.durable_object(POLLING_GATEWAY)?
        .get_by_name(gateway)?
        .fetch_with_request(Request::new_with_init(url, init)?)
        .await
}

/// Calls to User objects with one message. What all calls have in common is built once.
pub struct UserObjects<M> {
    namespace: ObjectNamespace,
    url: String,
    init: Object,
    message: PhantomData<M>,
}

impl<M: Message + Serialize> UserObjects<M> {
    /// Prepares calls with the message in the body.
    pub fn new(env: &Env, message: &M) -> Result<Self> {
        Self::with_body(env, &to_json(message))
    }

    /// Prepares calls with the message in the header and no body.
    pub fn without_body(env: &Env, message: &M) -> Result<Self> {
        let headers = Object::new();
        Reflect::set(&headers, &HEADER.into(), &to_header(message).into())?;
        let init = Object::new();
        Reflect::set(&init, &"headers".into(), &headers)?;
        Self::with_init(env, init)
    }
}

impl<M: Message> UserObjects<M> {
    fn with_body(env: &Env, body: &str) -> Result<Self> {
        let init = Object::new();
        Reflect::set(&init, &"method".into(), &"POST".into())?;
        Reflect::set(&init, &"body".into(), &body.into())?;
        Self::with_init(env, init)
    }

    fn with_init(env: &Env, init: Object) -> Result<Self> {
        let namespace: JsValue = env.durable_object(USER)?.into();
        Ok(Self {
            namespace: namespace.unchecked_into(),
            url: url::<M>(),
            init,
            message: PhantomData,
        })
    }

    /// Calls a user's object. `region` is the location hint if the call creates the object.
    pub async fn call(&self, user_id: &str, region: Option<Region>) -> Result<M::Answer> {
        self.fetch(user_id, &self.url, region).await
    }

    async fn fetch(&self, user_id: &str, url: &str, region: Option<Region>) -> Result<M::Answer> {
        let stub: js::ObjectStub = self.namespace.get_by_name(user_id, &options(region)?)?;
        let response: web_sys::Response = JsFuture::from(stub.fetch(url, &self.init)?)
            .await?
            .dyn_into()?;
        let mut response = Response::from(response);
        let status = response.status_code();
        if status != 200 {
            return Err(Error::RustError(format!("a User object returned {status}")));
        }
        let text = response.text().await?;
        // The previous version answers `()` with an empty body.
        let json = if text.is_empty() { "null" } else { &text };
        Ok(serde_json::from_str(json)?)
    }
}

impl UserObjects<Deliver> {
    /// Prepares deliveries: the copies of a send share their body.
    pub fn for_copies(env: &Env, letter: &Letter) -> Result<Self> {
        Self::with_body(env, &to_json(letter))
    }

    /// Delivers a copy to its receiver.
    pub async fn deliver(
        &self,
        receiver_id: &str,
        copy: &Deliver,
        region: Option<Region>,
    ) -> Result<Receipt> {
        self.fetch(receiver_id, &copy.url(), region).await
    }
}

fn options(region: Option<Region>) -> Result<JsValue> {
    let Some(region) = region else {
        return Ok(JsValue::UNDEFINED);
    };
    let options = Object::new();
    Reflect::set(&options, &"locationHint".into(), &region.as_str().into())?;
    Ok(options.into())
}

/// Sends one message to one user's object.
pub async fn call<M: Message + Serialize>(
    env: &Env,
    user_id: &str,
    message: &M,
) -> Result<M::Answer> {
    UserObjects::new(env, message)?.call(user_id, None).await
}

/// Checks that objects answer.
pub async fn pulse(env: &Env) -> Result<()> {
    call(env, Pulse::NAME, &Pulse {}).await
}

/// Calls many users' objects, `concurrency` at a time. The answer of an object that cannot be reached is
/// an error.
pub async fn call_all<M: Message>(
    objects: &UserObjects<M>,
    user_ids: &[String],
    regions: &HashMap<String, Region>,
    concurrency: usize,
) -> HashMap<String, Result<M::Answer>> {
    stream::iter(user_ids)
        .map(|id| async move {
            let answer = objects.call(id, regions.get(id).copied()).await;
            (id.clone(), answer)
        })
        .buffer_unordered(concurrency)
        .collect()
        .await
}

/// Returns the users' regions, for calls that may create their objects. These are only hints: without one,
/// an object is created near the caller.
pub async fn regions(env: &Env, user_ids: &[&str]) -> HashMap<String, Region> {
    if user_ids.is_empty() {
        return HashMap::new();
    }
    match d1::query::<Placed>(env, users::regions(user_ids)).await {
        Ok(placed) => placed
            .into_iter()
            .map(|placed| (placed.user_id, placed.region))
            .collect(),
        Err(error) => {
            log::error("regions", &error);
            HashMap::new()
        }
    }
}
