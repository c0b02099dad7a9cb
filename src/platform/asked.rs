//! A request to an object, as the object reads it: [`crate::messages`] says what it can be.

use serde::de::DeserializeOwned;
use worker::{Request, Response, Result, Url};

use crate::messages::{HEADER, Message, read_query};

/// A request of the Worker, or of another object.
pub struct ObjectRequest {
    /// Where the message is not all that it brings.
    pub request: Request,
    url: Url,
}

impl ObjectRequest {
    /// Its URL is read at once.
    pub fn new(request: Request) -> Result<Self> {
        let url = request.url()?;
        Ok(Self { request, url })
    }

    /// Which message it is.
    pub fn path(&self) -> &str {
        self.url.path()
    }

    /// What the URL says beside the path.
    pub fn query(&self) -> &str {
        self.url.query().unwrap_or_default()
    }

    /// The message, from wherever it stands; none if it cannot be read.
    pub async fn message<M: DeserializeOwned>(&mut self) -> Result<Option<M>> {
        if let Some(query) = self.url.query() {
            return Ok(read_query(query));
        }
        let json = match self.request.headers().get(HEADER)? {
            Some(json) => json,
            None => self.request.text().await?,
        };
        Ok(serde_json::from_str(&json).ok())
    }

    /// Answers the message by what `act` returns.
    pub async fn respond<M: DeserializeOwned>(
        &mut self,
        act: impl AsyncFnOnce(M) -> Result<Response>,
    ) -> Result<Response> {
        match self.message().await? {
            Some(message) => act(message).await,
            None => unknown(),
        }
    }

    /// Answers the message by what `act` returns, as JSON.
    pub async fn answer<M: Message + DeserializeOwned>(
        &mut self,
        act: impl AsyncFnOnce(M) -> Result<M::Answer>,
    ) -> Result<Response> {
        self.respond(async |message| Response::from_json(&act(message).await?))
            .await
    }
}

/// Refuses what nobody of ours asks, or only a later version.
pub fn unknown() -> Result<Response> {
    Response::error("unknown message", 400)
}
