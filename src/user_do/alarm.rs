//! The object's only alarm: heartbeat, deadlines, outbox, and the registration with a pacemaker. `core::heartbeat`
//! explains the schedule.

use std::time::Duration;

use futures::FutureExt;
use futures::future::{Either, select};
use futures::pin_mut;
use worker::Delay;

use crate::core::time::Millis;
use crate::platform::{log, now};
use crate::user_do::UserObject;
use crate::user_do::heartbeat::Waker;

/// The shortest and the longest time between two heartbeats while an alarm waits for D1 or other objects.
const SHORTEST_BEAT: Millis = 10;
const LONGEST_BEAT: Millis = 60_000;

/// How often an alarm that waits for the answers of others looks what has become due.
const PAUSE_BESIDE_OTHERS: Duration = Duration::from_secs(1);

impl UserObject {
    /// Does what is due. Returns whether all of it could be done; what could not is in the log.
    pub(crate) async fn on_alarm(&self) -> bool {
        // The alarm has fired, so none is set.
        self.alarm_at.set(Some(None));
        let mut is_all_done = self.do_what_is_due().await;
        let sent = self.send_notices();
        pin_mut!(sent);
        if let Some(sent) = sent.as_mut().now_or_never() {
            return log::fault("notices", sent).is_some() && is_all_done;
        }
        // Others may take their time to answer, which delays nothing else: the object goes on with what becomes due.
        loop {
            match select(sent.as_mut(), Delay::from(PAUSE_BESIDE_OTHERS)).await {
                Either::Left((sent, _)) => {
                    return log::fault("notices", sent).is_some() && is_all_done;
                }
                Either::Right(_) if self.is_anything_due() => {
                    is_all_done &= self.do_what_is_due().await;
                }
                Either::Right(_) => {}
            }
        }
    }

    /// Does what is due, except for notices.
    async fn do_what_is_due(&self) -> bool {
        let has_lost_pace = self.has_lost_pace();
        let has_beaten = self.beat(Waker::Alarm);
        let is_told = log::fault("unread", self.tell_unread()).is_some();
        let work = self.work(has_lost_pace);
        pin_mut!(work);
        // Usually nothing has to be awaited, and no timer is needed.
        if let Some(is_done) = work.as_mut().now_or_never() {
            return has_beaten && is_told && is_done;
        }
        // No alarm fires while this one runs, and D1 and other objects take time, so the heartbeat continues
        // alongside. The timer keeps the object awake no longer than that work does.
        let mut is_all_done = has_beaten && is_told;
        loop {
            match select(work.as_mut(), Delay::from(self.until_next_beat())).await {
                Either::Left((is_done, _)) => return is_all_done && is_done,
                Either::Right(_) => is_all_done &= self.beat(Waker::Alarm),
            }
        }
    }

    /// The work that calls D1 or other objects. Other events are handled in the meantime. Each part is done even if
    /// another one fails.
    async fn work(&self, has_lost_pace: bool) -> bool {
        // First, because the watchers are told what it finds.
        let parts = [
            log::fault("presence", self.settle_crash().await).is_some(),
            log::fault("watchers", self.tell_watchers().await).is_some(),
            log::fault("receipts", self.tell_senders().await).is_some(),
            log::fault("outbox", self.retry_outbox().await).is_some(),
            log::fault("add user", self.record_belatedly().await).is_some(),
        ];
        // Last, because it may wait for a pacemaker that does not answer. An object without one has its alarm.
        log::fault("pacemaker", self.keep_pace(has_lost_pace).await);
        parts.into_iter().all(|is_done| is_done)
    }

    fn is_anything_due(&self) -> bool {
        matches!(self.next_alarm(), Ok(Some(at)) if at <= now())
    }

    fn until_next_beat(&self) -> Duration {
        let next = self.next_beat(self.is_watched());
        let next = next.ok().flatten().unwrap_or(Millis::MAX);
        let pause = next.saturating_sub(now());
        Duration::from_millis(pause.clamp(SHORTEST_BEAT, LONGEST_BEAT))
    }
}
