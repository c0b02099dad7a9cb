use super::*;
use crate::core::events::{NAMES, testing};

/// Writes the document, which `npm run contract` reads to generate the rest.
#[test]
fn the_document_is_written() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/target/contract");
    std::fs::create_dir_all(folder).unwrap();
    let text = serde_json::to_string_pretty(&document()).unwrap();
    std::fs::write(format!("{folder}/asyncapi.json"), text).unwrap();
}

#[test]
fn every_request_is_in_it() {
    let names: Vec<&str> = exchanges().iter().map(|exchange| exchange.name).collect();
    for name in NAMES {
        assert!(names.contains(name), "{name}");
    }
    assert_eq!(names.len(), NAMES.len());
}

#[test]
fn every_reply_is_described() {
    let names: Vec<&str> = pushes().iter().map(|push| push.name).collect();
    for reply in exchanges().iter().filter_map(|exchange| exchange.reply) {
        assert!(names.contains(&reply), "{reply}");
    }
}

#[test]
fn the_examples_of_requests_are_taken() {
    for exchange in exchanges() {
        let read = testing::read(exchange.name, &exchange.example.to_string());
        assert!(read.is_ok(), "{}: {read:?}", exchange.name);
    }
}

/// Returns the fields that a schema describes, at any level of `allOf` and `oneOf`.
fn fields_of(schema: &Value) -> Vec<String> {
    let own = schema["properties"].as_object().into_iter().flatten();
    let mut names: Vec<String> = own.map(|(name, _)| name.clone()).collect();
    for of in ["allOf", "oneOf"] {
        for part in schema[of].as_array().into_iter().flatten() {
            names.extend(fields_of(part));
        }
    }
    names
}

/// Pairs of fields of which a request names exactly one.
const ALTERNATIVES: [(&str, [&str; 2]); 2] = [
    ("SendMessage", ["conversationId", "receiverId"]),
    ("MarkAsRead", ["messageIds", "upTo"]),
];

fn other_than(schema: &str, field: &str) -> Option<&'static str> {
    let (_, names) = ALTERNATIVES.iter().find(|(name, _)| *name == schema)?;
    let is_among = names.contains(&field);
    names
        .iter()
        .copied()
        .find(|name| is_among && *name != field)
}

#[test]
fn every_field_of_a_request_is_read() {
    let schemas = schemas();
    for exchange in exchanges() {
        for field in fields_of(&schemas[exchange.payload]) {
            let mut payload = exchange.example.as_object().unwrap().clone();
            if let Some(other) = other_than(exchange.payload, &field) {
                payload.remove(other);
            }
            // No field accepts this value.
            payload.insert(field.clone(), json!([[7]]));
            let refusal = testing::refusal(exchange.name, &Value::from(payload).to_string());
            assert!(
                refusal.starts_with(&field),
                "{} {field}: {refusal}",
                exchange.name
            );
        }
    }
}

#[test]
fn every_field_that_is_required_must_be_there() {
    let schemas = schemas();
    for exchange in exchanges() {
        for required in schemas[exchange.payload]["required"]
            .as_array()
            .into_iter()
            .flatten()
        {
            let mut payload = exchange.example.clone();
            payload
                .as_object_mut()
                .unwrap()
                .remove(required.as_str().unwrap());
            assert!(
                testing::read(exchange.name, &payload.to_string()).is_err(),
                "{required}"
            );
        }
    }
}
