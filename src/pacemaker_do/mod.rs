//! The Pacemaker object: some per data centre, named as [`crate::core::pacemaker::candidates`] says.
//!
//! It calls the registered users' objects when their pings are due, all of them from one alarm, which is set for the
//! next tick with anybody in it, and for none if nobody is registered.
//!
//! Invariant: whoever is registered is called in every turn. The registrations are in storage. How far the calls have
//! come need not be: the alarm is set for the next ones, so an instance learns from the alarm that it finds up to when
//! everybody was called. A call that fails is made again in the next turn, and a User object that misses one helps
//! itself.

// The bindings' generated code is unsafe; our own is not.
#![allow(unsafe_code)]

mod calls;
mod registration;

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use wasm_bindgen::prelude::*;
use worker::{DurableObject, Env, Error, Request, Response, Result, State, durable_object};

use crate::core::config::Config;
use crate::core::error::to_json;
use crate::core::pacemaker::rhythm::Rhythm;
use crate::core::pacemaker::roster::Roster;
use crate::core::pacemaker::store::PacemakerStore;
use crate::core::time::Millis;
use crate::messages::{Message, Register};
use crate::platform::object_database::ObjectDatabase;
use crate::platform::{self, alarm, log, now, object_request};

/// One pacemaker's Durable Object.
#[durable_object(alarm)]
pub struct Pacemaker {
    state: State,
    env: Env,
    store: PacemakerStore<ObjectDatabase>,
    /// What is stored, once it has been read.
    roster: RefCell<Option<Roster>>,
    /// Everybody has been called who was due before this time. `None` if that is not known, because no alarm was set.
    kept_until: Rc<Cell<Option<Millis>>>,
    /// Since when the alarm is at work, if it is. It sets itself anew when it ends.
    calling_since: Cell<Option<Millis>>,
}

impl DurableObject for Pacemaker {
    fn new(state: State, env: Env) -> Self {
        let kept_until = Rc::new(Cell::new(None));
        let found = kept_until.clone();
        let storage = state.storage();
        // The platform waits for this promise, and fires no alarm before.
        let _blocked = state.block_concurrency_while(async move {
            if let Ok(at) = alarm::set_for(&storage).await {
                found.set(found.get().or(at));
            }
            Ok(())
        });
        Self {
            store: PacemakerStore::new(ObjectDatabase(state.storage().sql())),
            state,
            env,
            roster: RefCell::default(),
            kept_until,
            calling_since: Cell::default(),
        }
    }

    /// Everything comes by remote calls.
    async fn fetch(&self, _request: Request) -> Result<Response> {
        object_request::unknown()
    }

    async fn alarm(&self) -> Result<Response> {
        let now = now();
        self.calling_since.set(Some(now));
        // Whatever fails now is done in the next turn.
        log::fault("pacemaker", self.call_who_is_due(now).await);
        // Only now, because whoever registers meanwhile is told up to when everybody was called.
        self.kept_until.set(Some(now + 1));
        self.calling_since.set(None);
        self.schedule().await?;
        Response::empty()
    }
}

#[wasm_bindgen]
impl Pacemaker {
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

impl Pacemaker {
    async fn answer(&self, path: &str, message: &str) -> Result<String> {
        if path != Register::PATH {
            return Err(Error::from("unknown message"));
        }
        let answer = self.register(&serde_json::from_str(message)?)?;
        self.schedule().await?;
        Ok(to_json(&answer))
    }

    fn config(&self) -> Result<Rc<Config>> {
        Ok(platform::config(&self.env)?)
    }

    /// Works with the roster, which is read first if it is not known. There is no await in between.
    fn with_roster<T>(&self, work: impl FnOnce(&mut Roster) -> T) -> Result<T> {
        let mut roster = self.roster.borrow_mut();
        if let Some(roster) = roster.as_mut() {
            return Ok(work(roster));
        }
        Ok(work(roster.insert(self.store.roster()?)))
    }

    /// Returns up to when everybody was called who was due: up to now, if nobody has been due since.
    fn kept_until(&self) -> Result<Millis> {
        let kept_until = self.kept_until.get().unwrap_or_default();
        let rhythm = Rhythm::of(&*self.config()?);
        let next = self.with_roster(|roster| roster.next(rhythm, kept_until))?;
        let now = now();
        Ok(if next.is_none_or(|at| at > now) {
            now
        } else {
            kept_until
        })
    }

    /// Sets the alarm for the next tick with anybody in it.
    async fn schedule(&self) -> Result<()> {
        if self.calling_since.get().is_some() {
            return Ok(());
        }
        let (rhythm, kept_until) = (Rhythm::of(&*self.config()?), self.kept_until()?);
        let Some(wanted) = self.with_roster(|roster| roster.next(rhythm, kept_until))? else {
            return Ok(());
        };
        alarm::ensure(&self.state.storage(), wanted).await
    }
}
