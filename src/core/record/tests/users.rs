//! Tests of users, their erasure, and the migrations on existing data.

use super::*;
use crate::core::error::to_json;
use crate::core::region::Region;

fn profile(role: Option<Role>, name: Option<&str>) -> Profile {
    Profile {
        role,
        name: name.map(str::to_owned),
        ..Profile::default()
    }
}

#[test]
fn what_is_not_given_stays() {
    let db = database();
    let put = |profile: &Profile| {
        run(&db, &put_user("n", profile, NOW));
        rows::<User>(&db, &find_user("n"))
    };
    let [new] = put(&profile(None, Some("Ann"))).try_into().unwrap();
    assert_eq!(
        (new.role, new.name.as_deref()),
        (Role::Customer, Some("Ann"))
    );
    let [changed] = put(&profile(Some(Role::Contractor), None))
        .try_into()
        .unwrap();
    assert_eq!(
        (changed.role, changed.name.as_deref()),
        (Role::Contractor, Some("Ann"))
    );
}

#[test]
fn a_copy_is_what_the_first_shard_has() {
    let [first, other] = [database(), database()];
    let user = |db: &Connection| rows::<User>(db, &find_user("n")).pop();
    add(&first, "n", Role::Contractor, Some("Ann"));
    prefer(&first, "n", Audience::Contacts, Audience::Nobody);
    let original = user(&first).unwrap();
    run(&other, &copy_user(&original, NOW));
    assert_eq!(user(&other), Some(original));
    // What a copy has of the preferences is as new as the original: a change is written to all shards.
    prefer(&other, "n", Audience::Nobody, Audience::Nobody);
    let renamed = profile(None, Some("Bob"));
    run(&first, &put_user("n", &renamed, NOW));
    run(&other, &copy_user(&user(&first).unwrap(), NOW));
    let named = user(&other).unwrap();
    assert_eq!(named.name.as_deref(), Some("Bob"));
    let columns = "SELECT presence, bulk_messages FROM users WHERE user_id = 'n'";
    assert_eq!(query(&other, columns), [["nobody", "nobody"]]);
}

#[test]
fn the_api_shows_no_preferences_with_a_user() {
    let db = database();
    let [user] = rows::<User>(&db, &find_user("a")).try_into().unwrap();
    assert_eq!(
        to_json(&user),
        r#"{"userId":"a","role":"customer","name":null,"avatarUrl":null,"region":null}"#
    );
}

#[test]
fn in_which_conversations_a_user_has_written() {
    let db = database();
    let begun = send_one(&db, NOW, "a", "b");
    let heard = send_one(&db, NOW + 1, "c1", "a");
    let other = send_one(&db, NOW + 2, "c1", "b");
    let ids: Vec<String> = [begun, heard, other]
        .concat()
        .into_iter()
        .map(|target| target.conversation_id)
        .collect();
    let peers = |user_id| {
        let found: Vec<WithPeer> = rows(&db, &written_in(user_id, &ids));
        let mut peers: Vec<String> = found.into_iter().map(|row| row.peer_id).collect();
        peers.sort();
        peers
    };
    assert_eq!(peers("a"), ["b"]);
    assert_eq!(peers("b"), [""; 0]);
    assert_eq!(peers("c1"), ["a", "b"]);
}

#[test]
fn a_region_is_learned_once_and_set_at_will() {
    let db = database();
    let identity = Identity {
        user_id: "n".into(),
        role: Role::Customer,
        name: None,
        expires_at: 0,
        issued_at: None,
    };
    let placed = || rows::<Placed>(&db, &regions(&["n", "nobody"]));
    let region = || placed().pop().map(|placed| placed.region);
    assert!(region().is_none());
    run(&db, &add_user(&identity, None, NOW));
    assert_eq!(region(), Some(None));
    assert_eq!(placed().len(), 1);
    run(&db, &add_user(&identity, Some(Region::Weur), NOW));
    run(&db, &add_user(&identity, Some(Region::Oc), NOW));
    assert_eq!(region(), Some(Some(Region::Weur)));
    let moved = Profile {
        region: Some(Region::Apac),
        ..Profile::default()
    };
    run(&db, &put_user("n", &moved, NOW));
    assert_eq!(region(), Some(Some(Region::Apac)));
}

#[test]
fn an_erasure_takes_the_users_conversations_and_no_others() {
    let db = database();
    send(&db, id(NOW), "c1", &message(&["a", "b"], None));
    run(&db, &block("a", "c1", NOW));
    run(&db, &block("b", "c1", NOW));
    run(&db, &block("b", "a", NOW));
    run(&db, &unblock("b", "c1"));
    let of = |user_id| {
        let all: Vec<WithPeer> = rows(&db, &conversations_of(user_id));
        let peers: Vec<String> = all.into_iter().map(|one| one.peer_id).collect();
        peers
    };
    assert_eq!(of("a"), ["c1"]);
    assert_eq!(of("c1").len(), 2);
    let pair = |a: &str, b: &str| crate::core::ids::conversation_id(a, b);
    // A list that contains another user's conversation does not affect that conversation.
    let list = [pair("a", "c1"), pair("b", "c1")];
    let erase = |user_id| {
        for statement in erase_conversations(user_id, &list)
            .iter()
            .chain(&erase_user(user_id))
        {
            run(&db, statement);
        }
    };
    erase("a");
    assert_eq!(query(&db, "SELECT count(*) FROM messages"), [["1"]]);
    assert_eq!(query(&db, "SELECT user_a FROM conversations"), [["b"]]);
    assert_eq!(query(&db, "SELECT count(*) FROM blocks"), [["0"]]);
    assert_eq!(
        query(&db, "SELECT user_id FROM users ORDER BY user_id"),
        [["b"], ["c1"]]
    );
    // The other receiver still has the content, until the sender is erased.
    assert_eq!(query(&db, "SELECT count(*) FROM contents"), [["1"]]);
    erase("c1");
    let left = "SELECT (SELECT count(*) FROM contents) + (SELECT count(*) FROM messages)
                  + (SELECT count(*) FROM conversations)";
    assert_eq!(query(&db, left), [["0"]]);
}
