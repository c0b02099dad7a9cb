//! The contract: every event with the schema of its payload, generated from the types that read and write
//! the wire format.
//!
//! This module builds an AsyncAPI document; from it, `npm run contract` generates `asyncapi.yaml` and the
//! types in `client/`. Invariant: the contract agrees with the code. Names, fields and optionality are
//! derived from the types. The tests check that every field of a request is read as described, and that
//! the examples are what the code accepts and produces.

mod exchanges;
mod pushes;
mod shapes;
mod tests;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use self::exchanges::{Exchange, exchanges};
use self::pushes::{Offset, Push, pushes};
pub use self::shapes::all_of;
use self::shapes::{SCHEMAS, schemas};
use super::events::{
    get_online_status, get_unread_total, mark_as_read, preferences, send_bulk_message,
};

const CONVERSATION: &str = "3f0f7a6e-6f5c-8d3a-9a51-0a1b2c3d4e5f";
const MESSAGE: &str = "019a0000-0000-7000-8000-000000000001";
const CAMPAIGN: &str = "019a0000-0000-7000-8000-000000000002";
const ENDPOINT: &str = "https://fcm.googleapis.com/fcm/send/abc";

fn schema_ref(name: &str) -> Value {
    json!({ "$ref": format!("#{SCHEMAS}/{name}") })
}

fn channel_ref() -> Value {
    json!({ "$ref": "#/channels/main" })
}

fn message_ref(name: &str) -> Value {
    json!({ "$ref": format!("#/channels/main/messages/{name}") })
}

fn request_message(exchange: &Exchange) -> Value {
    let mut message = json!({
        "name": exchange.name,
        "title": exchange.name,
        "summary": exchange.summary,
        "payload": schema_ref(exchange.payload),
        "examples": [{ "payload": exchange.example }],
        "x-ack": { "oneOf": [schema_ref(exchange.ack), schema_ref("Refusal")] },
    });
    if exchange.is_payload_optional {
        message["x-payload-optional"] = true.into();
    }
    message
}

fn push_message(push: &Push) -> Value {
    let mut message = json!({
        "name": push.name,
        "title": push.name,
        "summary": push.summary,
        "payload": schema_ref(push.payload),
        "examples": [{ "payload": push.example }],
    });
    if push.offset != Offset::Never {
        message["x-more-arguments"] = json!([{
            "name": "offset",
            "description": "For the client library, which uses it to recover.",
            "required": push.offset == Offset::Always,
            "schema": { "type": "string" },
        }]);
    }
    message
}

fn request_operation(exchange: &Exchange) -> Value {
    let mut operation = json!({
        "action": "receive",
        "channel": channel_ref(),
        "summary": exchange.summary,
        "messages": [message_ref(exchange.name)],
    });
    if let Some(reply) = exchange.reply {
        operation["reply"] = json!({ "channel": channel_ref(), "messages": [message_ref(reply)] });
    }
    operation
}

fn push_operation(push: &Push) -> Value {
    json!({
        "action": "send",
        "channel": channel_ref(),
        "summary": push.summary,
        "messages": [message_ref(push.name)],
    })
}

fn document() -> Value {
    let exchanges = exchanges();
    let pushes = pushes();
    let replies: Vec<&str> = exchanges
        .iter()
        .filter_map(|exchange| exchange.reply)
        .collect();
    // These are also sent without a request.
    let both = [
        get_online_status::REPLY,
        get_unread_total::UNREAD_TOTAL,
        mark_as_read::READ,
        preferences::PREFERENCES,
        send_bulk_message::REPLY,
    ];
    let is_told = |push: &&Push| !replies.contains(&push.name) || both.contains(&push.name);

    let requests = exchanges
        .iter()
        .map(|exchange| (exchange.name, request_message(exchange)));
    let messages: BTreeMap<&str, Value> = requests
        .chain(pushes.iter().map(|push| (push.name, push_message(push))))
        .collect();
    let in_channel: BTreeMap<&str, Value> = messages
        .keys()
        .map(|name| {
            (
                *name,
                json!({ "$ref": format!("#/components/messages/{name}") }),
            )
        })
        .collect();
    let asked = exchanges
        .iter()
        .map(|exchange| (exchange.name, request_operation(exchange)));
    let told = pushes
        .iter()
        .filter(is_told)
        .map(|push| (push.name, push_operation(push)));
    let operations: BTreeMap<&str, Value> = asked.chain(told).collect();
    json!({
        "asyncapi": "3.1.0",
        "info": {
            "title": "Switchboard",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Events over Socket.IO v5, main namespace. Every request takes an ack, \
                which gets the payload of the reply event, or a Refusal (x-ack). \
                What went wrong is also told by the event error.",
            "license": { "name": "MIT" },
        },
        "defaultContentType": "application/json",
        "servers": {
            "local": {
                "host": "localhost:4000",
                "pathname": "/socket.io/",
                "protocol": "ws",
                "description": "What `npm start` serves. Over Socket.IO, by WebSocket or polling.",
                "security": [{ "$ref": "#/components/securitySchemes/token" }],
            },
        },
        "channels": {
            "main": {
                "address": "/",
                "title": "The main namespace",
                "messages": in_channel,
            },
        },
        "operations": operations,
        "components": {
            "messages": messages,
            "schemas": schemas(),
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "HS256, RS256, ES256 or EdDSA. In CONNECT (auth.token), in the URL (?token=) or in the header Authorization.",
                },
            },
        },
    })
}
