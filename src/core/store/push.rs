//! The browsers that are subscribed to pushes.
//!
//! Invariant: there is one row for each endpoint, and there are at most `PUSH_MAX_SUBSCRIPTIONS`.

use super::{Database, Result, Store, Table};
use crate::core::push::subscription::Subscription;
use crate::core::sql::Param;
use crate::core::time::Millis;

impl<D: Database> Store<D> {
    /// Adds a subscription, or replaces its keys if they have changed. If there are `max` others already, those that
    /// were added first make room.
    pub fn push_add(&self, subscription: &Subscription, max: usize, now: Millis) -> Result<()> {
        let others = max.saturating_sub(1) as u64;
        self.write(
            Table::PushSubscriptions,
            "DELETE FROM push_subscriptions WHERE endpoint IN (
               SELECT endpoint FROM push_subscriptions WHERE endpoint <> ?1
               ORDER BY created_at DESC LIMIT -1 OFFSET ?2)",
            vec![subscription.endpoint.as_str().into(), Param::from(others)],
        )?;
        self.write(
            Table::PushSubscriptions,
            "INSERT INTO push_subscriptions (endpoint, p256dh, auth, created_at) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (endpoint) DO UPDATE SET
               p256dh = excluded.p256dh, auth = excluded.auth, created_at = excluded.created_at
             WHERE p256dh <> excluded.p256dh OR auth <> excluded.auth",
            vec![
                subscription.endpoint.as_str().into(),
                subscription.p256dh.as_str().into(),
                subscription.auth.as_str().into(),
                Param::from(now),
            ],
        )
    }

    /// Deletes a subscription.
    pub fn push_remove(&self, endpoint: &str) -> Result<()> {
        let sql = "DELETE FROM push_subscriptions WHERE endpoint = ?1";
        self.write(Table::PushSubscriptions, sql, vec![endpoint.into()])
    }

    /// Deletes all subscriptions.
    pub fn push_clear(&self) -> Result<()> {
        let sql = "DELETE FROM push_subscriptions";
        self.write(Table::PushSubscriptions, sql, vec![])
    }

    /// Returns since when there has been a subscription, if there is one.
    pub fn subscribed_since(&self) -> Result<Option<Millis>> {
        self.known.subscribed_since.get_or(|| {
            let sql =
                "SELECT created_at AS number FROM push_subscriptions ORDER BY created_at LIMIT 1";
            self.number(&self.push, sql, vec![])
        })
    }

    /// Returns the subscriptions.
    pub fn push_subscriptions(&self) -> Result<Vec<Subscription>> {
        let sql = "SELECT endpoint, p256dh, auth FROM push_subscriptions";
        self.read(&self.push, sql, vec![])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::store::testing::store;

    fn subscription(endpoint: &str, auth: &str) -> Subscription {
        Subscription {
            endpoint: endpoint.into(),
            p256dh: "p".into(),
            auth: auth.into(),
        }
    }

    #[test]
    fn one_for_each_endpoint() {
        let store = store();
        store.push_remove("e1").unwrap();
        assert_eq!(store.push_subscriptions().unwrap(), []);
        store.push_add(&subscription("e1", "a"), 2, 1).unwrap();
        store.push_add(&subscription("e1", "b"), 2, 2).unwrap();
        assert_eq!(
            store.push_subscriptions().unwrap(),
            [subscription("e1", "b")]
        );
        store.push_add(&subscription("e2", "a"), 2, 3).unwrap();
        store.push_remove("e1").unwrap();
        assert_eq!(
            store.push_subscriptions().unwrap(),
            [subscription("e2", "a")]
        );
        store.push_clear().unwrap();
        assert_eq!(store.push_subscriptions().unwrap(), []);
    }

    #[test]
    fn the_one_that_was_added_first_makes_room() {
        let store = store();
        let add = |endpoint: &str, auth: &str, now| {
            store
                .push_add(&subscription(endpoint, auth), 2, now)
                .unwrap();
            let all = store.push_subscriptions().unwrap();
            all.into_iter().map(|one| one.endpoint).collect::<Vec<_>>()
        };
        add("e1", "a", 1);
        assert_eq!(add("e2", "a", 2), ["e1", "e2"]);
        // What is there already needs no room, and stays as old as it is.
        assert_eq!(add("e1", "a", 3), ["e1", "e2"]);
        assert_eq!(add("e3", "a", 4), ["e2", "e3"]);
        // New keys are a new subscription.
        assert_eq!(add("e2", "b", 5), ["e2", "e3"]);
        assert_eq!(add("e4", "a", 5), ["e2", "e4"]);
    }
}
