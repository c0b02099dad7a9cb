//! The request events, one file each: read, carried out, answered.

mod block_user;
mod get_bulk_online_status;
mod get_conversations;
mod get_messages;
mod get_online_status;
mod mark_as_read;
mod send_bulk_message;
mod send_message;
mod subscribe_online_status;
mod typing;

use std::collections::HashMap;

use serde::de::DeserializeOwned;
use worker::Result;

use super::UserObject;
use super::socket::Socket;
use crate::core::connection::Admission;
use crate::core::engine::Packet;
use crate::core::error::{EventError, to_json};
use crate::core::events::join_conversation::{JOINED, LEFT, reply};
use crate::core::events::{ERROR, Reply, Request, is_event};
use crate::core::presence::Presence;
use crate::core::region::Region;
use crate::core::session::{CloseReason, Event};
use crate::core::socket::{ack_text, event_text};
use crate::core::telemetry::Fact;
use crate::messages::PresenceQuery;
use crate::platform::{log, now, objects};

/// Who asks.
pub(super) struct Caller {
    pub(super) user_id: String,
    /// The Socket.IO session; none if the marketplace's backend asks on the user's behalf.
    pub(super) sid: Option<String>,
}

/// How many users' regions are remembered as asked for.
const MAX_PLACED: usize = 10_000;

impl UserObject {
    /// Carries out an event. The reply goes to the socket that asked, as an event and as the ack.
    pub(crate) async fn on_request(&self, mut socket: Socket, event: Event) {
        let caller = Caller {
            user_id: socket.connection.identity.user_id.clone(),
            sid: socket
                .connection
                .session
                .sid(&event.namespace)
                .map(str::to_owned),
        };
        let outcome = match self.admit(&mut socket) {
            Ok(Admission::Admitted) => self.carry_out(&caller, &event).await,
            Ok(Admission::Refused(pause)) => Err(EventError::rate_limited(
                "Too many events, please wait",
                pause,
            )),
            Ok(Admission::Flooding) => return self.close(socket, CloseReason::Flooding).await,
            Err(error) => Err(ours("limits")(error)),
        };
        if let Err(error) = &outcome {
            self.fact(
                &socket.connection.identity.user_id,
                &Fact::RequestFailed {
                    // What is no event's name may be anything, and is nobody else's business.
                    event: match is_event(&event.name) {
                        true => event.name.clone(),
                        false => "unknown".to_owned(),
                    },
                    code: to_json(&error.code).trim_matches('"').to_owned(),
                },
            );
        }
        // Meanwhile the socket may have been closed, replaced by an upgrade, or its client may have left
        // and joined anew.
        let sid = &socket.connection.engine_sid;
        let live = self
            .sockets_of(sid)
            .into_iter()
            .find(|socket| socket.connection.is_live());
        let asked_by = live
            .as_ref()
            .and_then(|socket| socket.connection.session.sid(&event.namespace));
        if let Some(socket) = &live
            && asked_by == caller.sid.as_deref()
        {
            self.answer(socket, &event, &outcome);
        }
    }

    /// Counts the event. The count stands in the attachment, so it survives hibernation.
    pub(super) fn admit(&self, socket: &mut Socket) -> Result<Admission> {
        let rate = self.config()?.events;
        let admission = socket.connection.admit(rate, now());
        socket.save()?;
        Ok(admission)
    }

    fn answer(
        &self,
        socket: &Socket,
        event: &Event,
        outcome: &std::result::Result<Reply, EventError>,
    ) {
        let (name, payload, ack) = match outcome {
            Ok(reply) => (reply.event, reply.payload.clone(), reply.payload.clone()),
            Err(error) => (Some(ERROR), error.payload(Some(&event.name)), error.ack()),
        };
        let namespace = &event.namespace;
        if let Some(name) = name {
            let text = event_text(namespace, name, &[&payload]);
            self.send(socket, Packet::Text(text));
        }
        if let Some(ack_id) = event.ack_id {
            let text = ack_text(namespace, ack_id, &[&ack], 0);
            self.send(socket, Packet::Text(text));
        }
    }

    pub(super) async fn carry_out(
        &self,
        caller: &Caller,
        event: &Event,
    ) -> std::result::Result<Reply, EventError> {
        let config = self.config().map_err(ours("configuration"))?;
        let user_id = &caller.user_id;
        match Request::read(&event.name, &event.args, config)? {
            Request::SendMessage(message) => self.send_message(caller, message).await,
            Request::SendBulkMessage(message) => self.send_bulk_message(caller, message).await,
            Request::OnlineStatus(query) => self.get_online_status(user_id, query).await,
            Request::BulkOnlineStatus(query) => self.get_bulk_online_status(user_id, query).await,
            Request::Subscribe(user_ids) => self.subscribe(caller, user_ids).await,
            Request::Unsubscribe(user_ids) => self.unsubscribe(caller, &user_ids),
            Request::MarkAsRead(marking) => self.mark_as_read(caller, marking).await,
            Request::Typing {
                conversation_id,
                is_typing,
            } => self.typing(caller, conversation_id, is_typing).await,
            Request::GetConversations(page) => self.get_conversations(caller, page).await,
            Request::GetMessages(page) => self.get_messages(caller, page).await,
            Request::JoinConversation(id) => {
                self.peer(user_id, &id).await.map(|_| reply(JOINED, &id))
            }
            Request::LeaveConversation(id) => {
                self.peer(user_id, &id).await.map(|_| reply(LEFT, &id))
            }
            Request::BlockUser(id) => self.block_user(caller, id).await,
            Request::UnblockUser(id) => self.unblock_user(caller, id).await,
        }
    }

    /// The presence of users, as this one sees it.
    async fn presences(
        &self,
        user_id: &str,
        user_ids: &[String],
    ) -> Result<HashMap<String, Result<Presence>>> {
        let query = PresenceQuery {
            by: Some(user_id.to_owned()),
        };
        self.ask_each(user_id, user_ids, &query.url(), || self.presence())
            .await
    }

    /// Asks users' objects concurrently; one's own answer is at hand. Who cannot be reached has an error
    /// for an answer.
    pub(super) async fn ask_each<T: DeserializeOwned>(
        &self,
        user_id: &str,
        user_ids: &[String],
        url: &str,
        own: impl FnOnce() -> Result<T>,
    ) -> Result<HashMap<String, Result<T>>> {
        let others: Vec<String> = user_ids
            .iter()
            .filter(|id| *id != user_id)
            .cloned()
            .collect();
        let regions = self.regions(&others).await;
        let concurrency = self.config()?.fanout_concurrency;
        let mut answers = objects::ask_all(&self.env, url, &others, &regions, concurrency).await?;
        if others.len() < user_ids.len() {
            answers.insert(user_id.to_owned(), own());
        }
        Ok(answers)
    }

    /// Where users' objects belong, for calls that may make them. Each user is asked for once: after
    /// the call that follows, their object is there.
    async fn regions(&self, user_ids: &[String]) -> HashMap<String, Region> {
        let new: Vec<&str> = {
            let mut placed = self.placed.borrow_mut();
            if placed.len() > MAX_PLACED {
                placed.clear();
            }
            user_ids
                .iter()
                .filter(|id| placed.insert((*id).clone()))
                .map(String::as_str)
                .collect()
        };
        objects::regions(&self.env, &new).await
    }
}

/// Logs a fault of ours and tells the client that it was one.
pub(super) fn ours(what: &'static str) -> impl Fn(worker::Error) -> EventError {
    move |error| {
        log::error(what, &error);
        EventError::internal()
    }
}
