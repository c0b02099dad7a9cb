//! Calls to User objects and polling gateways.

use std::collections::HashMap;
use std::time::Duration;

use futures::{StreamExt, stream};
use js_sys::{Object, Reflect};
use serde::Serialize;
use serde::de::DeserializeOwned;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use worker::{
    Delay, Env, Error, Headers, Method, Request, RequestInit, Response, Result, WebSocket,
};

use super::js::{self, ObjectNamespace, receive_array_buffers};
use super::{d1, log};
use crate::core::error::to_json;
use crate::core::record::users::{self, Placed};
use crate::core::region::Region;
use crate::messages::{Connect, Deliver, Pulse, Receipt};

/// The binding of the User objects in wrangler.toml. An object's name is its user's id.
pub const USER: &str = "USER";

/// The binding of the polling gateways in wrangler.toml.
pub const POLLING_GATEWAY: &str = "POLLING_GATEWAY";

/// Asks for a WebSocket to the user's object. The response is fit to be a client's, too.
pub async fn connect(env: &Env, connect: &Connect) -> Result<Response> {
    let headers = Headers::new();
    headers.set("Upgrade", "websocket")?;
    let mut init = RequestInit::new();
    init.with_headers(headers);
    let request = Request::new_with_init(&connect.url(), &init)?;
    env.durable_object(USER)?
        .get_by_name(&connect.identity.user_id)?
        .fetch_with_request(request)
        .await
}

/// How long to wait before each further try to reach a user's object. Its client has been accepted by
/// then, and would come again at once if it were let go.
const PAUSES: [Duration; 3] = [
    Duration::from_millis(500),
    Duration::from_millis(1_500),
    Duration::from_millis(2_000),
];

/// Opens a WebSocket to the user's object, for frames that we pass on.
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
        .ok_or_else(|| Error::RustError(format!("a User object answered {status}")))?;
    receive_array_buffers(&socket);
    socket.accept()?;
    Ok(socket)
}

fn is_fault(response: &Result<Response>) -> bool {
    response
        .as_ref()
        .map_or(true, |response| response.status_code() >= 500)
}

/// Calls a gateway.
pub async fn call_gateway(
    env: &Env,
    name: &str,
    url: &str,
    method: Method,
    body: Option<Vec<u8>>,
) -> Result<Response> {
    let mut init = RequestInit::new();
    init.with_method(method);
    if let Some(body) = body {
        init.with_body(Some(js_sys::Uint8Array::from(body.as_slice()).into()));
    }
    env.durable_object(POLLING_GATEWAY)?
        .get_by_name(name)?
        .fetch_with_request(Request::new_with_init(url, &init)?)
        .await
}

/// Calls to User objects: what many calls have in common is made once.
pub struct UserObjects {
    namespace: ObjectNamespace,
    init: Object,
}

impl UserObjects {
    /// For questions.
    pub fn for_queries(env: &Env) -> Result<Self> {
        Self::new(env, Object::new())
    }

    /// For what has this for its body.
    pub fn for_posts(env: &Env, body: &str) -> Result<Self> {
        let init = Object::new();
        Reflect::set(&init, &"method".into(), &"POST".into())?;
        Reflect::set(&init, &"body".into(), &body.into())?;
        Self::new(env, init)
    }

    fn new(env: &Env, init: Object) -> Result<Self> {
        let namespace: JsValue = env.durable_object(USER)?.into();
        Ok(Self {
            namespace: namespace.unchecked_into(),
            init,
        })
    }

    /// Brings a receiver their copy.
    pub async fn deliver(&self, deliver: &Deliver, region: Option<Region>) -> Result<Receipt> {
        self.call(&deliver.target.receiver_id, &deliver.url(), region)
            .await
    }

    /// Calls a user's object. If that makes the object, it is made in this region.
    pub async fn call<T: DeserializeOwned>(
        &self,
        user_id: &str,
        url: &str,
        region: Option<Region>,
    ) -> Result<T> {
        let text = self.fetch(user_id, url, region).await?.text().await?;
        Ok(serde_json::from_str(&text)?)
    }

    /// Calls a user's object, for an answer without a body.
    pub async fn fetch(
        &self,
        user_id: &str,
        url: &str,
        region: Option<Region>,
    ) -> Result<Response> {
        let stub: js::ObjectStub = self.namespace.get_by_name(user_id, &options(region)?)?;
        let response: web_sys::Response = JsFuture::from(stub.fetch(url, &self.init)?)
            .await?
            .dyn_into()?;
        let response = Response::from(response);
        if response.status_code() != 200 {
            let status = response.status_code();
            return Err(Error::RustError(format!("a User object answered {status}")));
        }
        Ok(response)
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

/// Calls one user's object with this body.
pub async fn post<B: Serialize, T: DeserializeOwned>(
    env: &Env,
    user_id: &str,
    url: &str,
    body: &B,
) -> Result<T> {
    UserObjects::for_posts(env, &to_json(body))?
        .call(user_id, url, None)
        .await
}

/// Whether objects answer.
pub async fn pulse(env: &Env) -> Result<()> {
    UserObjects::for_queries(env)?
        .fetch(Pulse::NAME, Pulse::URL, None)
        .await
        .map(|_| ())
}

/// Asks the objects of users the same question, so many at a time. Who cannot be reached has an error
/// for an answer.
pub async fn ask_all<T: DeserializeOwned>(
    env: &Env,
    url: &str,
    user_ids: &[String],
    regions: &HashMap<String, Region>,
    concurrency: usize,
) -> Result<HashMap<String, Result<T>>> {
    let objects = UserObjects::for_queries(env)?;
    let objects = &objects;
    let answers = stream::iter(user_ids)
        .map(|id| async move {
            let answer = objects.call(id, url, regions.get(id).copied()).await;
            (id.clone(), answer)
        })
        .buffer_unordered(concurrency)
        .collect()
        .await;
    Ok(answers)
}

/// The regions of users, for calls that may make their objects. Hints only: without them an object
/// is made near the caller.
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
