//! One half of a differential test: decodes packets for `scripts/differential.mjs`, which compares what comes
//! out with the reference parsers. Without `DIFFERENTIAL` set to a folder there is nothing to do.

#![cfg(not(target_arch = "wasm32"))]

use std::fs;
use std::path::Path;

use serde_json::value::RawValue;
use serde_json::{Value, json};
use switchboard::wire::engine_io::{self, decode_payload};
use switchboard::wire::socket_io::{Args, Body, SocketPacket};

#[test]
fn decodes_what_the_script_asks_for() {
    let Ok(folder) = std::env::var("DIFFERENTIAL") else {
        return;
    };
    let folder = Path::new(&folder);
    for (name, decode) in [
        ("socket", socket as fn(&str) -> String),
        ("engine", engine as fn(&str) -> String),
    ] {
        let packets = fs::read_to_string(folder.join(format!("{name}.json"))).expect("packets");
        let packets: Vec<String> = serde_json::from_str(&packets).expect("a list of texts");
        let decoded: Vec<String> = packets.iter().map(|packet| decode(packet)).collect();
        let list = format!("[{}]", decoded.join(",\n"));
        fs::write(folder.join(format!("{name}.decoded.json")), list).expect("room");
    }
}

fn socket(text: &str) -> String {
    let Ok(packet) = SocketPacket::decode(text) else {
        return "null".into();
    };
    let head = |kind: &str, name: Option<&str>| {
        json!({
            "kind": kind,
            "namespace": packet.namespace,
            "id": packet.ack_id,
            "attachments": packet.attachments,
            "name": name,
        })
    };
    match &packet.body {
        Body::Connect(auth) => with_data(
            head("connect", None),
            auth.as_deref().map_or("null", RawValue::get),
        ),
        Body::Disconnect => with_data(head("disconnect", None), "null"),
        Body::Event(name, args) => with_data(head("event", Some(name)), &list(args)),
        Body::Ack(args) => with_data(head("ack", None), &list(args)),
    }
}

fn list(args: &Args) -> String {
    let texts: Vec<&str> = args.values.iter().map(|value| value.get()).collect();
    format!("[{}]", texts.join(","))
}

/// The data stays raw JSON text, which the script parses.
fn with_data(head: Value, data: &str) -> String {
    json!({ "head": head, "data": data }).to_string()
}

fn engine(body: &str) -> String {
    let Ok(packets) = decode_payload(body) else {
        return "null".into();
    };
    let packets: Vec<Value> = packets
        .into_iter()
        .map(|packet| match packet {
            engine_io::Packet::Open(data) => json!(["open", data]),
            engine_io::Packet::Close => json!(["close", ""]),
            engine_io::Packet::Ping(data) => json!(["ping", data]),
            engine_io::Packet::Pong(data) => json!(["pong", data]),
            engine_io::Packet::Text(data) => json!(["message", data]),
            engine_io::Packet::Upgrade => json!(["upgrade", ""]),
            engine_io::Packet::Noop => json!(["noop", ""]),
            engine_io::Packet::Binary(bytes) => json!(["binary", bytes]),
        })
        .collect();
    Value::from(packets).to_string()
}
