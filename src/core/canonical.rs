//! Canonical JSON: all texts with the same meaning have the same form.
//!
//! Invariant: two texts have the same form exactly if they are equal as JSON. The order of an object's
//! members, whitespace, and the spelling of strings and numbers make no difference; if members share a name,
//! the last one counts, as in JavaScript. No value is read into a type that cannot represent it: strings may
//! contain lone surrogates, and numbers are compared digit by digit, so `1e400` equals `10e399`, and 2^53 + 1
//! differs from 2^53.
//!
//! Existing standards, such as RFC 8785, cover only JavaScript numbers and valid Unicode strings, but our
//! clients send more than that.

use std::collections::BTreeMap;

use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// Values nested more deeply than this are copied as written.
const MAX_DEPTH: usize = 128;

/// Returns the canonical form of a JSON text.
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

/// A string's characters in UTF-8, except that lone surrogates are encoded as if they were characters.
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
        // If asked for a string, the parser would reject lone surrogates.
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

/// Returns a number as its significant digits and a power of ten, or `None` if the power overflows an `i64`.
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
