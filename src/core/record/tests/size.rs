//! The size of the record.

use super::*;

/// The most bytes of the database that a receiver's copy takes, beyond the content of the send.
const MAX_BYTES_PER_COPY: u64 = 80;

fn bytes(db: &Connection) -> u64 {
    let sql = "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size";
    db.query_one(sql, [], |row| row.get(0)).unwrap()
}

#[test]
fn a_hundred_thousand_copies_stay_small() {
    let db = database();
    let ids: Vec<String> = (0..1_000).map(|id| format!("customer{id}")).collect();
    for id in &ids {
        add(&db, id, Role::Customer, None);
    }
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let message = message(&ids, Some("job"));
    // The first contact adds the conversations.
    send(&db, id(NOW), "c1", &message);
    let before = bytes(&db);
    for minute in 1..=100 {
        let (stored, _) = send(&db, id(NOW + minute), "c1", &message);
        assert_eq!(stored.len(), 1_000);
    }
    let per_copy = (bytes(&db) - before) / 100_000;
    assert!(per_copy <= MAX_BYTES_PER_COPY, "{per_copy} bytes per copy");
}
