//! The keys of tokens, session ids and pids: the one that counts and, while it is being changed, the one
//! before it.
//!
//! Invariant: only the current key makes anything. What the one before it has made still counts, so
//! changing the key disturbs nobody.

/// One key, or two while the key is being changed.
#[derive(Debug, Clone, Copy)]
pub struct Keys<'a> {
    current: &'a [u8],
    previous: Option<&'a [u8]>,
}

impl<'a> Keys<'a> {
    /// The current key, and the one before it if that still counts.
    pub fn new(current: &'a [u8], previous: Option<&'a [u8]>) -> Self {
        Self { current, previous }
    }

    /// What the first key that fits makes of something.
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
