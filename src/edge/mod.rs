//! The stateless Worker. It checks origin, version and transport, and routes: [`socket_io`] for clients,
//! [`api`] for the marketplace's own backend, [`console`] for the console page.

mod admission;
mod answer;
mod api;
mod console;
mod health;
mod long_poll;
mod open_origins;
mod relay;
mod socket_io;

use worker::{Context, Env, Request, Response, Result, event};

use crate::core::api::{HEALTH, PREFIX};
use crate::handler::{Active, Handler};
use crate::platform;

#[event(start)]
fn start() {
    console_error_panic_hook::set_once();
}

#[event(fetch)]
async fn fetch(request: Request, env: Env, _context: Context) -> Result<Response> {
    let url = platform::url(&request)?;
    let path = url.pathname();
    open_origins::warn_once(&env, &url);
    let answered = match path.trim_end_matches('/') {
        path if Active::PATHS.contains(&path) => socket_io::serve(request, env, &url, path).await,
        "" => console::serve(request, &env).await,
        HEALTH => health::serve(&request, &env, &url).await,
        _ if path.starts_with(PREFIX) => api::serve(request, env, &url, &path).await,
        _ => answer::not_found(),
    };
    answered.or_else(|error| answer::unavailable("request", &error))
}
