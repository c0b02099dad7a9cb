//! Tests of the webhooks that were given up, and of the switch.

use super::super::webhooks::*;
use super::*;
use crate::core::webhook::failed::{FailedPage, FailedWebhook};

const URL: &str = "https://api.example.com/hook";

fn add_webhook(db: &Connection, webhook_id: &str, user_id: &str, failed_at: Millis) {
    let failed = FailedWebhook {
        webhook_id: webhook_id.into(),
        user_id: user_id.into(),
        event: "message.unread".into(),
        failed_at,
        last_status: Some(500),
    };
    run(db, &add_failed(&failed));
}

fn page(db: &Connection, limit: usize, cursor: Option<&str>) -> Vec<String> {
    let cursor = cursor.map(str::to_owned);
    let rows: Vec<FailedWebhook> = rows(db, &failed(&FailedPage { limit, cursor }));
    rows.into_iter().map(|row| row.webhook_id).collect()
}

fn replays(db: &Connection, ids: Option<&[String]>, limit: usize) -> Vec<Replay> {
    rows(db, &to_replay(ids, limit))
}

fn left_without(db: &Connection, those: &[&Replay]) -> u64 {
    let [forget, count] = forget(those);
    run(db, &forget);
    rows::<Left>(db, &count)[0].remaining
}

#[test]
fn a_webhook_that_is_gone_is_off_until_it_is_switched_on() {
    let db = database();
    let gone = |url| rows::<Gone>(&db, &find_gone(url)).pop();
    assert_eq!(gone(URL), None);
    run(&db, &switch_off(URL, NOW));
    run(&db, &switch_off(URL, NOW + 1));
    assert_eq!(gone(URL), Some(Gone { gone_at: NOW }));
    assert_eq!(gone("https://api.example.com/other"), None);
    run(&db, &switch_on(URL));
    assert_eq!(gone(URL), None);
}

#[test]
fn pages_are_newest_first() {
    let db = database();
    for id in ["w1", "w2", "w3"] {
        add_webhook(&db, id, "a", NOW);
    }
    assert_eq!(page(&db, 2, None), ["w3", "w2", "w1"]);
    assert_eq!(page(&db, 1, None), ["w3", "w2"]);
    assert_eq!(page(&db, 1, Some("w2")), ["w1"]);
    assert_eq!(page(&db, 1, Some("w1")), [""; 0]);
}

#[test]
fn the_oldest_are_replayed_first_or_those_that_are_named() {
    let db = database();
    for id in ["w1", "w2", "w3"] {
        add_webhook(&db, id, "a", NOW);
    }
    let ids = |replays: Vec<Replay>| -> Vec<String> {
        replays.into_iter().map(|one| one.webhook_id).collect()
    };
    assert_eq!(ids(replays(&db, None, 2)), ["w1", "w2"]);
    let named = ["w3", "nothing", "w2"].map(str::to_owned);
    assert_eq!(ids(replays(&db, Some(&named), 9)), ["w2", "w3"]);
}

#[test]
fn what_fails_again_while_it_is_replayed_stays() {
    let db = database();
    for id in ["w1", "w2", "w3"] {
        add_webhook(&db, id, "a", NOW);
    }
    let all = replays(&db, None, 9);
    add_webhook(&db, "w1", "a", NOW + 1);
    assert_eq!(left_without(&db, &[&all[0], &all[1]]), 2);
    assert_eq!(page(&db, 9, None), ["w3", "w1"]);
    assert_eq!(left_without(&db, &[]), 2);
}

#[test]
fn an_erasure_takes_the_users_webhooks() {
    let db = database();
    add_webhook(&db, "w1", "a", NOW);
    add_webhook(&db, "w2", "b", NOW);
    for statement in erase_user("a") {
        run(&db, &statement);
    }
    assert_eq!(page(&db, 9, None), ["w2"]);
}
