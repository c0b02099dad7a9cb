//! Public keys for tokens: a JSON Web Key Set (RFC 7517).
//!
//! Invariant: a key that is found is public, is meant for signatures and fits one algorithm only, and no other
//! key of its set has the same id. Keys that are anything else are ignored, as the RFC wants it, so a token
//! that names one of them is not valid.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use thiserror::Error;

use super::error::{to_json, to_object};
use super::members::Members;

/// The signatures that the platform checks (RFC 7518, section 3.1, and RFC 8037, section 3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// ECDSA with P-256 and SHA-256.
    Es256,
    /// Ed25519.
    EdDsa,
}

impl Algorithm {
    const ALL: [Self; 3] = [Self::Rs256, Self::Es256, Self::EdDsa];

    /// Returns the `alg` of a token's header.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }

    /// Returns the algorithm of this name, if it is one of ours.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.name() == name)
    }

    /// Returns the `kty` and `crv` of the keys for this algorithm, and the members that such a key consists of.
    fn key(self) -> (&'static str, Option<&'static str>, &'static [&'static str]) {
        match self {
            Self::Rs256 => ("RSA", None, &["kty", "n", "e"]),
            Self::Es256 => ("EC", Some("P-256"), &["kty", "crv", "x", "y"]),
            Self::EdDsa => ("OKP", Some("Ed25519"), &["kty", "crv", "x"]),
        }
    }
}

/// A public key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    /// `kid`: tokens without one need a key without one.
    pub key_id: Option<String>,
    /// The only algorithm that the key is used for.
    pub algorithm: Algorithm,
    /// The key as a JWK, with nothing but its public parts.
    pub jwk: String,
}

/// The reason why a text cannot be used as a key set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum KeySetError {
    /// The text is not `{ "keys": [...] }`.
    #[error("not a JSON Web Key Set")]
    NotASet,
    /// None of the keys can be used.
    #[error("no public key for RS256 (2,048 bits or more), ES256 or EdDSA")]
    NoKey,
}

/// The keys of a set that can be used; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeySet(Vec<PublicKey>);

impl KeySet {
    /// Reads a key set. Keys with the same `kid` are all left out: nobody can tell which of them is meant.
    pub fn read(json: &str) -> Result<Self, KeySetError> {
        let set = Members::read(json).ok_or(KeySetError::NotASet)?;
        let all = set.objects("keys").ok_or(KeySetError::NotASet)?;
        let ids: Vec<Option<String>> = all.iter().map(|key| key.text("kid")).collect();
        let is_unique = |id: &Option<String>| ids.iter().filter(|other| *other == id).count() == 1;
        let keys: Vec<PublicKey> = all
            .iter()
            .filter_map(public_key)
            .filter(|key| is_unique(&key.key_id))
            .collect();
        if keys.is_empty() {
            return Err(KeySetError::NoKey);
        }
        Ok(Self(keys))
    }

    /// Returns the key with this id, if it is for this algorithm.
    pub fn find(&self, key_id: Option<&str>, algorithm: Algorithm) -> Option<&PublicKey> {
        let is_it =
            |key: &&PublicKey| key.key_id.as_deref() == key_id && key.algorithm == algorithm;
        self.0.iter().find(is_it)
    }
}

/// The smallest RSA modulus (RFC 7518, section 3.3).
const MIN_RSA_BITS: usize = 2_048;

/// Returns a key that can be used to check signatures. Its members other than the public parts, such as
/// certificates, are left out.
fn public_key(key: &Members) -> Option<PublicKey> {
    // Private keys do not belong here; whoever published one has to replace it.
    let is_private = key.contains("d");
    let is_for_encryption = key.json("use").is_some() && !key.names("use", "sig")
        || key.json("key_ops").is_some() && !key.names("key_ops", "verify");
    if is_private || is_for_encryption {
        return None;
    }
    let (kty, crv) = (key.text("kty")?, key.text("crv"));
    let algorithm = Algorithm::ALL.into_iter().find(|one| {
        let (type_, curve, _) = one.key();
        type_ == kty && (curve.is_none() || curve == crv.as_deref())
    })?;
    if key.json("alg").is_some() && !key.names("alg", algorithm.name()) {
        return None;
    }
    if algorithm == Algorithm::Rs256 && bits(&key.text("n")?)? < MIN_RSA_BITS {
        return None;
    }
    let (.., parts) = algorithm.key();
    let parts: Option<Vec<_>> = parts
        .iter()
        .map(|name| Some((*name, to_json(&key.text(name)?))))
        .collect();
    Some(PublicKey {
        key_id: key.text("kid"),
        algorithm,
        jwk: to_object(parts?),
    })
}

/// Returns the length of a number in base64url, without leading zeros.
fn bits(number: &str) -> Option<usize> {
    let bytes = URL_SAFE_NO_PAD.decode(number).ok()?;
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    let first = bytes.get(zeros)?;
    Some((bytes.len() - zeros) * 8 - first.leading_zeros() as usize)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A public key of RFC 8037, appendix A.2.
    pub(crate) const ED25519: &str =
        r#""kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo""#;
    /// A public key of RFC 7515, appendix A.3.1.
    const P256: &str = r#""kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0""#;

    /// Returns a key set with these ids and further members.
    pub(crate) fn set(keys: &[(&str, &str)]) -> String {
        let keys: Vec<String> = keys
            .iter()
            .map(|(id, members)| format!(r#"{{"kid":"{id}",{members}}}"#))
            .collect();
        format!(r#"{{"keys":[{}]}}"#, keys.join(","))
    }

    /// Returns an RSA key whose modulus has this many bits.
    fn rsa(bits: usize) -> String {
        let mut modulus = vec![0xff; bits.div_ceil(8)];
        modulus[0] >>= (8 - bits % 8) % 8;
        let n = URL_SAFE_NO_PAD.encode(modulus);
        format!(r#""kty":"RSA","n":"{n}","e":"AQAB""#)
    }

    fn with(members: &str, more: &str) -> String {
        format!("{members},{more}")
    }

    /// Returns the algorithm that a key is found for, beside a key that is good.
    fn found(members: &str) -> Option<Algorithm> {
        let keys = KeySet::read(&set(&[("good", ED25519), ("k", members)])).unwrap();
        assert!(keys.find(Some("good"), Algorithm::EdDsa).is_some());
        Algorithm::ALL
            .into_iter()
            .find(|one| keys.find(Some("k"), *one).is_some())
    }

    #[test]
    fn a_key_fits_one_algorithm() {
        for (members, algorithm) in [
            (rsa(2_048), Algorithm::Rs256),
            (rsa(4_096), Algorithm::Rs256),
            (P256.to_owned(), Algorithm::Es256),
            (ED25519.to_owned(), Algorithm::EdDsa),
        ] {
            assert_eq!(found(&members), Some(algorithm));
            for good in [
                format!(r#""alg":"{}""#, algorithm.name()),
                r#""use":"sig""#.to_owned(),
                r#""key_ops":["verify"]"#.to_owned(),
                r#""use":null,"x5c":["…"]"#.to_owned(),
            ] {
                assert_eq!(found(&with(&members, &good)), Some(algorithm), "{good}");
            }
            for bad in [
                r#""alg":"HS256""#,
                r#""alg":"PS256""#,
                r#""alg":7"#,
                r#""use":"enc""#,
                r#""key_ops":["encrypt"]"#,
                r#""key_ops":[]"#,
            ] {
                assert_eq!(found(&with(&members, bad)), None, "{bad}");
            }
        }
    }

    #[test]
    fn private_symmetric_and_short_keys_are_ignored() {
        for members in [
            with(ED25519, r#""d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A""#),
            with(P256, r#""d":null"#),
            with(&rsa(2_048), r#""d":"AQAB""#),
            r#""kty":"oct","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow""#.to_owned(),
            r#""kty":"oct","alg":"RS256","n":"AQAB","e":"AQAB","k":"AQAB""#.to_owned(),
            rsa(1_024),
            rsa(2_047),
            r#""kty":"RSA","n":"","e":"AQAB""#.to_owned(),
            r#""kty":"RSA","n":"?","e":"AQAB""#.to_owned(),
            r#""kty":"RSA","e":"AQAB""#.to_owned(),
            r#""kty":"EC","crv":"P-384","x":"AQ","y":"AQ""#.to_owned(),
            r#""kty":"EC","crv":"P-256","x":"AQ""#.to_owned(),
            r#""kty":"OKP","crv":"Ed448","x":"AQ""#.to_owned(),
            r#""kty":7"#.to_owned(),
        ] {
            assert_eq!(found(&members), None, "{members}");
        }
    }

    #[test]
    fn leading_zeros_do_not_make_a_key_longer() {
        let mut modulus = vec![0; 128];
        modulus.extend([0xff; 128]);
        let n = URL_SAFE_NO_PAD.encode(modulus);
        assert_eq!(found(&format!(r#""kty":"RSA","n":"{n}","e":"AQAB""#)), None);
    }

    #[test]
    fn keys_with_the_same_id_are_all_ignored() {
        let keys = set(&[("a", ED25519), ("b", P256), ("b", ED25519), ("c", P256)]);
        let keys = KeySet::read(&keys).unwrap();
        assert!(keys.find(Some("a"), Algorithm::EdDsa).is_some());
        assert!(keys.find(Some("c"), Algorithm::Es256).is_some());
        for algorithm in Algorithm::ALL {
            assert!(keys.find(Some("b"), algorithm).is_none());
        }
        // A key that is ignored makes an id ambiguous, too.
        let secret = r#""kty":"oct","k":"AQAB""#;
        let keys = set(&[("a", ED25519), ("b", P256), ("b", secret)]);
        let keys = KeySet::read(&keys).unwrap();
        assert!(keys.find(Some("b"), Algorithm::Es256).is_none());
    }

    #[test]
    fn a_token_without_an_id_needs_a_key_without_one() {
        let keys = KeySet::read(&format!(r#"{{"keys":[{{{ED25519}}}]}}"#)).unwrap();
        assert!(keys.find(None, Algorithm::EdDsa).is_some());
        assert!(keys.find(Some(""), Algorithm::EdDsa).is_none());
        let keys = KeySet::read(&set(&[("a", ED25519)])).unwrap();
        assert!(keys.find(None, Algorithm::EdDsa).is_none());
    }

    #[test]
    fn only_the_public_parts_of_a_key_are_kept() {
        let members = with(P256, r#""use":"sig","x5c":["…"],"other":1"#);
        let keys = KeySet::read(&set(&[("a", &members)])).unwrap();
        let key = keys.find(Some("a"), Algorithm::Es256).unwrap();
        assert_eq!(key.jwk, format!("{{{P256}}}"));
    }

    #[test]
    fn what_is_no_key_set_is_named() {
        for text in ["", "<html>", "[]", "{}", r#"{"keys":{}}"#, r#"{"keys":7}"#] {
            assert_eq!(KeySet::read(text), Err(KeySetError::NotASet), "{text}");
        }
        for text in [r#"{"keys":[]}"#, r#"{"keys":[7,{"kty":"oct","k":"AQ"}]}"#] {
            assert_eq!(KeySet::read(text), Err(KeySetError::NoKey), "{text}");
        }
    }
}
