//! How the operator's log names users.

use super::ids::mac;

/// `LOG_USER_IDS`: how the log names users.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UserIds {
    /// By a hash, which tells users apart and says nothing else.
    Hashed,
    /// As they are.
    Plain,
}

impl UserIds {
    /// Reads `hashed` or `plain`.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "hashed" => Some(Self::Hashed),
            "plain" => Some(Self::Plain),
            _ => None,
        }
    }

    /// The user's name in the log: 16 hexadecimal digits, or the id.
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
        assert_eq!(UserIds::parse("plain"), Some(UserIds::Plain));
        assert_eq!(UserIds::parse("no"), None);
    }
}
