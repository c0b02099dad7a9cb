//! `/v1/`: the HTTP API for the marketplace's own backend. Requests that concern one user go to that user's
//! object, as if a device had sent them; users' rows and history are read directly from D1.

mod campaigns;
mod users;
mod webhooks;

use std::rc::Rc;

use web_sys::Url;
use worker::{Env, Request, Response, Result};

use super::answer;
use crate::core::api::body::{on_behalf, raw, status_query};
use crate::core::api::problem::Problem;
use crate::core::api::{ApiRoute, page_payload};
use crate::core::config::Config;
use crate::core::events::campaigns::{GET, create_campaign};
use crate::core::events::{
    RequestPayload, get_bulk_online_status, get_messages, get_online_status, send_bulk_message,
    send_message,
};
use crate::core::record::history::not_found;
use crate::core::telemetry::Fact;
use crate::core::token::service::{Service, ServiceError, credentials, is_api_key, service};
use crate::messages::{Act, Acted, PresenceQuery};
use crate::platform::deployment::checked_config;
use crate::platform::{self, body, d1, log, now, objects, public_keys, telemetry};

/// The result of a request: a status and a body, or a problem.
type ApiAnswer = std::result::Result<(u16, String), Problem>;

/// What every handler needs of a request.
struct ApiRequest {
    env: Env,
    config: Rc<Config>,
    query: String,
    body: String,
    /// The `Idempotency-Key` header.
    key: Option<String>,
}

/// Serves a request to the HTTP API.
pub async fn serve(request: Request, env: Env, url: &Url, path: &str) -> Result<Response> {
    let config = match checked_config(&env).await {
        Ok(config) => config,
        Err(error) => return answer::misconfigured(&error),
    };
    let route = ApiRoute::find(&request.inner().method(), path);
    let name = route.as_ref().map_or("unknown", ApiRoute::name);
    let query = platform::query(url);
    match run(request, route, query, &env, &config).await {
        Ok((204, _)) => Ok(Response::empty()?.with_status(204)),
        Ok((status, body)) => answer::json(status, &body),
        Err(problem) => {
            let fact = Fact::RequestFailed {
                event: name.to_owned(),
                code: problem.code.clone(),
            };
            telemetry::tell(&env, &config, None, &fact);
            answer::problem(&problem)
        }
    }
}

async fn run(
    mut request: Request,
    route: std::result::Result<ApiRoute, Problem>,
    query: String,
    env: &Env,
    config: &Rc<Config>,
) -> ApiAnswer {
    let headers = request.headers();
    let header = |name| headers.get(name).ok().flatten();
    let key = header("Idempotency-Key");
    let service = authenticate(config, header("Authorization").as_deref()).await;
    let service = service.map_err(answer::unauthorized)?;
    // Authentication comes first: an unauthenticated caller must not learn which routes exist.
    let route = route?;
    let authorized = service.authorize(route.scope());
    authorized.map_err(answer::unauthorized)?;
    let bytes = body::read(&mut request, config.max_payload)
        .await
        .map_err(ours("body"))?
        .ok_or_else(|| Problem::too_large(config.max_payload))?;
    let call = ApiRequest {
        env: env.clone(),
        query,
        body: String::from_utf8(bytes).map_err(|_| Problem::invalid("The body must be UTF-8"))?,
        key,
        config: config.clone(),
    };
    match route {
        ApiRoute::PutUser(id) => call.put_user(&id).await,
        ApiRoute::DeleteUser(id) => call.delete_user(id).await,
        ApiRoute::Disconnect(id) => call.disconnect(&id).await,
        ApiRoute::Status(id) => call.status(&id).await,
        ApiRoute::BulkStatus => call.bulk_status().await,
        ApiRoute::SendMessage => call.send(send_message::NAME, 201).await,
        ApiRoute::SendBulkMessage => call.send(send_bulk_message::NAME, 200).await,
        ApiRoute::OfUser(id, event) => call.of_user(id, event).await,
        ApiRoute::PutPreferences(id) => call.put_preferences(id).await,
        ApiRoute::Messages(id) => call.messages(&id).await,
        ApiRoute::CreateCampaign => call.send(create_campaign::NAME, 201).await,
        ApiRoute::Campaigns => call.campaigns().await,
        ApiRoute::Campaign(id) => call.campaign(GET, &id).await,
        ApiRoute::AddCampaignReceivers(id, part) => call.add_receivers(&id, &part).await,
        ApiRoute::ChangeCampaign(id, event) => call.campaign(event, &id).await,
        ApiRoute::CampaignResults(id) => call.campaign_results(&id).await,
        ApiRoute::FailedWebhooks => call.failed_webhooks().await,
        ApiRoute::ReplayWebhooks => call.replay_webhooks().await,
    }
}

/// Returns the service that sends a request with this `Authorization` header. Nothing but the request depends on
/// it, so nothing that matters changes while it waits.
pub async fn authenticate(
    config: &Config,
    authorization: Option<&str>,
) -> std::result::Result<Service, ServiceError> {
    let credentials = credentials(authorization)?;
    if is_api_key(config, credentials) {
        return Ok(Service::Key);
    }
    let claims = public_keys::claims(config, credentials).await?;
    service(&claims, config, now())
}

/// Logs a fault on our side and tells the caller to try again.
fn ours<E: std::fmt::Display>(what: &'static str) -> impl Fn(E) -> Problem {
    move |error| {
        log::error(what, &error);
        Problem::unavailable()
    }
}

impl ApiRequest {
    /// `GET /v1/users/{id}/status`
    async fn status(&self, user_id: &str) -> ApiAnswer {
        let user = self.known(user_id).await?;
        let query = PresenceQuery::default();
        let presence = objects::call_in(&self.env, user_id, user.region, &query)
            .await
            .map_err(ours("status"))?;
        Ok((200, get_online_status::reply(user_id, presence).payload))
    }

    /// `POST /v1/status`. Users whose object cannot be reached count as offline.
    async fn bulk_status(&self) -> ApiAnswer {
        let query = status_query(&self.body, &self.config)?;
        let concurrency = self.config.fanout_concurrency;
        let presence = PresenceQuery::default();
        let mut presences = objects::call_all(
            &self.env,
            &query.user_ids,
            &presence,
            &presence,
            concurrency,
        )
        .await
        .map_err(ours("status"))?;
        let statuses: Vec<_> = query
            .user_ids
            .into_iter()
            .map(|id| {
                let presence = presences.remove(&id).and_then(std::result::Result::ok);
                (id, presence.unwrap_or_default())
            })
            .collect();
        let reply = get_bulk_online_status::reply(get_bulk_online_status::REPLY, &statuses);
        Ok((200, reply.payload))
    }

    /// `POST /v1/messages`, `POST /v1/messages/bulk`, `POST /v1/campaigns`
    async fn send(&self, event: &str, status: u16) -> ApiAnswer {
        let sent = on_behalf(&self.body, self.key.as_deref())?;
        let act = Act {
            user_id: sent.sender_id,
            event: event.to_owned(),
            payload: sent.payload,
        };
        self.act(act, status).await
    }

    /// `GET /v1/users/{id}/conversations`, `/unread`, `/preferences`
    async fn of_user(&self, user_id: String, event: &str) -> ApiAnswer {
        let page = page_payload(&self.query, &[]);
        self.for_user(user_id, event, page).await
    }

    /// Carries out an event on behalf of a user, whom D1 must know.
    async fn for_user(&self, user_id: String, event: &str, payload: String) -> ApiAnswer {
        self.known(&user_id).await?;
        let act = Act {
            user_id,
            event: event.to_owned(),
            payload: raw(payload)?,
        };
        self.act(act, 200).await
    }

    async fn act(&self, act: Act, status: u16) -> ApiAnswer {
        let acted = objects::call(&self.env, &act.user_id, &act).await;
        match acted.map_err(ours("act"))? {
            Acted::Reply(payload) => Ok((status, payload.get().to_owned())),
            Acted::Refused(error) => Err(error.into()),
        }
    }

    /// `GET /v1/conversations/{id}/messages`
    async fn messages(&self, conversation_id: &str) -> ApiAnswer {
        let payload = raw(page_payload(
            &self.query,
            &[("conversationId", conversation_id)],
        ))?;
        let page = get_messages::MessagePage::read(&payload, &self.config)?;
        let (pair, items) = d1::messages(&self.env, &page)
            .await
            .map_err(ours("messages"))?;
        if pair.is_none() {
            return Err(not_found().into());
        }
        Ok((200, get_messages::reply(&page, items).payload))
    }
}
