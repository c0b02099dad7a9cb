//! Telemetry for the operator: one fact per connection opened, refused or closed, per send, and per failed
//! request.
//!
//! A fact is written to the log as one line of JSON and, if a dataset is configured, to Analytics Engine as
//! one data point with the same figures. Invariant: a fact contains no token, no message and no name; the
//! user is hashed unless the configuration says otherwise. Tests pin both formats, because docs/operations.md
//! has queries over them.

use serde::{Serialize, Serializer};

use super::close::CloseReason;
use super::config::Config;
use super::connection::Carrier;
use super::error::{name_of, to_json};
use super::time::Millis;

/// An event that the operator may want to know about. Its JSON are the figures in the log line.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Fact {
    /// A CONNECT was accepted.
    ConnectionOpened {
        /// What carries the connection's frames.
        #[serde(rename = "transport", serialize_with = "as_transport")]
        carrier: Carrier,
        /// Whether the client recovered its session.
        recovered: bool,
        /// The user's live connections, including this one.
        connections: usize,
    },
    /// A CONNECT was refused. The user is unknown unless the token was valid.
    ConnectionRefused {
        /// What carries the connection's frames.
        #[serde(rename = "transport", serialize_with = "as_transport")]
        carrier: Carrier,
        /// The error code that the client receives as `data.code`.
        code: &'static str,
    },
    /// A live connection has ended.
    ConnectionClosed {
        /// What carried the connection's frames.
        #[serde(rename = "transport", serialize_with = "as_transport")]
        carrier: Carrier,
        /// Why it ended.
        reason: CloseReason,
        /// How long the Engine.IO session lasted.
        #[serde(rename = "seconds", serialize_with = "in_seconds")]
        lasted: Millis,
    },
    /// A send was stored in D1 and fanned out.
    SendFigures(SendFigures),
    /// A request was answered with an error.
    RequestFailed {
        /// The event or the route of the HTTP API; never a name that the caller made up.
        event: String,
        /// The error code that the caller receives.
        code: String,
    },
    /// The webhook was told of something, or an attempt to do so has failed.
    WebhookSent {
        /// The `webhook-id`.
        id: String,
        /// The status of the answer; null if there was none.
        status: Option<u16>,
    },
}

/// The figures for one send.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SendFigures {
    /// The event: `send_message` or `send_bulk_message`.
    #[serde(skip)]
    pub event: &'static str,
    /// How many receivers it was addressed to.
    pub receivers: usize,
    /// Receivers with a device that was sent the message at once.
    pub delivered: usize,
    /// Receivers whose objects could not be reached; the outbox retries them.
    pub failed: usize,
    /// Receivers who get no message: [`super::refusal::Refusal`].
    pub refused: usize,
    /// Milliseconds from the request to the commit.
    pub commit_ms: Millis,
    /// Milliseconds from the commit to the last receiver.
    pub fan_out_ms: Millis,
    /// Round trips to D1.
    pub d1_round_trips: u32,
    /// Rows written in D1, as D1 bills them.
    pub d1_rows_written: usize,
    /// Requests to receivers' objects.
    pub object_requests: u32,
}

/// A data point of Analytics Engine.
#[derive(Debug, PartialEq)]
pub struct Point {
    /// The values of `blob1` to `blob3`.
    pub blobs: [String; 3],
    /// The values of `double1` and following.
    pub doubles: Vec<f64>,
}

fn as_transport<S: Serializer>(carrier: &Carrier, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(transport(*carrier))
}

fn in_seconds<S: Serializer>(time: &Millis, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_f64(seconds(*time))
}

fn transport(carrier: Carrier) -> &'static str {
    match carrier {
        Carrier::WebSocket => "websocket",
        Carrier::Gateway => "polling",
    }
}

impl Fact {
    /// Returns the name of the fact, which is `what` in the log and `blob1` in the data point.
    pub fn what(&self) -> &'static str {
        match self {
            Self::ConnectionOpened { .. } => "connection_opened",
            Self::ConnectionRefused { .. } => "connection_refused",
            Self::ConnectionClosed { .. } => "connection_closed",
            Self::SendFigures(sent) => sent.event,
            Self::RequestFailed { .. } => "request_failed",
            Self::WebhookSent { .. } => "webhook",
        }
    }

    /// Whether the fact has a line in the log.
    pub fn is_logged(&self, config: &Config) -> bool {
        let is_routine = matches!(
            self,
            Self::ConnectionOpened { .. } | Self::ConnectionClosed { .. }
        );
        config.log_connections || !is_routine
    }

    /// Returns the log line. `user` is null if the user is unknown.
    pub fn line(&self, user: Option<&str>) -> String {
        #[derive(Serialize)]
        struct Line<'a> {
            level: &'static str,
            what: &'static str,
            user: Option<&'a str>,
            #[serde(flatten)]
            figures: &'a Fact,
        }
        to_json(&Line {
            level: "info",
            what: self.what(),
            user,
            figures: self,
        })
    }

    /// Returns the data point. `blob1` is always [`Fact::what`].
    pub fn point(&self) -> Point {
        let (blob2, blob3, doubles) = match self {
            Self::ConnectionOpened {
                carrier,
                recovered,
                connections,
            } => {
                let kind = if *recovered { "recovered" } else { "new" };
                let doubles = vec![*connections as f64];
                (transport(*carrier), kind.to_owned(), doubles)
            }
            Self::ConnectionRefused { carrier, code } => {
                (transport(*carrier), (*code).to_owned(), Vec::new())
            }
            Self::ConnectionClosed {
                carrier,
                reason,
                lasted,
            } => (transport(*carrier), name_of(reason), vec![seconds(*lasted)]),
            Self::SendFigures(sent) => (
                "",
                String::new(),
                vec![
                    sent.receivers as f64,
                    sent.delivered as f64,
                    sent.failed as f64,
                    sent.refused as f64,
                    sent.commit_ms as f64,
                    sent.fan_out_ms as f64,
                    f64::from(sent.d1_round_trips),
                    sent.d1_rows_written as f64,
                    f64::from(sent.object_requests),
                ],
            ),
            Self::RequestFailed { event, code } => (event.as_str(), code.clone(), Vec::new()),
            Self::WebhookSent { status, .. } => {
                // No answer counts as 0.
                let doubles = vec![f64::from(status.unwrap_or_default())];
                ("", String::new(), doubles)
            }
        };
        Point {
            blobs: [self.what().to_owned(), blob2.to_owned(), blob3],
            doubles,
        }
    }
}

fn seconds(time: Millis) -> f64 {
    time as f64 / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::close::ProtocolEnd;

    fn sent() -> Fact {
        Fact::SendFigures(SendFigures {
            event: "send_bulk_message",
            receivers: 1,
            delivered: 2,
            failed: 3,
            refused: 4,
            commit_ms: 5,
            fan_out_ms: 6,
            d1_round_trips: 7,
            d1_rows_written: 8,
            object_requests: 9,
        })
    }

    #[test]
    fn lines_are_pinned() {
        let opened = Fact::ConnectionOpened {
            carrier: Carrier::Gateway,
            recovered: true,
            connections: 2,
        };
        let closed = Fact::ConnectionClosed {
            carrier: Carrier::WebSocket,
            reason: ProtocolEnd::PingTimeout.into(),
            lasted: 1_500,
        };
        let failed = Fact::RequestFailed {
            event: "e".into(),
            code: "forbidden".into(),
        };
        let sent_webhook = |status| Fact::WebhookSent {
            id: "w".into(),
            status,
        };
        let lines = [
            (
                sent_webhook(Some(204)),
                r#"{"level":"info","what":"webhook","user":"u","id":"w","status":204}"#,
            ),
            (
                sent_webhook(None),
                r#"{"level":"info","what":"webhook","user":"u","id":"w","status":null}"#,
            ),
            (
                opened,
                r#"{"level":"info","what":"connection_opened","user":"u","transport":"polling","recovered":true,"connections":2}"#,
            ),
            (
                closed,
                r#"{"level":"info","what":"connection_closed","user":"u","transport":"websocket","reason":"ping_timeout","seconds":1.5}"#,
            ),
            (
                failed,
                r#"{"level":"info","what":"request_failed","user":"u","event":"e","code":"forbidden"}"#,
            ),
            (
                sent(),
                r#"{"level":"info","what":"send_bulk_message","user":"u","receivers":1,"delivered":2,"failed":3,"refused":4,"commitMs":5,"fanOutMs":6,"d1RoundTrips":7,"d1RowsWritten":8,"objectRequests":9}"#,
            ),
        ];
        for (fact, line) in lines {
            assert_eq!(fact.line(Some("u")), line);
        }
        let refused = Fact::ConnectionRefused {
            carrier: Carrier::Gateway,
            code: "unauthorized",
        };
        assert_eq!(
            refused.line(None),
            r#"{"level":"info","what":"connection_refused","user":null,"transport":"polling","code":"unauthorized"}"#
        );
    }

    #[test]
    fn points_are_pinned() {
        let point = sent().point();
        assert_eq!(point.blobs, ["send_bulk_message", "", ""]);
        assert_eq!(point.doubles, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0]);
        let webhook = Fact::WebhookSent {
            id: "w".into(),
            status: Some(204),
        };
        assert_eq!(
            webhook.point(),
            Point {
                blobs: ["webhook", "", ""].map(str::to_owned),
                doubles: vec![204.0],
            }
        );
        let closed = Fact::ConnectionClosed {
            carrier: Carrier::WebSocket,
            reason: ProtocolEnd::ClientClosed.into(),
            lasted: 2_000,
        };
        assert_eq!(
            closed.point(),
            Point {
                blobs: ["connection_closed", "websocket", "client_closed"].map(str::to_owned),
                doubles: vec![2.0],
            }
        );
    }

    #[test]
    fn connections_are_logged_unless_configured_otherwise() {
        let config = |setting: Option<&str>| {
            Config::read(|name| match name {
                "JWT_SECRET" => Some("0123456789".repeat(4)),
                "LOG_CONNECTIONS" => setting.map(str::to_owned),
                _ => None,
            })
            .unwrap()
        };
        let closed = Fact::ConnectionClosed {
            carrier: Carrier::WebSocket,
            reason: CloseReason::Disconnected,
            lasted: 1,
        };
        let refused = Fact::ConnectionRefused {
            carrier: Carrier::WebSocket,
            code: "unauthorized",
        };
        for (setting, is_logged) in [(None, true), (Some("on"), true), (Some("off"), false)] {
            assert_eq!(closed.is_logged(&config(setting)), is_logged);
            assert!(refused.is_logged(&config(setting)));
        }
    }
}
