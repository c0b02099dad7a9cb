//! Tests of users, their erasure, and the migrations on existing data.

use super::*;
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
    add(&other, "n", Role::Customer, None);
    add(&first, "n", Role::Contractor, Some("Ann"));
    let original = user(&first).unwrap();
    run(&other, &copy_user(&original, NOW));
    assert_eq!(user(&other), Some(original));
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
    for statement in erase_conversations("a", &list)
        .iter()
        .chain(&erase_user("a"))
    {
        run(&db, statement);
    }
    assert_eq!(query(&db, "SELECT receiver_id FROM messages"), [["b"]]);
    assert_eq!(query(&db, "SELECT user_a FROM conversations"), [["b"]]);
    assert_eq!(query(&db, "SELECT count(*) FROM blocks"), [["0"]]);
    assert_eq!(
        query(&db, "SELECT user_id FROM users ORDER BY user_id"),
        [["b"], ["c1"]]
    );
}

/// Runs every migration in the folder, in order, on data of the first one's schema.
#[test]
fn migrations_keep_what_is_there() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations");
    let mut names: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    names.sort();
    let texts: Vec<String> = names
        .iter()
        .map(|name| std::fs::read_to_string(name).unwrap())
        .collect();
    assert_eq!(texts, MIGRATIONS);
    for (index, name) in names.iter().enumerate() {
        let number = format!("{:04}_", index + 1);
        assert!(
            name.file_name()
                .unwrap()
                .to_str()
                .unwrap()
                .starts_with(&number)
        );
    }

    let db = Connection::open_in_memory().unwrap();
    db.execute_batch("PRAGMA foreign_keys = ON").unwrap();
    db.execute_batch(MIGRATIONS[0]).unwrap();
    db.execute_batch(
        "INSERT INTO users VALUES ('a', 'customer', 'Ann', NULL, 1), ('c', 'contractor', NULL, 'u', 2);
         INSERT INTO blocks VALUES ('a', 'x', 3);
         INSERT INTO conversations VALUES ('k', 'a', 'c', 'job', 'm2', 4, 5);
         INSERT INTO messages VALUES
           ('k', 'm1', 'c', 'a', 'text', '{\"text\":\"1\"}', 'job', 4),
           ('k', 'm2', 'a', 'c', 'text', '{\"text\":\"2\"}', NULL, 5);",
    )
    .unwrap();
    for migration in &MIGRATIONS[1..] {
        db.execute_batch(migration).unwrap();
    }
    assert_eq!(
        query(
            &db,
            "SELECT user_id, role, name, avatar_url, created_at, region FROM users"
        ),
        [
            ["a", "customer", "Ann", "NULL", "1", "NULL"],
            ["c", "contractor", "NULL", "u", "2", "NULL"],
        ]
    );
    let list = conversations("a", &["k".to_owned()]);
    let [row] = rows::<ConversationRow>(&db, &list).try_into().unwrap();
    let conversation = row.conversation();
    assert_eq!(conversation.unread_count, 1);
    assert_eq!(conversation.last_message.target.message_id, "m2");
    assert_eq!(query(&db, "SELECT count(*) FROM blocks"), [["1"]]);
    // The users' objects were made before there was a choice.
    let jurisdictions = query(&db, "SELECT jurisdiction FROM deployment");
    assert_eq!(jurisdictions, [["none"]]);
    assert_eq!(query(&db, "PRAGMA foreign_key_check"), [[""; 0]; 0]);
}
