//! Reads request bodies. Anybody may send one, and the isolate's memory is shared, so no more is read than the
//! caller can use.

use futures::StreamExt;
use worker::{Request, Result};

/// Reads a request's body. Returns `None` as soon as it exceeds `max` bytes and reads no further; if the request
/// declares its length, before anything is read.
pub async fn read(request: &mut Request, max: usize) -> Result<Option<Vec<u8>>> {
    if request.inner().body().is_none() {
        return Ok(Some(Vec::new()));
    }
    let length = request.headers().get("Content-Length")?;
    let length = length.and_then(|length| length.parse::<u64>().ok());
    if length.is_some_and(|length| length > max as u64) {
        return Ok(None);
    }
    let mut body = Vec::new();
    let mut chunks = request.stream()?;
    while let Some(chunk) = chunks.next().await {
        body.extend(chunk?);
        if body.len() > max {
            return Ok(None);
        }
    }
    Ok(Some(body))
}
