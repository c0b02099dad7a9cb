//! About which conversations of a user one channel is to be told, and when the next time is.
//!
//! Invariant: only evidence counts. A message is undelivered as long as no device has confirmed its place in the log, and
//! unread as long as the read marker is before it. So there is no list of waiting messages that could get out of step with
//! what the devices have, and a user who is online costs nothing.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::pending::Pending;
use crate::core::time::Millis;
use crate::core::webhook::event::WebhookEvent;

/// A message in the log that the user has received and not read.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct UnreadMessage {
    /// Its place in the log.
    pub offset: u64,
    /// Its id.
    pub message_id: String,
    /// Its conversation.
    pub conversation_id: String,
    /// When it arrived here.
    pub created_at: Millis,
}

/// Up to which messages of a conversation one channel has been told: their ids, or `""`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Marks {
    /// Whether as undelivered or as unread.
    pub notified: String,
    /// As unread.
    pub reminded: String,
}

/// A conversation about which there is to be a notice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueNotice {
    /// The conversation.
    pub conversation_id: String,
    /// Whether it is about undelivered or unread messages.
    pub event: WebhookEvent,
    /// How many messages.
    pub count: u64,
    /// The id of the newest one.
    pub newest: String,
    /// Its place in the log.
    pub newest_offset: u64,
    /// The last place in the log that any of them has: a message may arrive after a newer one.
    pub last_offset: u64,
}

impl DueNotice {
    /// Returns a notice about these messages and those of an earlier one that nobody has been told of yet. One about what is
    /// unread is about all of them in any case.
    pub fn grown_from(mut self, earlier: Option<&Pending>) -> Self {
        let covered = earlier.and_then(|earlier| Some((earlier, earlier.messages.as_ref()?)));
        if let Some((earlier, covered)) = covered
            && self.event == WebhookEvent::MessageUndelivered
        {
            self.count += covered.count;
            self.event = WebhookEvent::named(&earlier.event).unwrap_or(self.event);
        }
        self
    }
}

/// What is known besides the messages and the marks.
#[derive(Debug, Clone, Copy)]
pub struct Evidence {
    /// The last place in the log that a device has confirmed.
    pub confirmed: u64,
    /// Whether a device is connected. It has what it was sent, or its connection is over as soon as that shows.
    pub is_online: bool,
    /// The time.
    pub now: Millis,
}

/// After how long a channel is told of what; `None` if it is not told of it.
#[derive(Debug, Clone, Copy)]
pub struct Delays {
    /// How long a message waits for a device.
    pub undelivered: Option<Millis>,
    /// How long a message is unread.
    pub unread: Option<Millis>,
}

/// Returns the conversations about which there is to be a notice now, and when to look again.
pub fn due(
    unread: &[UnreadMessage],
    marks: &BTreeMap<String, Marks>,
    evidence: Evidence,
    delays: Delays,
) -> (Vec<DueNotice>, Option<Millis>) {
    let mut by_conversation: BTreeMap<&str, Vec<&UnreadMessage>> = BTreeMap::new();
    for message in unread {
        let one = by_conversation.entry(&message.conversation_id);
        one.or_default().push(message);
    }
    let none = Marks::default();
    let mut notices = Vec::new();
    let mut next: Option<Millis> = None;
    for (conversation_id, messages) in by_conversation {
        let marks = marks.get(conversation_id).unwrap_or(&none);
        let (notice, later) = of_conversation(&messages, marks, evidence, delays);
        notices.extend(notice);
        next = next.into_iter().chain(later).min();
    }
    (notices, next)
}

fn of_conversation(
    messages: &[&UnreadMessage],
    marks: &Marks,
    evidence: Evidence,
    delays: Delays,
) -> (Option<DueNotice>, Option<Millis>) {
    let those = |is_it: &dyn Fn(&UnreadMessage) -> bool| -> Vec<&UnreadMessage> {
        messages.iter().copied().filter(|one| is_it(one)).collect()
    };
    let undelivered = those(&|one| is_undelivered(one, marks, evidence));
    let unread = those(&|one| one.message_id > marks.reminded);
    let notify_at = due_at(&undelivered, delays.undelivered);
    let remind_at = due_at(&unread, delays.unread);
    let is_due = |at: Option<Millis>| at.is_some_and(|at| at <= evidence.now);
    // A notice of what is unread says all that the other one would.
    if is_due(remind_at) {
        let notice = notice(messages, WebhookEvent::MessageUnread, unread.len());
        return (notice, None);
    }
    if is_due(notify_at) {
        let notice = notice(
            messages,
            WebhookEvent::MessageUndelivered,
            undelivered.len(),
        );
        return (notice, remind_at);
    }
    (None, notify_at.into_iter().chain(remind_at).min())
}

fn is_undelivered(one: &UnreadMessage, marks: &Marks, evidence: Evidence) -> bool {
    !evidence.is_online && one.offset > evidence.confirmed && one.message_id > marks.notified
}

/// Returns when the first of these messages has waited for so long.
fn due_at(waiting: &[&UnreadMessage], delay: Option<Millis>) -> Option<Millis> {
    let since = waiting.iter().map(|one| one.created_at).min();
    Some(since? + delay?)
}

fn notice(messages: &[&UnreadMessage], event: WebhookEvent, count: usize) -> Option<DueNotice> {
    let newest = messages.iter().max_by_key(|one| &one.message_id)?;
    Some(DueNotice {
        conversation_id: newest.conversation_id.clone(),
        event,
        count: count as u64,
        newest: newest.message_id.clone(),
        newest_offset: newest.offset,
        last_offset: messages.iter().map(|one| one.offset).max()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::notice::pending::Covered;

    const DELAYS: Delays = Delays {
        undelivered: Some(30),
        unread: Some(630),
    };

    /// Messages of one conversation that arrive at these times; their offsets are 1, 2, and so on.
    fn messages(times: &[Millis]) -> Vec<UnreadMessage> {
        let message = |(index, created_at): (usize, &Millis)| UnreadMessage {
            offset: index as u64 + 1,
            message_id: format!("m{}", index + 1),
            conversation_id: "k".into(),
            created_at: *created_at,
        };
        times.iter().enumerate().map(message).collect()
    }

    fn marks(notified: &str, reminded: &str) -> BTreeMap<String, Marks> {
        let marks = Marks {
            notified: notified.into(),
            reminded: reminded.into(),
        };
        BTreeMap::from([("k".to_owned(), marks)])
    }

    fn at(now: Millis) -> Evidence {
        Evidence {
            confirmed: 0,
            is_online: false,
            now,
        }
    }

    /// Returns what is due: the event, the count and the newest; and when to look again.
    fn look(
        unread: &[UnreadMessage],
        marks: &BTreeMap<String, Marks>,
        evidence: Evidence,
    ) -> (Option<(WebhookEvent, u64, String)>, Option<Millis>) {
        let (notices, next) = due(unread, marks, evidence, DELAYS);
        assert!(notices.len() <= 1);
        let notice = notices.into_iter().next();
        (notice.map(|one| (one.event, one.count, one.newest)), next)
    }

    #[test]
    fn one_notice_for_what_has_waited_and_what_came_since() {
        let two = messages(&[1_000, 1_020]);
        assert_eq!(look(&two, &marks("", ""), at(1_029)), (None, Some(1_030)));
        let notice = (WebhookEvent::MessageUndelivered, 2, "m2".to_owned());
        assert_eq!(
            look(&two, &marks("", ""), at(1_030)),
            (Some(notice), Some(1_630))
        );
        // A third one counts from its own arrival.
        let three = messages(&[1_000, 1_020, 1_040]);
        assert_eq!(
            look(&three, &marks("m2", ""), at(1_060)),
            (None, Some(1_070))
        );
        let notice = (WebhookEvent::MessageUndelivered, 1, "m3".to_owned());
        assert_eq!(look(&three, &marks("m2", ""), at(1_070)).0, Some(notice));
    }

    #[test]
    fn a_device_that_confirms_leaves_the_reminder() {
        let two = messages(&[1_000, 1_020]);
        let confirmed = |now| Evidence {
            confirmed: 2,
            ..at(now)
        };
        assert_eq!(
            look(&two, &marks("", ""), confirmed(1_100)),
            (None, Some(1_630))
        );
        let notice = (WebhookEvent::MessageUnread, 2, "m2".to_owned());
        assert_eq!(
            look(&two, &marks("", ""), confirmed(1_630)),
            (Some(notice), None)
        );
        assert_eq!(
            look(&two, &marks("m2", "m2"), confirmed(9_999)),
            (None, None)
        );
    }

    #[test]
    fn after_a_long_time_the_reminder_is_enough() {
        let one = messages(&[1_000]);
        let notice = (WebhookEvent::MessageUnread, 1, "m1".to_owned());
        assert_eq!(look(&one, &marks("", ""), at(9_999)), (Some(notice), None));
    }

    #[test]
    fn while_a_device_is_connected_there_is_only_the_reminder() {
        let one = messages(&[1_000]);
        let online = |now| Evidence {
            is_online: true,
            ..at(now)
        };
        assert_eq!(
            look(&one, &marks("", ""), online(1_100)),
            (None, Some(1_630))
        );
        assert!(look(&one, &marks("", ""), online(1_630)).0.is_some());
    }

    #[test]
    fn a_channel_is_told_of_what_it_wants() {
        let two = messages(&[1_000, 1_020]);
        let told = |undelivered, unread| {
            let delays = Delays {
                undelivered,
                unread,
            };
            let (notices, next) = due(&two, &BTreeMap::new(), at(9_999), delays);
            (notices.first().map(|one| one.event), next)
        };
        let undelivered = Some(WebhookEvent::MessageUndelivered);
        assert_eq!(told(Some(30), None), (undelivered, None));
        let unread = Some(WebhookEvent::MessageUnread);
        assert_eq!(told(None, Some(630)), (unread, None));
        assert_eq!(told(None, Some(9_999)), (None, Some(10_999)));
        assert_eq!(told(None, None), (None, None));
    }

    #[test]
    fn a_message_that_is_late_counts_until_its_own_place_is_confirmed() {
        let mut two = messages(&[1_000, 1_020]);
        two[0].message_id = "m9".into();
        let (notices, _) = due(&two, &BTreeMap::new(), at(1_030), DELAYS);
        assert_eq!(
            (notices[0].newest.as_str(), notices[0].newest_offset),
            ("m9", 1)
        );
        assert_eq!(notices[0].last_offset, 2);
    }

    #[test]
    fn what_waits_behind_another_notice_grows() {
        let (notices, _) = due(&messages(&[1_000]), &BTreeMap::new(), at(1_030), DELAYS);
        let undelivered = notices[0].clone();
        let earlier = |event: WebhookEvent| Pending {
            id: "i".into(),
            event: event.name().into(),
            claimed_at: 1,
            messages: Some(Covered {
                conversation_id: "k".into(),
                count: 3,
                newest: "m0".into(),
                last_offset: 1,
            }),
            payload: "{}".into(),
            sinks: BTreeMap::new(),
        };
        let grown = |notice: &DueNotice, earlier: Option<&Pending>| {
            let grown = notice.clone().grown_from(earlier);
            (grown.event, grown.count)
        };
        let (undelivered_event, unread_event) = (
            WebhookEvent::MessageUndelivered,
            WebhookEvent::MessageUnread,
        );
        assert_eq!(grown(&undelivered, None), (undelivered_event, 1));
        let waits = earlier(undelivered_event);
        assert_eq!(grown(&undelivered, Some(&waits)), (undelivered_event, 4));
        let waits = earlier(unread_event);
        assert_eq!(grown(&undelivered, Some(&waits)), (unread_event, 4));
        let unread = DueNotice {
            event: unread_event,
            count: 5,
            ..undelivered
        };
        assert_eq!(grown(&unread, Some(&waits)), (unread_event, 5));
    }

    #[test]
    fn conversations_do_not_wait_for_each_other() {
        let mut two = messages(&[1_000, 1_020]);
        two[1].conversation_id = "l".into();
        let (notices, next) = due(&two, &BTreeMap::new(), at(1_030), DELAYS);
        assert_eq!(notices.len(), 1);
        assert_eq!(notices[0].conversation_id, "k");
        assert_eq!(next, Some(1_050));
    }
}
