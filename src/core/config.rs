//! Configuration: every limit, interval and size is declared once, with its documentation, default
//! and unit. Values come from `[vars]` in wrangler.toml, secrets from `wrangler secret` or
//! `.dev.vars`. A missing or invalid value is an error that names the variable.

use std::fmt::Display;
use std::str::FromStr;

use thiserror::Error;

use super::ids::MAX_MESSAGES_PER_SEND;
use super::keys::Keys;
use super::limits::Rate;
use super::origin::AllowedOrigins;
use super::time::Millis;
use super::user_ids::UserIds;
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

/// The validated configuration. A variable's default is in brackets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// `JWT_SECRET`, a secret of at least 32 bytes: the key for client tokens (HS256).
    pub jwt_secret: String,
    /// `JWT_SECRET_PREVIOUS`, an optional secret of at least 32 bytes: the previous key, which remains valid
    /// during a rotation.
    pub jwt_secret_previous: Option<String>,
    /// `ALLOWED_ORIGINS` [`*`]: the origins whose pages may connect, separated by commas, with `*` for
    /// subdomains: see [`super::origin`].
    pub allowed_origins: AllowedOrigins,
    /// `CONSOLE` [`on`]: whether `/` serves the console page, `on` or `off`.
    pub console: bool,
    /// `PING_INTERVAL_MS` [25000]: how often a client is pinged, as announced in the handshake.
    pub ping_interval: Millis,
    /// `PING_TIMEOUT_MS` [20000]: how long a client may take to answer a ping, as announced in the handshake.
    pub ping_timeout: Millis,
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
    /// `MAX_BULK_RECIPIENTS` [1000]: receivers of one bulk send, at most 4096, even if the variable is 0.
    pub max_bulk_recipients: usize,
    /// `MAX_BULK_SENDS_PER_MINUTE` [5]: bulk sends of one contractor.
    pub bulk_sends: Rate,
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
    /// `MAX_STATUS_USERS` [500]: users in one bulk status query.
    pub max_status_users: usize,
    /// `MAX_SUBSCRIPTIONS` [500]: users whose presence one connection may watch.
    pub max_subscriptions: usize,
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
    /// `LOG_MAX_EVENTS` [1000]: how many events a user's log keeps.
    pub log_max_events: u64,
    /// `LOG_RETENTION_MS` [86400000]: how long a user's log keeps an event.
    pub log_retention: Millis,
    /// `LOG_REPLAY_BYTES` [4000000]: how many bytes of the log (the newest) a client gets when it connects.
    /// They must fit into a polling session's queue ([`crate::wire::polling`]) and leave room for more.
    pub log_replay_bytes: usize,
}

impl Config {
    /// Reads the configuration through `lookup`, which returns a variable's text if it is set.
    pub fn read(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let vars = Vars(lookup);
        let max_payload = vars.number("MAX_PAYLOAD_BYTES", 1_000_000, 1_000, 30_000_000)?;
        Ok(Self {
            jwt_secret: vars.secret("JWT_SECRET")?,
            jwt_secret_previous: vars.optional_secret("JWT_SECRET_PREVIOUS")?,
            allowed_origins: vars.origins("ALLOWED_ORIGINS", "*")?,
            console: vars.choice("CONSOLE", [("on", true), ("off", false)])?,
            ping_interval: vars.number("PING_INTERVAL_MS", 25_000, 100, 3_600_000)?,
            ping_timeout: vars.number("PING_TIMEOUT_MS", 20_000, 100, 3_600_000)?,
            connect_timeout: vars.number("CONNECT_TIMEOUT_MS", 45_000, 100, 600_000)?,
            upgrade_timeout: vars.number("UPGRADE_TIMEOUT_MS", 10_000, 100, 600_000)?,
            poll_keepalive: vars.number("POLL_KEEPALIVE_MS", 500, 0, 60_000)?,
            max_payload,
            max_connect_bytes: vars
                .limit("MAX_CONNECT_BYTES", 16_384, 30_000_000)?
                .min(max_payload),
            api_key: vars.optional_secret("API_KEY")?,
            max_bulk_recipients: vars
                .limit("MAX_BULK_RECIPIENTS", 1_000, MAX_MESSAGES_PER_SEND)?
                .min(MAX_MESSAGES_PER_SEND),
            bulk_sends: Rate::per_minute(vars.number("MAX_BULK_SENDS_PER_MINUTE", 5, 0, 1_000)?),
            events: Rate::per_second(
                vars.number("MAX_EVENTS_PER_SECOND", 50, 0, 10_000)?,
                vars.number("EVENT_BURST", 100, 1, 10_000)?,
            ),
            max_connections: vars.limit("MAX_CONNECTIONS_PER_USER", 20, 10_000)?,
            max_unjoined: vars.limit("MAX_UNJOINED_PER_USER", 100, 10_000)?,
            max_sessions: vars.limit("MAX_SESSIONS_PER_GATEWAY", 20_000, 1_000_000)?,
            max_text_chars: vars.limit("MAX_TEXT_CHARS", 10_000, 1_000_000)?,
            max_content_bytes: vars.limit("MAX_CONTENT_BYTES", 65_536, 1_000_000)?,
            max_status_users: vars.limit("MAX_STATUS_USERS", 500, 10_000)?,
            max_subscriptions: vars.limit("MAX_SUBSCRIPTIONS", 500, 10_000)?,
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
            log_replay_bytes: vars.number("LOG_REPLAY_BYTES", 4_000_000, 10_000, 6_000_000)?,
        })
    }

    /// Returns the current key, which makes all MACs.
    pub fn secret(&self) -> &[u8] {
        self.jwt_secret.as_bytes()
    }

    /// Returns the keys that tokens and MACs are checked against.
    pub fn keys(&self) -> Keys<'_> {
        let previous = self.jwt_secret_previous.as_deref().map(str::as_bytes);
        Keys::new(self.secret(), previous)
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

/// The shortest secret. HS256 wants a key as long as its hash (RFC 7518, section 3.2).
const MIN_SECRET_BYTES: usize = 32;

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

    /// Reads a limit that 0 disables.
    fn limit(&self, name: &'static str, default: usize, max: usize) -> Result<usize, ConfigError> {
        match self.number(name, default, 0, max)? {
            0 => Ok(usize::MAX),
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

    fn origins(&self, name: &'static str, default: &str) -> Result<AllowedOrigins, ConfigError> {
        let text = self.get(name).unwrap_or_else(|| default.to_owned());
        AllowedOrigins::parse(&text).map_err(|problem| ConfigError { name, problem })
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
        assert_eq!(config.max_connect_bytes, config.max_payload);
        for limit in [
            config.max_connections,
            config.max_unjoined,
            config.max_sessions,
            config.max_text_chars,
            config.max_content_bytes,
            config.max_status_users,
            config.max_subscriptions,
        ] {
            assert_eq!(limit, usize::MAX);
        }
    }

    #[test]
    fn a_bad_value_is_named() {
        let check = |vars: &[(&str, &str)], expected: &str| {
            assert_eq!(read(vars).unwrap_err(), expected);
        };
        check(&[], "JWT_SECRET: the secret is not set");
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
            &[("JWT_SECRET", SECRET), ("CONSOLE", "0")],
            "CONSOLE: \"0\" is neither \"on\" nor \"off\"",
        );
        check(
            &[("JWT_SECRET", SECRET), ("API_KEY", "short")],
            "API_KEY: the secret is shorter than 32 bytes",
        );
    }
}
