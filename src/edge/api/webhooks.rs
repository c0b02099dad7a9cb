//! The routes of webhooks that were given up: which they are, and sending them again.

use serde::Serialize;

use super::{ApiAnswer, ApiRequest, ours};
use crate::core::api::body::{raw, webhook_ids};
use crate::core::api::page_payload;
use crate::core::api::problem::Problem;
use crate::core::error::to_json;
use crate::core::record::shards::Shard;
use crate::core::record::webhooks::{Left, Replay, failed, forget, switch_on, to_replay};
use crate::core::webhook::failed::FailedPage;
use crate::platform::{d1, log, objects};

impl ApiRequest {
    /// `GET /v1/webhooks/failed`
    pub(super) async fn failed_webhooks(&self) -> ApiAnswer {
        let page = FailedPage::read(&raw(page_payload(&self.query, &[]))?)?;
        let rows = d1::query(&self.env, Shard::FIRST, failed(&page))
            .await
            .map_err(ours("webhooks"))?;
        Ok((200, page.reply(&rows)))
    }

    /// `POST /v1/webhooks/replay`. Switches the webhook on before anything is sent again. A row goes only after its object
    /// has answered, so that a replay that is interrupted can be repeated.
    pub(super) async fn replay_webhooks(&self) -> ApiAnswer {
        let Some(webhook) = &self.config.webhook else {
            return Err(Problem::new(409, "conflict", "WEBHOOK_URL is not set"));
        };
        let ids = webhook_ids(&self.body, webhook.replay_batch)?;
        let due = to_replay(ids.as_deref(), webhook.replay_batch);
        let begin = [switch_on(&webhook.url), due];
        let results = d1::batch(&self.env, Shard::FIRST, &begin)
            .await
            .map_err(ours("webhooks"))?;
        let due: Vec<Replay> = d1::rows(&results, 1).map_err(ours("webhooks"))?;
        let (replayed, answered) = self.replay(&due).await?;
        // Meanwhile some of them may have failed again. Their rows are newer, and stay.
        let end = forget(&answered);
        let results = d1::batch(&self.env, Shard::FIRST, &end)
            .await
            .map_err(ours("webhooks"))?;
        let left: Vec<Left> = d1::rows(&results, 1).map_err(ours("webhooks"))?;
        let remaining = left.first().map_or(0, |left| left.remaining);
        let answer = Replayed {
            replayed,
            remaining,
        };
        Ok((200, to_json(&answer)))
    }

    /// Has the objects send these webhooks again. Returns how many of them will, and which of them have been answered for.
    async fn replay<'a>(&self, due: &'a [Replay]) -> Result<(usize, Vec<&'a Replay>), Problem> {
        let concurrency = self.config.fanout_concurrency;
        let answers = objects::replay_webhooks(&self.env, due, concurrency)
            .await
            .map_err(ours("webhooks"))?;
        let mut replayed = 0;
        let mut answered = Vec::new();
        for (replay, answer) in due.iter().zip(answers) {
            if let Some(answer) = log::fault("webhooks", answer) {
                replayed += usize::from(answer.is_replayed);
                answered.push(replay);
            }
        }
        Ok((replayed, answered))
    }
}

/// The answer to `POST /v1/webhooks/replay`.
#[derive(Serialize)]
struct Replayed {
    replayed: usize,
    remaining: u64,
}
