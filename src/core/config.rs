//! Configuration: every limit, interval and size is declared once, with its documentation, default
//! and unit. Values come from `[vars]` in wrangler.toml, secrets from `wrangler secret` or
//! `.dev.vars`. A missing or invalid value is an error that names the variable.

use std::fmt::Display;
use std::str::FromStr;

use thiserror::Error;

use super::campaign::CampaignLimits;
use super::cost::CostRates;
use super::ids::MAX_MESSAGES_PER_SEND;
use super::jwks::KeySet;
use super::keys::Keys;
use super::limits::Rate;
use super::notice::NoticeLimits;
use super::origin::AllowedOrigins;
use super::pacemaker::PacemakerLimits;
use super::push::PushSettings;
use super::push::hosts::{PushHosts, VENDORS};
use super::push::subscription::{is_public_key, is_secret};
use super::quota::Quotas;
use super::record::shards::Shards;
use super::time::Millis;
use super::user_ids::UserIds;
use super::web_url::is_web_url;
use super::webhook::event::WebhookEvent;
use super::webhook::{Webhook, read_secret};
use crate::wire::engine_io::Handshake;

/// A missing or invalid value. The error's text names the variable and never contains a secret.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{name}: {problem}")]
pub struct ConfigError {
    /// The name of the variable, e.g. `JWT_SECRET`.
    pub name: &'static str,
    /// What is wrong with its value, for the operator to read.
    pub problem: String,
}

/// The name of the variable for [`Config::jurisdiction`].
pub const JURISDICTION: &str = "JURISDICTION";

/// The name of the variable for [`Config::record_shards`].
pub const RECORD_SHARDS: &str = "RECORD_SHARDS";

/// The validated configuration. A variable's default is in brackets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// `JWT_SECRET`, a secret of at least 32 bytes: the key for tokens (HS256), and for everything that
    /// [`Self::keys`] is for. Required unless there are public keys and `API_KEY`.
    pub jwt_secret: Option<String>,
    /// `JWT_SECRET_PREVIOUS`, an optional secret of at least 32 bytes: the previous key, which remains valid
    /// during a rotation.
    pub jwt_secret_previous: Option<String>,
    /// `JWKS_URL` or `JWKS`, optional: where the public keys for tokens are (RS256, ES256, EdDSA).
    pub public_keys: Option<PublicKeys>,
    /// `JWKS_TIMEOUT_MS` [5000]: how long the issuer may take to answer at `JWKS_URL`.
    pub jwks_timeout: Millis,
    /// `JWKS_PAUSE_MS` [30000]: the least time between two fetches of an isolate, whatever tokens say.
    pub jwks_pause: Millis,
    /// `JWKS_REFRESH_MS` [600000]: the age at which keys are fetched again.
    pub jwks_refresh: Millis,
    /// `JWKS_KEEP_MS` [86400000]: how long keys count while the issuer does not answer.
    pub jwks_keep: Millis,
    /// `JWKS_MAX_BYTES` [100000]: the longest answer of the issuer.
    pub jwks_max_bytes: usize,
    /// `JWT_ISSUER`, optional: what a token's `iss` must be.
    pub jwt_issuer: Option<String>,
    /// `JWT_AUDIENCE`, optional: what a user's token must contain in `aud`.
    pub jwt_audience: Option<String>,
    /// `JWT_ROLE_CLAIM` [`role`]: the claim with the initial role of a new user.
    pub jwt_role_claim: String,
    /// `JWT_MAX_AGE`, optional, in seconds: how long a token is valid after its `iat`, even if its `exp` is later.
    pub jwt_max_age: Option<Millis>,
    /// `SERVICE_AUDIENCE` [`switchboard`]: what a service's token contains in `aud`, and a user's does not.
    pub service_audience: String,
    /// `ALLOWED_ORIGINS` [`*`]: the origins whose pages may connect, separated by commas, with `*` for
    /// subdomains: see [`super::origin`]. `*` alone is for local work.
    pub allowed_origins: AllowedOrigins,
    /// `JURISDICTION` [`none`]: where the objects run and store their data, `none` (anywhere) or `eu`. It
    /// must not change after the first deploy ([`super::record::deployment`]).
    pub jurisdiction: Option<&'static str>,
    /// `RECORD_SHARDS` [`DB`]: the D1 bindings of the databases over which the record is spread, separated by commas,
    /// at most 64. Their number and order must not change after the first deploy ([`super::record::shards`]).
    pub record_shards: Shards,
    /// `SHARD_PATIENCE_MS` [5000]: how long a send waits for the other shards once one has confirmed its part.
    pub shard_patience: Millis,
    /// `HEALTH_CACHE_MS` [5000]: how long a thorough health check is answered from memory.
    pub health_cache: Millis,
    /// `CONSOLE` [`on`]: whether `/` serves the console page, `on` or `off`.
    pub console: bool,
    /// `PING_INTERVAL_MS` [25000]: how often a client is pinged, as announced in the handshake; at most 90000
    /// ([`LONGEST_PING_INTERVAL`]).
    pub ping_interval: Millis,
    /// `PING_TIMEOUT_MS` [20000]: how long a client may take to answer a ping, as announced in the handshake; at
    /// least 5000 ([`SHORTEST_PING_TIMEOUT`]).
    ///
    /// `HEARTBEAT_BOUNDS` [`on`]: `off` permits a shorter timeout and a longer interval. It is meant for tests,
    /// which cannot wait for so long, and for benchmarks.
    pub ping_timeout: Millis,
    /// Who wakes the objects of connected users: `PACEMAKER` [`on`], `PACEMAKER_AFTER_MS` [120000], `PACEMAKER_TICK_MS`
    /// [5000], `PACEMAKER_SAFETY_MS` [1200000] and `PACEMAKER_MAX_USERS` [1000], see [`PacemakerLimits`].
    pub pacemaker: PacemakerLimits,
    /// `CONNECT_TIMEOUT_MS` [45000]: how long a connection may stay open without a CONNECT.
    pub connect_timeout: Millis,
    /// `UPGRADE_TIMEOUT_MS` [10000]: how long an upgrade from polling to WebSocket may take.
    pub upgrade_timeout: Millis,
    /// `POLL_KEEPALIVE_MS` [500]: how often the server writes a byte to an HTTP/1.1 GET that has waited twice
    /// as long, to detect that its client has gone ([`super::keepalive`]). 0 means never.
    pub poll_keepalive: Millis,
    /// `MAX_PAYLOAD_BYTES` [1000000]: the largest frame or POST body from a client.
    pub max_payload: usize,
    /// `MAX_CONNECT_BYTES` [16384]: the largest frame or POST body from a client that has not joined; never more
    /// than `MAX_PAYLOAD_BYTES`.
    pub max_connect_bytes: usize,
    /// `API_KEY`, an optional secret of at least 32 bytes: the HTTP API accepts it in place of a service
    /// token.
    pub api_key: Option<String>,
    /// `API_KEY_PREVIOUS`, an optional secret of at least 32 bytes: the previous key, which remains valid during
    /// a rotation.
    pub api_key_previous: Option<String>,
    /// `MAX_BULK_RECIPIENTS` [1000]: receivers of one bulk send, at most 4096, even if the variable is 0.
    pub max_bulk_recipients: usize,
    /// `MAX_BULK_SENDS_PER_MINUTE` [5]: bulk sends of one contractor.
    pub bulk_sends: Rate,
    /// `MAX_MESSAGES_PER_DAY` [100000], `MAX_MESSAGE_BYTES_PER_DAY` [100000000] and
    /// `MAX_NEW_CONVERSATIONS_PER_DAY` [5000]: what one user may send in a day (UTC), see [`super::quota`].
    pub quotas: Quotas,
    /// `MAX_NEW_SENDERS_PER_DAY` [20]: contractors who write to one user for the first time on a day (UTC) and reach the
    /// user's devices at once; the messages of others are held (docs/preferences.md). `u64::MAX` means no limit.
    pub max_new_senders: u64,
    /// The limits of campaigns: `MAX_CAMPAIGN_RECEIVERS` [100000], `MAX_CAMPAIGN_RECEIVERS_PER_DAY` [200000],
    /// `MAX_OPEN_CAMPAIGNS` [20], `CAMPAIGN_CHUNK` [500], `CAMPAIGN_PATIENCE_MS` [3600000], `CAMPAIGN_PROGRESS_MS` [1000]
    /// and `CAMPAIGN_RETENTION_MS` [7776000000], see [`CampaignLimits`].
    pub campaigns: CampaignLimits,
    /// `MAX_WAITING_SENDS` [100]: sends of one user that are not answered yet: they wait for an earlier one, for D1, or
    /// for their receivers.
    pub max_waiting_sends: usize,
    /// `MAX_WAITING_SEND_BYTES` [4000000]: bytes of contents and receivers in these sends; a receiver counts as 256
    /// bytes and its id.
    pub max_waiting_send_bytes: usize,
    /// `MAX_OBJECTS_PER_SECOND` [500] and `MAX_QUERIES_PER_SECOND` [20]: calls of other users' objects, and
    /// queries of D1, by the requests of one user. Those of ten seconds may come at once, see
    /// [`super::cost`].
    pub costs: CostRates,
    /// `MAX_EVENTS_PER_SECOND` [50] and `EVENT_BURST` [100]: the rate of events of one connection, and how
    /// many of them may arrive at once.
    pub events: Rate,
    /// `MAX_CONNECTIONS_PER_USER` [20]: live connections of one user.
    pub max_connections: usize,
    /// `MAX_UNJOINED_PER_USER` [100]: connections of one user that have not joined. One more closes the oldest.
    pub max_unjoined: usize,
    /// `MAX_SESSIONS_PER_GATEWAY` [20000]: polling sessions that one gateway remembers, open or just ended.
    pub max_sessions: usize,
    /// `MAX_TEXT_CHARS` [10000]: characters in a `content.text`.
    pub max_text_chars: usize,
    /// `MAX_CONTENT_BYTES` [65536]: bytes in a message's `content` as JSON.
    pub max_content_bytes: usize,
    /// `MAX_UNCONFIRMED_BYTES` [8000000]: bytes that one client may leave unconfirmed, see
    /// [`super::unconfirmed`]. At least a third more than `LOG_REPLAY_BYTES`.
    pub max_unconfirmed: usize,
    /// `MAX_STATUS_USERS` [500]: users in one bulk status query.
    pub max_status_users: usize,
    /// `MAX_SUBSCRIPTIONS` [500]: users whose presence one connection may watch.
    pub max_subscriptions: usize,
    /// `MAX_WATCHERS_PER_USER` [50000]: users who are told when one user goes online or offline.
    pub max_watchers: usize,
    /// `WATCHERS_PER_ALARM` [500]: how many of them one alarm tells; each is a call to an object, and the next
    /// alarm goes on.
    pub watchers_per_alarm: usize,
    /// `MAX_BLOCKED_USERS` [1000]: users whom one user may block.
    pub max_blocked_users: usize,
    /// `NEGATIVE_CACHE_MS` [10000]: how long it is remembered that D1 has no user or conversation by an id.
    pub negative_cache: Millis,
    /// `UNREAD_TOTAL_MS` [1000]: the least time between two pushes of how much is unread ([`super::unread`]).
    pub unread_pause: Millis,
    /// Web Push, if there are keys for it: `VAPID_PUBLIC_KEY`, `VAPID_PRIVATE_KEY` (a secret) and `VAPID_SUBJECT`, which
    /// `npm run vapid` makes; `PUSH_HOSTS` [those of the browser vendors: [`VENDORS`]], `PUSH_TTL_S` [86400],
    /// `PUSH_TIMEOUT_MS` [10000] and `PUSH_MAX_SUBSCRIPTIONS` [10], see [`PushSettings`].
    pub push: Option<PushSettings>,
    /// `PRESENCE_GRACE_MS` [5000]: a user who reconnects within this time does not appear offline to watchers.
    pub presence_grace: Millis,
    /// `FANOUT_CONCURRENCY` [50]: concurrent calls from one object to other users' objects.
    pub fanout_concurrency: usize,
    /// `POLLING_SHARDS` [4]: polling gateways per data centre, 1 to 256.
    pub polling_shards: usize,
    /// `LOG_CONNECTIONS` [`on`]: whether there is a log line when a connection opens and when it closes, `on`
    /// or `off`.
    pub log_connections: bool,
    /// `LOG_USER_IDS` [`hashed`]: how the operator's log names users, `hashed` or `plain`.
    pub log_user_ids: UserIds,
    /// `LOG_MAX_EVENTS` [1000]: how many events a user's log keeps. If it is lowered, a log is cut to size by its next
    /// event.
    pub log_max_events: u64,
    /// `LOG_RETENTION_MS` [86400000]: how long an event of a user's log is replayed.
    pub log_retention: Millis,
    /// `LOG_REPLAY_BYTES` [4000000]: how many bytes of the log (the newest) a client gets when it connects.
    /// They must fit into a polling session's queue ([`crate::wire::polling`]) and leave room for more.
    pub log_replay_bytes: usize,
    /// `NOTIFY_AFTER_MS` [30000], `UNREAD_AFTER_MS` [600000], `NOTICE_RETRY_MS` [5000] and `NOTICE_GIVE_UP_MS` [259200000]:
    /// when others are told of messages, see [`NoticeLimits`].
    pub notices: NoticeLimits,
    /// The webhook, if there is a `WEBHOOK_URL`: `WEBHOOK_SECRET` (a secret, required), `WEBHOOK_SECRET_PREVIOUS` (an
    /// optional one), `WEBHOOK_EVENTS` [`message.undelivered,message.unread,campaign.finished`], `WEBHOOK_INCLUDE_CONTENT`
    /// [`off`], `WEBHOOK_TIMEOUT_MS` [10000], `WEBHOOK_STATE_CACHE_MS` [30000] and `WEBHOOK_REPLAY_BATCH` [200], see
    /// [`Webhook`].
    pub webhook: Option<Webhook>,
}

impl Config {
    /// Reads the configuration through `lookup`, which returns a variable's text if it is set.
    pub fn read(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let vars = Vars(lookup);
        let (ping_interval, ping_timeout) = vars.heartbeat()?;
        let log_replay_bytes = vars.number("LOG_REPLAY_BYTES", 4_000_000, 10_000, 6_000_000)?;
        let public_keys = vars.public_keys()?;
        let [jwt_secret, api_key] = vars.secrets(public_keys.is_some())?;
        let service_audience = vars.get("SERVICE_AUDIENCE");
        let service_audience = service_audience.unwrap_or_else(|| "switchboard".to_owned());
        let max_payload = vars.number("MAX_PAYLOAD_BYTES", 1_000_000, 1_000, 30_000_000)?;
        let config = Self {
            jwt_secret,
            public_keys,
            jwks_timeout: vars.number("JWKS_TIMEOUT_MS", 5_000, 100, 30_000)?,
            jwks_pause: vars.number("JWKS_PAUSE_MS", 30_000, 100, 3_600_000)?,
            jwks_refresh: vars.number("JWKS_REFRESH_MS", 600_000, 100, 86_400_000)?,
            jwks_keep: vars.number("JWKS_KEEP_MS", 86_400_000, 100, 2_592_000_000)?,
            jwks_max_bytes: vars.number("JWKS_MAX_BYTES", 100_000, 1_000, 1_000_000)?,
            jwt_issuer: vars.get("JWT_ISSUER"),
            jwt_audience: vars.audience("JWT_AUDIENCE", &service_audience)?,
            jwt_role_claim: vars
                .get("JWT_ROLE_CLAIM")
                .unwrap_or_else(|| "role".to_owned()),
            jwt_max_age: vars.max_age("JWT_MAX_AGE")?,
            service_audience,
            jwt_secret_previous: vars.optional_secret("JWT_SECRET_PREVIOUS")?,
            allowed_origins: vars.origins("ALLOWED_ORIGINS", "*")?,
            jurisdiction: vars.choice(JURISDICTION, [("none", None), ("eu", Some("eu"))])?,
            record_shards: vars.shards(RECORD_SHARDS, "DB")?,
            shard_patience: vars.number("SHARD_PATIENCE_MS", 5_000, 100, 60_000)?,
            health_cache: vars.number("HEALTH_CACHE_MS", 5_000, 0, 60_000)?,
            console: vars.choice("CONSOLE", [("on", true), ("off", false)])?,
            ping_interval,
            ping_timeout,
            pacemaker: PacemakerLimits {
                is_on: vars.choice("PACEMAKER", [("on", true), ("off", false)])?,
                after: vars.number("PACEMAKER_AFTER_MS", 120_000, 0, 86_400_000)?,
                tick: vars.number("PACEMAKER_TICK_MS", 5_000, 100, 60_000)?,
                safety: vars.number("PACEMAKER_SAFETY_MS", 1_200_000, 1_000, 86_400_000)?,
                max_users: vars.number("PACEMAKER_MAX_USERS", 1_000, 1, 5_000)?,
            },
            connect_timeout: vars.number("CONNECT_TIMEOUT_MS", 45_000, 100, 600_000)?,
            upgrade_timeout: vars.number("UPGRADE_TIMEOUT_MS", 10_000, 100, 600_000)?,
            poll_keepalive: vars.number("POLL_KEEPALIVE_MS", 500, 0, 60_000)?,
            max_payload,
            max_connect_bytes: vars
                .limit("MAX_CONNECT_BYTES", 16_384, 30_000_000)?
                .min(max_payload),
            api_key,
            api_key_previous: vars.optional_secret("API_KEY_PREVIOUS")?,
            max_bulk_recipients: vars
                .limit("MAX_BULK_RECIPIENTS", 1_000, MAX_MESSAGES_PER_SEND)?
                .min(MAX_MESSAGES_PER_SEND),
            bulk_sends: Rate::per_minute(vars.number("MAX_BULK_SENDS_PER_MINUTE", 5, 0, 1_000)?),
            quotas: Quotas {
                messages: vars.quota("MAX_MESSAGES_PER_DAY", 100_000)?,
                bytes: vars.quota("MAX_MESSAGE_BYTES_PER_DAY", 100_000_000)?,
                conversations: vars.quota("MAX_NEW_CONVERSATIONS_PER_DAY", 5_000)?,
            },
            max_new_senders: vars.quota("MAX_NEW_SENDERS_PER_DAY", 20)?,
            campaigns: CampaignLimits {
                max_receivers: vars.number("MAX_CAMPAIGN_RECEIVERS", 100_000, 1, 1_000_000)?,
                receivers_per_day: vars.quota("MAX_CAMPAIGN_RECEIVERS_PER_DAY", 200_000)?,
                max_open: vars.limit("MAX_OPEN_CAMPAIGNS", 20, 1_000)?,
                chunk: vars.number("CAMPAIGN_CHUNK", 500, 1, 1_000)?,
                patience: vars.number("CAMPAIGN_PATIENCE_MS", 3_600_000, 100, 86_400_000)?,
                progress_pause: vars.number("CAMPAIGN_PROGRESS_MS", 1_000, 0, 60_000)?,
                retention: vars.number(
                    "CAMPAIGN_RETENTION_MS",
                    7_776_000_000,
                    1_000,
                    31_536_000_000,
                )?,
            },
            max_waiting_sends: vars.limit("MAX_WAITING_SENDS", 100, 10_000)?,
            max_waiting_send_bytes: vars.limit("MAX_WAITING_SEND_BYTES", 4_000_000, 64_000_000)?,
            costs: CostRates {
                objects: Rate::in_memory(vars.number("MAX_OBJECTS_PER_SECOND", 500, 0, 10_000)?),
                queries: Rate::in_memory(vars.number("MAX_QUERIES_PER_SECOND", 20, 0, 10_000)?),
            },
            events: Rate::per_second(
                vars.number("MAX_EVENTS_PER_SECOND", 50, 0, 10_000)?,
                vars.number("EVENT_BURST", 100, 1, 10_000)?,
            ),
            max_connections: vars.limit("MAX_CONNECTIONS_PER_USER", 20, 10_000)?,
            max_unjoined: vars.limit("MAX_UNJOINED_PER_USER", 100, 10_000)?,
            max_sessions: vars.limit("MAX_SESSIONS_PER_GATEWAY", 20_000, 1_000_000)?,
            max_text_chars: vars.limit("MAX_TEXT_CHARS", 10_000, 1_000_000)?,
            max_content_bytes: vars.limit("MAX_CONTENT_BYTES", 65_536, 1_000_000)?,
            max_unconfirmed: vars.unconfirmed(log_replay_bytes)?,
            max_status_users: vars.limit("MAX_STATUS_USERS", 500, 10_000)?,
            max_subscriptions: vars.limit("MAX_SUBSCRIPTIONS", 500, 10_000)?,
            max_watchers: vars.limit("MAX_WATCHERS_PER_USER", 50_000, 1_000_000)?,
            watchers_per_alarm: vars.number("WATCHERS_PER_ALARM", 500, 1, 5_000)?,
            max_blocked_users: vars.limit("MAX_BLOCKED_USERS", 1_000, 100_000)?,
            negative_cache: vars.number("NEGATIVE_CACHE_MS", 10_000, 0, 600_000)?,
            unread_pause: vars.number("UNREAD_TOTAL_MS", 1_000, 0, 60_000)?,
            push: vars.push()?,
            presence_grace: vars.number("PRESENCE_GRACE_MS", 5_000, 0, 600_000)?,
            fanout_concurrency: vars.number("FANOUT_CONCURRENCY", 50, 1, 1_000)?,
            polling_shards: vars.number("POLLING_SHARDS", 4, 1, 256)?,
            log_connections: vars.choice("LOG_CONNECTIONS", [("on", true), ("off", false)])?,
            log_user_ids: vars.choice(
                "LOG_USER_IDS",
                [("hashed", UserIds::Hashed), ("plain", UserIds::Plain)],
            )?,
            log_max_events: vars.number("LOG_MAX_EVENTS", 1_000, 1, 100_000)?,
            log_retention: vars.number("LOG_RETENTION_MS", 86_400_000, 1_000, 2_592_000_000)?,
            log_replay_bytes,
            notices: NoticeLimits {
                notify_after: vars.number("NOTIFY_AFTER_MS", 30_000, 0, 86_400_000)?,
                unread_after: vars.number("UNREAD_AFTER_MS", 600_000, 0, 86_400_000)?,
                first_retry: vars.number("NOTICE_RETRY_MS", 5_000, 10, 3_600_000)?,
                give_up_after: vars.number("NOTICE_GIVE_UP_MS", 259_200_000, 100, 604_800_000)?,
            },
            webhook: vars.webhook()?,
        };
        config.check_notices()?;
        Ok(config)
    }

    /// What is unread is looked for in the log, so it must still be there.
    fn check_notices(&self) -> Result<(), ConfigError> {
        let is_used = self.webhook.is_some() || self.push.is_some();
        let longest = self.notices.notify_after + self.notices.unread_after;
        if is_used && longest >= self.log_retention {
            return Err(ConfigError {
                name: "UNREAD_AFTER_MS",
                problem: "with NOTIFY_AFTER_MS it is not less than LOG_RETENTION_MS".to_owned(),
            });
        }
        Ok(())
    }

    /// Returns the current key, which makes all MACs.
    pub fn secret(&self) -> &[u8] {
        self.keys().current()
    }

    /// Returns the keys that MACs are checked against: those of session ids and pids, and of users in the log.
    /// If the issuer signs all tokens, there may be no JWT_SECRET; then API_KEY takes its place. One of them is
    /// there ([`Self::read`]): with a key that everybody knows, anybody could make the id of a session.
    pub fn keys(&self) -> Keys<'_> {
        let api_keys = keys(&self.api_key, &self.api_key_previous);
        let is_there = self.token_keys().or(api_keys);
        is_there.unwrap_or(Keys::new(b"", None))
    }

    /// Returns the keys that tokens are checked against (HS256), if there are any.
    pub fn token_keys(&self) -> Option<Keys<'_>> {
        keys(&self.jwt_secret, &self.jwt_secret_previous)
    }

    /// Returns the value of JURISDICTION.
    pub fn jurisdiction_name(&self) -> &'static str {
        self.jurisdiction.unwrap_or("none")
    }

    /// Returns the values that the handshake announces.
    pub fn handshake(&self) -> Handshake {
        Handshake {
            ping_interval: self.ping_interval,
            ping_timeout: self.ping_timeout,
            max_payload: self.max_payload,
        }
    }

    /// Returns pingInterval + pingTimeout: after this much silence, either side considers the other gone.
    pub fn silence(&self) -> Millis {
        self.ping_interval + self.ping_timeout
    }

    /// Returns how long a connection may stay open while its user is unknown. It gets no pings, so it must
    /// close before its client would give up waiting for one.
    pub fn lobby_timeout(&self) -> Millis {
        self.connect_timeout.min(self.silence())
    }
}

fn keys<'a>(current: &'a Option<String>, previous: &'a Option<String>) -> Option<Keys<'a>> {
    let previous = previous.as_deref().map(str::as_bytes);
    Some(Keys::new(current.as_deref()?.as_bytes(), previous))
}

/// Where the public keys for tokens are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PublicKeys {
    /// `JWKS`: here.
    Inline(KeySet),
    /// `JWKS_URL`: at the issuer's.
    At(String),
}

/// The shortest secret. HS256 wants a key as long as its hash (RFC 7518, section 3.2).
const MIN_SECRET_BYTES: usize = 32;

/// The longest pingInterval. Cloudflare's proxy cuts a WebSocket that idles for 100 s, and alarms can be late.
const LONGEST_PING_INTERVAL: Millis = 90_000;

/// The shortest pingTimeout. A client on a slow network, or one that wakes up, takes seconds to answer.
const SHORTEST_PING_TIMEOUT: Millis = 5_000;

/// The variables without which there is no Web Push.
const VAPID: [&str; 3] = ["VAPID_PUBLIC_KEY", "VAPID_PRIVATE_KEY", "VAPID_SUBJECT"];

/// The longest TTL of a push, in seconds: no push service keeps one for more than four weeks.
const LONGEST_PUSH_TTL: u32 = 2_419_200;

struct Vars<F>(F);

impl<F: Fn(&str) -> Option<String>> Vars<F> {
    fn get(&self, name: &str) -> Option<String> {
        self.0(name).filter(|text| !text.trim().is_empty())
    }

    fn secret(&self, name: &'static str) -> Result<String, ConfigError> {
        let problem = |problem: String| ConfigError { name, problem };
        let value = self
            .get(name)
            .ok_or_else(|| problem("the secret is not set".to_owned()))?;
        if value.len() < MIN_SECRET_BYTES {
            let text = format!("the secret is shorter than {MIN_SECRET_BYTES} bytes");
            return Err(problem(text));
        }
        Ok(value)
    }

    fn optional_secret(&self, name: &'static str) -> Result<Option<String>, ConfigError> {
        self.get(name).map(|_| self.secret(name)).transpose()
    }

    /// Reads `JWT_SECRET` and `API_KEY`. If tokens are checked by public keys, either will do: session ids have to be
    /// signed with something.
    fn secrets(&self, has_public_keys: bool) -> Result<[Option<String>; 2], ConfigError> {
        let api_key = self.optional_secret("API_KEY")?;
        let jwt_secret = self.optional_secret("JWT_SECRET")?;
        let problem = match (&jwt_secret, &api_key) {
            (Some(_), _) => return Ok([jwt_secret, api_key]),
            (None, Some(_)) if has_public_keys => return Ok([jwt_secret, api_key]),
            _ if has_public_keys => {
                "neither this secret nor API_KEY is set, and session ids are signed with one of them: set a random one"
            }
            _ => "the secret is not set",
        };
        Err(ConfigError {
            name: "JWT_SECRET",
            problem: problem.to_owned(),
        })
    }

    fn public_keys(&self) -> Result<Option<PublicKeys>, ConfigError> {
        let problem = |name, problem: String| Err(ConfigError { name, problem });
        match (self.get("JWKS"), self.get("JWKS_URL")) {
            (Some(_), Some(_)) => problem("JWKS", "JWKS_URL is set, too".to_owned()),
            (Some(text), None) => match KeySet::read(&text) {
                Ok(keys) => Ok(Some(PublicKeys::Inline(keys))),
                Err(error) => problem("JWKS", error.to_string()),
            },
            // A network could change keys that do not arrive over TLS.
            (None, Some(url)) if is_web_url(url.trim()) => {
                Ok(Some(PublicKeys::At(url.trim().to_owned())))
            }
            (None, Some(url)) => problem(
                "JWKS_URL",
                format!("\"{url}\" is not an https:// URL without a user name"),
            ),
            (None, None) => Ok(None),
        }
    }

    /// Reads the webhook. Neither its URL, which may have a secret in it, nor its secrets are ever in an error.
    fn webhook(&self) -> Result<Option<Webhook>, ConfigError> {
        let name = "WEBHOOK_URL";
        let Some(url) = self.get(name).map(|url| url.trim().to_owned()) else {
            return Ok(None);
        };
        if !is_web_url(&url) {
            let problem = "it is not an https:// URL without a user name".to_owned();
            return Err(ConfigError { name, problem });
        }
        let name = "WEBHOOK_SECRET";
        let missing = || ConfigError {
            name,
            problem: "the secret is not set, and WEBHOOK_URL is".to_owned(),
        };
        Ok(Some(Webhook {
            url,
            secret: self.webhook_secret(name)?.ok_or_else(missing)?,
            secret_previous: self.webhook_secret("WEBHOOK_SECRET_PREVIOUS")?,
            events: self.webhook_events()?,
            includes_content: self
                .choice("WEBHOOK_INCLUDE_CONTENT", [("off", false), ("on", true)])?,
            timeout: self.number("WEBHOOK_TIMEOUT_MS", 10_000, 100, 60_000)?,
            state_cache: self.number("WEBHOOK_STATE_CACHE_MS", 30_000, 0, 600_000)?,
            replay_batch: self.number("WEBHOOK_REPLAY_BATCH", 200, 1, 1_000)?,
        }))
    }

    fn webhook_secret(&self, name: &'static str) -> Result<Option<Vec<u8>>, ConfigError> {
        let problem = || ConfigError {
            name,
            problem: "the secret is not whsec_ and the base64 of 24 to 64 bytes".to_owned(),
        };
        let secret = self.get(name);
        secret
            .map(|text| read_secret(&text).ok_or_else(problem))
            .transpose()
    }

    fn webhook_events(&self) -> Result<Vec<WebhookEvent>, ConfigError> {
        let name = "WEBHOOK_EVENTS";
        let Some(text) = self.get(name) else {
            return Ok(WebhookEvent::DEFAULT.into());
        };
        let read = |event: &str| {
            let event = event.trim();
            WebhookEvent::named(event).ok_or_else(|| ConfigError {
                name,
                problem: format!("there is no event \"{event}\""),
            })
        };
        text.split(',').map(read).collect()
    }

    /// Reads the audience of users' tokens, which must not be that of services' tokens.
    fn audience(&self, name: &'static str, other: &str) -> Result<Option<String>, ConfigError> {
        match self.get(name) {
            Some(audience) if audience == other => Err(ConfigError {
                name,
                problem: "the same as SERVICE_AUDIENCE".to_owned(),
            }),
            audience => Ok(audience),
        }
    }

    /// Reads a time in seconds that has no default.
    fn max_age(&self, name: &'static str) -> Result<Option<Millis>, ConfigError> {
        let seconds = self.get(name).map(|_| self.number(name, 0, 1, 315_360_000));
        seconds
            .transpose()
            .map(|age| age.map(|age: Millis| age * 1_000))
    }

    /// Reads a limit that 0 disables.
    fn limit(&self, name: &'static str, default: usize, max: usize) -> Result<usize, ConfigError> {
        match self.number(name, default, 0, max)? {
            0 => Ok(usize::MAX),
            limit => Ok(limit),
        }
    }

    /// Reads `MAX_UNCONFIRMED_BYTES`: what a client is sent when it connects must fit.
    fn unconfirmed(&self, log_replay_bytes: usize) -> Result<usize, ConfigError> {
        let name = "MAX_UNCONFIRMED_BYTES";
        let limit = self.limit(name, 8_000_000, 64_000_000)?;
        let least = log_replay_bytes + log_replay_bytes / 3;
        if limit >= least {
            return Ok(limit);
        }
        Err(ConfigError {
            name,
            problem: format!("{limit} is less than {least}, 4/3 of LOG_REPLAY_BYTES"),
        })
    }

    /// Reads a limit for a day, which 0 disables.
    fn quota(&self, name: &'static str, default: u64) -> Result<u64, ConfigError> {
        match self.number(name, default, 0, 1_000_000_000_000)? {
            0 => Ok(u64::MAX),
            limit => Ok(limit),
        }
    }

    /// Reads one of two values. The first is the default.
    fn choice<T>(
        &self,
        name: &'static str,
        [(one, first), (other, second)]: [(&str, T); 2],
    ) -> Result<T, ConfigError> {
        match self.get(name) {
            None => Ok(first),
            Some(text) if text.trim() == one => Ok(first),
            Some(text) if text.trim() == other => Ok(second),
            Some(text) => Err(ConfigError {
                name,
                problem: format!("\"{text}\" is neither \"{one}\" nor \"{other}\""),
            }),
        }
    }

    /// Reads pingInterval and pingTimeout.
    fn heartbeat(&self) -> Result<(Millis, Millis), ConfigError> {
        let interval = self.number("PING_INTERVAL_MS", 25_000, 100, 3_600_000)?;
        let timeout = self.number("PING_TIMEOUT_MS", 20_000, 100, 3_600_000)?;
        let is_bounded = self.choice("HEARTBEAT_BOUNDS", [("on", true), ("off", false)])?;
        if is_bounded && interval > LONGEST_PING_INTERVAL {
            return Err(ConfigError {
                name: "PING_INTERVAL_MS",
                problem: format!(
                    "{interval} is more than {LONGEST_PING_INTERVAL}: a WebSocket that idles for 100000 ms is cut, \
                     and a ping can be late"
                ),
            });
        }
        if is_bounded && timeout < SHORTEST_PING_TIMEOUT {
            return Err(ConfigError {
                name: "PING_TIMEOUT_MS",
                problem: format!(
                    "{timeout} is less than {SHORTEST_PING_TIMEOUT}: a client on a slow network would be taken for dead"
                ),
            });
        }
        Ok((interval, timeout))
    }

    fn origins(&self, name: &'static str, default: &str) -> Result<AllowedOrigins, ConfigError> {
        let text = self.get(name).unwrap_or_else(|| default.to_owned());
        AllowedOrigins::parse(&text).map_err(|problem| ConfigError { name, problem })
    }

    /// Reads the settings of Web Push. Some of the keys without the others are a mistake.
    fn push(&self) -> Result<Option<PushSettings>, ConfigError> {
        let ttl = self.number("PUSH_TTL_S", 86_400, 0, LONGEST_PUSH_TTL)?;
        let timeout = self.number("PUSH_TIMEOUT_MS", 10_000, 100, 30_000)?;
        let max_subscriptions = self.number("PUSH_MAX_SUBSCRIPTIONS", 10, 1, 100)?;
        let hosts = self.get("PUSH_HOSTS");
        let hosts = PushHosts::parse(hosts.as_deref().unwrap_or(VENDORS));
        let hosts = hosts.map_err(|problem| ConfigError {
            name: "PUSH_HOSTS",
            problem,
        })?;
        if VAPID.iter().all(|name| self.get(name).is_none()) {
            return Ok(None);
        }
        let [public_key, private_key, subject] = VAPID;
        let is_contact = |text: &str| {
            let address = text.strip_prefix("mailto:");
            text.starts_with("https://") && is_web_url(text)
                || address.is_some_and(|it| it.contains('@'))
        };
        Ok(Some(PushSettings {
            public_key: self.vapid(public_key, "65 bytes in base64url", is_public_key)?,
            private_key: self.vapid(private_key, "32 bytes in base64url", |text| {
                is_secret(text, 32)
            })?,
            subject: self.vapid(subject, "a mailto: or https: URL", is_contact)?,
            hosts,
            ttl,
            timeout,
            max_subscriptions,
        }))
    }

    /// Reads one of the variables [`VAPID`], of which another one is set. The error does not quote it.
    fn vapid(
        &self,
        name: &'static str,
        expected: &str,
        is_good: impl Fn(&str) -> bool,
    ) -> Result<String, ConfigError> {
        let problem = match self.get(name) {
            Some(text) if is_good(text.trim()) => return Ok(text.trim().to_owned()),
            Some(_) => format!("not {expected}: `npm run vapid` makes one"),
            None => "not set, as the other keys of Web Push are: `npm run vapid` makes all of them"
                .to_owned(),
        };
        Err(ConfigError { name, problem })
    }

    fn shards(&self, name: &'static str, default: &str) -> Result<Shards, ConfigError> {
        let text = self.get(name).unwrap_or_else(|| default.to_owned());
        Shards::parse(&text).map_err(|problem| ConfigError { name, problem })
    }

    fn number<T>(&self, name: &'static str, default: T, min: T, max: T) -> Result<T, ConfigError>
    where
        T: FromStr + PartialOrd + Display,
    {
        let Some(text) = self.get(name) else {
            return Ok(default);
        };
        match text.trim().parse::<T>() {
            Ok(value) if value >= min && value <= max => Ok(value),
            _ => Err(ConfigError {
                name,
                problem: format!("\"{text}\" is not a whole number from {min} to {max}"),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "0123456789abcdef0123456789abcdef";

    fn read(vars: &[(&str, &str)]) -> Result<Config, String> {
        Config::read(|name| {
            vars.iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| (*value).to_owned())
        })
        .map_err(|error| error.to_string())
    }

    #[test]
    fn defaults_need_only_the_secret() {
        let config = read(&[("JWT_SECRET", SECRET)]).unwrap();
        assert_eq!(config.ping_interval, 25_000);
        assert_eq!(config.silence(), 45_000);
        assert_eq!(config.max_payload, 1_000_000);
        assert_eq!(config.max_connect_bytes, 16_384);
        assert_eq!(config.max_bulk_recipients, 1_000);
        assert_eq!(config.max_content_bytes, 65_536);
        assert_eq!(config.log_replay_bytes, 4_000_000);
        assert_eq!(config.allowed_origins, AllowedOrigins::Any);
        assert_eq!(config.api_key, None);
        assert!(config.console);
        assert_eq!(config.jurisdiction_name(), "none");
        assert_eq!(config.record_shards, Shards::parse("DB").unwrap());
    }

    #[test]
    fn zero_switches_a_limit_off() {
        let names = [
            "MAX_BULK_RECIPIENTS",
            "MAX_BULK_SENDS_PER_MINUTE",
            "MAX_EVENTS_PER_SECOND",
            "MAX_CONNECT_BYTES",
            "MAX_CONNECTIONS_PER_USER",
            "MAX_UNJOINED_PER_USER",
            "MAX_SESSIONS_PER_GATEWAY",
            "MAX_TEXT_CHARS",
            "MAX_CONTENT_BYTES",
            "MAX_STATUS_USERS",
            "MAX_SUBSCRIPTIONS",
            "MAX_WATCHERS_PER_USER",
            "MAX_MESSAGES_PER_DAY",
            "MAX_MESSAGE_BYTES_PER_DAY",
            "MAX_NEW_CONVERSATIONS_PER_DAY",
            "MAX_OBJECTS_PER_SECOND",
            "MAX_QUERIES_PER_SECOND",
            "MAX_WAITING_SENDS",
            "MAX_WAITING_SEND_BYTES",
            "MAX_UNCONFIRMED_BYTES",
            "MAX_BLOCKED_USERS",
            "MAX_NEW_SENDERS_PER_DAY",
        ];
        let vars: Vec<(&str, &str)> = [("JWT_SECRET", SECRET)]
            .into_iter()
            .chain(names.map(|name| (name, "0")))
            .collect();
        let config = read(&vars).unwrap();
        // A send cannot have more message ids than its counter can number.
        assert_eq!(config.max_bulk_recipients, 4_096);
        assert_eq!(config.bulk_sends, Rate::UNLIMITED);
        assert_eq!(config.events, Rate::UNLIMITED);
        assert_eq!(config.costs.objects, Rate::UNLIMITED);
        assert_eq!(config.costs.queries, Rate::UNLIMITED);
        assert!(config.quotas.are_off());
        assert_eq!(config.max_new_senders, u64::MAX);
        assert_eq!(config.max_connect_bytes, config.max_payload);
        for limit in [
            config.max_connections,
            config.max_unjoined,
            config.max_sessions,
            config.max_text_chars,
            config.max_content_bytes,
            config.max_status_users,
            config.max_subscriptions,
            config.max_watchers,
            config.max_waiting_sends,
            config.max_waiting_send_bytes,
            config.max_unconfirmed,
            config.max_blocked_users,
        ] {
            assert_eq!(limit, usize::MAX);
        }
    }

    #[test]
    fn a_heartbeat_that_breaks_connections_is_refused() {
        let read = |vars: &[(&str, &str)]| read(&[&[("JWT_SECRET", SECRET)], vars].concat());
        assert!(read(&[("PING_INTERVAL_MS", "90000"), ("PING_TIMEOUT_MS", "5000")]).is_ok());
        assert_eq!(
            read(&[("PING_INTERVAL_MS", "90001")]).unwrap_err(),
            "PING_INTERVAL_MS: 90001 is more than 90000: a WebSocket that idles for 100000 ms is cut, and a ping \
             can be late"
        );
        assert_eq!(
            read(&[("PING_TIMEOUT_MS", "4999")]).unwrap_err(),
            "PING_TIMEOUT_MS: 4999 is less than 5000: a client on a slow network would be taken for dead"
        );
        let short = [("PING_TIMEOUT_MS", "500"), ("HEARTBEAT_BOUNDS", "off")];
        assert_eq!(read(&short).unwrap().ping_timeout, 500);
    }

    #[test]
    fn a_bad_value_is_named() {
        let check = |vars: &[(&str, &str)], expected: &str| {
            assert_eq!(read(vars).unwrap_err(), expected);
        };
        check(&[], "JWT_SECRET: the secret is not set");
        check(
            &[
                ("JWT_SECRET", SECRET),
                ("LOG_REPLAY_BYTES", "6000000"),
                ("MAX_UNCONFIRMED_BYTES", "7999999"),
            ],
            "MAX_UNCONFIRMED_BYTES: 7999999 is less than 8000000, 4/3 of LOG_REPLAY_BYTES",
        );
        check(
            &[("JWT_SECRET", "short")],
            "JWT_SECRET: the secret is shorter than 32 bytes",
        );
        check(
            &[("JWT_SECRET", SECRET), ("PING_INTERVAL_MS", "soon")],
            "PING_INTERVAL_MS: \"soon\" is not a whole number from 100 to 3600000",
        );
        check(
            &[("JWT_SECRET", SECRET), ("MAX_BULK_RECIPIENTS", "5000")],
            "MAX_BULK_RECIPIENTS: \"5000\" is not a whole number from 0 to 4096",
        );
        check(
            &[("JWT_SECRET", SECRET), ("ALLOWED_ORIGINS", "x")],
            "ALLOWED_ORIGINS: \"x\" is not an origin such as https://www.example.com",
        );
        check(
            &[("JWT_SECRET", SECRET), ("LOG_USER_IDS", "no")],
            "LOG_USER_IDS: \"no\" is neither \"hashed\" nor \"plain\"",
        );
        check(
            &[("JWT_SECRET", SECRET), ("JURISDICTION", "us")],
            "JURISDICTION: \"us\" is neither \"none\" nor \"eu\"",
        );
        check(
            &[("JWT_SECRET", SECRET), ("RECORD_SHARDS", "DB,DB")],
            "RECORD_SHARDS: \"DB\" is listed twice",
        );
        check(
            &[("JWT_SECRET", SECRET), ("CONSOLE", "0")],
            "CONSOLE: \"0\" is neither \"on\" nor \"off\"",
        );
        check(
            &[("JWT_SECRET", SECRET), ("API_KEY", "short")],
            "API_KEY: the secret is shorter than 32 bytes",
        );
    }

    #[test]
    fn a_webhook_has_a_url_and_a_secret() {
        let [secret, other] = ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_short"];
        let read = |vars: &[(&str, &str)]| read(&[&[("JWT_SECRET", SECRET)], vars].concat());
        let url = ("WEBHOOK_URL", " https://api.example.com/hook?key=hunter2 ");
        let signed = [url, ("WEBHOOK_SECRET", secret)];
        let with = |name, value| read(&[&signed[..], &[(name, value)]].concat());

        assert_eq!(read(&[]).unwrap().webhook, None);
        assert_eq!(read(&[("WEBHOOK_SECRET", secret)]).unwrap().webhook, None);
        let webhook = read(&signed).unwrap().webhook.unwrap();
        assert_eq!(webhook.url, "https://api.example.com/hook?key=hunter2");
        assert_eq!(webhook.events, WebhookEvent::DEFAULT);
        assert_eq!((webhook.timeout, webhook.includes_content), (10_000, false));
        let events = with("WEBHOOK_EVENTS", "user.online, campaign.finished").unwrap();
        assert_eq!(
            events.webhook.unwrap().events,
            [WebhookEvent::UserOnline, WebhookEvent::CampaignFinished]
        );

        let is_not_a_secret = "the secret is not whsec_ and the base64 of 24 to 64 bytes";
        for (result, expected) in [
            (
                read(&[url]),
                "WEBHOOK_SECRET: the secret is not set, and WEBHOOK_URL is".to_owned(),
            ),
            (
                read(&[url, ("WEBHOOK_SECRET", other)]),
                format!("WEBHOOK_SECRET: {is_not_a_secret}"),
            ),
            (
                with("WEBHOOK_SECRET_PREVIOUS", other),
                format!("WEBHOOK_SECRET_PREVIOUS: {is_not_a_secret}"),
            ),
            (
                with("WEBHOOK_EVENTS", "message.unread,message.read"),
                "WEBHOOK_EVENTS: there is no event \"message.read\"".to_owned(),
            ),
            (
                with("WEBHOOK_INCLUDE_CONTENT", "yes"),
                "WEBHOOK_INCLUDE_CONTENT: \"yes\" is neither \"off\" nor \"on\"".to_owned(),
            ),
        ] {
            assert_eq!(result.unwrap_err(), expected);
        }
        assert_eq!(
            with("UNREAD_AFTER_MS", "86400000").unwrap_err(),
            "UNREAD_AFTER_MS: with NOTIFY_AFTER_MS it is not less than LOG_RETENTION_MS"
        );
        for bad in ["http://api.example.com", "https://a:b@api.example.com", "x"] {
            let error = read(&[("WEBHOOK_URL", bad), signed[1]]).unwrap_err();
            assert_eq!(
                error,
                "WEBHOOK_URL: it is not an https:// URL without a user name"
            );
        }
        assert!(read(&[("WEBHOOK_URL", "http://[::1]:80/x"), signed[1]]).is_ok());
    }

    const JWKS: &str = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;

    #[test]
    fn public_keys_take_the_place_of_the_secret() {
        let url = ("JWKS_URL", " https://issuer.example/keys ");
        let key = "k".repeat(32);
        let api_key = ("API_KEY", key.as_str());
        let config = read(&[url, api_key]).unwrap();
        let at = PublicKeys::At("https://issuer.example/keys".to_owned());
        assert_eq!(config.public_keys, Some(at));
        assert!(config.token_keys().is_none());
        let config = read(&[("JWKS", JWKS), ("JWT_SECRET", SECRET)]).unwrap();
        assert!(matches!(config.public_keys, Some(PublicKeys::Inline(_))));
        assert!(config.token_keys().is_some());
        // What the secret is for beside tokens is then the API key's to do.
        let config = read(&[url, api_key]).unwrap();
        assert_eq!(config.secret(), key.as_bytes());
        assert!(config.token_keys().is_none());
        let all = [url, api_key, ("JWT_SECRET", SECRET)];
        assert_eq!(read(&all).unwrap().secret(), SECRET.as_bytes());
    }

    #[test]
    fn session_ids_are_never_signed_with_nothing() {
        let error = "JWT_SECRET: neither this secret nor API_KEY is set, and session ids are signed with one of them: \
                     set a random one";
        let previous = ("JWT_SECRET_PREVIOUS", SECRET);
        for keys in [("JWKS", JWKS), ("JWKS_URL", "https://issuer.example/keys")] {
            assert_eq!(read(&[keys]).unwrap_err(), error);
            assert_eq!(read(&[keys, previous]).unwrap_err(), error);
            assert!(read(&[keys, ("JWT_SECRET", SECRET)]).is_ok());
            assert!(read(&[keys, ("API_KEY", SECRET)]).is_ok());
        }
        let error = read(&[("API_KEY", SECRET)]).unwrap_err();
        assert_eq!(error, "JWT_SECRET: the secret is not set");
    }

    #[test]
    fn keys_arrive_over_tls_except_on_this_machine() {
        let read_url = |url: &str| read(&[("JWKS_URL", url), ("JWT_SECRET", SECRET)]);
        for good in [
            "https://issuer.example/keys",
            "HTTPS://Issuer.Example/keys",
            "http://localhost",
            "http://localhost:8080/keys",
            "http://127.0.0.1/keys",
            "http://[::1]:80/",
        ] {
            assert!(read_url(good).is_ok(), "{good}");
        }
        for bad in [
            "https://",
            "https://user:password@issuer.example/keys",
            "https://issuer.example/a key",
            "http://issuer.example/keys",
            "http://localhost.example/keys",
            "http://127.0.0.1.example/keys",
            "http://localhost@issuer.example/keys",
            "http://localhost:80@issuer.example/keys",
            "ftp://localhost/keys",
            "keys",
        ] {
            let expected =
                format!("JWKS_URL: \"{bad}\" is not an https:// URL without a user name");
            assert_eq!(read_url(bad).unwrap_err(), expected);
        }
    }

    #[test]
    fn a_bad_rule_for_tokens_is_named() {
        let check = |name: &str, value: &str, expected: &str| {
            let error = read(&[("JWT_SECRET", SECRET), (name, value)]).unwrap_err();
            assert_eq!(error, format!("{name}: {expected}"));
        };
        check("JWKS", "{}", "not a JSON Web Key Set");
        let secret = r#"{"keys":[{"kty":"oct","k":"AQAB"}]}"#;
        let no_key = "no public key for RS256 (2,048 bits or more), ES256 or EdDSA";
        check("JWKS", secret, no_key);
        check(
            "JWT_AUDIENCE",
            "switchboard",
            "the same as SERVICE_AUDIENCE",
        );
        check(
            "JWT_MAX_AGE",
            "0",
            "\"0\" is not a whole number from 1 to 315360000",
        );
        check(
            "API_KEY_PREVIOUS",
            "short",
            "the secret is shorter than 32 bytes",
        );
        let both = [("JWKS", JWKS), ("JWKS_URL", "https://issuer.example/keys")];
        assert_eq!(read(&both).unwrap_err(), "JWKS: JWKS_URL is set, too");
        assert_eq!(
            read(&[("JWKS", JWKS), ("JWT_SECRET", "short")]).unwrap_err(),
            "JWT_SECRET: the secret is shorter than 32 bytes"
        );
    }

    /// The keys of RFC 8292, section 2.4, and RFC 8291, section 5: they do not belong together, which nothing here
    /// depends on.
    const VAPID_KEYS: [(&str, &str); 3] = [
        (
            "VAPID_PUBLIC_KEY",
            "BA1Hxzyi1RUM1b5wjxsn7nGxAszw2u61m164i3MrAIxHF6YK5h4SDYic-dRuU_RCPCfA5aq9ojSwk5Y2EmClBPs",
        ),
        (
            "VAPID_PRIVATE_KEY",
            "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw",
        ),
        ("VAPID_SUBJECT", "mailto:push@example.com"),
    ];

    fn with_vapid(changed: &str, value: &str) -> Result<Config, String> {
        let keys =
            VAPID_KEYS.map(|(name, usual)| (name, if name == changed { value } else { usual }));
        read(&[&keys[..], &[("JWT_SECRET", SECRET)]].concat())
    }

    #[test]
    fn web_push_needs_all_of_its_keys_or_none() {
        assert_eq!(read(&[("JWT_SECRET", SECRET)]).unwrap().push, None);
        let push = with_vapid("", "").unwrap().push.unwrap();
        assert_eq!(push.public_key, VAPID_KEYS[0].1);
        assert_eq!((push.ttl, push.max_subscriptions), (86_400, 10));
        assert!(push.hosts.allow("https://fcm.googleapis.com/fcm/send/x"));
        assert!(with_vapid("VAPID_SUBJECT", "https://example.com/contact").is_ok());
        for (name, _) in VAPID_KEYS {
            let error =
                "not set, as the other keys of Web Push are: `npm run vapid` makes all of them";
            assert_eq!(
                with_vapid(name, " ").unwrap_err(),
                format!("{name}: {error}")
            );
        }
        for (name, bad, expected) in [
            ("VAPID_PUBLIC_KEY", "hunter2", "65 bytes in base64url"),
            ("VAPID_PRIVATE_KEY", "hunter2", "32 bytes in base64url"),
            ("VAPID_SUBJECT", "hunter2", "a mailto: or https: URL"),
            ("VAPID_SUBJECT", "mailto:nobody", "a mailto: or https: URL"),
            (
                "VAPID_SUBJECT",
                "http://localhost",
                "a mailto: or https: URL",
            ),
        ] {
            let error = with_vapid(name, bad).unwrap_err();
            assert_eq!(
                error,
                format!("{name}: not {expected}: `npm run vapid` makes one")
            );
        }
        let bad = [
            ("JWT_SECRET", SECRET),
            ("PUSH_HOSTS", "https://push.example"),
        ];
        assert_eq!(
            read(&bad).unwrap_err(),
            "PUSH_HOSTS: \"https://push.example\" is not a host such as push.example.com or *.push.example.com"
        );
    }
}
