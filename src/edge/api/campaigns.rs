//! The routes of campaigns: each is an event, on behalf of the contractor whom the query names (`senderId`).

use super::{ApiAnswer, ApiRequest};
use crate::core::api::body::receivers;
use crate::core::api::{page_payload, sender};
use crate::core::events::campaigns::{add_campaign_receivers, get_campaign_results, get_campaigns};

impl ApiRequest {
    /// `GET /v1/campaigns`
    pub(super) async fn campaigns(&self) -> ApiAnswer {
        self.for_contractor(get_campaigns::NAME, page_payload(&self.query, &[]))
            .await
    }

    /// `GET /v1/campaigns/{id}`, `POST /v1/campaigns/{id}/start`, `/pause`, `/resume`, `/cancel`
    pub(super) async fn campaign(&self, event: &str, id: &str) -> ApiAnswer {
        self.for_contractor(event, page_payload("", &[("campaignId", id)]))
            .await
    }

    /// `GET /v1/campaigns/{id}/results`
    pub(super) async fn campaign_results(&self, id: &str) -> ApiAnswer {
        let payload = page_payload(&self.query, &[("campaignId", id)]);
        self.for_contractor(get_campaign_results::NAME, payload)
            .await
    }

    /// `PUT /v1/campaigns/{id}/receivers/{part}`
    pub(super) async fn add_receivers(&self, id: &str, part: &str) -> ApiAnswer {
        let payload = receivers(id, part, &self.body);
        self.for_contractor(add_campaign_receivers::NAME, payload)
            .await
    }

    async fn for_contractor(&self, event: &str, payload: String) -> ApiAnswer {
        self.for_user(sender(&self.query)?, event, payload).await
    }
}
