//! What every floor knows: the configuration, and where the operator is told.

use worker::Result;

use crate::core::config::Config;
use crate::core::telemetry::Fact;
use crate::platform::telemetry;
use crate::user_do::UserObject;

impl UserObject {
    /// The configuration. No connection gets here with a bad one: the Worker refuses to serve.
    pub(crate) fn config(&self) -> Result<&Config> {
        self.config
            .as_ref()
            .map_err(|error| worker::Error::RustError(error.to_string()))
    }

    /// Tells the operator.
    pub(crate) fn fact(&self, user_id: &str, fact: &Fact) {
        if let Ok(config) = self.config() {
            telemetry::tell(&self.env, config, Some(user_id), fact);
        }
    }

    /// What is being done may need an earlier alarm, or none any more: the entry that does it sets it when
    /// it ends.
    pub(crate) fn needs_schedule(&self) {
        self.needs_schedule.set(true);
    }
}
