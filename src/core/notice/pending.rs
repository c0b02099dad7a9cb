//! A notice that is claimed: what remains to be told to whom, and when.
//!
//! Invariant: a sink stays until it has taken the notice, is no more, refuses it, or has been asked for so long that it is
//! given up. The JSON is what is stored in the row of the notice.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::NoticeLimits;
use super::attempt::Outcome;
use crate::core::time::Millis;

/// The name of the webhook as a sink. The others are named by the endpoints of push subscriptions, which are URLs.
pub const WEBHOOK: &str = "webhook";

/// The two ways in which others are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channel {
    /// The webhook: one sink.
    Webhook,
    /// The user's browsers: a sink for each subscription.
    Push,
}

impl Channel {
    /// The order in which they are claimed.
    pub const ALL: [Self; 2] = [Self::Webhook, Self::Push];

    /// Returns how the keys of this channel's notices about messages begin. The rest is the conversation's id.
    pub fn prefix(self) -> &'static str {
        match self {
            Self::Webhook => "webhook:",
            Self::Push => "push:",
        }
    }
}

/// Returns the key under which a notice that was given up waits for a replay.
pub fn failed_key(id: &str) -> String {
    format!("failed:{id}")
}

/// The longest pause between two attempts, in milliseconds: six hours.
const LONGEST_PAUSE: Millis = 21_600_000;

/// A claimed notice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Pending {
    /// The notice's id, a UUIDv7: `webhook-id`.
    pub id: String,
    /// The name of the event.
    pub event: String,
    /// When it was claimed, or replayed: it is tried for so long from then on.
    pub claimed_at: Millis,
    /// Which messages it is about, if it is about messages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub messages: Option<Covered>,
    /// What is told: the webhook's body, or what is pushed.
    pub payload: String,
    /// Who remains to be told.
    pub sinks: BTreeMap<String, Attempts>,
}

/// The messages that a notice is about: those of a conversation up to one of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Covered {
    /// The conversation.
    pub conversation_id: String,
    /// How many.
    pub count: u64,
    /// The id of the newest.
    pub newest: String,
    /// The last place in the log that any of them has.
    pub last_offset: u64,
}

/// The attempts to tell a sink.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attempts {
    /// How many have failed.
    pub failed: u32,
    /// When the next one is due; none if it is given up, and waits for a replay.
    pub due_at: Option<Millis>,
}

/// What followed from an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Nothing to record: the sink has it, is to be asked again, or is a browser, of which nothing is kept.
    None,
    /// The sink is not told any more.
    GivenUp,
}

impl Pending {
    /// Returns when the next attempt is due, if any.
    pub fn due_at(&self) -> Option<Millis> {
        self.sinks.values().filter_map(|one| one.due_at).min()
    }

    /// Returns the sinks that are to be told now.
    pub fn due_sinks(&self, now: Millis) -> impl Iterator<Item = &str> {
        let is_due = move |one: &Attempts| one.due_at.is_some_and(|at| at <= now);
        let due = self.sinks.iter().filter(move |(_, one)| is_due(one));
        due.map(|(name, _)| name.as_str())
    }

    /// Notes what came of an attempt at `now`. `chance` is between 0 and 1, and spreads what failed together.
    pub fn settle(
        &mut self,
        sink: &str,
        outcome: Outcome,
        now: Millis,
        chance: f64,
        limits: &NoticeLimits,
    ) -> Effect {
        let Some(attempts) = self.sinks.get_mut(sink) else {
            return Effect::None;
        };
        let is_webhook = sink == WEBHOOK;
        match outcome {
            Outcome::Again { after } if now < self.claimed_at + limits.give_up_after => {
                let pause = pause(attempts.failed, limits.first_retry, chance);
                attempts.failed = attempts.failed.saturating_add(1);
                attempts.due_at = Some(now + pause.max(after.unwrap_or_default()));
                Effect::None
            }
            // It stays, so that it can be replayed.
            Outcome::Again { .. } | Outcome::Gone if is_webhook => Effect::GivenUp,
            _ => {
                self.sinks.remove(sink);
                Effect::None
            }
        }
    }

    /// Lets the webhook be told again, from `now` on.
    pub fn replay(&mut self, now: Millis) {
        self.claimed_at = now;
        let again = Attempts {
            failed: 0,
            due_at: Some(now),
        };
        self.sinks.insert(WEBHOOK.to_owned(), again);
    }

    /// Splits off what is kept of a notice that the webhook is not told of any more. Until operators know that it has
    /// failed, it is to be told again at this time.
    pub fn split_failed(&mut self, retry_at: Millis) -> Self {
        let attempts = self.sinks.remove(WEBHOOK).unwrap_or_default();
        let attempts = Attempts {
            due_at: Some(retry_at),
            ..attempts
        };
        Self {
            sinks: [(WEBHOOK.to_owned(), attempts)].into(),
            ..self.clone()
        }
    }

    /// Lets nobody be told until it is replayed.
    pub fn wait_for_replay(&mut self) {
        for attempts in self.sinks.values_mut() {
            attempts.due_at = None;
        }
    }

    /// Keeps the times of the attempts of an older notice to the same sinks, which may have asked for a pause.
    pub fn take_the_place_of(&mut self, older: &Self) {
        for (sink, attempts) in &mut self.sinks {
            if let Some(earlier) = older.sinks.get(sink) {
                *attempts = *earlier;
            }
        }
    }

    /// Lets nobody be told before this time.
    pub fn wait_until(&mut self, at: Millis) {
        for attempts in self.sinks.values_mut() {
            attempts.due_at = attempts.due_at.map(|due_at| due_at.max(at));
        }
    }
}

/// Returns the pause after an attempt, when so many have failed before.
fn pause(failed: u32, first: Millis, chance: f64) -> Millis {
    let factor = 4_u64.saturating_pow(failed.min(30));
    let pause = first.saturating_mul(factor).min(LONGEST_PAUSE);
    pause + (pause as f64 / 2.0 * chance) as Millis
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: NoticeLimits = NoticeLimits {
        notify_after: 30,
        unread_after: 600,
        first_retry: 5_000,
        give_up_after: 259_200_000,
    };

    fn pending() -> Pending {
        let due = Attempts {
            failed: 0,
            due_at: Some(1_000),
        };
        Pending {
            id: "i".into(),
            event: "message.unread".into(),
            claimed_at: 1_000,
            messages: Some(Covered {
                conversation_id: "k".into(),
                count: 2,
                newest: "m".into(),
                last_offset: 7,
            }),
            payload: "{}".into(),
            sinks: [WEBHOOK, "https://push.example/1"]
                .map(|name| (name.to_owned(), due))
                .into(),
        }
    }

    #[test]
    fn the_stored_json_is_pinned() {
        let json = r#"{"id":"i","event":"message.unread","claimedAt":1000,"messages":{"conversationId":"k","count":2,"newest":"m","lastOffset":7},"payload":"{}","sinks":{"https://push.example/1":{"failed":0,"dueAt":1000},"webhook":{"failed":0,"dueAt":1000}}}"#;
        assert_eq!(serde_json::to_string(&pending()).unwrap(), json);
        assert_eq!(serde_json::from_str::<Pending>(json).unwrap(), pending());
        let least =
            r#"{"id":"i","event":"user.online","claimedAt":1000,"payload":"{}","sinks":{}}"#;
        let least: Pending = serde_json::from_str(least).unwrap();
        assert_eq!(least.messages, None);
    }

    #[test]
    fn a_sink_that_fails_is_asked_at_growing_pauses_for_three_days() {
        let mut notice = pending();
        let again = Outcome::Again { after: None };
        let mut now = 1_000;
        let mut delays = vec![];
        while notice.settle(WEBHOOK, again, now, 0.0, &LIMITS) == Effect::None {
            let due_at = notice.sinks[WEBHOOK].due_at.unwrap();
            delays.push(due_at - now);
            now = due_at;
        }
        assert_eq!(&delays[..4], [5_000, 20_000, 80_000, 320_000]);
        assert_eq!(delays.last(), Some(&LONGEST_PAUSE));
        assert!(delays.len() < 25, "{}", delays.len());
        assert!(now >= 1_000 + LIMITS.give_up_after);
        let mut failed = notice.split_failed(now + 7);
        assert!(!notice.sinks.contains_key(WEBHOOK));
        assert_eq!(failed.due_at(), Some(now + 7));
        failed.replay(now);
        let mut notice = failed;
        assert_eq!(notice.due_sinks(now).last(), Some(WEBHOOK));
        assert_eq!(
            notice.settle(WEBHOOK, again, now, 0.0, &LIMITS),
            Effect::None
        );
    }

    #[test]
    fn sinks_do_not_hold_each_other_up() {
        let mut notice = pending();
        let push = "https://push.example/1";
        let again = Outcome::Again {
            after: Some(60_000),
        };
        notice.settle(push, again, 1_000, 1.0, &LIMITS);
        assert_eq!(notice.sinks[push].due_at, Some(61_000), "as it asked");
        assert_eq!(notice.due_sinks(1_000).collect::<Vec<_>>(), [WEBHOOK]);
        notice.settle(WEBHOOK, Outcome::Taken, 1_000, 0.0, &LIMITS);
        assert_eq!(notice.due_at(), Some(61_000));
        for outcome in [Outcome::Gone, Outcome::Refused, Outcome::Taken] {
            let mut notice = notice.clone();
            assert_eq!(
                notice.settle(push, outcome, 2_000, 0.0, &LIMITS),
                Effect::None
            );
            assert!(notice.sinks.is_empty());
        }
    }

    #[test]
    fn a_newer_push_waits_as_long_as_the_older_one_had_to() {
        let mut older = pending();
        let again = Outcome::Again {
            after: Some(60_000),
        };
        let push = "https://push.example/1";
        older.settle(push, again, 1_000, 0.0, &LIMITS);
        let mut newer = pending();
        newer
            .sinks
            .insert("https://push.example/2".into(), newer.sinks[push]);
        newer.take_the_place_of(&older);
        assert_eq!(newer.sinks[push].due_at, Some(61_000));
        assert_eq!(newer.sinks["https://push.example/2"].due_at, Some(1_000));
    }

    #[test]
    fn chance_spreads_what_failed_together() {
        assert_eq!(pause(0, 5_000, 0.0), 5_000);
        assert_eq!(pause(0, 5_000, 1.0), 7_500);
        assert_eq!(pause(u32::MAX, 5_000, 0.0), LONGEST_PAUSE);
    }
}
