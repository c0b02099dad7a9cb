//! The request events, one file each: read, carried out, answered.

mod get_bulk_online_status;
mod get_online_status;
mod send_bulk_message;

use std::collections::HashMap;

use futures::{StreamExt, stream};
use worker::Result;

use super::UserObject;
use super::socket::Socket;
use crate::core::engine::Packet;
use crate::core::error::EventError;
use crate::core::events::{ERROR, Reply, Request};
use crate::core::presence::Presence;
use crate::core::session::Event;
use crate::core::socket::{ack_text, event_text};
use crate::platform::log;
use crate::platform::objects::UserObjects;

impl UserObject {
    /// Carries out an event. The reply goes to the socket that asked, as an event and as the ack.
    pub(crate) async fn on_request(&self, socket: Socket, event: Event) {
        let user_id = socket.connection.identity.user_id.clone();
        let outcome = self.carry_out(&user_id, &event).await;
        // Meanwhile the socket may have been closed, or replaced by an upgrade.
        let sid = &socket.connection.engine_sid;
        let Some(socket) = self
            .sockets_of(sid)
            .into_iter()
            .find(|socket| socket.connection.is_live())
        else {
            return;
        };
        let (name, payload, ack) = match outcome {
            Ok(Reply { event, payload }) => (event, payload.clone(), payload),
            Err(error) => (ERROR, error.payload(Some(&event.name)), error.ack()),
        };
        let namespace = &event.namespace;
        self.send(
            &socket,
            Packet::Text(event_text(namespace, name, &[&payload])),
        );
        if let Some(ack_id) = event.ack_id {
            self.send(
                &socket,
                Packet::Text(ack_text(namespace, ack_id, &[&ack], 0)),
            );
        }
    }

    async fn carry_out(
        &self,
        user_id: &str,
        event: &Event,
    ) -> std::result::Result<Reply, EventError> {
        let config = self.config().map_err(ours("configuration"))?;
        match Request::read(&event.name, &event.args, config)? {
            Request::OnlineStatus(query) => self.get_online_status(user_id, query).await,
            Request::BulkOnlineStatus(query) => self.get_bulk_online_status(user_id, query).await,
            Request::SendBulkMessage(message) => self.send_bulk_message(user_id, message).await,
        }
    }

    /// The presence of users, asked of their objects concurrently; one's own is at hand. Who cannot
    /// be reached has none.
    async fn presences(
        &self,
        user_id: &str,
        user_ids: &[String],
    ) -> Result<HashMap<String, Result<Presence>>> {
        let objects = UserObjects::for_queries(&self.env)?;
        let objects = &objects;
        let concurrency = self.config()?.fanout_concurrency;
        let asked = stream::iter(user_ids)
            .map(|id| async move {
                let presence = match id == user_id {
                    true => self.presence(),
                    false => objects.presence(id).await,
                };
                (id.clone(), presence)
            })
            .buffer_unordered(concurrency)
            .collect()
            .await;
        Ok(asked)
    }
}

/// Logs a fault of ours and tells the client that it was one.
fn ours(what: &'static str) -> impl Fn(worker::Error) -> EventError {
    move |error| {
        log::error(what, &error);
        EventError::internal()
    }
}
