//! Runs the watched side's statements on SQLite, and runs both sides against each other in generated
//! interleavings.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::Connection;

use super::*;
use crate::core::ids::conversation_id;
use crate::core::preferences::{Audience, Preferences};
use crate::core::store::testing::{Draw, send, store};
use crate::core::store::{PushOutcome, Store, TellingStep, Watcher};

fn statement(is_online: bool, version: u64) -> StatusReport {
    StatusReport {
        is_online,
        version: Some(version),
    }
}

fn watching(ids: &[&str]) -> Watches {
    let ids: Vec<String> = ids.iter().map(|id| (*id).to_owned()).collect();
    let mut watches = Watches::default();
    watches.add(&ids, 9).unwrap();
    watches
}

#[test]
fn so_many_and_no_more() {
    let ids = |ids: &[&str]| -> Vec<String> { ids.iter().map(|id| (*id).to_owned()).collect() };
    let mut watches = Watches::default();
    assert_eq!(watches.add(&ids(&["a", "b"]), 3), Some(ids(&["a", "b"])));
    assert_eq!(watches.add(&ids(&["b", "c"]), 3), Some(ids(&["c"])));
    assert_eq!(watches.add(&ids(&["d"]), 3), None);
    watches.remove(&ids(&["a", "nobody"]));
    assert_eq!(watches.add(&ids(&["d"]), 3), Some(ids(&["d"])));
    assert_eq!(watches.user_ids(), ids(&["b", "c", "d"]));
}

#[test]
fn news_is_what_differs_from_what_was_told() {
    let mut watches = watching(&["a"]);
    // The reply to the subscription will contain it.
    assert!(!watches.on_push("a", statement(true, 1), 5));
    assert!(!watches.on_push("a", statement(true, 3), 5));
    assert!(watches.on_push("a", statement(false, 4), 5));
    assert!(!watches.on_push("nobody", statement(true, 1), 5));
}

#[test]
fn what_is_older_than_what_was_told_is_no_news() {
    let mut watches = watching(&["a"]);
    assert!(watches.on_answer("a", statement(true, 5), 5));
    assert!(!watches.on_push("a", statement(false, 4), 5));
    assert!(watches.on_push("a", statement(false, 6), 5));
    // That push overtook the answer to a second subscription.
    assert!(!watches.on_answer("a", statement(true, 5), 5));
    // A statement without a version overrides all others, and whatever comes later counts again.
    let mut erased = watching(&["a"]);
    assert!(erased.on_answer("a", statement(true, 5), 5));
    let gone = StatusReport {
        is_online: false,
        version: None,
    };
    assert!(erased.on_push("a", gone, 6));
    assert!(erased.on_push("a", statement(true, 1), 7));
}

#[test]
fn a_push_that_an_erasure_overtakes_is_no_news() {
    let user = WatchedUser::new(0);
    let mut watches = watching(&["a"]);
    watches.on_answer("a", user.watch(0, 1_000), 1_000);
    // The user comes and goes all the time, as often as anybody can.
    for _ in 0..100 {
        user.store.watched_change(true, 1_050).unwrap();
        user.store.watched_change(false, 1_050).unwrap();
    }
    user.store.watched_change(true, 1_050).unwrap();
    let on_its_way = statement(true, user.store.watched().unwrap().unwrap().version);
    watches.on_push("a", on_its_way, 1_100);
    assert!(watches.on_push("a", statement(false, erased_version(1_101)), 1_101));
    assert!(!watches.on_push("a", on_its_way, 1_102));
    // The next user with this id.
    let next = WatchedUser::new(1);
    assert_eq!(
        watches.on_renewal("a", next.watch(0, 1_101), 1_102),
        Some(true)
    );
}

#[test]
fn a_renewal_repeats_what_may_have_been_lost() {
    let mut watches = watching(&["a"]);
    watches.on_answer("a", statement(true, 5), 100);
    let renew = |seen_until| {
        let mut watches = watches.clone();
        watches.on_recovery(seen_until);
        watches
    };
    let same = statement(true, 5);
    assert_eq!(renew(101).on_renewal("a", same, 200), None);
    assert_eq!(renew(100).on_renewal("a", same, 200), Some(true));
    let news = statement(false, 6);
    assert_eq!(renew(101).on_renewal("a", news, 200), Some(false));
    // The connection was told something newer after it recovered.
    let mut overtaken = renew(101);
    assert!(overtaken.on_push("a", news, 150));
    assert_eq!(overtaken.on_renewal("a", same, 200), None);
}

#[test]
fn stored_json_is_pinned() {
    let mut watches = watching(&["a", "b"]);
    watches.on_answer("b", statement(true, 5), 7);
    let json = r#"{"a":null,"b":[true,5,7]}"#;
    assert_eq!(serde_json::to_string(&watches).unwrap(), json);
    assert_eq!(serde_json::from_str::<Watches>(json).unwrap(), watches);
    // As earlier versions stored it.
    let mut old: Watches = serde_json::from_str(r#"{"a":null,"b":true}"#).unwrap();
    assert!(!old.on_push("b", statement(true, 1), 5));
    assert!(old.on_push("b", statement(false, 2), 5));
}

/// The object of a watched user.
struct WatchedUser {
    store: Store<Connection>,
    /// The number of live connections.
    sockets: usize,
    blocked: BTreeSet<usize>,
    audience: Audience,
    contacts: BTreeSet<usize>,
}

/// Pushes in progress, each with its outcome once known.
struct Telling {
    step: TellingStep,
    watchers: Vec<(Watcher, Option<PushOutcome>)>,
}

impl Telling {
    fn is_over(&self) -> bool {
        self.watchers.iter().all(|(_, outcome)| outcome.is_some())
    }
}

impl WatchedUser {
    fn new(sockets: usize) -> Self {
        let store = store();
        store.know_user(USER).unwrap();
        Self {
            store,
            sockets,
            blocked: BTreeSet::new(),
            audience: Audience::Everyone,
            contacts: BTreeSet::new(),
        }
    }

    fn is_online(&self) -> bool {
        self.sockets > 0
    }

    fn due_at(&self) -> Option<Millis> {
        self.store.watched().unwrap()?.due_at
    }

    /// Returns whether the user appears online to this watcher.
    fn is_online_to(&self, by: usize) -> bool {
        let is_for_them = match self.audience {
            Audience::Everyone => true,
            Audience::Contacts => self.contacts.contains(&by),
            Audience::Nobody => false,
        };
        self.is_online() && is_for_them && !self.blocked.contains(&by)
    }

    fn watch(&self, by: usize, now: Millis) -> StatusReport {
        let is_online = self.is_online();
        let version = self
            .store
            .watcher_add(&by.to_string(), is_online, WATCHERS, now);
        statement(self.is_online_to(by), version.unwrap())
    }

    fn block_or_unblock(&mut self, by: usize, now: Millis) {
        if self.blocked.insert(by) {
            self.store.block_add(&by.to_string(), now).unwrap();
        } else {
            self.blocked.remove(&by);
            self.store.block_remove(&by.to_string(), now).unwrap();
        }
    }

    fn prefer(&mut self, presence: Audience, now: Millis) {
        self.audience = presence;
        let preferences = Preferences {
            presence,
            ..Preferences::default()
        };
        self.store.set_preferences(&preferences, now).unwrap();
    }

    fn write_to(&mut self, to: usize, now: Millis) {
        self.contacts.insert(to);
        let mut targets = send(now, &[&to.to_string()]);
        targets[0].conversation_id = conversation_id(USER, &to.to_string());
        self.store.contacts_add(&targets, now).unwrap();
        self.store.conversations_add(&targets).unwrap();
    }

    fn change(&mut self, sockets: usize, due_at: Millis) {
        let was_online = self.is_online();
        self.sockets = sockets;
        if was_online != self.is_online() {
            self.store.watched_change(self.is_online(), due_at).unwrap();
        }
    }

    fn begin_to_tell(&self, at_once: usize, now: Millis) -> Option<Telling> {
        self.due_at().filter(|at| *at <= now)?;
        let step = self.store.watchers_to_tell(self.is_online(), at_once, now);
        let step = step.unwrap();
        let watchers = step.watchers.iter().cloned();
        Some(Telling {
            watchers: watchers.map(|watcher| (watcher, None)).collect(),
            step,
        })
    }

    fn end_of_telling(&self, telling: &Telling, now: Millis) {
        let mut retry_at = None;
        for (watcher, outcome) in &telling.watchers {
            self.store
                .watcher_told(watcher, telling.step.version, outcome.unwrap())
                .unwrap();
            if *outcome == Some(PushOutcome::Unreached) {
                retry_at = Some(now + RETRY);
            }
        }
        self.store
            .watched_told(&telling.step, retry_at, now)
            .unwrap();
    }
}

/// A watcher's connection, with what its client believes.
#[derive(Default)]
struct Session {
    is_live: bool,
    row: Watches,
    believes: Option<bool>,
    /// An answer in flight, and whether it is to a renewal rather than to a first subscription.
    asked: Option<(StatusReport, bool)>,
    /// What the connection was told from this time on may have been lost.
    seen_until: u64,
}

impl Session {
    /// Loses the connection. Everything that was told before has been seen.
    fn lose(&mut self, now: u64) {
        self.is_live = false;
        self.asked = None;
        self.seen_until = now;
    }
}

const USER: &str = "watched";
const GRACE: Millis = 50;
const RETRY: Millis = 80;
const WATCHERS: usize = 4;

struct World {
    draw: Draw,
    now: Millis,
    watched: WatchedUser,
    telling: Option<Telling>,
    /// The connections of each watcher.
    sessions: BTreeMap<usize, Vec<Session>>,
    /// The last version that each watcher was sent.
    sent: BTreeMap<usize, u64>,
}

impl World {
    fn new(seed: u64) -> Self {
        let two = || vec![Session::default(), Session::default()];
        Self {
            draw: Draw(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1),
            now: 1_000,
            watched: WatchedUser::new(0),
            telling: None,
            sessions: (0..WATCHERS).map(|watcher| (watcher, two())).collect(),
            sent: BTreeMap::new(),
        }
    }

    fn step(&mut self) {
        self.now += self.draw.below(30) as Millis;
        match self.draw.below(14) {
            0 | 1 => self.come_or_go(),
            2 | 3 => self.subscribe(),
            4 => self.answer(),
            5 => self.lose_or_recover(),
            6 | 7 => self.push(),
            8 => self.finish_or_interrupt(),
            9 => self
                .watched
                .block_or_unblock(self.draw.below(WATCHERS), self.now),
            10 => self.prefer(),
            11 => self.watched.write_to(self.draw.below(WATCHERS), self.now),
            _ => self.alarm(),
        }
    }

    fn come_or_go(&mut self) {
        let due_at = if self.watched.is_online() {
            self.now + GRACE
        } else {
            self.now
        };
        let sockets = usize::from(!self.watched.is_online());
        match self.draw.below(6) {
            0 => self.watched.change(2, self.now),
            // A user who disappeared silently is noticed later, and pushed in the same way.
            _ => self.watched.change(sockets, due_at),
        }
    }

    /// Changes who sees the user.
    fn prefer(&mut self) {
        let audiences = [Audience::Everyone, Audience::Contacts, Audience::Nobody];
        self.watched.prefer(audiences[self.draw.below(3)], self.now);
    }

    /// Draws a watcher and one of their connections.
    fn any(&mut self) -> (usize, usize) {
        (self.draw.below(WATCHERS), self.draw.below(2))
    }

    fn session(&mut self, (watcher, index): (usize, usize)) -> &mut Session {
        &mut self.sessions.get_mut(&watcher).unwrap()[index]
    }

    /// Subscribes. The answer is determined now and arrives later.
    fn subscribe(&mut self) {
        let now = self.now;
        let any = self.any();
        let session = self.session(any);
        if !session.is_live {
            *session = Session::default();
            session.is_live = true;
        }
        if session.asked.is_some() {
            return;
        }
        session.row.add(&[USER.to_owned()], 9).unwrap();
        let statement = self.watched.watch(any.0, now);
        self.session(any).asked = Some((statement, false));
    }

    fn answer(&mut self) {
        let now = self.now;
        let any = self.any();
        settle_answer(self.session(any), now);
    }

    /// Loses a connection, or recovers its session.
    fn lose_or_recover(&mut self) {
        let now = self.now;
        let any = self.any();
        let session = self.session(any);
        if session.is_live {
            return session.lose(now);
        }
        if session.row.watches(USER) {
            session.is_live = true;
            session.row.on_recovery(session.seen_until);
            let statement = self.watched.watch(any.0, now);
            self.session(any).asked = Some((statement, true));
        }
    }

    fn alarm(&mut self) {
        if self.telling.is_none() {
            let at_once = 1 + self.draw.below(WATCHERS);
            self.telling = self.watched.begin_to_tell(at_once, self.now);
        }
        // Without anybody to call, nothing is awaited.
        if self
            .telling
            .as_ref()
            .is_some_and(|telling| telling.watchers.is_empty())
        {
            self.finish_or_interrupt();
        }
    }

    /// Delivers one of the pushes in progress, and its answer.
    fn push(&mut self) {
        let Some(telling) = &mut self.telling else {
            return;
        };
        let version = telling.step.version;
        let mut open = telling.watchers.iter_mut();
        let Some((watcher, outcome)) = open.find(|(_, outcome)| outcome.is_none()) else {
            return;
        };
        if self.draw.once_in(8) {
            *outcome = Some(PushOutcome::Unreached);
            return;
        }
        *outcome = Some(PushOutcome::Unwanted);
        let is_online = version & 1 == 1 && watcher.is_hidden == 0;
        let watcher: usize = watcher.user_id.parse().unwrap();
        let before = self.sent.insert(watcher, version).unwrap_or_default();
        assert!(before <= version, "{watcher} was told something older");
        for session in self.sessions.get_mut(&watcher).unwrap() {
            if !session.is_live || !session.row.watches(USER) {
                continue;
            }
            *outcome = Some(PushOutcome::Heard);
            let statement = statement(is_online, version);
            let is_told = session.row.on_push(USER, statement, self.now);
            if self.draw.once_in(6) {
                // Whatever was sent can be lost only together with its connection.
                session.lose(self.now);
            } else if is_told {
                session.believes = Some(statement.is_online);
            }
        }
    }

    /// Finishes the pushes, if every answer is in. Otherwise the object may be evicted, and forgets that
    /// it was pushing.
    fn finish_or_interrupt(&mut self) {
        match self.telling.take() {
            Some(telling) if telling.is_over() => self.watched.end_of_telling(&telling, self.now),
            Some(telling) if !self.draw.once_in(3) => self.telling = Some(telling),
            _ => {}
        }
    }

    /// Lets everything in progress finish.
    fn become_quiet(&mut self) {
        for _ in 0..1_000 {
            self.now += 10;
            for session in self.sessions.values_mut().flatten() {
                settle_answer(session, self.now);
            }
            self.alarm();
            let Some(telling) = &self.telling else {
                if self.watched.due_at().is_none() {
                    return;
                }
                continue;
            };
            if telling.is_over() {
                self.finish_or_interrupt();
            } else {
                self.push();
            }
        }
        panic!("never quiet");
    }
}

fn settle_answer(session: &mut Session, now: Millis) {
    if !session.is_live {
        return;
    }
    match session.asked.take() {
        Some((statement, false)) => {
            session.believes = Some(session.row.on_answer(USER, statement, now));
        }
        Some((statement, true)) => {
            let told = session.row.on_renewal(USER, statement, now);
            session.believes = told.or(session.believes);
        }
        None => {}
    }
}

#[test]
fn once_things_are_quiet_every_watcher_was_told_the_truth() {
    for seed in 1..=600 {
        let mut world = World::new(seed);
        for _ in 0..80 {
            world.step();
        }
        world.become_quiet();
        for (watcher, sessions) in &world.sessions {
            let truth = world.watched.is_online_to(*watcher);
            for session in sessions.iter().filter(|session| session.is_live) {
                if session.row.watches(USER) {
                    let told = session.believes;
                    assert_eq!(told, Some(truth), "seed {seed}, watcher {watcher}");
                }
            }
        }
    }
}
