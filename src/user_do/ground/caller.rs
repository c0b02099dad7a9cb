//! The origin of a request.

/// A user, through one of their connections or the marketplace's backend.
pub(crate) struct Caller {
    pub(crate) user_id: String,
    /// The Socket.IO session; `None` if the marketplace's backend acts on the user's behalf.
    pub(crate) sid: Option<String>,
}
