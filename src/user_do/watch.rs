//! Presence as others watch it, and as this user's connections watch others.
//!
//! ```text
//!  a connection          its user's object          a watched user's object
//!    |-- subscribe --------->|--- Watch ----------------->|   keeps the watcher
//!    |<-- subscribed --------|<-- presence ---------------|
//!    |                       |                            |   ... comes or goes: due_at
//!    |                       |<-- Status -----------------|   the alarm, when it is due
//!    |<-- user_online_status |--- is it wanted? --------->|   if not, the watcher goes
//! ```
//!
//! Invariant: a change is told when its time has come and it still holds, by the alarm; `told` moves
//! only after everybody has heard. So a reconnect within the grace is no change, a change is told
//! after a crash, too, and what is told twice is news only once: a connection's row says what it was
//! last told.

use std::collections::HashMap;

use futures::{StreamExt, stream};
use worker::{Response, Result};

use super::UserObject;
use super::socket::Socket;
use super::store::Watched;
use crate::core::engine::Packet;
use crate::core::error::to_json;
use crate::core::events::get_online_status::reply;
use crate::core::presence::Presence;
use crate::core::socket::{MAIN, event_text};
use crate::core::time::Millis;
use crate::messages::{Heard, Notify, StatusChange, Watch};
use crate::platform::objects::UserObjects;
use crate::platform::{log, now};

/// How often a user is asked who comes and goes all the time.
const ASKED_AT_MOST: usize = 3;

/// When those who could not be told are told again.
const RETRY: Millis = 30_000;

impl UserObject {
    /// Another user's connections watch this one from now on.
    pub(super) async fn watch(&self, watch: &Watch) -> Result<Response> {
        let presence = self.watched_by(&watch.by)?;
        // A ghost is looked for in time from now on.
        self.schedule().await;
        Response::from_json(&presence)
    }

    pub(super) fn watched_by(&self, user_id: &str) -> Result<Presence> {
        if self.store.has_blocked(user_id)? {
            return Ok(Presence::default());
        }
        let presence = self.presence()?;
        self.watching_anew.borrow_mut().insert(user_id.to_owned());
        self.store.watcher_add(user_id, presence.is_online())?;
        Ok(presence)
    }

    pub(super) fn is_watched(&self) -> bool {
        matches!(self.store.watched(), Ok(Some(_)))
    }

    /// The user has come or gone; `due_at` is when that is to be told, if it still holds.
    pub(super) fn presence_changed(&self, due_at: Millis) -> Result<()> {
        match self.store.watched()? {
            Some(watched) => self.store.watched_set(Watched {
                due_at: Some(due_at),
                ..watched
            }),
            None => Ok(()),
        }
    }

    /// The alarm's part.
    pub(super) async fn tell_watchers(&self) {
        if let Err(error) = self.try_tell_watchers().await {
            log::error("watchers", &error);
        }
    }

    async fn try_tell_watchers(&self) -> Result<()> {
        let Some(watched) = self.store.watched()? else {
            return Ok(());
        };
        let due_at = watched.due_at.filter(|at| *at <= now());
        let Some(due_at) = due_at else { return Ok(()) };
        let presence = self.presence()?;
        let is_online = presence.is_online();
        if is_online == watched.told {
            let due_at = None;
            return self.store.watched_set(Watched { due_at, ..watched });
        }
        let has_told = self.tell(&self.store.watchers()?, presence).await?;
        // Meanwhile the user may have come or gone again; then another time is set, and stands.
        let Some(current) = self.store.watched()? else {
            return Ok(());
        };
        let is_newer = current.due_at != Some(due_at);
        self.store.watched_set(match has_told {
            true => Watched {
                told: is_online,
                due_at: current.due_at.filter(|_| is_newer),
            },
            false => Watched {
                told: watched.told,
                due_at: current.due_at.filter(|_| is_newer).or(Some(now() + RETRY)),
            },
        })
    }

    /// Tells watchers: whether all of them have heard. Those who do not want to are let go.
    pub(super) async fn tell(&self, watchers: &[String], presence: Presence) -> Result<bool> {
        let user_id = self.store.user_state()?.user_id;
        let change = StatusChange {
            user_id: user_id.clone(),
            presence,
        };
        let body = to_json(&Notify::Status(change.clone()));
        let objects = UserObjects::for_posts(&self.env, &body)?;
        let (objects, own, change) = (&objects, &user_id, &change);
        self.watching_anew.borrow_mut().clear();
        let heard: Vec<(String, Result<Heard>)> = stream::iter(watchers)
            .map(|watcher| async move {
                let heard = match watcher == own {
                    true => self
                        .learn_status(change)
                        .map(|is_wanted| Heard { is_wanted }),
                    false => objects.call(watcher, Notify::URL, None).await,
                };
                (watcher.clone(), heard)
            })
            .buffer_unordered(self.config()?.fanout_concurrency)
            .collect()
            .await;
        let mut have_all_heard = true;
        for (watcher, heard) in heard {
            match heard {
                Ok(heard) if heard.is_wanted => {}
                Ok(_) if self.watching_anew.borrow().contains(&watcher) => {}
                Ok(_) => self.store.watcher_remove(&watcher)?,
                Err(error) => {
                    log::error("watchers", &error);
                    have_all_heard = false;
                }
            }
        }
        Ok(have_all_heard)
    }

    /// A watched user has come or gone: whether any connection still watches them.
    pub(super) fn learn_status(&self, change: &StatusChange) -> Result<bool> {
        let mut is_wanted = false;
        for socket in self.live_sockets() {
            let Some(sid) = socket.connection.session.sid(MAIN) else {
                continue;
            };
            let mut watches = self.store.watches(sid)?;
            if !watches.watches(&change.user_id) {
                continue;
            }
            is_wanted = true;
            let before = watches.clone();
            let is_news = watches.learn(&change.user_id, change.presence.is_online());
            if watches != before {
                self.store.watches_set(sid, &watches)?;
            }
            if is_news {
                self.send_status(&socket, change);
            }
        }
        Ok(is_wanted)
    }

    fn send_status(&self, socket: &Socket, change: &StatusChange) {
        let status = reply(&change.user_id, change.presence);
        let event = status.event.unwrap_or_default();
        let text = event_text(MAIN, event, &[&status.payload]);
        self.send(socket, Packet::Text(text));
    }

    /// Watches these users on behalf of a session of this one: what they are now. Who cannot be reached
    /// is an error of theirs.
    pub(super) async fn watch_all(
        &self,
        user_id: &str,
        sid: &str,
        user_ids: &[String],
    ) -> Result<Vec<(String, Result<Presence>)>> {
        let watch = Watch {
            by: user_id.to_owned(),
        };
        let mut answers = HashMap::new();
        let mut open = user_ids.to_vec();
        for _ in 0..ASKED_AT_MOST {
            let before = self.store.watches(sid)?;
            let own = || self.watched_by(user_id);
            answers.extend(self.ask_each(user_id, &open, &watch.url(), own).await?);
            // Who has come or gone meanwhile may have answered before that: they are asked again.
            let after = self.store.watches(sid)?;
            open.retain(|id| before.known(id) != after.known(id));
            if open.is_empty() {
                break;
            }
        }
        Ok(user_ids
            .iter()
            .filter_map(|id| Some((id.clone(), answers.remove(id)?)))
            .collect())
    }

    /// A session has recovered: its watches, too. What has changed meanwhile is told now.
    pub(super) async fn resume_watches(&self, user_id: &str, sid: &str) -> Result<()> {
        let watches = self.store.watches_resume(sid)?;
        if watches.is_empty() {
            return Ok(());
        }
        for (user_id, presence) in self.watch_all(user_id, sid, &watches.user_ids()).await? {
            match presence {
                Ok(presence) => {
                    self.learn_status(&StatusChange { user_id, presence })?;
                }
                Err(error) => log::error("watch", &error),
            }
        }
        Ok(())
    }
}
