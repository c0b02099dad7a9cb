//! The request events, one file each: parse, carry out, reply.

mod block_user;
mod campaigns;
mod get_bulk_online_status;
mod get_conversations;
mod get_messages;
mod get_online_status;
mod get_push_key;
mod get_unread_total;
mod join_conversation;
mod mark_as_read;
mod preferences;
mod send_bulk_message;
mod send_message;
mod subscribe_online_status;
mod subscribe_push;
mod typing;

use crate::user_do::ground::caller::Caller;
use crate::user_do::ground::fault::Failure;

use crate::core::close::CloseReason;
use crate::core::connection::Admission;
use crate::core::error::{EventError, name_of};
use crate::core::events::{ERROR, Reply, Request, is_event, request_events};
use crate::core::telemetry::Fact;
use crate::user_do::UserObject;
use crate::user_do::ground::socket::Socket;
use crate::wire::engine_io::Packet;
use crate::wire::session::Event;
use crate::wire::socket_io::{Args, MAIN, ack_text, event_text};

impl UserObject {
    /// Handles a request event. The reply goes to the socket that sent it, as an event and as the ack.
    pub(crate) async fn on_request(&self, mut socket: Socket, event: Event) {
        let caller = Caller {
            user_id: socket.connection.identity.user_id.clone(),
            sid: socket.connection.session.sid(MAIN).map(str::to_owned),
        };
        let outcome = match self.admit(&mut socket) {
            Ok(Admission::Admitted) => self.carry_out(&caller, &event.name, &event.args).await,
            Ok(Admission::Refused(pause)) => {
                Err(EventError::rate_limited("Too many events, please wait", pause).into())
            }
            Ok(Admission::Flooding) => return self.close(socket, CloseReason::Flooding),
            Err(error) => Err(error.into()),
        };
        let outcome = outcome.map_err(|failure| failure.told(&event.name));
        if let Err(error) = &outcome {
            // An unknown name may contain anything, so it is not reported.
            let is_known = is_event(&event.name);
            let event = if is_known { &event.name } else { "unknown" };
            let fact = Fact::RequestFailed {
                event: event.to_owned(),
                code: name_of(error.code),
            };
            self.fact(&socket.connection.identity.user_id, &fact);
        }
        // In the meantime the socket may have been closed or replaced by an upgrade, or its client may have
        // left and joined again.
        let sid = socket.connection.engine_sid.clone();
        let has_asked = |socket: &Socket| {
            let connection = &socket.connection;
            connection.is_live() && connection.session.sid(MAIN) == caller.sid.as_deref()
        };
        let same = socket.reload().filter(has_asked);
        let asked_by = same.or_else(|| self.sockets_of(&sid).into_iter().find(has_asked));
        if let Some(socket) = asked_by {
            self.reply(&socket, &event, &outcome);
        }
    }

    fn reply(&self, socket: &Socket, event: &Event, outcome: &Result<Reply, EventError>) {
        let (name, payload, ack) = match outcome {
            Ok(reply) => (reply.event, reply.payload.clone(), reply.payload.clone()),
            Err(error) => (Some(ERROR), error.payload(Some(&event.name)), error.ack()),
        };
        if let Some(name) = name {
            let text = event_text(MAIN, name, &[&payload]);
            self.send(socket, Packet::Text(text));
        }
        if let Some(ack_id) = event.ack_id {
            let text = ack_text(MAIN, ack_id, &[&ack], 0);
            self.send(socket, Packet::Text(text));
        }
    }

    pub(crate) async fn carry_out(
        &self,
        caller: &Caller,
        event: &str,
        args: &Args,
    ) -> Result<Reply, Failure> {
        let request = Request::read(event, args, self.config()?)?;
        macro_rules! carry_out {
            ($($($name:path)|+ => $variant:ident($payload:ty)),* $(,)?) => {
                match request {
                    $(Request::$variant(payload) => payload.carry_out(self, caller).await),*
                }
            };
        }
        request_events!(carry_out)
    }
}

/// Cuts what was read, up to one more than fits on a page, to the page. Returns the cursor of the next page, if there is
/// one: the id of the last item.
fn cut_page<T>(listed: &mut Vec<T>, limit: usize, id: impl Fn(&T) -> &String) -> Option<String> {
    let has_more = listed.len() > limit;
    listed.truncate(limit);
    listed
        .last()
        .filter(|_| has_more)
        .map(|last| id(last).clone())
}

/// The payload of a request event, which knows how to carry the request out.
pub(crate) trait CarryOut {
    async fn carry_out(self, object: &UserObject, caller: &Caller) -> Result<Reply, Failure>;
}
