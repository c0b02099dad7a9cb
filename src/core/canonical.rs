//! Canonical JSON: one form for all texts that say the same.
//!
//! Invariant: two texts have the same form exactly if they are equal JSON. The order of an object's members,
//! white space and the spelling of strings and numbers make no difference; of members with the same name
//! the last one counts, as it does to JavaScript. Nothing is read into a type that has no room for it:
//! strings may hold lone surrogates, and numbers are compared digit by digit, so `1e400` is no other
//! number than `10e399`, and 2^53 + 1 is not 2^53.
//!
//! Known forms, such as RFC 8785, take only what JavaScript's numbers and Unicode's strings hold, and our
//! clients send more.

use std::collections::BTreeMap;

use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// What is nested deeper is taken as it is written.
const MAX_DEPTH: usize = 128;

/// The form of a JSON text.
pub fn canonical(json: &RawValue) -> Vec<u8> {
    let mut form = Vec::with_capacity(json.get().len());
    write(json, MAX_DEPTH, &mut form);
    form
}

fn write(json: &RawValue, depth: usize, form: &mut Vec<u8>) {
    let text = json.get();
    let written = match text.as_bytes().first() {
        Some(b'{') if depth > 0 => write_object(text, depth, form),
        Some(b'[') if depth > 0 => write_array(text, depth, form),
        Some(b'"') => parse(text).map(|text: Text| write_text(&text, form)),
        Some(b'-' | b'0'..=b'9') => number(text).map(|number| form.extend(number.bytes())),
        _ => None,
    };
    if written.is_none() {
        form.extend(text.bytes());
    }
}

fn parse<'a, T: Deserialize<'a>>(text: &'a str) -> Option<T> {
    serde_json::from_str(text).ok()
}

fn write_object(text: &str, depth: usize, form: &mut Vec<u8>) -> Option<()> {
    let members: BTreeMap<Text, &RawValue> = parse(text)?;
    form.push(b'{');
    for (name, value) in &members {
        write_text(name, form);
        form.push(b':');
        write(value, depth - 1, form);
        form.push(b',');
    }
    form.push(b'}');
    Some(())
}

fn write_array(text: &str, depth: usize, form: &mut Vec<u8>) -> Option<()> {
    let items: Vec<&RawValue> = parse(text)?;
    form.push(b'[');
    for item in items {
        write(item, depth - 1, form);
        form.push(b',');
    }
    form.push(b']');
    Some(())
}

/// A string's characters: UTF-8, but for lone surrogates, which stand in it as if they were characters.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Text(Vec<u8>);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;
        impl<'de> Visitor<'de> for Bytes {
            type Value = Text;

            fn expecting(&self, formatter: &mut std::fmt::Formatter) -> std::fmt::Result {
                formatter.write_str("a string")
            }

            fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Text, E> {
                Ok(Text(bytes.to_vec()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<Text, A::Error> {
                Err(A::Error::custom("not a string"))
            }
        }
        // Asked for a string, the parser would refuse lone surrogates.
        deserializer.deserialize_bytes(Bytes)
    }
}

fn write_text(Text(bytes): &Text, form: &mut Vec<u8>) {
    form.push(b'"');
    for byte in bytes {
        if matches!(byte, b'"' | b'\\') {
            form.push(b'\\');
        }
        form.push(*byte);
    }
    form.push(b'"');
}

/// A number as its significant digits and a power of ten; `None` if the power is out of all bounds.
fn number(text: &str) -> Option<String> {
    let (sign, unsigned) = match text.strip_prefix('-') {
        Some(unsigned) => ("-", unsigned),
        None => ("", text),
    };
    let (mantissa, power) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let digits = digits.trim_start_matches('0');
    if digits.is_empty() {
        return Some("0".to_owned());
    }
    let significant = digits.trim_end_matches('0');
    let zeros = i64::try_from(digits.len() - significant.len()).ok()?;
    let decimals = i64::try_from(fraction.len()).ok()?;
    let power = power
        .parse::<i64>()
        .ok()?
        .checked_add(zeros)?
        .checked_sub(decimals)?;
    Some(format!("{sign}{significant}e{power}"))
}

#[cfg(test)]
mod tests;
