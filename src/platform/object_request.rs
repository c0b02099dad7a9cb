//! A request to an object, as the object reads it. [`crate::messages`] lists the possible messages.

use serde::de::DeserializeOwned;
use worker::{Request, Response, Result};

use crate::messages::{FAILED, HEADER, message_in, split_url};

/// A request from the Worker or another object.
pub struct ObjectRequest {
    /// The request, for content beside the message.
    pub request: Request,
    path: String,
    query: Option<String>,
}

impl ObjectRequest {
    /// Wraps a request and splits its URL.
    pub fn new(request: Request) -> Self {
        let url = request.inner().url();
        let (path, query) = split_url(&url);
        Self {
            path: path.to_owned(),
            query: query.map(str::to_owned),
            request,
        }
    }

    /// Returns the path, which identifies the message.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Returns the URL's query, or an empty string if there is none.
    pub fn query(&self) -> &str {
        self.query.as_deref().unwrap_or_default()
    }

    /// Returns the message's JSON: from the query, the header or the body.
    pub async fn json(&mut self) -> Result<String> {
        if let Some(query) = &self.query {
            return Ok(message_in(query));
        }
        if let Some(json) = self.request.headers().get(HEADER)? {
            return Ok(json);
        }
        let body = self.request.text().await?;
        Ok(if body.is_empty() { "{}".into() } else { body })
    }

    /// Reads the message. Returns `None` if it cannot be read.
    pub async fn message<M: DeserializeOwned>(&mut self) -> Result<Option<M>> {
        Ok(serde_json::from_str(&self.json().await?).ok())
    }

    /// Reads the message and returns the response of `act`, or a 400 if the message cannot be read.
    pub async fn respond<M: DeserializeOwned>(
        &mut self,
        act: impl AsyncFnOnce(M) -> Result<Response>,
    ) -> Result<Response> {
        match self.message().await? {
            Some(message) => act(message).await,
            None => unknown(),
        }
    }
}

/// Returns the answer to a remote call as its caller reads it: in one line, or why there is none.
pub fn line(answer: Result<String>) -> String {
    answer.unwrap_or_else(|error| format!("{FAILED}{error}"))
}

/// Returns the 400 for a message that is unknown, or known only to a later version.
pub fn unknown() -> Result<Response> {
    Response::error("unknown message", 400)
}
