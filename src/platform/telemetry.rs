//! Records facts: in the log and, if bound, in an Analytics Engine dataset.

use js_sys::Reflect;
use worker::{AnalyticsEngineDataPointBuilder, Env};

use super::log;
use crate::core::config::Config;
use crate::core::connection::Carrier;
use crate::core::telemetry::Fact;
use crate::core::token::TokenError;

/// The name of the optional binding in wrangler.toml.
const DATASET: &str = "ANALYTICS";

/// Records a fact, with the user if known.
pub fn tell(env: &Env, config: &Config, user_id: Option<&str>, fact: &Fact) {
    let user = user_id.map(|id| config.log_user_ids.name(config.secret(), id));
    if fact.is_logged(config) {
        worker::console_log!("{}", fact.line(user.as_deref()));
    }
    log::fault(
        "analytics",
        write(env, user.as_deref().unwrap_or_default(), fact),
    );
}

/// Records that a CONNECT was refused before its user was known.
pub fn refused(env: &Env, config: &Config, carrier: Carrier, error: TokenError) {
    let code = error.code();
    let fact = Fact::ConnectionRefused { carrier, code };
    tell(env, config, None, &fact);
}

/// Writes a data point. This costs no round trip: the platform writes it after the request.
fn write(env: &Env, user: &str, fact: &Fact) -> worker::Result<()> {
    let is_bound = Reflect::get(env, &DATASET.into()).is_ok_and(|binding| !binding.is_undefined());
    if !is_bound {
        return Ok(());
    }
    let point = fact.point();
    AnalyticsEngineDataPointBuilder::new()
        .indexes([user])
        .blobs(point.blobs.iter().map(String::as_str))
        .doubles(point.doubles)
        .write_to(&env.analytics_engine(DATASET)?)
}
