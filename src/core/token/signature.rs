//! Which signature of a token is to be checked, with which key.
//!
//! HS256 is checked here. The other signatures are the platform's to check, with the public key that `kid`
//! names. Invariant: the header only chooses among the keys that the operator has configured, each of which
//! fits one algorithm, and nobody gets at a token's claims before its signature is checked.

use std::num::NonZeroUsize;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jwt_compact::alg::{Hs256, Hs256Key, Hs256Signature};
use jwt_compact::{Algorithm as _, AlgorithmSignature, UntrustedToken};
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};

use super::claims::Claims;
use super::{TokenError, bearer};
use crate::core::config::Config;
use crate::core::jwks::Algorithm;

/// What can be said of a token without the platform.
#[derive(Debug)]
pub enum Opened {
    /// Its claims, or the reason why it is not accepted.
    Checked(Result<Claims, TokenError>),
    /// Its signature has to be checked with a public key.
    Unchecked(SignedToken),
}

/// A token whose signature is not checked yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedToken {
    /// The algorithm of the signature.
    pub algorithm: Algorithm,
    /// `kid`: the id of the key.
    pub key_id: Option<String>,
    /// What is signed: the header and the claims, as they stand in the token.
    pub signed: String,
    /// The signature's bytes.
    pub signature: Vec<u8>,
}

impl SignedToken {
    /// Returns the claims of a token whose signature the platform has checked: it `is_genuine` or not.
    pub fn checked(&self, is_genuine: bool) -> Result<Claims, TokenError> {
        let claims = is_genuine.then(|| claims(&self.signed)).flatten();
        claims.ok_or(TokenError::Invalid)
    }
}

/// The member of a header that names extensions which must be understood (RFC 7515, section 4.1.11). We
/// understand none.
#[derive(Debug, Clone, Deserialize)]
struct Extensions {
    #[serde(default, rename = "crit", deserialize_with = "is_present")]
    is_critical: bool,
}

fn is_present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(deserializer).map(|_| true)
}

/// Opens a token, or the header `Authorization: Bearer …` that holds it.
pub fn open(config: &Config, token: &str) -> Opened {
    let token = bearer(token).unwrap_or(token).trim();
    if token.is_empty() {
        return Opened::Checked(Err(TokenError::Missing));
    }
    parse(config, token).unwrap_or(Opened::Checked(Err(TokenError::Invalid)))
}

fn parse(config: &Config, token: &str) -> Option<Opened> {
    let untrusted = UntrustedToken::<Extensions>::try_from(token).ok()?;
    let header = untrusted.header();
    let (signed, _) = token.rsplit_once('.')?;
    if header.other_fields.is_critical {
        return None;
    }
    if untrusted.algorithm() == Hs256.name() {
        is_ours(config, signed, untrusted.signature_bytes()).then_some(())?;
        return Some(Opened::Checked(Ok(claims(signed)?)));
    }
    config.public_keys.as_ref()?;
    Some(Opened::Unchecked(SignedToken {
        algorithm: Algorithm::named(untrusted.algorithm())?,
        key_id: header.key_id.clone(),
        signed: signed.to_owned(),
        signature: untrusted.signature_bytes().to_vec(),
    }))
}

/// Returns whether the text was signed with JWT_SECRET, or the previous one.
fn is_ours(config: &Config, signed: &str, signature: &[u8]) -> bool {
    // The library panics on any other length.
    let length = Hs256Signature::LENGTH.map(NonZeroUsize::get);
    if Some(signature.len()) != length {
        return false;
    }
    let (Some(keys), Ok(signature)) = (
        config.token_keys(),
        Hs256Signature::try_from_slice(signature),
    ) else {
        return false;
    };
    let has_signed = |key: &[u8]| {
        let key = Hs256Key::new(key);
        let is_it = Hs256.verify_signature(&signature, &key, signed.as_bytes());
        is_it.then_some(())
    };
    keys.find(has_signed).is_some()
}

/// Returns the claims of a token without its signature.
fn claims(signed: &str) -> Option<Claims> {
    let (_, claims) = signed.split_once('.')?;
    let claims = String::from_utf8(URL_SAFE_NO_PAD.decode(claims).ok()?).ok()?;
    Claims::read(&claims)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::config::PublicKeys;

    /// Returns whether the platform is asked to check the token's signature, and with one of the keys.
    fn is_handed_over(keys: &str, token: &str) -> bool {
        let find = |name: &str| match name {
            "JWKS" => Some(keys.to_owned()),
            "API_KEY" => Some("k".repeat(32)),
            _ => None,
        };
        let Ok(config) = Config::read(find) else {
            return false;
        };
        let (Opened::Unchecked(token), Some(PublicKeys::Inline(keys))) =
            (open(&config, token), &config.public_keys)
        else {
            return false;
        };
        keys.find(token.key_id.as_deref(), token.algorithm)
            .is_some()
    }

    /// tests/signatures.test.ts has the platform check those that are handed over.
    #[test]
    fn wycheproofs_tokens_are_refused_or_handed_over() {
        let vectors = include_str!("../../../tests/vectors/signatures.json");
        let vectors: serde_json::Value = serde_json::from_str(vectors).unwrap();
        let mut wrong = Vec::new();
        for vector in vectors["tokens"].as_array().unwrap() {
            let keys = &vectors["keySets"][vector["keys"].as_u64().unwrap() as usize];
            let keys = serde_json::json!({ "keys": keys }).to_string();
            let is_handed_over = is_handed_over(&keys, vector["jws"].as_str().unwrap());
            if is_handed_over != (vector["expected"] != "refused") {
                wrong.push(vector["name"].to_string());
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
    }
}
