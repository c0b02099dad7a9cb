//! Ids: where they come from, and what they contain.
//!
//! - A user id comes from the marketplace: 1 to 128 characters, none of them a control character.
//! - A conversation id is derived from its two users, so it never has to be looked up.
//! - A message id is a UUIDv7. The messages of one send have the same time and random bits and
//!   differ in the 12-bit counter (RFC 9562, section 6.2, method 1), so all of their ids can be derived
//!   again from the send's id and the order of the receivers.
//! - An Engine.IO sid contains the location of its polling session, its start time and a MAC, so the Worker
//!   can answer a handshake without calling an object, unless the handshake brings a token.

use std::borrow::Cow;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::keys::Keys;
use super::time::Millis;

/// The longest user id, in characters.
pub const MAX_USER_ID_CHARS: usize = 128;

/// Returns whether this is a valid user id.
pub fn is_user_id(id: &str) -> bool {
    !id.is_empty() && !id.chars().any(char::is_control) && id.chars().count() <= MAX_USER_ID_CHARS
}

/// Returns the pair in byte order, so that `(a, b)` and `(b, a)` are the same conversation.
pub fn ordered_pair<'a>(a: &'a str, b: &'a str) -> (&'a str, &'a str) {
    if a <= b { (a, b) } else { (b, a) }
}

/// Returns the id of the conversation between two users: a UUIDv8 from the SHA-256 of the ordered pair. The
/// hash covers the lengths, so different pairs never hash the same bytes.
pub fn conversation_id(a: &str, b: &str) -> String {
    let (first, second) = ordered_pair(a, b);
    let mut hash = Sha256::new();
    for id in [first, second] {
        hash.update((id.len() as u64).to_be_bytes());
        hash.update(id.as_bytes());
    }
    let digest = hash.finalize();
    let bytes = digest.first_chunk().copied().unwrap_or_default();
    uuid::Builder::from_custom_bytes(bytes)
        .into_uuid()
        .to_string()
}

/// Returns a new send id, which is also the id of its first message: a UUIDv7 whose counter is zero.
pub fn send_id(now: Millis, random: [u8; 16]) -> Uuid {
    let [.., a, b, c, d, e, f, g, h] = random;
    uuid::Builder::from_unix_timestamp_millis(now, &[0, 0, a, b, c, d, e, f, g, h]).into_uuid()
}

/// The most messages that one send can number: the counter has 12 bits.
pub const MAX_MESSAGES_PER_SEND: usize = 4096;

/// Returns the id of a send's message; `index` is zero-based. The ids of one send sort by index.
pub fn message_id(send: Uuid, index: usize) -> String {
    let counter = (index % MAX_MESSAGES_PER_SEND) as u128;
    // Bits 64 to 75, below the version's four.
    Uuid::from_u128(send.as_u128() | (counter << 64)).to_string()
}

/// Returns the time in a UUIDv7.
pub fn created_at(id: Uuid) -> Millis {
    (id.as_u128() >> 80) as u64
}

type HmacSha256 = Hmac<Sha256>;

/// Returns an HMAC-SHA-256 (RFC 2104). Whoever else makes such a MAC decides what is in `signed`; our own are made by
/// [`mac`].
pub fn hmac(secret: &[u8], signed: &[u8]) -> [u8; 32] {
    let Ok(mut mac) = HmacSha256::new_from_slice(secret) else {
        // HMAC takes keys of any length (RFC 2104, section 2), so this cannot be reached.
        return [0; 32];
    };
    mac.update(signed);
    mac.finalize().into_bytes().into()
}

/// Returns an HMAC-SHA-256 over length-prefixed parts. The first part states the purpose, so a MAC made for
/// one purpose is invalid for any other.
pub fn mac(secret: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut signed = Vec::new();
    for part in parts {
        signed.extend_from_slice(&(part.len() as u64).to_be_bytes());
        signed.extend_from_slice(part);
    }
    hmac(secret, &signed)
}

/// Compares in a time that does not depend on where the difference is.
pub fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |diff, (x, y)| diff | (x ^ y)) == 0
}

/// The contents of an Engine.IO sid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineSid {
    /// The data centre that answered the handshake: three letters (IATA).
    pub colo: [u8; 3],
    /// Which of that data centre's gateways holds the session.
    pub shard: u8,
    /// When the handshake was answered.
    pub opened_at: Millis,
    /// Random bytes that make the sid unique and unguessable.
    pub random: [u8; 12],
    /// Whether the gateway was told of the session at the handshake. If it no longer knows the session, it has
    /// lost or ended it, and must not begin it again as if it were new.
    pub is_noted: bool,
}

/// Returns the purpose of a sid's MAC, which is all that distinguishes the two kinds of sids.
fn sid_purpose(is_noted: bool) -> &'static [u8] {
    if is_noted {
        b"engine-sid-noted"
    } else {
        b"engine-sid"
    }
}

/// How far the clocks of two machines of ours may differ.
const CLOCK_SKEW: Millis = 30_000;

const SID_BODY: usize = 3 + 1 + 6 + 12;
const SID_MAC: usize = 8;

impl EngineSid {
    /// Returns the sid as 40 URL-safe characters.
    pub fn encode(&self, secret: &[u8]) -> String {
        let body = self.body();
        let mac = mac(secret, &[sid_purpose(self.is_noted), &body]);
        let bytes: Vec<u8> = body
            .into_iter()
            .chain(mac.into_iter().take(SID_MAC))
            .collect();
        URL_SAFE_NO_PAD.encode(bytes)
    }

    fn body(&self) -> Vec<u8> {
        let time = self.opened_at.to_be_bytes();
        self.colo
            .into_iter()
            .chain([self.shard])
            .chain(time.into_iter().skip(2))
            .chain(self.random)
            .collect()
    }

    /// Reads a sid that was made with one of the keys before `now`; returns `None` for anything else. The deadlines of
    /// a session are counted from its start, so one from the future would have none.
    pub fn decode<'a>(keys: impl Into<Keys<'a>>, text: &str, now: Millis) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (body, given) = bytes.split_at_checked(SID_BODY)?;
        let is_noted = keys.into().find(|key| {
            [false, true].into_iter().find(|is_noted| {
                let expected = mac(key, &[sid_purpose(*is_noted), body]);
                expected
                    .get(..SID_MAC)
                    .is_some_and(|expected| same(given, expected))
            })
        })?;
        let (colo, rest) = body.split_at_checked(3)?;
        let (shard, rest) = rest.split_first()?;
        let (time, random) = rest.split_at_checked(6)?;
        let time = time.iter();
        let opened_at = time.fold(0, |sum, byte| (sum << 8) | u64::from(*byte));
        if opened_at > now.saturating_add(CLOCK_SKEW) {
            return None;
        }
        Some(Self {
            colo: colo.try_into().ok()?,
            shard: *shard,
            opened_at,
            random: random.try_into().ok()?,
            is_noted,
        })
    }

    /// Returns the name of the gateway object that holds the session.
    pub fn gateway(&self) -> String {
        format!("{}-{}", self.colo(), self.shard)
    }

    /// Returns the data centre that answered the handshake.
    pub fn colo(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.colo)
    }
}

/// Returns a Socket.IO session id: 20 URL-safe characters from 15 random bytes.
pub fn socket_sid(random: [u8; 16]) -> String {
    URL_SAFE_NO_PAD.encode(random.get(1..).unwrap_or(&random))
}

/// Returns the private session id that lets a client recover (see [`super::recovery`]): the socket sid and
/// a MAC over it and the user. It proves that we issued it to that user, so nothing has to be stored.
pub fn pid(secret: &[u8], user_id: &str, sid: &str) -> String {
    let mac = mac(secret, &[b"pid", user_id.as_bytes(), sid.as_bytes()]);
    format!(
        "{sid}.{}",
        URL_SAFE_NO_PAD.encode(mac.get(..16).unwrap_or(&mac))
    )
}

/// Returns the socket sid in a pid, or `None` if the pid was not made for this user.
pub fn sid_of_pid<'a, 'k>(
    keys: impl Into<Keys<'k>>,
    user_id: &str,
    text: &'a str,
) -> Option<&'a str> {
    let (sid, _) = text.split_once('.')?;
    let is_ours = |key: &[u8]| same(pid(key, user_id, sid).as_bytes(), text.as_bytes());
    keys.into().find(|key| is_ours(key).then_some(sid))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conversation_has_one_id_whoever_asks() {
        let id = conversation_id("contractor1", "customer1");
        assert_eq!(id, conversation_id("customer1", "contractor1"));
        // Pinned, because D1 stores it.
        assert_eq!(id, "c5f6ed79-b080-80fc-bd56-982458557edc");
        assert_ne!(conversation_id("ab", "c"), conversation_id("a", "bc"));
    }

    #[test]
    fn message_ids_are_v7_and_sort_by_index() {
        let send = send_id(1_800_000_000_123, [0xff; 16]);
        assert_eq!(send.get_version_num(), 7);
        assert_eq!(created_at(send), 1_800_000_000_123);
        let ids: Vec<String> = (0..4096).map(|index| message_id(send, index)).collect();
        assert_eq!(ids[0], send.to_string());
        assert!(ids.is_sorted());
        assert!(ids.windows(2).all(|pair| pair[0] != pair[1]));
        let last = Uuid::parse_str(&ids[4095]).unwrap();
        assert_eq!(
            (last.get_version_num(), created_at(last)),
            (7, 1_800_000_000_123)
        );
    }

    #[test]
    fn a_sid_reads_back_and_cannot_be_made_up() {
        let sid = EngineSid {
            colo: *b"FRA",
            shard: 3,
            opened_at: 1_800_000_000_123,
            random: [9; 12],
            is_noted: false,
        };
        let noted = EngineSid {
            is_noted: true,
            ..sid.clone()
        };
        let decode = |text: &str| EngineSid::decode(b"secret", text, sid.opened_at);
        let text = sid.encode(b"secret");
        // Pinned, because clients hold sids.
        assert_eq!(text, "RlJBAwGjGFxQewkJCQkJCQkJCQkJCQ5IAF-Q3TnH");
        assert_eq!(decode(&noted.encode(b"secret")), Some(noted));
        assert_eq!(text.len(), 40);
        assert_eq!(sid.gateway(), "FRA-3");
        assert_eq!(decode(&text).as_ref(), Some(&sid));
        let opened_at = sid.opened_at;
        assert_eq!(EngineSid::decode(b"other", &text, opened_at), None);
        let rotated = Keys::new(b"other", Some(b"secret"));
        assert!(EngineSid::decode(rotated, &text, opened_at).is_some());
        let changed = format!("A{}", &text[1..]);
        for bad in ["", "abc", &changed, &text[..39], "ü"] {
            assert_eq!(decode(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_sid_from_the_future_is_none() {
        let sid = EngineSid {
            colo: *b"FRA",
            shard: 0,
            opened_at: 1_800_000_000_000,
            random: [9; 12],
            is_noted: false,
        };
        let text = sid.encode(b"secret");
        let is_known = |now| EngineSid::decode(b"secret", &text, now).is_some();
        assert!(is_known(sid.opened_at - 30_000));
        assert!(!is_known(sid.opened_at - 30_001));
        assert!(!is_known(0));
    }

    #[test]
    fn a_pid_is_worth_something_to_its_user_only() {
        let text = pid(b"secret", "u1", "SID");
        assert_eq!(sid_of_pid(b"secret", "u1", &text), Some("SID"));
        assert_eq!(sid_of_pid(b"secret", "u2", &text), None);
        assert_eq!(sid_of_pid(b"other", "u1", &text), None);
        let changed = |previous| Keys::new(b"other", previous);
        assert_eq!(
            sid_of_pid(changed(Some(b"secret")), "u1", &text),
            Some("SID")
        );
        assert_eq!(sid_of_pid(changed(Some(b"third")), "u1", &text), None);
        assert_eq!(sid_of_pid(b"secret", "u1", "SID"), None);
        assert_eq!(sid_of_pid(b"secret", "u1", "SID."), None);
    }
}
