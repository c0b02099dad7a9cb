//! Why a request fails. One place logs the details and tells the client what it needs to know.

use thiserror::Error;

use crate::core::error::EventError;
use crate::core::store::StoreError;
use crate::platform::d1::D1Error;
use crate::platform::log;

/// Why a request fails.
#[derive(Debug, Error)]
#[error(transparent)]
pub(crate) enum Failure {
    /// The client's mistake, or a limit. The client receives the error as it is.
    Refused(#[from] EventError),
    /// D1 did not answer.
    Database(#[from] D1Error),
    /// A fault on our side.
    Fault(#[from] worker::Error),
}

impl Failure {
    /// Logs the details of a fault, and returns the error for the client. `event` names the request.
    pub(crate) fn told(self, event: &str) -> EventError {
        match self {
            Self::Refused(error) => error,
            Self::Database(error) => {
                log::error("database", &error);
                EventError::try_again()
            }
            Self::Fault(error) => {
                log::error(event, &error);
                EventError::internal()
            }
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Fault(error.into())
    }
}
