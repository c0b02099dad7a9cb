//! The console page at `/`. It consists of static assets; only the document passes through the Worker, so
//! that the variable CONSOLE can disable it. The other assets are served without the Worker, and contain no
//! data.

use worker::{Env, Request, Response, Result};

use super::answer;
use crate::platform;

/// The binding of the assets in wrangler.toml.
const ASSETS: &str = "ASSETS";

/// Serves the page. If it is disabled or not deployed, returns one line that says what is running here.
pub async fn serve(request: Request, env: &Env) -> Result<Response> {
    let config = match platform::config(env) {
        Ok(config) => config,
        Err(error) => return answer::misconfigured(&error),
    };
    match env.assets(ASSETS) {
        Ok(assets) if config.console => assets.fetch_request(request).await,
        _ => answer::welcome(),
    }
}
