//! The object's side of its pacemaker: it registers once the user has been connected for a while, answers the calls, and
//! registers anew when they do not come.

use worker::{Error, Result};

use crate::core::ids::EngineSid;
use crate::core::pacemaker::candidates;
use crate::core::pacemaker::pace::Registration;
use crate::core::pacemaker::rhythm::{Rhythm, Slot};
use crate::core::pacemaker::roster::Slots;
use crate::core::time::Millis;
use crate::messages::{Beat, BeatAnswer, Register};
use crate::platform::{log, now, objects};
use crate::user_do::UserObject;
use crate::user_do::heartbeat::Waker;

/// How many pacemakers may fail to answer before the object gives up for now: its alarm waits for them.
const MAX_UNREACHED: usize = 2;

/// The registration that an object should have.
struct Wanted {
    /// The data centre in which the oldest connection arrived, and near which the object probably is.
    colo: String,
    /// The slot in which it should be called.
    beat: Slot,
    /// Whether it should also be called to look for the answer.
    has_look: bool,
}

impl UserObject {
    /// A pacemaker calls. Answers when it is to call from now on.
    pub(crate) fn on_beat(&self, beat: &Beat) -> Result<BeatAnswer> {
        let registration = self.store.registration()?;
        let Some(registration) = registration.filter(|own| own.pacemaker == beat.pacemaker) else {
            if self.is_registering.get() {
                // It may be with this one, whose answer is still on its way.
                return Err(Error::RustError("the object is registering".into()));
            }
            // Another one calls, or none is needed.
            return Ok(BeatAnswer { slots: vec![] });
        };
        self.settle_crash_at(Some(self.alive_at(&registration, beat.kept_until)?))?;
        let waker = if beat.is_look {
            Waker::Look
        } else {
            Waker::Pacemaker
        };
        self.beat(waker);
        log::fault("notices", self.look_for_unread());
        // The alarm may have to be set: for a ping that is unanswered, or if nobody calls any more.
        self.needs_schedule();
        let slots = self.slots_from_now_on(registration)?;
        Ok(BeatAnswer { slots })
    }

    fn slots_from_now_on(&self, registration: Registration) -> Result<Slots> {
        let config = self.config()?;
        if !config.pacemaker.is_on || !self.has_live_socket() {
            self.store.forget_registration()?;
            return Ok(vec![]);
        }
        let is_watched = self.is_watched();
        let current = Registration {
            has_look: is_watched,
            ..registration
        };
        if current.has_look != registration.has_look {
            self.store.set_registration(&current)?;
        }
        Ok(current.slots(Rhythm::of(config), config))
    }

    /// Registers the object if that is worth it and it is not registered yet, or anew if the calls do not come.
    pub(crate) async fn keep_pace(&self, has_lost_pace: bool) -> Result<()> {
        if self.store.registration()?.is_some() && !has_lost_pace {
            return Ok(());
        }
        let Some(wanted) = self.wanted()? else {
            return Ok(self.store.forget_registration()?);
        };
        self.is_registering.set(true);
        let registered = self.register(wanted).await;
        self.is_registering.set(false);
        // Meanwhile the user may have left, or have been erased.
        match registered?.filter(|_| self.has_live_socket()) {
            Some(registration) => self.store.set_registration(&registration)?,
            // The object wakes itself, and tries again at its next beat. Whoever calls it learns that it is not registered.
            None => self.store.forget_registration()?,
        }
        Ok(())
    }

    /// Registers the object with the first pacemaker that answers and accepts it. Returns `None` if none does.
    async fn register(&self, wanted: Wanted) -> Result<Option<Registration>> {
        let config = self.config()?;
        let user_id = self.store.user_state()?.user_id;
        if user_id.is_empty() {
            return Ok(None);
        }
        let mut unreached = 0;
        for pacemaker in candidates(&wanted.colo, &user_id) {
            let registration = Registration {
                pacemaker: pacemaker.clone(),
                beat: wanted.beat,
                has_look: wanted.has_look,
            };
            let message = Register {
                pacemaker,
                user_id: user_id.clone(),
                slots: registration.slots(Rhythm::of(config), config),
            };
            let registered = objects::register(&self.env, &message).await;
            match log::fault("pacemaker", registered) {
                Some(registered) if registered.is_accepted => return Ok(Some(registration)),
                Some(_) => {}
                None => unreached += 1,
            }
            if unreached >= MAX_UNREACHED {
                break;
            }
        }
        Ok(None)
    }

    /// Returns the registration that the object should have; `None` if no connection has lasted long enough, or if no
    /// ping has just been sent: the calls come when the next ones are due.
    fn wanted(&self) -> Result<Option<Wanted>> {
        let config = self.config()?;
        let limits = config.pacemaker;
        if !limits.is_on {
            return Ok(None);
        }
        let now = now();
        let sockets = self.live_sockets();
        let all = || sockets.iter().map(|socket| &socket.connection);
        let oldest = all()
            .filter(|connection| connection.opened_at + limits.after <= now)
            .min_by_key(|connection| connection.opened_at);
        let sid = oldest.and_then(|one| EngineSid::decode(config.keys(), &one.engine_sid, now));
        let pinged_at = all().filter_map(|connection| connection.pinged_at).max();
        let has_beaten = |at: &Millis| now < at + Rhythm::of(config).tick;
        Ok(sid
            .zip(pinged_at.filter(has_beaten))
            .map(|(sid, pinged_at)| Wanted {
                colo: sid.colo().into_owned(),
                beat: Rhythm::of(config).slot(pinged_at + config.ping_interval),
                has_look: self.is_watched(),
            }))
    }
}
