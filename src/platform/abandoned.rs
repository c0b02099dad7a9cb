//! A request that its client gives up.
//!
//! Told by the request's signal, which needs the compatibility flag `enable_request_signal`: the Worker's
//! when its client's connection ends, an object's when the Worker that called it is gone or was told.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures::channel::oneshot;
use wasm_bindgen::JsCast;
use wasm_bindgen::closure::Closure;
use web_sys::AbortSignal;
use worker::Request;

/// Ends when the client gives the request up, and otherwise never. Whoever drops it stops listening.
pub struct Abandoned {
    signal: AbortSignal,
    told: oneshot::Receiver<()>,
    /// What the signal calls; it lives for as long as the signal may call it.
    _listener: Closure<dyn FnMut()>,
}

impl Abandoned {
    /// Listens from now on.
    pub fn of(request: &Request) -> Self {
        let signal = request.inner().signal();
        let (sender, told) = oneshot::channel();
        let mut sender = Some(sender);
        let mut tell = move || {
            if let Some(sender) = sender.take() {
                let _ = sender.send(());
            }
        };
        if signal.aborted() {
            tell();
        }
        let listener = Closure::<dyn FnMut()>::new(tell);
        signal.set_onabort(Some(listener.as_ref().unchecked_ref()));
        Self {
            signal,
            told,
            _listener: listener,
        }
    }
}

impl Future for Abandoned {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        // The sender lives in the listener, so it is not dropped before this is.
        Pin::new(&mut self.told).poll(context).map(|_| ())
    }
}

impl Drop for Abandoned {
    fn drop(&mut self) {
        self.signal.set_onabort(None);
    }
}
