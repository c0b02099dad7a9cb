//! Presence subscriptions: of other users to this user, and of this user's connections to others.
//!
//! ```text
//!  a connection          its user's object          a watched user's object
//!    |-- subscribe --------->|--- Watch ----------------->|   stores the watcher
//!    |<-- subscribed --------|<-- presence, version ------|
//!    |                       |                            |   ... goes online or offline: due_at
//!    |                       |<-- Status, version --------|   the alarm, when it is due
//!    |<-- user_online_status |--- is it wanted? --------->|   if not, deletes the watcher
//! ```
//!
//! `core::watch` explains what each side stores, and why every watcher ends up with the current status. The
//! alarm pushes a change when it is due and still holds. So a reconnect within the grace period is not
//! reported, and a change is reported even after a crash. Each alarm tells WATCHERS_PER_ALARM watchers, because one
//! invocation can call only so many objects.

use crate::wire::close::ProtocolEnd;
use std::collections::HashMap;
use std::time::Duration;

use worker::{Delay, Error, Result};

use crate::core::events::get_online_status::reply;
use crate::core::presence::Presence;
use crate::core::store::{PushOutcome, Watcher};
use crate::core::time::Millis;
use crate::core::watch::Watches;
use crate::messages::{Notify, StatusChange, Watch, Watching};
use crate::platform::{log, now, objects};
use crate::user_do::UserObject;
use crate::user_do::ground::fault::Failure;
use crate::user_do::ground::socket::Socket;
use crate::wire::engine_io::Packet;
use crate::wire::socket_io::{MAIN, event_text};

/// How many times to call a user's object that does not respond.
const ASKED_AT_MOST: usize = 3;

/// The pause before watchers that could not be reached are told again.
const RETRY: Millis = 30_000;

impl UserObject {
    /// Adds another user as a watcher of this one. An id that is no user's appears offline, and nothing is
    /// written: the watcher asks again when they next subscribe or recover.
    pub(crate) async fn watch(&self, watch: &Watch) -> Result<Watching> {
        if watch.is_stranger && self.store.user_state()?.user_id.is_empty() {
            return Ok(Watching {
                presence: Presence::default(),
                version: None,
            });
        }
        self.settle_presence().await;
        let watching = self.watched_by(&watch.by)?;
        // From now on, the alarm also looks for ghosts in time.
        self.needs_schedule();
        Ok(watching)
    }

    /// The reported status must not change without an event. So before it is reported, ghosts are closed and
    /// a crash is recorded.
    async fn settle_presence(&self) {
        log::fault("presence", self.settle_crash().await);
        for socket in self.live_sockets() {
            if self.is_ghost(&socket) {
                self.close(socket, ProtocolEnd::PingTimeout);
            }
        }
    }

    fn watched_by(&self, user_id: &str) -> Result<Watching> {
        let presence = self.presence()?;
        let max = self.config()?.max_watchers;
        let version = self
            .store
            .watcher_add(user_id, presence.is_online(), max, now())?;
        Ok(Watching {
            presence: if self.may_be_seen_by(user_id)? {
                presence
            } else {
                Presence::default()
            },
            version: Some(version),
        })
    }

    pub(crate) fn is_watched(&self) -> bool {
        matches!(self.store.watched(), Ok(Some(_)))
    }

    /// Pushes a status change that is due to the next watchers; called by the alarm. If there are more, the next alarm
    /// continues.
    pub(crate) async fn tell_watchers(&self) -> Result<()> {
        let due_at = self.store.watched()?.and_then(|watched| watched.due_at);
        if due_at.is_none_or(|at| at > now()) {
            return Ok(());
        }
        let presence = self.presence()?;
        let max = self.config()?.watchers_per_alarm;
        let step = self
            .store
            .watchers_to_tell(presence.is_online(), max, now())?;
        // If the user goes online or offline in the meantime, a new due time is set, and kept.
        let told = self.tell(&step.watchers, presence, step.version).await?;
        let Some(have_heard) = told else {
            return Ok(());
        };
        let retry_at = (!have_heard).then(|| now() + RETRY);
        Ok(self.store.watched_told(&step, retry_at, now())?)
    }

    /// Notifies a watcher who has been blocked that the user is offline. An alarm may have to wait for something
    /// else that is due.
    pub(crate) async fn hide_from(&self, user_id: &str) -> Result<()> {
        let watched = self.store.watched()?;
        if let (Some(watched), Some(watcher)) = (watched, self.store.watcher(user_id)?) {
            self.tell(&[watcher], Presence::default(), watched.version)
                .await?;
        }
        Ok(())
    }

    /// Notifies watchers, and deletes those that no longer watch. Returns whether all could be reached, or `None` if
    /// the user has been erased meanwhile: then nobody watches, or others do.
    async fn tell(
        &self,
        watchers: &[Watcher],
        presence: Presence,
        version: u64,
    ) -> Result<Option<bool>> {
        let erased_at = self.store.erased_at()?;
        let outcomes = self.push(watchers, presence, version).await?;
        if self.store.erased_at()? != erased_at {
            return Ok(None);
        }
        for (watcher, outcome) in watchers.iter().zip(&outcomes) {
            self.store.watcher_told(watcher, version, *outcome)?;
        }
        Ok(Some(!outcomes.contains(&PushOutcome::Unreached)))
    }

    /// Pushes a presence to watchers, or that the user is offline to those from whom the user hides, and returns the
    /// outcomes in the same order. Whoever may no longer see the presence may still get to see it meanwhile; what they are
    /// told of the change is newer.
    pub(crate) async fn push(
        &self,
        watchers: &[Watcher],
        presence: Presence,
        version: u64,
    ) -> Result<Vec<PushOutcome>> {
        let user_id = self.store.user_state()?.user_id;
        let change = |presence| StatusChange {
            user_id: user_id.clone(),
            presence,
            version: Some(version),
        };
        let shown = change(presence);
        let hidden = Notify::Status(change(Presence::default()));
        let receivers: Vec<(&str, Option<&Notify>)> = watchers
            .iter()
            .filter(|watcher| watcher.user_id != user_id)
            .map(|watcher| {
                let own = (watcher.is_hidden == 1).then_some(&hidden);
                (watcher.user_id.as_str(), own)
            })
            .collect();
        let common = Notify::Status(shown.clone());
        let concurrency = self.config()?.fanout_concurrency;
        let answers = objects::notify_all(&self.env, &receivers, &common, concurrency);
        let mut answers = answers.await?.into_iter();
        let outcome = |watcher: &Watcher| {
            let is_wanted = match watcher.user_id == user_id {
                true => self.learn_status(&shown),
                false => match answers.next() {
                    Some(heard) => heard.map(|heard| heard.is_wanted),
                    None => Err(Error::from("there is no answer")),
                },
            };
            match log::fault("watchers", is_wanted) {
                Some(true) => PushOutcome::Heard,
                Some(false) => PushOutcome::Unwanted,
                None => PushOutcome::Unreached,
            }
        };
        Ok(watchers.iter().map(outcome).collect())
    }

    /// Handles a status change of a watched user. Returns whether any connection still watches them.
    pub(crate) fn learn_status(&self, change: &StatusChange) -> Result<bool> {
        let mut is_wanted = false;
        for socket in self.live_sockets() {
            let Some(sid) = socket.connection.session.sid(MAIN) else {
                continue;
            };
            let watches = self.store.watches(sid)?;
            if !watches.watches(&change.user_id) {
                continue;
            }
            is_wanted = true;
            let on_push =
                |watches: &mut Watches| watches.on_push(&change.user_id, change.report(), now());
            if self.update_watches(sid, watches, on_push)? {
                self.send_status(&socket, &change.user_id, change.presence);
            }
        }
        Ok(is_wanted)
    }

    /// Changes a connection's row, and writes it only if it differs.
    fn update_watches<T>(
        &self,
        sid: &str,
        mut watches: Watches,
        change: impl FnOnce(&mut Watches) -> T,
    ) -> Result<T> {
        let before = watches.clone();
        let outcome = change(&mut watches);
        if watches != before {
            self.store.watches_set(sid, &watches)?;
        }
        Ok(outcome)
    }

    fn send_status(&self, socket: &Socket, user_id: &str, presence: Presence) {
        let status = reply(user_id, presence);
        let event = status.event.unwrap_or_default();
        let text = event_text(MAIN, event, &[&status.payload]);
        self.send(socket, Packet::Text(text));
    }

    /// Subscribes this user to `user_ids`, and returns their current status in that order. The status of a
    /// user whose object cannot be reached is an error.
    pub(crate) async fn watch_all(
        &self,
        user_id: &str,
        user_ids: &[String],
    ) -> Result<Vec<(String, Result<Watching>)>> {
        let watch = |is_stranger| Watch {
            by: user_id.to_owned(),
            is_stranger,
        };
        let messages = [&watch(false), &watch(true)];
        if user_ids.iter().any(|id| id == user_id) {
            self.settle_presence().await;
        }
        let mut answers = HashMap::new();
        let mut open = user_ids.to_vec();
        for _ in 0..ASKED_AT_MOST {
            let own = || self.watched_by(user_id);
            answers.extend(self.ask_each(messages, user_id, &open, own).await?);
            open.retain(|id| !matches!(answers.get(id), Some(Ok(_))));
            if open.is_empty() {
                break;
            }
        }
        Ok(user_ids
            .iter()
            .filter_map(|id| Some((id.clone(), answers.remove(id)?)))
            .collect())
    }

    /// Renews the subscriptions of a recovered session. Pushes what has changed in the meantime, and again
    /// what may have been lost with the old connection. If these are more than the user may ask about at once, they
    /// are renewed in steps.
    pub(crate) async fn resume_watches(
        &self,
        user_id: &str,
        sid: &str,
        engine_sid: &str,
    ) -> std::result::Result<(), Failure> {
        let watched = self.store.watches(sid)?.user_ids();
        for step in watched.chunks(self.config()?.costs.objects_at_once()) {
            if !self.wait_to_ask(user_id, step, engine_sid).await? {
                return Ok(());
            }
            for (user_id, answer) in self.watch_all(user_id, step).await? {
                let Some(watching) = log::fault("watch", answer) else {
                    continue;
                };
                // In the meantime pushes may have arrived, and the connection may be gone.
                let on_renewal =
                    |watches: &mut Watches| watches.on_renewal(&user_id, watching.report(), now());
                let Some(socket) = self.live_socket(sid) else {
                    return Ok(());
                };
                let told = self.update_watches(sid, self.store.watches(sid)?, on_renewal)?;
                if let Some(is_online) = told {
                    self.send_status(&socket, &user_id, watching.presence.corrected(is_online));
                }
            }
        }
        Ok(())
    }

    /// Waits until the user may ask about so many users. Returns false if the connection that they are asked about for
    /// is gone: a client that recovers again and again waits only once. The object stays awake meanwhile, but a full
    /// bucket is ten seconds away at most ([`crate::core::cost`]).
    async fn wait_to_ask(
        &self,
        user_id: &str,
        user_ids: &[String],
        engine_sid: &str,
    ) -> std::result::Result<bool, Failure> {
        loop {
            let mut sockets = self.sockets_of(engine_sid).into_iter();
            if !sockets.any(|socket| socket.connection.is_live()) {
                return Ok(false);
            }
            let pause = match self.pay_to_ask(user_id, user_ids) {
                Err(Failure::Refused(error)) => error.retry_after_ms.unwrap_or_default(),
                paid => return paid.map(|()| true),
            };
            // The event ends only after the wait, and the connection must be pinged in the meantime.
            self.schedule_if_needed().await;
            Delay::from(Duration::from_millis(pause.max(1))).await;
        }
    }
}
