//! The members of a JSON object that somebody else wrote, read by name: claims, and the keys of a JWKS.
//!
//! Their values stay raw until they are read, because a member that nobody reads may be anything. A member of
//! another type than expected counts as missing.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

/// The members of a JSON object, by name. If a name occurs twice, the last one counts (RFC 7519, section 4).
#[derive(Debug, Clone)]
pub struct Members(BTreeMap<String, Box<RawValue>>);

impl Members {
    /// Reads an object. Returns `None` for any other text.
    pub fn read(json: &str) -> Option<Self> {
        serde_json::from_str(json).ok().map(Self)
    }

    /// Returns a member's JSON; null counts as missing.
    pub fn json(&self, name: &str) -> Option<&RawValue> {
        let value = self.0.get(name)?;
        (value.get() != "null").then_some(value)
    }

    /// Returns whether there is such a member, even if it is null.
    pub fn contains(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Returns a string.
    pub fn text(&self, name: &str) -> Option<String> {
        self.parsed(name)
    }

    /// Returns whether the member is this string, or an array of strings that contains it.
    pub fn names(&self, name: &str, value: &str) -> bool {
        if let Some(text) = self.text(name) {
            return text == value;
        }
        let all: Option<Vec<String>> = self.parsed(name);
        all.is_some_and(|all| all.iter().any(|one| one == value))
    }

    /// Returns the objects in an array; its other elements are left out.
    pub fn objects(&self, name: &str) -> Option<Vec<Self>> {
        let all: Vec<Box<RawValue>> = self.parsed(name)?;
        Some(all.iter().filter_map(|one| Self::read(one.get())).collect())
    }

    fn parsed<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        serde_json::from_str(self.json(name)?.get()).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_of_another_type_counts_as_missing() {
        let json = r#"{"a":"x","b":["x",1],"c":["y","x"],"d":null,"e":7,"e":"z"}"#;
        let members = Members::read(json).unwrap();
        assert_eq!(members.text("a").as_deref(), Some("x"));
        assert_eq!(members.text("e").as_deref(), Some("z"));
        for name in ["b", "c", "d", "missing"] {
            assert_eq!(members.text(name), None, "{name}");
        }
        assert!(members.names("a", "x") && members.names("c", "x"));
        for (name, value) in [("a", "y"), ("b", "x"), ("d", "x"), ("missing", "x")] {
            assert!(!members.names(name, value), "{name}");
        }
        assert!(members.contains("d") && members.json("d").is_none());
        for other in ["[]", "1", "", "{", r#""a""#] {
            assert!(Members::read(other).is_none(), "{other}");
        }
    }
}
