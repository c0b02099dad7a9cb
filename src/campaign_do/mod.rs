//! The Campaign object: one per campaign, named by the campaign's id.
//!
//! Invariant: the truth of a campaign is in this object's storage, and an alarm drives it from there: whatever there is
//! to do has an alarm, so a campaign goes on after any crash ([`feed`]). What is in memory only says that the alarm is
//! at work.

// The bindings' generated code is unsafe; our own is not.
#![allow(unsafe_code)]

mod commands;
mod feed;

use std::cell::Cell;

use wasm_bindgen::prelude::*;
use worker::{DurableObject, Env, Error, Request, Response, Result, State, durable_object};

use crate::core::campaign::store::CampaignStore;
use crate::core::campaign::{CampaignLimits, Step};
use crate::core::error::to_json;
use crate::core::time::Millis;
use crate::messages::{CampaignCall, Message};
use crate::platform::object_database::ObjectDatabase;
use crate::platform::{self, alarm, now, object_request};

/// One campaign's Durable Object.
#[durable_object(alarm)]
pub struct CampaignObject {
    state: State,
    env: Env,
    store: CampaignStore<ObjectDatabase>,
    /// Whether the alarm is at work. It goes on by what is stored, so nobody else has to set it meanwhile.
    is_fed: Cell<bool>,
}

impl DurableObject for CampaignObject {
    fn new(state: State, env: Env) -> Self {
        Self {
            store: CampaignStore::new(ObjectDatabase(state.storage().sql())),
            state,
            env,
            is_fed: Cell::default(),
        }
    }

    /// Everything comes by remote calls.
    async fn fetch(&self, _request: Request) -> Result<Response> {
        object_request::unknown()
    }

    async fn alarm(&self) -> Result<Response> {
        self.is_fed.set(true);
        let outcome = self.feed().await;
        self.is_fed.set(false);
        // An error makes the platform try this alarm again.
        outcome?;
        self.schedule().await?;
        Response::empty()
    }
}

#[wasm_bindgen]
impl CampaignObject {
    /// Answers a call.
    #[wasm_bindgen(js_name = answerLater)]
    pub async fn answer_later(
        &self,
        path: String,
        message: String,
        _attachment: Option<String>,
    ) -> String {
        let answer = self.answer(&path, &message).await;
        object_request::line(answer)
    }
}

impl CampaignObject {
    async fn answer(&self, path: &str, message: &str) -> Result<String> {
        if path != CampaignCall::PATH {
            return Err(Error::from("unknown message"));
        }
        let call: CampaignCall = serde_json::from_str(message)?;
        if call.command.is_change() {
            // If the object stops right after the change, there is an alarm. One that finds nothing to do sets itself anew.
            self.set_alarm(now()).await?;
        }
        let answer = self.carry_out(call).await?;
        self.schedule().await?;
        Ok(to_json(&answer))
    }

    fn limits(&self) -> Result<CampaignLimits> {
        Ok(platform::config(&self.env)?.campaigns)
    }

    /// Returns when the campaign has something to do, if there is one.
    fn next_at(&self) -> Result<Option<Millis>> {
        let Some((plan, progress)) = self.store.campaign()? else {
            return Ok(None);
        };
        let now = now();
        Ok(Some(
            match progress.step(&plan, now, self.limits()?.retention) {
                Step::Wait(at) => at,
                _ => now,
            },
        ))
    }

    /// Sets the alarm for what is to be done next.
    async fn schedule(&self) -> Result<()> {
        match self.next_at()? {
            Some(wanted) => self.set_alarm(wanted).await,
            None => Ok(()),
        }
    }

    async fn set_alarm(&self, wanted: Millis) -> Result<()> {
        if self.is_fed.get() {
            return Ok(());
        }
        alarm::ensure(&self.state.storage(), wanted).await
    }
}
