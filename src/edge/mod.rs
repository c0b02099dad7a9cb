//! The Worker: stateless. Checks origin, version and transport, and routes; see [`socket_io`],
//! [`api`] for the marketplace's own backend, and [`console`] for people.

mod answer;
mod api;
mod console;
mod relay;
mod socket_io;

use worker::{Context, Env, Request, Response, Result, event};

use crate::core::api::{HEALTH, PREFIX};
use crate::handler::{Active, Handler};

#[event(start)]
fn start() {
    console_error_panic_hook::set_once();
}

#[event(fetch)]
async fn fetch(request: Request, env: Env, _context: Context) -> Result<Response> {
    let path = request.path();
    let answered = match path.trim_end_matches('/') {
        path if Active::PATHS.contains(&path) => socket_io::serve(request, env, path).await,
        "" => console::serve(request, &env).await,
        HEALTH => api::health(&request, &env).await,
        _ if path.starts_with(PREFIX) => api::serve(request, env).await,
        _ => answer::not_found(),
    };
    answered.or_else(|error| answer::unavailable("request", &error))
}
