//! The user's campaigns: which there are, which of them are open, and what they count for today. A campaign's own object
//! knows everything else, and is right where the two differ.

use serde::Deserialize;

use super::{Database, Result, Store, Table};
use crate::core::campaign::{Allowance, State};
use crate::core::error::name_of;
use crate::core::sql::Param;
use crate::core::time::{DAY, Millis};

/// A campaign of the user's.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ListedCampaign {
    /// The campaign's id, a UUIDv7: newer ones are greater.
    pub campaign_id: String,
    /// Its state, as far as is known here.
    pub state: State,
}

impl<D: Database> Store<D> {
    /// Adds a campaign, or notes its state.
    pub fn campaign_set(&self, campaign_id: &str, state: State) -> Result<()> {
        self.write(
            Table::Campaigns,
            "INSERT INTO campaigns (campaign_id, state) VALUES (?1, ?2)
             ON CONFLICT (campaign_id) DO UPDATE SET state = excluded.state WHERE state <> excluded.state",
            vec![campaign_id.into(), name_of(state).into()],
        )
    }

    /// Notes that a campaign runs, with so many receivers. They count for the day on which it runs first.
    pub fn campaign_runs(&self, campaign_id: &str, receivers: u64, now: Millis) -> Result<()> {
        self.write(
            Table::Campaigns,
            "INSERT INTO campaigns (campaign_id, state, day, receivers) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (campaign_id) DO UPDATE SET state = excluded.state,
               day = coalesce(day, excluded.day), receivers = coalesce(receivers, excluded.receivers)",
            vec![
                campaign_id.into(),
                name_of(State::Running).into(),
                Param::from(now / DAY),
                Param::from(receivers),
            ],
        )
    }

    /// Removes a campaign that is gone, and what the outbox has kept for it.
    pub fn campaign_remove(&self, campaign_id: &str) -> Result<()> {
        self.outbox_forget_campaign(campaign_id)?;
        self.write(
            Table::Campaigns,
            "DELETE FROM campaigns WHERE campaign_id = ?1",
            vec![campaign_id.into()],
        )
    }

    /// Returns the state of a campaign, as far as is known here; `None` if it is not one of the user's.
    pub fn campaign_state(&self, campaign_id: &str) -> Result<Option<State>> {
        let found: Vec<ListedCampaign> = self.read(
            &self.campaigns,
            "SELECT campaign_id, state FROM campaigns WHERE campaign_id = ?1",
            vec![campaign_id.into()],
        )?;
        Ok(found.first().map(|campaign| campaign.state))
    }

    /// Returns up to `limit` campaigns that are older than `before`, newest first.
    pub fn campaign_page(&self, before: Option<&str>, limit: usize) -> Result<Vec<ListedCampaign>> {
        self.read(
            &self.campaigns,
            "SELECT campaign_id, state FROM campaigns WHERE campaign_id < ?1
             ORDER BY campaign_id DESC LIMIT ?2",
            // Every id is less than "g".
            vec![before.unwrap_or("g").into(), Param::from(limit as u64)],
        )
    }

    /// Returns the campaigns that are not ended.
    pub fn campaigns_open(&self) -> Result<Vec<ListedCampaign>> {
        let all = self.campaign_page(None, usize::MAX >> 1)?;
        Ok(all.into_iter().filter(|one| one.state.is_open()).collect())
    }

    /// Returns what a campaign may do that starts now, if no other one is running; `per_day` is the limit.
    pub fn campaign_allowance(
        &self,
        campaign_id: &str,
        per_day: u64,
        now: Millis,
    ) -> Result<Allowance> {
        let day = now / DAY;
        let used = self.number(
            &self.campaigns,
            "SELECT coalesce(sum(receivers), 0) AS number FROM campaigns
             WHERE day = ?1 AND campaign_id <> ?2",
            vec![Param::from(day), campaign_id.into()],
        )?;
        Ok(Allowance {
            is_taken: false,
            left: per_day.saturating_sub(used.unwrap_or_default()),
            per_day,
            rest_of_day: (day + 1) * DAY - now,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::store::testing::store;

    const NOW: Millis = 100 * DAY + 1_000;

    #[test]
    fn newest_first() {
        let store = store();
        assert_eq!(store.campaign_page(None, 9).unwrap(), []);
        for id in ["019a-1", "019a-3", "019a-2"] {
            store.campaign_set(id, State::Draft).unwrap();
        }
        store.campaign_set("019a-2", State::Cancelled).unwrap();
        let ids = |page: Vec<ListedCampaign>| -> Vec<String> {
            page.into_iter().map(|one| one.campaign_id).collect()
        };
        assert_eq!(
            ids(store.campaign_page(None, 2).unwrap()),
            ["019a-3", "019a-2"]
        );
        assert_eq!(
            ids(store.campaign_page(Some("019a-2"), 2).unwrap()),
            ["019a-1"]
        );
        assert_eq!(ids(store.campaigns_open().unwrap()), ["019a-3", "019a-1"]);
        assert_eq!(
            store.campaign_state("019a-2").unwrap(),
            Some(State::Cancelled)
        );
        store.campaign_remove("019a-2").unwrap();
        assert_eq!(store.campaign_state("019a-2").unwrap(), None);
    }

    #[test]
    fn receivers_count_for_the_day_on_which_they_are_reached_first() {
        let store = store();
        let left = |id: &str, now| store.campaign_allowance(id, 100, now).unwrap().left;
        assert_eq!(left("b", NOW), 100);
        store.campaign_set("a", State::Scheduled).unwrap();
        assert_eq!(left("b", NOW), 100);
        store.campaign_runs("a", 70, NOW).unwrap();
        assert_eq!(left("b", NOW), 30);
        assert_eq!(left("a", NOW), 100);
        assert_eq!(left("b", NOW + DAY), 100);
        // Resumed on the next day.
        store.campaign_set("a", State::Paused).unwrap();
        store.campaign_runs("a", 70, NOW + DAY).unwrap();
        assert_eq!(left("b", NOW + DAY), 100);
        store.campaign_runs("c", 70, NOW).unwrap();
        let allowance = store.campaign_allowance("b", 100, NOW).unwrap();
        assert_eq!((allowance.left, allowance.rest_of_day), (0, DAY - 1_000));
    }
}
