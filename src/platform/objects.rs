//! Calls to User objects and polling gateways.

use js_sys::{Object, Reflect};
use serde::de::DeserializeOwned;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use worker::{Env, Error, Headers, Method, Request, RequestInit, Response, Result, WebSocket};

use super::js::{self, ObjectNamespace, receive_array_buffers};
use crate::core::presence::Presence;
use crate::messages::{Connect, Deliver, PresenceQuery, Receipt};

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

/// Opens a WebSocket to the user's object, for frames that we pass on.
pub async fn open(env: &Env, message: &Connect) -> Result<WebSocket> {
    let response = connect(env, message).await?;
    let status = response.status_code();
    let socket = response
        .websocket()
        .ok_or_else(|| Error::RustError(format!("a User object answered {status}")))?;
    receive_array_buffers(&socket);
    socket.accept()?;
    Ok(socket)
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

/// Calls to many User objects: what the calls have in common is made once.
pub struct UserObjects {
    namespace: ObjectNamespace,
    init: Object,
}

impl UserObjects {
    /// For presence queries.
    pub fn for_queries(env: &Env) -> Result<Self> {
        Self::new(env, Object::new())
    }

    /// For deliveries of this body.
    pub fn for_deliveries(env: &Env, body: &str) -> Result<Self> {
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

    /// Whether this user is online.
    pub async fn presence(&self, user_id: &str) -> Result<Presence> {
        self.call(user_id, PresenceQuery::URL).await
    }

    /// Brings a receiver their copy.
    pub async fn deliver(&self, deliver: &Deliver) -> Result<Receipt> {
        self.call(&deliver.target.receiver_id, &deliver.url()).await
    }

    async fn call<T: DeserializeOwned>(&self, user_id: &str, url: &str) -> Result<T> {
        let stub: js::ObjectStub = self.namespace.get_by_name(user_id)?;
        let response: web_sys::Response = JsFuture::from(stub.fetch(url, &self.init)?)
            .await?
            .dyn_into()?;
        let mut response = Response::from(response);
        if response.status_code() != 200 {
            let status = response.status_code();
            return Err(Error::RustError(format!("a User object answered {status}")));
        }
        response.json().await
    }
}
