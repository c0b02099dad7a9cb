//! Remote calls from the Worker and other objects: the object's fifth entry.
//!
//! A call carries the path and the JSON of a [`Message`] and, for a delivery, the letter that all copies
//! share. Its answer is JSON, or [`FAILED`] and why. What can be answered without an await is answered at
//! once, without a promise or a task: presence queries, beats and the copies of bulk messages are so frequent that
//! these would cost more than the work. If the object may lack its alarm, which a new instance does not know, that
//! is looked at behind the answer. The platform holds answers back until all writes before them are durable, as it
//! does with responses.

// The bindings' generated code is unsafe; our own is not.
#![allow(unsafe_code)]

use serde::de::DeserializeOwned;
use wasm_bindgen::prelude::*;
use worker::{Error, Result};

use super::UserObject;
use crate::core::error::to_json;
use crate::core::events::new_message::Letter;
use crate::messages::{
    Act, Beat, CampaignNews, Deliver, Disconnect, Erase, Message, Notify, PresenceQuery, Pulse,
    ReplayWebhook, Revoke, SendChunk, Watch, WebhookReplayed,
};
use crate::platform::object_request::{ObjectRequest, line};

/// A call as it arrives.
pub(crate) struct Call {
    pub(crate) path: String,
    pub(crate) message: String,
    pub(crate) attachment: Option<String>,
}

impl Call {
    /// Reads a call that the previous version makes by a request.
    pub(crate) async fn by_request(mut asked: ObjectRequest) -> Result<Self> {
        let path = asked.path().to_owned();
        if path != Deliver::PATH {
            let message = asked.json().await?;
            return Ok(Self {
                path,
                message,
                attachment: None,
            });
        }
        let copy = Deliver::read(asked.query());
        Ok(Self {
            path,
            message: to_json(&copy),
            attachment: Some(asked.request.text().await?),
        })
    }

    fn message<M: DeserializeOwned>(&self) -> Option<M> {
        serde_json::from_str(&self.message).ok()
    }

    fn letter(&self) -> Option<Letter> {
        serde_json::from_str(self.attachment.as_deref()?).ok()
    }

    /// Reads the message and returns the answer of `act`, or `None` if the message cannot be read.
    async fn answer<M: Message + DeserializeOwned>(
        &self,
        act: impl AsyncFnOnce(M) -> Result<M::Answer>,
    ) -> Result<Option<String>> {
        match self.message() {
            Some(message) => act(message).await.map(|answer| Some(to_json(&answer))),
            None => Ok(None),
        }
    }
}

#[wasm_bindgen]
impl UserObject {
    /// Answers a call, or returns `undefined` if the answer needs an await: then [`Self::answer_later`] gives
    /// it. After an answer, [`Self::end_call`] is called if [`Self::call_may_lack_alarm`] says so.
    #[wasm_bindgen(js_name = answerNow)]
    pub fn answer_now(
        &self,
        path: String,
        message: String,
        attachment: Option<String>,
    ) -> Option<String> {
        let call = Call {
            path,
            message,
            attachment,
        };
        let answer = self.without_await(&call).map(line);
        self.tend_slow_clients();
        answer
    }

    /// Returns whether [`Self::end_call`] has something to do.
    #[wasm_bindgen(js_name = mayLackAlarm)]
    pub fn call_may_lack_alarm(&self) -> bool {
        self.may_lack_alarm()
    }

    /// Ends a call that has been answered without an await.
    #[wasm_bindgen(js_name = endCall)]
    pub async fn end_call(&self) {
        self.schedule_if_needed().await;
    }

    /// Answers a call.
    #[wasm_bindgen(js_name = answerLater)]
    pub async fn answer_later(
        &self,
        path: String,
        message: String,
        attachment: Option<String>,
    ) -> String {
        let call = Call {
            path,
            message,
            attachment,
        };
        let answer = self.answer(&call).await;
        self.end_event().await;
        line(answer.and_then(|answer| answer.ok_or_else(|| Error::from("unknown message"))))
    }
}

impl UserObject {
    /// Returns `None` if the answer needs an await, or the message cannot be read.
    fn without_await(&self, call: &Call) -> Option<Result<String>> {
        if call.path == PresenceQuery::PATH {
            if matches!(self.has_to_ask_for_the_crash(), Ok(true)) {
                return None;
            }
            let presence = self.presence_for(&call.message()?);
            return Some(presence.map(|presence| to_json(&presence)));
        }
        if call.path == Beat::PATH {
            let answer = self.on_beat(&call.message()?);
            return Some(answer.map(|answer| to_json(&answer)));
        }
        if call.path != Deliver::PATH {
            return None;
        }
        let letter = call.letter()?;
        // The receipt and the notice need an alarm that is set before the sender counts on it.
        let may_need_alarm = letter.wants_receipt || self.may_need_notice();
        if may_need_alarm {
            return None;
        }
        let receipt = self.deliver(call.message()?, letter);
        Some(receipt.map(|receipt| to_json(&receipt)))
    }

    /// Returns `None` if the message is unknown, or known only to a later version.
    pub(crate) async fn answer(&self, call: &Call) -> Result<Option<String>> {
        match call.path.as_str() {
            PresenceQuery::PATH => call.answer(|query| self.presence_once_settled(query)).await,
            Watch::PATH => call.answer(async |watch| self.watch(&watch).await).await,
            Deliver::PATH => match call.letter() {
                Some(letter) => call.answer(async |copy| self.deliver(copy, letter)).await,
                None => Ok(None),
            },
            Notify::PATH => call.answer(async |notify| self.heed(notify)).await,
            Act::PATH => call.answer(|act| self.act(act)).await,
            SendChunk::PATH => call.answer(|chunk| self.send_chunk(chunk)).await,
            CampaignNews::PATH => call.answer(async |news| self.hear_of_campaign(&news)).await,
            Disconnect::PATH => Ok(Some(to_json(&self.disconnect()))),
            Revoke::PATH => self.revoke().map(|closed| Some(to_json(&closed))),
            Erase::PATH => call.answer(|erase| self.erase(erase)).await,
            ReplayWebhook::PATH => {
                call.answer(async |replay: ReplayWebhook| {
                    let is_replayed = self.replay_webhook(&replay.webhook_id)?;
                    Ok(WebhookReplayed { is_replayed })
                })
                .await
            }
            Pulse::PATH => Ok(Some(to_json(&()))),
            _ => Ok(None),
        }
    }
}
