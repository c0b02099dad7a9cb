//! Calls to User objects and polling gateways.

use std::collections::HashMap;
use std::time::Duration;

use serde::Serialize;
use wasm_bindgen::{JsCast, JsValue};
use worker::{Delay, Env, Error, Response, Result, WebSocket};

use super::directory::{self, Directory};
use super::js::{self, receive_array_buffers};
use super::jurisdiction::{self, Objects};
use crate::core::error::to_json;
use crate::core::events::new_message::{Letter, Receipt};
use crate::core::pacemaker::roster::Due;
use crate::core::record::webhooks::Replay;
use crate::core::region::Region;
use crate::core::time::Millis;
use crate::messages::{
    Beat, BeatAnswer, CampaignAnswer, CampaignCall, Connect, Deliver, FAILED, HEADER, Heard,
    Message, Notify, Poll, Pulse, Register, Registered, ReplayWebhook, WebhookReplayed, to_header,
    url,
};

/// The binding of the User objects in wrangler.toml. An object's name is its user's id.
pub const USER: &str = "USER";

/// The binding of the campaigns' objects in wrangler.toml. An object's name is its campaign's id.
pub const CAMPAIGN: &str = "CAMPAIGN";

/// The binding of the pacemakers in wrangler.toml; `PACEMAKER` is the variable that switches them off.
/// [`crate::core::pacemaker::candidates`] names them.
pub const PACEMAKERS: &str = "PACEMAKERS";

/// The binding of the polling gateways in wrangler.toml.
pub const POLLING_GATEWAY: &str = "POLLING_GATEWAY";

/// Requests a WebSocket from the user's object. The response may be passed on to a client.
pub async fn connect(env: &Env, connect: &Connect) -> Result<Response> {
    let message = to_header(connect);
    let headers = [("Upgrade", "websocket"), (HEADER, message.as_str())];
    let request = ObjectRequest {
        binding: USER,
        name: &connect.identity.user_id,
        method: "GET",
        headers: &headers,
        body: JsValue::UNDEFINED,
    };
    request.send::<Connect>(env).await
}

/// A request to an object, where a remote call will not do.
struct ObjectRequest<'a> {
    binding: &'static str,
    name: &'a str,
    method: &'static str,
    /// Names and values.
    headers: &'a [(&'static str, &'a str)],
    body: JsValue,
}

impl ObjectRequest<'_> {
    async fn send<M: Message>(self, env: &Env) -> Result<Response> {
        let objects = jurisdiction::objects(env, self.binding).await?;
        let response = js::request(
            &objects.namespace,
            self.name,
            &url::<M>(),
            self.method,
            &to_json(&self.headers),
            self.body,
        )
        .await?;
        Ok(Response::from(response.dyn_into::<web_sys::Response>()?))
    }
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

/// Forwards a client's POST with its unread body, or its GET (`body` is `None`), to its gateway.
pub async fn poll(
    env: &Env,
    gateway: &str,
    poll: &Poll,
    body: Option<JsValue>,
) -> Result<Response> {
    let message = to_header(poll);
    let request = ObjectRequest {
        binding: POLLING_GATEWAY,
        name: gateway,
        method: if body.is_some() { "POST" } else { "GET" },
        headers: &[(HEADER, message.as_str())],
        body: body.unwrap_or(JsValue::UNDEFINED),
    };
    request.send::<Poll>(env).await
}

/// Sends a message to a gateway.
pub async fn call_gateway<M: Message + Serialize>(
    env: &Env,
    gateway: &str,
    message: &M,
) -> Result<Response> {
    let request = ObjectRequest {
        binding: POLLING_GATEWAY,
        name: gateway,
        method: "POST",
        headers: &[],
        body: to_json(message).into(),
    };
    request.send::<M>(env).await
}

/// One of the objects to call: its name, the location hint if the call creates it, and the message, unless
/// all get the same one.
#[derive(Serialize)]
struct Target<'a>(&'a str, Option<Region>, Option<String>);

/// A message to many objects.
struct Calls<'a> {
    binding: &'static str,
    targets: Vec<Target<'a>>,
    common: String,
    concurrency: usize,
    /// How long an answer is awaited; 0 for as long as it takes.
    patience: Millis,
}

/// Calls the objects. Each answer is that of one target, in order; that of an object that cannot be reached,
/// or has failed, is an error.
async fn run<M: Message>(env: &Env, calls: Calls<'_>) -> Result<Vec<Result<M::Answer>>> {
    let lines = lines(env, M::PATH, calls).await?;
    let lines = lines.iter().flat_map(|lines| lines.split('\n'));
    Ok(lines.map(answer::<M>).collect())
}

/// Calls the objects, and returns a line for each answer, or `None` if there is nobody to call. It does not depend on
/// the type of the message, so that it is compiled once.
async fn lines(env: &Env, path: &str, calls: Calls<'_>) -> Result<Option<String>> {
    if calls.targets.is_empty() {
        return Ok(None);
    }
    let objects = jurisdiction::objects(env, calls.binding).await?;
    let lines = js::call_all(
        &objects.namespace,
        path,
        &targets_json(&objects, calls.targets),
        &calls.common,
        u32::try_from(calls.concurrency).unwrap_or(u32::MAX),
        u32::try_from(calls.patience).unwrap_or(u32::MAX),
    )
    .await?;
    Ok(Some(lines.as_string().unwrap_or_default()))
}

fn targets_json(objects: &Objects, mut targets: Vec<Target>) -> String {
    // A hint may point outside of the jurisdiction, which decides.
    if objects.is_restricted {
        targets.iter_mut().for_each(|target| target.1 = None);
    }
    to_json(&targets)
}

fn answer<M: Message>(line: &str) -> Result<M::Answer> {
    match line.strip_prefix(FAILED) {
        Some(problem) => Err(Error::RustError(format!("an object: {problem}"))),
        None => Ok(serde_json::from_str(line)?),
    }
}

/// Sends one message to one user's object.
pub async fn call<M: Message + Serialize>(
    env: &Env,
    user_id: &str,
    message: &M,
) -> Result<M::Answer> {
    call_in(env, user_id, None, message).await
}

/// Like [`call`], with the location hint if the call creates the object.
pub async fn call_in<M: Message + Serialize>(
    env: &Env,
    user_id: &str,
    region: Option<Region>,
    message: &M,
) -> Result<M::Answer> {
    call_one(env, USER, Target(user_id, region, None), message).await
}

/// How long a pacemaker and a User object wait for each other. They help themselves if there is no answer.
const PATIENCE: Millis = 2_000;

/// Registers a user with a pacemaker.
pub async fn register(env: &Env, message: &Register) -> Result<Registered> {
    let calls = Calls {
        binding: PACEMAKERS,
        targets: vec![Target(&message.pacemaker, None, None)],
        common: to_json(message),
        concurrency: 1,
        patience: PATIENCE,
    };
    only(run::<Register>(env, calls).await?)
}

/// Calls users' objects when their pings are due: those who are only to look for the answer with `look`, the others with
/// `beat`. The answers are in the order of the users.
pub async fn call_for_beats(
    env: &Env,
    due: &[Due],
    beat: &Beat,
    look: &Beat,
    concurrency: usize,
) -> Result<Vec<Result<BeatAnswer>>> {
    let look = to_json(look);
    let own = |due: &Due| due.is_look.then(|| look.clone());
    let calls = Calls {
        binding: USER,
        targets: due
            .iter()
            .map(|due| Target(&due.user_id, None, own(due)))
            .collect(),
        common: to_json(beat),
        concurrency,
        patience: PATIENCE,
    };
    run::<Beat>(env, calls).await
}

/// Asks one campaign's object.
pub async fn ask_campaign(
    env: &Env,
    campaign_id: &str,
    call: &CampaignCall,
) -> Result<CampaignAnswer> {
    call_one(env, CAMPAIGN, Target(campaign_id, None, None), call).await
}

async fn call_one<M: Message + Serialize>(
    env: &Env,
    binding: &'static str,
    target: Target<'_>,
    message: &M,
) -> Result<M::Answer> {
    let calls = Calls {
        binding,
        targets: vec![target],
        common: to_json(message),
        concurrency: 1,
        patience: 0,
    };
    only(run::<M>(env, calls).await?)
}

fn only<T>(answers: Vec<Result<T>>) -> Result<T> {
    let missing = || Err(Error::RustError("an object did not answer".into()));
    answers.into_iter().next().unwrap_or_else(missing)
}

/// Asks many campaigns' objects the same, `concurrency` at a time. The answers are in the order of the ids.
pub async fn ask_campaigns(
    env: &Env,
    campaign_ids: &[String],
    call: &CampaignCall,
    concurrency: usize,
) -> Result<Vec<Result<CampaignAnswer>>> {
    let calls = Calls {
        binding: CAMPAIGN,
        targets: campaign_ids
            .iter()
            .map(|id| Target(id, None, None))
            .collect(),
        common: to_json(call),
        concurrency,
        patience: 0,
    };
    run::<CampaignCall>(env, calls).await
}

/// Checks that objects answer.
pub async fn pulse(env: &Env) -> Result<()> {
    call(env, Pulse::NAME, &Pulse {}).await
}

/// Sends one message to many users' objects, `concurrency` at a time; `to_strangers` instead goes to those that
/// D1 has no user for. The answer of an object that cannot be reached is an error.
pub async fn call_all<M: Message + Serialize>(
    env: &Env,
    user_ids: &[String],
    message: &M,
    to_strangers: &M,
    concurrency: usize,
) -> Result<HashMap<String, Result<M::Answer>>> {
    let Directory { regions, strangers } = directory::look_up(env, user_ids).await;
    let own = |id: &String| strangers.contains(id).then(|| to_json(to_strangers));
    let calls = Calls {
        binding: USER,
        targets: user_ids
            .iter()
            .map(|id| Target(id, regions.get(id).copied(), own(id)))
            .collect(),
        common: to_json(message),
        concurrency,
        patience: 0,
    };
    let answers = run::<M>(env, calls).await?;
    Ok(user_ids.iter().cloned().zip(answers).collect())
}

/// Notifies users' objects, `concurrency` at a time, each of its own news or, without any, of the `common` one. The
/// answers are in the order of the receivers; that of an object that cannot be reached is an error.
pub async fn notify_all(
    env: &Env,
    receivers: &[(&str, Option<&Notify>)],
    common: &Notify,
    concurrency: usize,
) -> Result<Vec<Result<Heard>>> {
    let calls = Calls {
        binding: USER,
        targets: receivers
            .iter()
            .map(|(id, own)| Target(id, None, own.map(to_json)))
            .collect(),
        common: to_json(common),
        concurrency,
        patience: 0,
    };
    run::<Notify>(env, calls).await
}

/// Has webhooks that were given up sent again by their users' objects, `concurrency` at a time. The answers are in the
/// order of the webhooks; that of an object that cannot be reached is an error.
pub async fn replay_webhooks(
    env: &Env,
    replays: &[Replay],
    concurrency: usize,
) -> Result<Vec<Result<WebhookReplayed>>> {
    let own = |replay: &Replay| {
        let webhook_id = replay.webhook_id.clone();
        Some(to_json(&ReplayWebhook { webhook_id }))
    };
    let calls = Calls {
        binding: USER,
        targets: replays
            .iter()
            .map(|replay| Target(&replay.user_id, None, own(replay)))
            .collect(),
        common: String::new(),
        concurrency,
        patience: 0,
    };
    run::<ReplayWebhook>(env, calls).await
}

/// The deliveries of the copies of one send.
pub struct Deliveries(js::Deliveries);

impl Deliveries {
    /// Prepares the deliveries of these copies, `concurrency` at a time. A copy's index is its place among them.
    pub async fn prepare(
        env: &Env,
        copies: &[(&str, Deliver)],
        letter: &Letter,
        regions: &HashMap<String, Region>,
        concurrency: usize,
    ) -> Result<Self> {
        let objects = jurisdiction::objects(env, USER).await?;
        let targets = copies
            .iter()
            .map(|(id, copy)| Target(id, regions.get(*id).copied(), Some(to_json(copy))))
            .collect();
        Ok(Self(js::Deliveries::new(
            &objects.namespace,
            Deliver::PATH,
            &targets_json(&objects, targets),
            &to_json(letter),
            u32::try_from(concurrency).unwrap_or(u32::MAX),
        )))
    }

    /// Delivers these copies, each as soon as it may.
    pub fn call(&self, indices: &[u32]) {
        self.0.call(indices);
    }

    /// Gives up the delivery of a copy that has not been called for.
    pub fn leave(&self, index: u32) {
        self.0.leave(index);
    }

    /// Waits until further copies are answered for. Returns the index of each, and the object's receipt: `None` if
    /// the copy was given up, an error if the object cannot be reached, or has failed.
    pub async fn answers(&self) -> Result<Vec<(usize, Option<Result<Receipt>>)>> {
        let lines = self.0.answers().await?.as_string().unwrap_or_default();
        let read = |line: &str| {
            let (index, line) = line.split_once(' ')?;
            let receipt = (!line.is_empty()).then(|| answer::<Deliver>(line));
            Some((index.parse().ok()?, receipt))
        };
        Ok(lines.split('\n').filter_map(read).collect())
    }
}
