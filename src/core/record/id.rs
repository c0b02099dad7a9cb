//! Ids in D1: 16-byte BLOBs there, dashed text everywhere else.
//!
//! D1's parameters and results are text, so ids go in through `unhex` and come out through `hex`. A client may name
//! any text as a conversation. Only the one way in which this code writes a UUID may find anything, because the same
//! id in another spelling would be another id to everything but D1.

use std::fmt;

use serde::Deserialize;
use uuid::Uuid;

use super::Param;

/// Returns a parameter for `unhex(?n, '-')`: `NULL`, which is equal to no id, unless the text is a UUID as this code
/// writes it.
pub(super) fn key(text: &str) -> Param {
    let is_canonical = |id: &Uuid| id.to_string() == text;
    let id = Uuid::try_parse(text).ok().filter(is_canonical);
    Param::from(id.map(|_| text))
}

/// An id that D1 has returned, as `hex(...)` or as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Id(pub Uuid);

impl TryFrom<String> for Id {
    type Error = uuid::Error;

    fn try_from(text: String) -> Result<Self, uuid::Error> {
        Uuid::try_parse(&text).map(Self)
    }
}

impl fmt::Display for Id {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// The sender of `messages AS m` in `conversations AS c`.
macro_rules! sender {
    () => {
        "CASE m.from_a WHEN 1 THEN c.user_a ELSE c.user_b END"
    };
}

/// Joins what the message `m` of the sender shares with the others of its send, as `s`. The send's id is the
/// message's with a counter of zero, which is three of its hexadecimal digits.
macro_rules! join_contents {
    ($sender:expr) => {
        concat!(
            "
LEFT JOIN contents AS s ON m.content IS NULL AND s.sender_id = ",
            $sender,
            "
  AND s.send_id = unhex(substr(hex(m.message_id), 1, 13) || '000' || substr(hex(m.message_id), 17))"
        )
    };
}

pub(super) use {join_contents, sender};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_spelling_of_this_code_is_an_id() {
        let id = "c5f6ed79-b080-80fc-bd56-982458557edc";
        assert_eq!(key(id), Param::from(id));
        let hex = id.replace('-', "");
        for other in ["k", "", &id.to_uppercase(), &hex, &format!("{{{id}}}")] {
            assert_eq!(key(other), Param::Null, "{other}");
        }
        assert_eq!(Id::try_from(hex.to_uppercase()).unwrap().to_string(), id);
        assert_eq!(Id::try_from(id.to_owned()).unwrap().to_string(), id);
        assert!(Id::try_from("k".to_owned()).is_err());
    }
}
