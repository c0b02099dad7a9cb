//! Who asks for something.

/// A user, by one of their connections or by the marketplace's backend.
pub(crate) struct Caller {
    pub(crate) user_id: String,
    /// The Socket.IO session; none if the marketplace's backend asks on the user's behalf.
    pub(crate) sid: Option<String>,
}
