//! The keys for tokens, session ids and pids: the current key and, during a rotation, the previous one.
//!
//! Invariant: only the current key signs anything new. What the previous key signed remains valid, so a
//! rotation disrupts no client.

/// The current key and, during a rotation, the previous one.
#[derive(Debug, Clone, Copy)]
pub struct Keys<'a> {
    current: &'a [u8],
    previous: Option<&'a [u8]>,
}

impl<'a> Keys<'a> {
    /// Returns the current key and the previous one, if that is still valid.
    pub fn new(current: &'a [u8], previous: Option<&'a [u8]>) -> Self {
        Self { current, previous }
    }

    /// Returns the key that signs anything new.
    pub fn current(self) -> &'a [u8] {
        self.current
    }

    /// Returns the result for the first key that `fit` accepts; it tries the current key first.
    pub fn find<T>(self, fit: impl Fn(&[u8]) -> Option<T>) -> Option<T> {
        fit(self.current).or_else(|| fit(self.previous?))
    }
}

impl<'a> From<&'a [u8]> for Keys<'a> {
    fn from(current: &'a [u8]) -> Self {
        Self::new(current, None)
    }
}

impl<'a, const N: usize> From<&'a [u8; N]> for Keys<'a> {
    fn from(current: &'a [u8; N]) -> Self {
        Self::new(current, None)
    }
}
