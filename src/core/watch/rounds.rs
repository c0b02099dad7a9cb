//! Tests of a round: how a change reaches many watchers, step by step.

use std::collections::BTreeMap;

use rusqlite::Connection;

use crate::core::store::testing::store;
use crate::core::store::{PushOutcome, Store, Watcher};
use crate::core::time::Millis;

const NOW: Millis = 1_000;
const RETRY: Millis = 30_000;
const AT_ONCE: usize = 500;
const NO_LIMIT: usize = usize::MAX;

/// A watched user, and how often each watcher was told each version.
struct World {
    store: Store<Connection>,
    is_online: bool,
    told: BTreeMap<String, Vec<u64>>,
}

fn id(index: usize) -> String {
    format!("w{index:05}")
}

impl World {
    /// A user who is offline and has so many watchers, who know it.
    fn new(watchers: usize) -> Self {
        let store = store();
        store.watcher_add(&id(0), false, NO_LIMIT, NOW).unwrap();
        let database = store.database();
        let sql =
            "INSERT INTO watchers (user_id, version, asked) SELECT ?1, version, 1 FROM watched";
        let mut statement = database.prepare(sql).unwrap();
        database.execute_batch("BEGIN").unwrap();
        for index in 1..watchers {
            statement.execute([id(index)]).unwrap();
        }
        database.execute_batch("COMMIT").unwrap();
        drop(statement);
        Self {
            store,
            is_online: false,
            told: BTreeMap::new(),
        }
    }

    fn change(&mut self, is_online: bool, due_at: Millis) {
        self.is_online = is_online;
        self.store.watched_change(is_online, due_at).unwrap();
    }

    fn due_at(&self) -> Option<Millis> {
        self.store.watched().unwrap()?.due_at
    }

    /// One alarm. The object dies before it has recorded the answers if `is_killed` is set.
    fn alarm(&mut self, outcome: impl Fn(&Watcher) -> PushOutcome, is_killed: bool, now: Millis) {
        assert!(self.due_at().unwrap() <= now);
        let step = self
            .store
            .watchers_to_tell(self.is_online, AT_ONCE, now)
            .unwrap();
        assert!(step.watchers.len() <= AT_ONCE);
        for watcher in &step.watchers {
            self.told
                .entry(watcher.user_id.clone())
                .or_default()
                .push(step.version);
        }
        if is_killed {
            self.store.forget();
            return;
        }
        let mut retry_at = None;
        for watcher in &step.watchers {
            let outcome = outcome(watcher);
            if outcome == PushOutcome::Unreached {
                retry_at = Some(now + RETRY);
            }
            self.store
                .watcher_told(watcher, step.version, outcome)
                .unwrap();
        }
        self.store.watched_told(&step, retry_at, now).unwrap();
    }

    /// Lets alarms fire until nothing is due at `now`. Returns how many there were.
    fn run(&mut self, outcome: impl Fn(&Watcher) -> PushOutcome, now: Millis) -> usize {
        let mut alarms = 0;
        while self.due_at().is_some_and(|at| at <= now) {
            self.alarm(&outcome, false, now);
            alarms += 1;
            assert!(alarms < 1_000, "never ends");
        }
        alarms
    }

    /// Returns how many pushes there were since the last call.
    fn pushes(&mut self) -> usize {
        std::mem::take(&mut self.told).values().map(Vec::len).sum()
    }
}

fn heard(_: &Watcher) -> PushOutcome {
    PushOutcome::Heard
}

#[test]
fn who_could_not_be_reached_delays_nobody_else() {
    let mut world = World::new(3);
    let outcome = |watcher: &Watcher| match watcher.user_id == id(0) {
        true => PushOutcome::Unreached,
        false => PushOutcome::Heard,
    };
    world.change(true, NOW);
    world.run(outcome, NOW);
    assert_eq!(world.pushes(), 3);
    let later = NOW + 10;
    world.store.block_add(&id(1), later).unwrap();
    assert_eq!(world.due_at(), Some(later));
    world.run(outcome, later);
    let told: Vec<String> = std::mem::take(&mut world.told).into_keys().collect();
    assert_eq!(told, [id(0), id(1)]);
    assert_eq!(world.due_at(), Some(later + RETRY));
    // The grace period of a change is not cut short.
    world.store.watched_change(false, later + 5_000).unwrap();
    world.store.block_remove(&id(1), later + 1).unwrap();
    assert_eq!(world.due_at(), Some(later + 5_000));
}

#[test]
fn fifty_thousand_watchers_are_told_once_each() {
    let mut world = World::new(50_000);
    world.change(true, NOW);
    // The last step finds out that nobody is left.
    assert_eq!(world.run(heard, NOW), 101);
    assert!(world.told.values().all(|versions| versions.len() == 1));
    assert_eq!(world.pushes(), 50_000);
    world.change(false, NOW);
    world.run(heard, NOW);
    assert_eq!(world.pushes(), 50_000);
    assert_eq!(world.due_at(), None);
}

#[test]
fn after_a_kill_telling_goes_on_where_it_was() {
    let mut world = World::new(2_000);
    world.change(true, NOW);
    world.alarm(heard, false, NOW);
    world.alarm(heard, true, NOW);
    world.run(heard, NOW);
    let twice: Vec<&String> = world
        .told
        .iter()
        .filter_map(|(id, versions)| (versions.len() > 1).then_some(id))
        .collect();
    // Only of the step that was cut off it is unknown who was told.
    assert_eq!(twice.len(), AT_ONCE);
    assert_eq!((twice[0], twice[499]), (&id(500), &id(999)));
    assert_eq!(world.pushes(), 2_500);
}

#[test]
fn who_could_not_be_reached_is_told_again_alone() {
    let mut world = World::new(2_000);
    let is_lost = |watcher: &Watcher| watcher.user_id <= id(699);
    let outcome = |watcher: &Watcher| {
        if is_lost(watcher) {
            PushOutcome::Unreached
        } else {
            PushOutcome::Heard
        }
    };
    world.change(true, NOW);
    world.run(outcome, NOW);
    assert_eq!(world.pushes(), 2_000);
    assert_eq!(world.due_at(), Some(NOW + RETRY));
    // Again in vain, in two steps; the pause follows although the second one ends with nobody.
    let later = NOW + RETRY;
    assert_eq!(world.run(outcome, later), 2);
    assert_eq!(world.pushes(), 700);
    assert_eq!(world.due_at(), Some(later + RETRY));
    // A kill changes nothing.
    let later = later + RETRY;
    world.alarm(outcome, true, later);
    assert_eq!(world.pushes(), 500);
    world.run(heard, later);
    assert_eq!(world.pushes(), 700);
    assert_eq!(world.due_at(), None);
}

#[test]
fn a_change_in_the_middle_reaches_everybody_and_nothing_older_follows() {
    let mut world = World::new(2_000);
    world.change(true, NOW);
    world.alarm(heard, false, NOW);
    world.change(false, NOW);
    world.run(heard, NOW);
    let last = world.store.watched().unwrap().unwrap().version;
    for (id, versions) in &world.told {
        assert_eq!(versions.last(), Some(&last), "{id}");
        assert!(versions.is_sorted(), "{id}: {versions:?}");
    }
    assert_eq!(world.told.len(), 2_000);
    assert_eq!(world.due_at(), None);
}

#[test]
fn whoever_changes_all_the_time_starves_nobody() {
    let mut world = World::new(2_000);
    for turn in 0..40 {
        world.change(turn % 2 == 0, NOW);
        world.alarm(heard, false, NOW);
    }
    assert_eq!(world.told.len(), 2_000);
    assert!(world.told.values().all(|versions| versions.len() >= 7));
}

#[test]
fn a_block_in_the_middle_repeats_nothing() {
    let mut world = World::new(2_000);
    world.change(true, NOW);
    world.alarm(heard, false, NOW);
    // They have been told that the user is online, and now appear in the next round, too.
    world.store.block_add(&id(3), NOW).unwrap();
    world.run(heard, NOW);
    assert_eq!(world.pushes(), 2_001);
}

#[test]
fn beyond_the_limit_a_watcher_gets_the_status_only() {
    let mut world = World::new(3);
    let add = |world: &World, id: &str| world.store.watcher_add(id, true, 3, NOW).unwrap();
    let version = add(&world, "late");
    assert_eq!(version & 1, 1);
    // Who is a watcher already can subscribe again.
    assert_eq!(add(&world, &id(1)), version);
    world.is_online = true;
    world.run(heard, NOW);
    assert_eq!(
        world.told.keys().cloned().collect::<Vec<_>>(),
        [id(0), id(1), id(2)]
    );
    // A place becomes free when a watcher no longer wants to be told.
    world.change(false, NOW);
    world.run(
        |watcher| {
            if watcher.user_id == id(2) {
                PushOutcome::Unwanted
            } else {
                PushOutcome::Heard
            }
        },
        NOW,
    );
    world.pushes();
    add(&world, "late");
    world.change(false, NOW);
    world.run(heard, NOW);
    assert!(world.told.contains_key("late"));
}

#[test]
fn a_step_reads_the_watchers_in_order() {
    let world = World::new(1);
    let plan: Vec<String> = world
        .store
        .database()
        .prepare(&format!("EXPLAIN QUERY PLAN {}", super::TO_TELL))
        .unwrap()
        .query_map([1], |row| row.get("detail"))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert_eq!(
        plan,
        [
            "SEARCH watched USING INTEGER PRIMARY KEY (rowid=?)",
            "SEARCH watchers USING PRIMARY KEY (user_id>?)",
            "SEARCH blocks USING PRIMARY KEY (user_id=?) LEFT-JOIN"
        ]
    );
}
