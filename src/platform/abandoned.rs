//! Detects that a client has abandoned its request.
//!
//! The request's abort signal fires, which requires the compatibility flag `enable_request_signal`: in the
//! Worker, when its client's connection ends; in an object, when the Worker that called it has ended or
//! has been aborted itself.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures::channel::oneshot;
use wasm_bindgen::JsCast;
use wasm_bindgen::closure::Closure;
use web_sys::AbortSignal;
use worker::Request;

/// A future that completes when the client abandons the request, and never otherwise. Dropping it removes
/// the listener.
pub struct Abandoned {
    signal: AbortSignal,
    told: oneshot::Receiver<()>,
    /// The signal's callback, kept for as long as the signal may call it.
    _listener: Closure<dyn FnMut()>,
}

impl Abandoned {
    /// Starts to listen for the abort signal of `request`.
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
        // The sender is owned by the listener, so it is not dropped before this future is.
        Pin::new(&mut self.told).poll(context).map(|_| ())
    }
}

impl Drop for Abandoned {
    fn drop(&mut self) {
        self.signal.set_onabort(None);
    }
}
