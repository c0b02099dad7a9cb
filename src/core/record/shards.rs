//! Which database has what: RECORD_SHARDS.
//!
//! D1 holds 10 GB and runs one query at a time, so the record may be spread over several databases, its shards. A
//! conversation lives in one of them with its messages, and with the blocks between its two users. Users are in all of
//! them, so that a shard's transaction can check on its own who exists and who may send.
//!
//! Invariant: a conversation's shard follows from its id alone. The ids are hashes, so the shards fill up evenly. Each
//! shard has a range of them, which doubling the number of shards would split in two. No message moves by itself, so
//! the number must not change once there is a record ([`super::deployment`]).

use crate::core::ids::conversation_id;

/// The most shards: a user is written to all of them, and a send to a thousand receivers touches all of them.
pub const MAX_SHARDS: usize = 64;

/// One database of the record, by its place in RECORD_SHARDS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard(usize);

impl Shard {
    /// The shard whose users are read. The others have copies.
    pub const FIRST: Self = Self(0);

    /// Returns the place in RECORD_SHARDS, from zero.
    pub fn index(self) -> usize {
        self.0
    }
}

/// All shards, each by the name of its binding in wrangler.toml.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shards(Vec<String>);

impl Shards {
    /// Reads names separated by commas. The error says what is wrong with them.
    pub fn parse(text: &str) -> Result<Self, String> {
        let bindings: Vec<String> = text.split(',').map(|name| name.trim().to_owned()).collect();
        if bindings.len() > MAX_SHARDS {
            return Err(format!("more than {MAX_SHARDS} databases"));
        }
        for (index, name) in bindings.iter().enumerate() {
            if name.is_empty() {
                return Err(format!("\"{text}\" has an empty name in it"));
            }
            if bindings.iter().take(index).any(|other| other == name) {
                return Err(format!("\"{name}\" is listed twice"));
            }
        }
        Ok(Self(bindings))
    }

    /// Returns how many there are: at least one.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Returns all of them, in the order of RECORD_SHARDS.
    pub fn all(&self) -> impl Iterator<Item = Shard> + use<> {
        (0..self.count()).map(Shard)
    }

    /// Returns the name of a shard's binding.
    pub fn binding(&self, shard: Shard) -> &str {
        self.0.get(shard.0).map_or("", String::as_str)
    }

    /// Returns the shard of a conversation. What is no conversation's id is in the first shard, which does not have it
    /// either.
    pub fn of(&self, conversation_id: &str) -> Shard {
        let hex = conversation_id.get(..4).unwrap_or_default();
        let first_bits = u16::from_str_radix(hex, 16).unwrap_or_default();
        Shard((usize::from(first_bits) * self.count()) >> 16)
    }

    /// Returns the shard of what concerns two users.
    pub fn between(&self, a: &str, b: &str) -> Shard {
        self.of(&conversation_id(a, b))
    }

    /// Returns the shards that these items touch, each with its items in the given order. `id` returns an item's
    /// conversation.
    pub fn split<T>(
        &self,
        items: impl IntoIterator<Item = T>,
        id: impl Fn(&T) -> &str,
    ) -> Vec<(Shard, Vec<T>)> {
        let mut parts: Vec<(Shard, Vec<T>)> = self.all().map(|shard| (shard, vec![])).collect();
        for item in items {
            let Shard(index) = self.of(id(&item));
            if let Some((_, part)) = parts.get_mut(index) {
                part.push(item);
            }
        }
        parts.retain(|(_, part)| !part.is_empty());
        parts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shards(count: usize) -> Shards {
        let names: Vec<String> = (0..count).map(|index| format!("DB_{index}")).collect();
        Shards::parse(&names.join(", ")).unwrap()
    }

    #[test]
    fn names_are_read_in_order() {
        let shards = Shards::parse("DB, DB_1 ,DB_2").unwrap();
        let names: Vec<&str> = shards.all().map(|shard| shards.binding(shard)).collect();
        assert_eq!(names, ["DB", "DB_1", "DB_2"]);
        assert_eq!(shards.binding(Shard::FIRST), "DB");
        let problem = |text: &str| Shards::parse(text).unwrap_err();
        assert_eq!(problem("DB,,A"), "\"DB,,A\" has an empty name in it");
        assert_eq!(problem("DB,A,DB"), "\"DB\" is listed twice");
        let many: Vec<String> = (0..=MAX_SHARDS).map(|index| index.to_string()).collect();
        assert_eq!(problem(&many.join(",")), "more than 64 databases");
    }

    #[test]
    fn each_shard_has_a_range() {
        let ids = [
            "0000", "3fff", "4000", "7fff", "8000", "bfff", "c000", "ffff",
        ]
        .map(|bits| format!("{bits}0000-0000-8000-8000-000000000000"));
        let places = |count| ids.clone().map(|id| shards(count).of(&id).index());
        assert_eq!(places(1), [0; 8]);
        assert_eq!(places(2), [0, 0, 0, 0, 1, 1, 1, 1]);
        assert_eq!(places(4), [0, 0, 1, 1, 2, 2, 3, 3]);
        assert_eq!(shards(3).of("5555").index(), 0);
        assert_eq!(shards(3).of("5556").index(), 1);
        for odd in ["", "abc", "ü字🙂", "zzzz", "\u{1F642}a"] {
            assert_eq!(shards(4).of(odd), Shard::FIRST);
        }
    }

    #[test]
    fn doubling_halves_every_range() {
        for count in [1, 2, 3, 5, 16, 32] {
            for bits in (0..=u16::MAX).step_by(7) {
                let id = format!("{bits:04x}");
                let [few, many] = [count, 2 * count].map(|count| shards(count).of(&id).index());
                assert_eq!(many / 2, few, "{id} of {count}");
            }
        }
    }

    #[test]
    fn shards_fill_up_evenly() {
        let shards = shards(4);
        let mut filled = [0; 4];
        for receiver in 0..4_000 {
            let shard = shards.between("contractor", &format!("customer{receiver}"));
            filled[shard.index()] += 1;
        }
        assert!(
            filled.iter().all(|count| (900..1_100).contains(count)),
            "{filled:?}"
        );
        assert_eq!(shards.between("a", "b"), shards.between("b", "a"));
    }

    #[test]
    fn a_split_keeps_the_order_within_a_shard() {
        let split = shards(4).split(["ffff2", "0000", "ffff1"], |id| id);
        let expected = vec![(Shard(0), vec!["0000"]), (Shard(3), vec!["ffff2", "ffff1"])];
        assert_eq!(split, expected);
        assert!(shards(4).split([], |id: &&str| id).is_empty());
    }
}
