//! What every layer uses: the configuration, what requests cost, and telemetry.

use worker::Result;

use super::fault::Failure;
use crate::core::config::Config;
use crate::core::cost::Cost;
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
