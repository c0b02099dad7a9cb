//! What every layer uses: the configuration, what requests cost, and telemetry.

use worker::Result;

use super::fault::Failure;
use crate::core::config::Config;
use crate::core::cost::Cost;
use crate::core::error::{ErrorCode, EventError};
use crate::core::telemetry::Fact;
use crate::platform::{now, telemetry};
use crate::user_do::UserObject;

impl UserObject {
    /// Returns the configuration. If it is invalid, no connection gets here: the Worker refuses to serve.
    pub(crate) fn config(&self) -> Result<&Config> {
        match &self.config {
            Ok(config) => Ok(config),
            Err(error) => Err(worker::Error::RustError(error.to_string())),
        }
    }

    /// Refuses to go on with a request if its user has been erased while it waited: nothing may be written for them
    /// any more.
    pub(crate) fn unless_erased(&self) -> std::result::Result<(), Failure> {
        if self.is_erased()? {
            return Err(EventError::new(ErrorCode::Forbidden, "The user has been erased").into());
        }
        Ok(())
    }

    /// Returns whether the user has been erased, and nobody has connected or sent anything by this id since.
    pub(crate) fn is_erased(&self) -> Result<bool> {
        let is_nobody = self.store.user_state()?.user_id.is_empty();
        Ok(is_nobody && self.store.erased_at()?.is_some())
    }

    /// Counts what a request of the user costs, or refuses it.
    pub(crate) fn pay(&self, cost: Cost) -> std::result::Result<(), Failure> {
        let mut spending = self.spending.get();
        spending.pay(cost, self.config()?.costs, now())?;
        self.spending.set(spending);
        Ok(())
    }

    /// Reports a fact to the operator.
    pub(crate) fn fact(&self, user_id: &str, fact: &Fact) {
        if let Ok(config) = self.config() {
            telemetry::tell(&self.env, config, Some(user_id), fact);
        }
    }

    /// Records that the current work may need an earlier alarm, or none any more. The entry point sets the
    /// alarm when it ends.
    pub(crate) fn needs_schedule(&self) {
        self.needs_schedule.set(true);
    }
}
