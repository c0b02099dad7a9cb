//! With which pacemaker the object is registered.

use serde::Deserialize;

use super::{Database, Result, Store, Table};
use crate::core::pacemaker::pace::Registration;
use crate::core::sql::Param;

impl<D: Database> Store<D> {
    /// Returns the registration, if there is one.
    pub fn registration(&self) -> Result<Option<Registration>> {
        #[derive(Deserialize)]
        struct Row {
            pacemaker: String,
            beat: u64,
            has_look: u8,
        }
        self.known.registration.get_or(|| {
            let sql = "SELECT pacemaker, beat, has_look FROM registration";
            let rows: Vec<Row> = self.read(&self.registration, sql, vec![])?;
            let row = rows.into_iter().next();
            Ok(row.map(|row| Registration {
                pacemaker: row.pacemaker,
                beat: row.beat,
                has_look: row.has_look == 1,
            }))
        })
    }

    /// Records a registration.
    pub fn set_registration(&self, registration: &Registration) -> Result<()> {
        self.write(
            Table::Registration,
            "INSERT INTO registration (id, pacemaker, beat, has_look) VALUES (1, ?1, ?2, ?3)
             ON CONFLICT (id) DO UPDATE SET
               pacemaker = excluded.pacemaker, beat = excluded.beat, has_look = excluded.has_look",
            vec![
                registration.pacemaker.as_str().into(),
                Param::from(registration.beat),
                Param::from(registration.has_look),
            ],
        )
    }

    /// Records that the object is not registered.
    pub fn forget_registration(&self) -> Result<()> {
        if self.registration()?.is_none() {
            return Ok(());
        }
        let sql = "DELETE FROM registration";
        self.write(Table::Registration, sql, vec![])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::store::testing::store;

    #[test]
    fn it_outlives_the_memory() {
        let store = store();
        store.forget_registration().unwrap();
        assert_eq!(store.registration().unwrap(), None);
        let mut registration = Registration {
            pacemaker: "FRA-0".into(),
            beat: 3,
            has_look: false,
        };
        for has_look in [false, true] {
            registration.has_look = has_look;
            store.set_registration(&registration).unwrap();
            let reopened = Store::new(store.database());
            assert_eq!(
                reopened.registration().unwrap().as_ref(),
                Some(&registration)
            );
        }
        store.forget_registration().unwrap();
        assert_eq!(store.registration().unwrap(), None);
    }
}
