//! Who is a user, as far as this isolate knows from D1, and where the users' objects are to be created.
//!
//! An object is created near its first caller, unless that call has a location hint. So D1 is asked about every
//! id whose object somebody in this isolate calls for the first time; its answer also shows whether there is
//! such a user at all.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::thread::LocalKey;

use worker::Env;

use super::{config, d1, log, now};
use crate::core::cache::{Cache, MAX_NEGATIVE};
use crate::core::record::shards::Shard;
use crate::core::record::users::{Placed, regions};
use crate::core::region::Region;
use crate::core::time::Millis;

/// How many users are remembered.
const MAX_USERS: usize = 20_000;

type Ids = LocalKey<RefCell<Cache<()>>>;

thread_local! {
    /// Ids that D1 has a user for, or had when it was asked: whoever takes an erased user for one only creates an
    /// object for nothing. It needs no end, as an object stays where it was created.
    static USERS: RefCell<Cache<()>> = RefCell::new(Cache::new(MAX_USERS));
    /// Ids that D1 has no user for.
    static STRANGERS: RefCell<Cache<()>> = RefCell::new(Cache::new(MAX_NEGATIVE));
}

/// What is known of the users to call.
#[derive(Default)]
pub struct Directory {
    /// The regions of those whose objects the next call may create. These are only hints: without one, an
    /// object is created near the caller.
    pub regions: HashMap<String, Region>,
    /// The ids that D1 has no user for, as far as is known.
    pub strangers: HashSet<String>,
}

/// Returns whether [`look_up`] has to ask D1 about this id.
pub fn is_new(id: &str) -> bool {
    !is_user(id) && !is_stranger(id)
}

/// Looks these ids up: in memory, and in one query for those that this isolate does not know.
pub async fn look_up(env: &Env, user_ids: &[String]) -> Directory {
    let unknown: Vec<&str> = user_ids
        .iter()
        .filter(|id| !is_user(id))
        .map(String::as_str)
        .collect();
    if unknown.is_empty() {
        return Directory::default();
    }
    let (mut strangers, new): (Vec<&str>, Vec<&str>) =
        unknown.into_iter().partition(|id| is_stranger(id));
    let found = find(env, &new).await;
    if let Some(found) = &found {
        remember(env, &new, found);
        strangers.extend(new.into_iter().filter(|id| !found.contains_key(*id)));
    }
    Directory {
        strangers: strangers.into_iter().map(str::to_owned).collect(),
        regions: found
            .unwrap_or_default()
            .into_iter()
            .filter_map(|(id, region)| Some((id, region?)))
            .collect(),
    }
}

/// Forgets that there is such a user: they are erased.
pub fn forget(id: &str) {
    USERS.with_borrow_mut(|users| users.remove(id));
}

fn is_user(id: &str) -> bool {
    is_among(&USERS, id)
}

fn is_stranger(id: &str) -> bool {
    is_among(&STRANGERS, id)
}

fn is_among(ids: &'static Ids, id: &str) -> bool {
    ids.with_borrow(|ids| ids.get(id, now()).is_some())
}

/// Returns those that are users, or `None` if D1 does not answer: then all of them may be.
async fn find(env: &Env, user_ids: &[&str]) -> Option<HashMap<String, Option<Region>>> {
    if user_ids.is_empty() {
        return Some(HashMap::new());
    }
    let answer = d1::query(env, Shard::FIRST, regions(user_ids)).await;
    let placed: Vec<Placed> = log::fault("regions", answer)?;
    let placed = placed.into_iter();
    Some(
        placed
            .map(|placed| (placed.user_id, placed.region))
            .collect(),
    )
}

fn remember(env: &Env, asked: &[&str], found: &HashMap<String, Option<Region>>) {
    add(&USERS, found.keys().map(String::as_str), Millis::MAX);
    let Ok(config) = config(env) else { return };
    let strangers = asked.iter().filter(|id| !found.contains_key(**id)).copied();
    add(&STRANGERS, strangers, now() + config.negative_cache);
}

fn add<'a>(ids: &'static Ids, new: impl Iterator<Item = &'a str>, until: Millis) {
    ids.with_borrow_mut(|ids| new.for_each(|id| ids.insert(id, (), until)));
}
