//! Sends events to all of the user's devices, either through the log, so that they can be recovered, or live
//! only.

use worker::Result;

use crate::core::error::to_json;
use crate::core::events::mark_as_read::{READ, Read};
use crate::core::events::send_message::{DELIVERED, Delivered};
use crate::core::store::{NewEntry, Retention};
use crate::platform::now;
use crate::user_do::UserObject;
use crate::user_do::ground::socket::Socket;
use crate::wire::engine_io::Packet;
use crate::wire::socket_io::{MAIN, event_text};

impl UserObject {
    /// Appends an event to the log, and sends it to every live socket that it is meant for, with its offset
    /// as the last argument. Returns the offset.
    pub(crate) fn publish(&self, entry: &NewEntry) -> Result<u64> {
        self.publish_on(&self.live_sockets(), entry)
    }

    /// The same, if the user's live sockets are at hand.
    pub(crate) fn publish_on(&self, live_sockets: &[Socket], entry: &NewEntry) -> Result<u64> {
        let config = self.config()?;
        let keep = Retention {
            events: config.log_max_events,
            time: config.log_retention,
        };
        let offset = self.store.append(entry, now(), &keep)?;
        let text = format!("\"{offset}\"");
        let text = event_text(MAIN, entry.event, &[entry.payload, &text]);
        self.send_on(live_sockets, &text, entry.except_sid);
        Ok(offset)
    }

    /// Releases the messages that are held: the client that connects gets them from the log, and these sockets get them
    /// now.
    pub(crate) fn release_held(&self, live_sockets: &[Socket]) -> Result<()> {
        let time = self.config()?.log_retention;
        for entry in self.store.release_held(now(), time)? {
            let offset = format!("\"{}\"", entry.offset);
            let text = event_text(MAIN, &entry.event, &[&entry.payload, &offset]);
            self.send_on(live_sockets, &text, None);
        }
        Ok(())
    }

    /// Sends a packet to every live socket except that of session `except_sid`.
    pub(crate) fn send_to_all(&self, text: &str, except_sid: Option<&str>) {
        self.send_on(&self.live_sockets(), text, except_sid);
    }

    fn send_on(&self, live_sockets: &[Socket], text: &str, except_sid: Option<&str>) {
        for socket in live_sockets {
            if except_sid.is_none() || socket.connection.session.sid(MAIN) != except_sid {
                self.send(socket, Packet::Text(text.to_owned()));
            }
        }
    }

    /// Tells this user's devices that one of their messages was delivered. A repeat has no effect, since the
    /// log knows it.
    pub(crate) fn delivered(&self, delivered: &Delivered) -> Result<bool> {
        let key = format!("delivered:{}", delivered.message_id);
        if self.store.has_message(&key)? {
            return Ok(true);
        }
        self.publish(&NewEntry {
            message_id: &key,
            event: DELIVERED,
            payload: &to_json(delivered),
            except_sid: None,
            is_held: false,
            incoming: None,
        })?;
        Ok(true)
    }

    /// Tells this user's devices that a participant has read messages.
    pub(crate) fn publish_read(
        &self,
        read: &Read,
        up_to: &str,
        except_sid: Option<&str>,
    ) -> Result<()> {
        let key = format!("read:{}:{up_to}:{}", read.conversation_id, read.read_by);
        self.publish(&NewEntry {
            message_id: &key,
            event: READ,
            payload: &to_json(read),
            except_sid,
            is_held: false,
            incoming: None,
        })?;
        Ok(())
    }
}
