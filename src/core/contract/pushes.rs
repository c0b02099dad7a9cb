//! The events that clients receive. The examples are what the code produces from plain data.

use serde_json::Value;

use super::{CAMPAIGN, CONVERSATION, ENDPOINT, MESSAGE};
use crate::core::campaign::store::Counts;
use crate::core::campaign::{Plan, Progress, State};
use crate::core::error::{ErrorCode, EventError, to_json};
use crate::core::events::campaigns::{
    self, add_campaign_receivers, create_campaign, get_campaign_results, get_campaigns,
};
use crate::core::events::new_message::{Author, Letter, Message, Receipt, Target};
use crate::core::events::{
    ERROR, Reply, block_user, get_bulk_online_status, get_conversations, get_messages,
    get_online_status, get_push_key, get_unread_total, join_conversation, mark_as_read,
    new_message, preferences, send_bulk_message, send_message, subscribe_online_status,
    subscribe_push, testing, typing,
};
use crate::core::preferences::Preferences;
use crate::core::presence::Presence;
use crate::core::refusal::Refusal;
use crate::core::time::iso;

/// The time of every example, in Unix milliseconds.
const AT: u64 = 1_762_338_600_000;

/// An event that clients receive.
pub(super) struct Push {
    pub(super) name: &'static str,
    pub(super) summary: &'static str,
    pub(super) payload: &'static str,
    pub(super) example: Value,
    pub(super) offset: Offset,
}

/// Whether the event carries its offset in the user's log as a second argument.
#[derive(PartialEq, Eq)]
pub(super) enum Offset {
    Never,
    Always,
    /// Except as the reply to a request: replies are not in the log.
    UnlessReply,
}

fn value(json: &str) -> Value {
    serde_json::from_str(json).unwrap()
}

fn target() -> Target {
    Target {
        receiver_id: "customer1".into(),
        conversation_id: CONVERSATION.into(),
        message_id: MESSAGE.into(),
    }
}

fn contractor() -> Author {
    Author {
        id: "contractor1".into(),
        name: Some("Contractor One".into()),
        avatar_url: None,
    }
}

fn letter() -> Letter {
    Letter {
        sender: contractor(),
        message_type: "text".into(),
        content: serde_json::from_str(r#"{"text":"Hi!"}"#).unwrap(),
        job_id: Some("job123".into()),
        created_at: AT,
        wants_receipt: false,
        is_from_contractor: false,
    }
}

fn message() -> Message {
    Message {
        letter: letter(),
        target: target(),
    }
}

fn conversation() -> get_conversations::Conversation {
    let participant = |user, read_up_to: Option<&str>| get_conversations::Participant {
        user,
        read_up_to: read_up_to.map(str::to_owned),
    };
    let customer = Author {
        id: "customer1".into(),
        name: None,
        avatar_url: None,
    };
    get_conversations::Conversation {
        conversation_id: CONVERSATION.into(),
        participants: vec![
            participant(contractor(), Some(MESSAGE)),
            participant(customer, None),
        ],
        job_id: Some("job123".into()),
        last_message: message(),
        unread_count: 1,
        updated_at: iso(AT),
    }
}

/// Returns how a campaign in this state stands.
fn campaign(state: State) -> String {
    let plan = Plan {
        campaign_id: CAMPAIGN.into(),
        sender_id: "contractor1".into(),
        name: Some("Summer offer".into()),
        message: letter().content,
        send_at: None,
        created_at: AT,
    };
    let progress = Progress {
        state,
        started_at: Some(AT),
        ..Progress::new(AT)
    };
    let counts = Counts {
        sent: 480,
        failed: 20,
        delivered: 95,
    };
    campaigns::payload(&plan, &progress, 10_000, counts)
}

pub(super) fn pushes() -> Vec<Push> {
    let online = Presence {
        connection_count: 2,
        last_seen: Some(AT),
    };
    let statuses = [
        ("customer1".to_owned(), online),
        ("customer2".to_owned(), Presence::default()),
    ];
    let refused = ("nobody".to_owned(), Refusal::NotFound);
    let unread = get_unread_total::UnreadTotal {
        messages: 3,
        conversations: 2,
    };
    let page = get_messages::MessagePage {
        conversation_id: CONVERSATION.into(),
        limit: 50,
        before: None,
        after: None,
    };
    let read = mark_as_read::Read {
        conversation_id: CONVERSATION.into(),
        what: mark_as_read::What::UpTo(MESSAGE.into()),
        read_by: "customer1".into(),
    };
    let is_typing = typing::UserTyping {
        conversation_id: CONVERSATION.into(),
        user_id: "customer1".into(),
        is_typing: true,
    };
    let forbidden = EventError::new(
        ErrorCode::Forbidden,
        "Only contractors can send bulk messages",
    );

    let receipt = Receipt {
        delivered: true,
        held: false,
    };
    let sent =
        send_bulk_message::reply(&[target()], std::slice::from_ref(&refused), |_| receipt).payload;
    let item = serde_json::from_str(&campaign(State::Running)).unwrap();

    let reply = |reply: Reply, summary, payload| Push {
        name: reply.event.unwrap_or_default(),
        summary,
        payload,
        example: value(&reply.payload),
        offset: Offset::Never,
    };
    let told = |name, summary, payload, example: String, offset| Push {
        name,
        summary,
        payload,
        example: value(&example),
        offset,
    };
    vec![
        reply(
            get_online_status::reply("customer1", online),
            "A user's presence: asked for by get_online_status, or because a user who is watched came or went.",
            "UserOnlineStatus",
        ),
        reply(
            get_bulk_online_status::reply(get_bulk_online_status::REPLY, &statuses),
            "The presence of users, in the order of the request.",
            "OnlineStatuses",
        ),
        reply(
            get_bulk_online_status::reply(subscribe_online_status::SUBSCRIBED, &statuses),
            "The presence of users who are watched from now on.",
            "OnlineStatuses",
        ),
        reply(
            subscribe_online_status::unsubscribed(&["customer1".to_owned()]),
            "These users are no longer watched.",
            "OnlineStatusUnsubscribed",
        ),
        reply(
            send_message::reply(&target(), AT, false),
            "A message is stored and will arrive.",
            "MessageSent",
        ),
        reply(
            send_bulk_message::reply(&[target()], &[refused], |_| receipt),
            "What became of a bulk message, for every device of the sender: results are stored and will arrive.",
            "BulkMessageSent",
        ),
        reply(
            get_conversations::reply(&[conversation()], Some(MESSAGE)),
            "A page of conversations.",
            "Conversations",
        ),
        reply(
            get_messages::reply(&page, vec![message()]),
            "A page of messages.",
            "Messages",
        ),
        reply(
            get_unread_total::reply(unread),
            "How much the user has received and not read: asked for by get_unread_total, or because it has changed, at most once a second.",
            "UnreadTotal",
        ),
        reply(
            join_conversation::reply(join_conversation::JOINED, CONVERSATION),
            "Answers join_conversation.",
            "ConversationNamed",
        ),
        reply(
            join_conversation::reply(join_conversation::LEFT, CONVERSATION),
            "Answers leave_conversation.",
            "ConversationNamed",
        ),
        reply(
            block_user::reply(block_user::BLOCKED, "customer1"),
            "Answers block_user.",
            "UserBlocked",
        ),
        reply(
            block_user::reply(block_user::UNBLOCKED, "customer1"),
            "Answers unblock_user.",
            "UserBlocked",
        ),
        reply(
            preferences::reply(&Preferences::default()),
            "The user's preferences: asked for, or because another device or the marketplace has changed them.",
            "Preferences",
        ),
        reply(
            get_push_key::reply(&testing::config()),
            "With which key a browser subscribes to pushes.",
            "PushKey",
        ),
        reply(
            subscribe_push::reply(subscribe_push::SUBSCRIBED, ENDPOINT),
            "Answers subscribe_push.",
            "PushEndpoint",
        ),
        reply(
            subscribe_push::reply(subscribe_push::UNSUBSCRIBED, ENDPOINT),
            "Answers unsubscribe_push.",
            "PushEndpoint",
        ),
        reply(
            create_campaign::reply(CAMPAIGN),
            "Answers create_campaign.",
            "CampaignCreated",
        ),
        reply(
            add_campaign_receivers::reply(CAMPAIGN, 0, 2),
            "Answers add_campaign_receivers.",
            "CampaignReceiversAdded",
        ),
        reply(
            Reply::event(campaigns::CAMPAIGN, campaign(State::Running)),
            "How a campaign stands.",
            "Campaign",
        ),
        reply(
            get_campaigns::reply(&[item], None),
            "A page of campaigns.",
            "Campaigns",
        ),
        reply(
            get_campaign_results::reply(CAMPAIGN, Some((&sent, Some(1)))),
            "What became of some receivers of a campaign.",
            "CampaignResults",
        ),
        told(
            campaigns::PROGRESS,
            "How a campaign stands, for every device of the contractor: while it runs, at most once a second.",
            "Campaign",
            campaign(State::Running),
            Offset::Never,
        ),
        told(
            campaigns::FINISHED,
            "A campaign was finished or cancelled: for every device of the contractor.",
            "Campaign",
            campaign(State::Finished),
            Offset::Always,
        ),
        told(
            new_message::NAME,
            "A message, for every device of the receiver; of send_message, for the sender's other devices, too.",
            "Message",
            new_message::payload(&letter(), &target()),
            Offset::Always,
        ),
        told(
            send_message::DELIVERED,
            "A device of the receiver took a message of send_message.",
            "MessageDelivered",
            to_json(&send_message::Delivered::from(&target())),
            Offset::Always,
        ),
        told(
            mark_as_read::READ,
            "Messages were read: for both sides' devices.",
            "MessageRead",
            to_json(&read),
            Offset::UnlessReply,
        ),
        told(
            typing::USER_TYPING,
            "The other side began or stopped typing. To be forgotten after 6 seconds.",
            "UserTyping",
            to_json(&is_typing),
            Offset::Never,
        ),
        told(
            ERROR,
            "An event was refused or failed, or the connection's token has expired.",
            "ErrorReport",
            forbidden.payload(Some(send_bulk_message::NAME)),
            Offset::Never,
        ),
    ]
}
