//! The console page at `/`: static assets, whose document goes through here so that one variable
//! can switch it off. Everything it loads is served without the Worker and says nothing by itself.

use worker::{Env, Request, Response, Result};

use super::answer;
use crate::platform;

/// The binding of the assets in wrangler.toml.
const ASSETS: &str = "ASSETS";

/// Serves the page, or, if it is switched off or not deployed, a line that says who is answering.
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
