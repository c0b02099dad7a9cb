//! How the operator's log identifies users.

use super::ids::mac;

/// `LOG_USER_IDS`: whether the log contains user ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UserIds {
    /// The log contains a keyed hash, which distinguishes users and reveals nothing else.
    Hashed,
    /// The log contains the user ids themselves.
    Plain,
}

impl UserIds {
    /// Returns what identifies the user in the log: 16 hexadecimal digits, or the user id.
    pub fn name(self, secret: &[u8], user_id: &str) -> String {
        match self {
            Self::Plain => user_id.to_owned(),
            Self::Hashed => mac(secret, &[b"log", user_id.as_bytes()])
                .iter()
                .take(8)
                .map(|byte| format!("{byte:02x}"))
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_tells_users_apart_and_says_nothing_else() {
        let name = |secret: &[u8], id| UserIds::Hashed.name(secret, id);
        assert_eq!(name(b"s", "u").len(), 16);
        assert_eq!(name(b"s", "u"), name(b"s", "u"));
        assert_ne!(name(b"s", "u"), name(b"s", "v"));
        assert_ne!(name(b"s", "u"), name(b"t", "u"));
        assert_eq!(UserIds::Plain.name(b"s", "u"), "u");
    }
}
