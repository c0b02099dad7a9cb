//! The Worker: stateless. Checks origin, version and transport, and routes; see [`socket_io`].

mod answer;
mod relay;
mod socket_io;

use worker::{Context, Env, Request, Response, Result, event};

#[event(start)]
fn start() {
    console_error_panic_hook::set_once();
}

#[event(fetch)]
async fn fetch(request: Request, env: Env, _context: Context) -> Result<Response> {
    let answered = match request.path().trim_end_matches('/') {
        "/socket.io" => socket_io::serve(request, env).await,
        "" => answer::welcome(),
        _ => answer::not_found(),
    };
    answered.or_else(|error| answer::unavailable("request", &error))
}
