//! Tests of a send to several shards, each of them a database.

use super::super::shards::{Shard, Shards};
use super::*;

/// Runs the parts of a send in the shards that answer, and settles them.
fn send_in(
    shards: &[Connection; 2],
    does_answer: impl Fn(Shard) -> bool,
    message: &BulkMessage,
) -> Settled {
    let names = Shards::parse("A,B").unwrap();
    let all = targets(id(NOW), "c1", &message.receiver_ids);
    let mut outcomes = Vec::new();
    let mut unconfirmed = HashSet::new();
    for (shard, part) in parts(&names, &all) {
        if !does_answer(shard) {
            unconfirmed.extend(part.into_iter().map(|target| target.receiver_id));
            continue;
        }
        let role = Some(Role::Contractor);
        let statements = store(id(NOW), "c1", role, &message.draft, &part);
        let db = &shards[shard.index()];
        let results: Vec<_> = statements
            .iter()
            .map(|statement| rows::<serde_json::Value>(db, statement))
            .collect();
        let copies = results[3].iter().cloned().map(serde_json::from_value);
        outcomes.extend(copies.map(|copy| copy.unwrap()));
    }
    settle("c1", &message.receiver_ids, all, &outcomes, &unconfirmed)
}

fn databases() -> [Connection; 2] {
    let shards = [database(), database()];
    for user in ["r0", "r1", "r2", "r3", "r4", "r5"] {
        for shard in &shards {
            add(shard, user, Role::Customer, None);
        }
    }
    shards
}

fn stored_in(db: &Connection) -> usize {
    let count = &query(db, "SELECT count(*) FROM messages")[0][0];
    count.parse().unwrap()
}

#[test]
fn a_shard_that_fails_takes_only_its_receivers_with_it() {
    let shards = databases();
    let everybody = ["r0", "r1", "nobody", "r2", "r3", "c1", "r4", "r5"];
    let message = message(&everybody, None);
    let partly = send_in(&shards, |shard| shard == Shard::FIRST, &message);
    let [first, second] = [&shards[0], &shards[1]].map(stored_in);
    assert_eq!((partly.0.len(), second), (first, 0));
    assert!((1..6).contains(&first), "{first}");
    let unavailable: Vec<&String> = partly
        .1
        .iter()
        .filter(|(_, refusal)| *refusal == Refusal::Unconfirmed)
        .map(|(receiver_id, _)| receiver_id)
        .collect();
    let second_has = |id: &&&str| Shards::parse("A,B").unwrap().between("c1", id) != Shard::FIRST;
    let expected: Vec<&&str> = everybody[..5]
        .iter()
        .chain(&everybody[6..])
        .filter(second_has)
        .collect();
    assert_eq!(unavailable, expected);

    // The same send again completes it, and changes nothing that is there.
    let whole = send_in(&shards, |_| true, &message);
    let sent: Vec<&str> = receivers(&whole);
    assert_eq!(sent, ["r0", "r1", "r2", "r3", "r4", "r5"]);
    assert!(partly.0.iter().all(|target| whole.0.contains(target)));
    assert_eq!(stored_in(&shards[0]), first);
    assert_eq!(stored_in(&shards[0]) + stored_in(&shards[1]), 6);
    assert_eq!(send_in(&shards, |_| true, &message), whole);
}

#[test]
fn somebody_is_asked_who_the_sender_is() {
    let shards = Shards::parse("A,B").unwrap();
    assert_eq!(parts(&shards, &[]), [(Shard::FIRST, Vec::new())]);
}

#[test]
fn a_list_from_several_shards_is_in_the_order_that_was_asked_for() {
    let shards = databases();
    let message = message(&["r0", "r1", "r2", "r3", "r4", "r5"], None);
    let (sent, _) = send_in(&shards, |_| true, &message);
    let ids: Vec<String> = sent
        .into_iter()
        .rev()
        .map(|target| target.conversation_id)
        .collect();
    let rows: Vec<ConversationRow> = shards
        .iter()
        .flat_map(|shard| rows(shard, &conversations("c1", &ids)))
        .collect();
    let listed: Vec<String> = in_order(&ids, rows)
        .into_iter()
        .map(|item| item.conversation_id)
        .collect();
    assert_eq!(listed, ids);
}
