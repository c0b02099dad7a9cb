//! Tests of what is remembered of the deployment.

use super::super::deployment::*;
use super::*;

fn remembered(db: &Connection, jurisdiction: &str) -> Remembered {
    let [remember, read] = remember_jurisdiction(jurisdiction);
    run(db, &remember);
    let [remembered] = rows(db, &read).try_into().unwrap();
    remembered
}

#[test]
fn the_first_jurisdiction_stays() {
    let db = database();
    for asked in ["eu", "none", "eu"] {
        let remembered = remembered(&db, asked);
        assert_eq!(remembered.jurisdiction, "eu");
        assert_eq!(remembered.allows("eu"), Ok(()));
        let refused = remembered.allows("none").unwrap_err().to_string();
        assert!(
            refused
                .starts_with("JURISDICTION: it is \"none\", but the objects were made with \"eu\"")
        );
    }
}
