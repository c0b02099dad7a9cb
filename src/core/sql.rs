//! SQL in the core: statements with parameters, for D1 and for the objects' own storage.

/// A value bound to a placeholder.
#[derive(Debug, Clone, PartialEq)]
pub enum Param {
    /// Text, or a list as JSON that SQLite unpacks.
    Text(String),
    /// A whole number below 2^53.
    Integer(u64),
    /// `NULL`, for a missing value.
    Null,
}

impl From<&str> for Param {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl<T: Into<Self>> From<Option<T>> for Param {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, T::into)
    }
}

/// An SQL statement with its parameters.
#[derive(Debug, Clone, PartialEq)]
pub struct Statement {
    /// The SQL, with the placeholders `?1`, `?2`, ...
    pub sql: &'static str,
    /// The values of the placeholders, in order.
    pub params: Vec<Param>,
}

impl From<String> for Param {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<u64> for Param {
    fn from(number: u64) -> Self {
        Self::Integer(number)
    }
}

impl From<bool> for Param {
    fn from(is_so: bool) -> Self {
        Self::Integer(is_so.into())
    }
}
