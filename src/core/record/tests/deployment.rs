//! Tests of what is remembered of the deployment.

use super::super::deployment::*;
use super::super::shards::Shard;
use super::*;

fn config(jurisdiction: &str, shards: &str) -> Config {
    let value = |name: &str| match name {
        "JWT_SECRET" => Some("0123456789".repeat(4)),
        "JURISDICTION" => Some(jurisdiction.to_owned()),
        "RECORD_SHARDS" => Some(shards.to_owned()),
        _ => None,
    };
    Config::read(value).unwrap()
}

fn remembered(db: &Connection, config: &Config, shard: Shard) -> Remembered {
    let [remember, read] = remember(config, shard);
    run(db, &remember);
    let [remembered] = rows(db, &read).try_into().unwrap();
    remembered
}

fn refusal(remembered: &Remembered, config: &Config, shard: Shard) -> String {
    remembered.allows(config, shard).unwrap_err().to_string()
}

#[test]
fn the_first_jurisdiction_stays() {
    let db = database();
    let [eu, none] = ["eu", "none"].map(|jurisdiction| config(jurisdiction, "DB"));
    for asked in [&eu, &none, &eu] {
        let remembered = remembered(&db, asked, Shard::FIRST);
        assert_eq!(remembered.jurisdiction, "eu");
        assert_eq!(remembered.allows(&eu, Shard::FIRST), Ok(()));
        assert!(
            refusal(&remembered, &none, Shard::FIRST)
                .starts_with("JURISDICTION: it is \"none\", but the objects were made with \"eu\"")
        );
    }
}

#[test]
fn a_database_stays_the_shard_that_it_was_begun_as() {
    let db = database();
    let two = config("none", "A,B");
    let second = two.record_shards.all().nth(1).unwrap();
    let remembered = remembered(&db, &two, second);
    assert_eq!(remembered.allows(&two, second), Ok(()));
    // Its place may have any name.
    assert_eq!(remembered.allows(&config("none", "B,A"), second), Ok(()));
    // The first is the second here, be it that the order has changed or that one database is bound twice.
    assert!(refusal(&remembered, &two, Shard::FIRST).starts_with(
        "RECORD_SHARDS: \"A\" is number 1 of 2, but its database was begun as number 2 of 2"
    ));
    assert!(
        refusal(&remembered, &config("none", "A,B,C"), second).starts_with(
            "RECORD_SHARDS: \"B\" is number 2 of 3, but its database was begun as number 2 of 2"
        )
    );
}

#[test]
fn a_deployment_from_before_shards_has_one() {
    let db = database();
    query(
        &db,
        "INSERT INTO deployment (id, jurisdiction) VALUES (1, 'none')",
    );
    let remembered = remembered(&db, &config("none", "DB"), Shard::FIRST);
    assert_eq!((remembered.shard_index, remembered.shard_count), (0, 1));
}
