//! Tests of conversations, messages and read state.

use super::*;

/// Sends `count` messages from `c1` to `a` and returns their ids.
fn talk(db: &Connection, count: u64) -> Vec<String> {
    (0..count)
        .map(|minute| {
            let settled = send(db, id(NOW + minute), "c1", &message(&["a"], Some("job")));
            settled.0[0].message_id.clone()
        })
        .collect()
}

fn conversation() -> String {
    crate::core::ids::conversation_id("a", "c1")
}

fn page(limit: usize, before: Option<&String>, after: Option<&String>) -> MessagePage {
    MessagePage {
        conversation_id: conversation(),
        limit,
        before: before.cloned(),
        after: after.cloned(),
    }
}

fn read(db: &Connection, page: &MessagePage) -> Vec<String> {
    let [_, read] = messages(page).try_into().unwrap();
    rows::<MessageRow>(db, &read)
        .into_iter()
        .map(|row| row.message().target.message_id)
        .collect()
}

#[test]
fn pages_go_both_ways() {
    let db = database();
    let ids = talk(&db, 5);
    let backwards = |ids: &[String]| ids.iter().rev().cloned().collect::<Vec<_>>();
    // One message more than fits on the page shows that there is another page.
    assert_eq!(read(&db, &page(2, None, None)), backwards(&ids[2..]));
    assert_eq!(
        read(&db, &page(2, Some(&ids[3]), None)),
        backwards(&ids[..3])
    );
    assert_eq!(read(&db, &page(2, Some(&ids[0]), None)), [""; 0]);
    assert_eq!(read(&db, &page(2, None, Some(&ids[0]))), ids[1..4]);
    assert_eq!(
        read(&db, &page(9, Some(&ids[4]), Some(&ids[1]))),
        backwards(&ids[2..4])
    );
}

fn marking(up_to: &str) -> Marking {
    Marking {
        conversation_id: conversation(),
        what: What::UpTo(up_to.into()),
    }
}

fn mark(db: &Connection, user_id: &str, up_to: &str) -> bool {
    let [_, mark] = mark_read(user_id, &marking(up_to)).try_into().unwrap();
    !rows::<Moved>(db, &mark).is_empty()
}

fn unread(db: &Connection, user_id: &str) -> u64 {
    let list = conversations(user_id, &[conversation()]);
    let [row] = rows::<ConversationRow>(db, &list).try_into().unwrap();
    row.conversation().unread_count
}

#[test]
fn the_watermark_only_moves_forward() {
    let db = database();
    let ids = talk(&db, 3);
    assert_eq!((unread(&db, "a"), unread(&db, "c1")), (3, 0));
    assert!(mark(&db, "a", &ids[1]));
    assert_eq!(unread(&db, "a"), 1);
    assert!(!mark(&db, "a", &ids[1]));
    assert!(!mark(&db, "a", &ids[0]));
    assert_eq!(unread(&db, "a"), 1);
    // Messages still to come are not read, whatever id a client makes up.
    assert!(mark(&db, "a", "ffffffff-ffff-7fff-8fff-ffffffffffff"));
    send(&db, id(NOW + 9), "c1", &message(&["a"], None));
    assert_eq!(unread(&db, "a"), 1);
    // An id before the first message marks nothing, and a user who is not a participant marks nothing.
    assert!(!mark(&db, "c1", "00000000-0000-7000-8000-000000000000"));
    assert!(!mark(&db, "b", &ids[0]));
    // Marking writes one row, however many messages it covers.
    let before = db.total_changes();
    assert!(mark(&db, "c1", &ids[2]));
    assert_eq!(db.total_changes() - before, 1);
}

#[test]
fn a_list_shows_both_sides_and_the_newest_message() {
    let db = database();
    add(&db, "n", Role::Customer, Some("Ann"));
    let ids = talk(&db, 2);
    mark(&db, "a", &ids[0]);
    send(&db, id(NOW + 9), "c1", &message(&["n"], None));
    let with_n = crate::core::ids::conversation_id("c1", "n");
    let foreign = crate::core::ids::conversation_id("a", "b");
    let list = conversations("c1", &[with_n.clone(), conversation(), foreign]);
    let items: Vec<_> = rows::<ConversationRow>(&db, &list)
        .into_iter()
        .map(ConversationRow::conversation)
        .collect();
    let json = serde_json::to_value(&items).unwrap();
    assert_eq!(json[0]["conversationId"], with_n);
    assert_eq!(json[0]["participants"][1]["name"], "Ann");
    assert_eq!(json[1]["participants"][0]["readUpTo"], ids[0]);
    assert_eq!(json[1]["lastMessage"]["messageId"], ids[1]);
    assert_eq!(json[1]["lastMessage"]["sender"]["id"], "c1");
    assert_eq!(json[1]["jobId"], "job");
    assert_eq!(items.len(), 2);
    // Another user does not see these conversations.
    let list = conversations("b", &[with_n, conversation()]);
    assert!(rows::<ConversationRow>(&db, &list).is_empty());
}

#[test]
fn whichever_side_sends_and_however_content_is_stored_it_reads_back() {
    let db = database();
    // In byte order, one participant comes before and one after the sender.
    add(&db, "z", Role::Customer, Some("Zoë"));
    add(&db, "b1", Role::Contractor, Some("Bob"));
    let sent = message(&["a", "z"], Some("job"));
    let both = send(&db, id(NOW), "b1", &sent).0;
    let direct = message(&["b1"], None);
    let targets = targets(id(NOW + 1), "z", &direct.receiver_ids);
    for statement in store(id(NOW + 1), "z", None, &direct.draft, &targets) {
        run(&db, &statement);
    }
    let page = |conversation_id: &str| MessagePage {
        conversation_id: conversation_id.into(),
        ..page(9, None, None)
    };
    let of = |conversation_id: &str| {
        let [_, read] = messages(&page(conversation_id)).try_into().unwrap();
        let rows = rows::<MessageRow>(&db, &read);
        let all: Vec<_> = rows.into_iter().map(MessageRow::message).collect();
        serde_json::to_value(all).unwrap()
    };
    let json = |target: &Target, from: [Option<&str>; 2], job: Option<&str>, at: &str| {
        serde_json::json!({
            "messageId": target.message_id, "conversationId": target.conversation_id,
            "senderId": from[0], "sender": { "id": from[0], "name": from[1], "avatarUrl": null },
            "receiverId": target.receiver_id, "messageType": "text", "content": { "text": "hi" },
            "jobId": job, "timestamp": at,
        })
    };
    let by_b1 = |target| {
        let from = [Some("b1"), Some("Bob")];
        json(target, from, Some("job"), "2027-01-15T08:00:00.000Z")
    };
    assert_eq!(
        of(&both[0].conversation_id),
        serde_json::json!([by_b1(&both[0])])
    );
    let by_z = json(
        &targets[0],
        [Some("z"), Some("Zoë")],
        None,
        "2027-01-15T08:00:00.001Z",
    );
    assert_eq!(
        of(&both[1].conversation_id),
        serde_json::json!([by_z, by_b1(&both[1])])
    );
    // Another spelling of the id, or no id at all, finds nothing.
    for other in [
        both[0].conversation_id.to_uppercase(),
        "k".to_owned(),
        String::new(),
    ] {
        assert_eq!(of(&other), serde_json::json!([]));
        assert!(rows::<Pair>(&db, &participants(&other)).is_empty());
    }
}

#[test]
fn only_participants_have_a_peer() {
    let db = database();
    talk(&db, 1);
    let pairs: Vec<Pair> = rows(&db, &participants(&conversation()));
    let error = |user_id| peer(user_id, pairs.first()).unwrap_err().message;
    assert_eq!(peer("a", pairs.first()).unwrap(), "c1");
    assert_eq!(peer("c1", pairs.first()).unwrap(), "a");
    assert_eq!(error("b"), "You are not a participant in this conversation");
    assert_eq!(
        peer("a", None).unwrap_err().message,
        "Conversation not found"
    );
}

/// Returns the participants' read markers as the list of `user_id` shows them.
fn markers(db: &Connection, user_id: &str) -> Vec<(String, bool)> {
    let list: Vec<ConversationRow> = rows(db, &conversations(user_id, &[conversation()]));
    let participants = list
        .into_iter()
        .flat_map(|row| row.conversation().participants);
    participants
        .map(|one| (one.user.id, one.read_up_to.is_some()))
        .collect()
}

#[test]
fn a_read_marker_is_for_those_who_may_see_the_presence() {
    let db = database();
    let ids = talk(&db, 1);
    for user in ["a", "c1"] {
        for statement in mark_read(user, &marking(&ids[0])) {
            run(&db, &statement);
        }
    }
    let shown = |is_a_shown, is_c1_shown| {
        vec![("a".to_owned(), is_a_shown), ("c1".to_owned(), is_c1_shown)]
    };
    // The contractor has written to the customer, who has not written back.
    for (audience, is_customer_shown, is_contractor_shown) in [
        (Audience::Everyone, true, true),
        (Audience::Contacts, false, true),
        (Audience::Nobody, false, false),
    ] {
        prefer(&db, "a", audience, Audience::Everyone);
        prefer(&db, "c1", audience, Audience::Everyone);
        assert_eq!(markers(&db, "c1"), shown(is_customer_shown, true));
        assert_eq!(markers(&db, "a"), shown(true, is_contractor_shown));
    }
    send_one(&db, NOW + 99, "a", "c1");
    prefer(&db, "a", Audience::Contacts, Audience::Everyone);
    assert_eq!(markers(&db, "c1"), shown(true, true));
}
