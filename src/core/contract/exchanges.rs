//! The events that clients send, and the replies to them.

use serde_json::{Value, json};

use super::{CAMPAIGN, CONVERSATION, ENDPOINT, MESSAGE};
use crate::core::events::campaigns::{
    self, add_campaign_receivers, change_campaign, create_campaign, get_campaign_results,
    get_campaigns,
};
use crate::core::events::{
    block_user, get_bulk_online_status, get_conversations, get_messages, get_online_status,
    get_push_key, get_unread_total, join_conversation, mark_as_read, preferences,
    send_bulk_message, send_message, subscribe_online_status, subscribe_push, typing,
};

use crate::core::push::subscription::tests::{AUTH, P256DH};

/// A request event and its reply.
pub(super) struct Exchange {
    pub(super) name: &'static str,
    pub(super) summary: &'static str,
    /// The name of the payload's schema.
    pub(super) payload: &'static str,
    pub(super) example: Value,
    /// Whether the event may be sent without a payload.
    pub(super) is_payload_optional: bool,
    /// The name of the reply event; `None` if only the ack replies.
    pub(super) reply: Option<&'static str>,
    /// The name of the ack's schema, which is also that of the reply event.
    pub(super) ack: &'static str,
}

pub(super) fn exchanges() -> Vec<Exchange> {
    let exchange = |name, summary, (payload, example), reply, ack| Exchange {
        name,
        summary,
        payload,
        example,
        is_payload_optional: [
            get_conversations::NAME,
            get_unread_total::NAME,
            get_campaigns::NAME,
            preferences::GET,
            get_push_key::NAME,
        ]
        .contains(&name),
        reply,
        ack,
    };
    let user = || ("UserRef", json!({ "userId": "customer1" }));
    let users = || ("UserRefs", json!({ "userIds": ["customer1", "customer2"] }));
    let conversation = || ("ConversationRef", json!({ "conversationId": CONVERSATION }));
    let campaign = || ("CampaignRef", json!({ "campaignId": CAMPAIGN }));
    let draft = |to: Value| {
        let mut all = json!({
            "messageType": "text",
            "content": { "text": "I'm on my way." },
            "jobId": "job123",
            "idempotencyKey": "5f3b2c1e",
        });
        for (name, value) in to.as_object().into_iter().flatten() {
            all[name] = value.clone();
        }
        all
    };
    vec![
        exchange(
            get_online_status::NAME,
            "Whether a user is online, since when not, and on how many connections.",
            user(),
            Some(get_online_status::REPLY),
            "UserOnlineStatus",
        ),
        exchange(
            get_bulk_online_status::NAME,
            "Who of many users is online.",
            users(),
            Some(get_bulk_online_status::REPLY),
            "OnlineStatuses",
        ),
        exchange(
            subscribe_online_status::SUBSCRIBE,
            "As get_bulk_online_status, and from then on user_online_status whenever one of them comes or goes.",
            users(),
            Some(subscribe_online_status::SUBSCRIBED),
            "OnlineStatuses",
        ),
        exchange(
            subscribe_online_status::UNSUBSCRIBE,
            "Ends watching these users.",
            users(),
            Some(subscribe_online_status::UNSUBSCRIBED),
            "OnlineStatusUnsubscribed",
        ),
        exchange(
            send_message::NAME,
            "Sends a message to one user: into a conversation, or to a user, with whom a conversation is begun if there is none.",
            ("SendMessage", draft(json!({ "receiverId": "customer1" }))),
            Some(send_message::REPLY),
            "MessageSent",
        ),
        exchange(
            send_bulk_message::NAME,
            "Sends a message to many users. Contractors only.",
            (
                "SendBulkMessage",
                draft(json!({ "receiverIds": ["customer1", "nobody"] })),
            ),
            Some(send_bulk_message::REPLY),
            "BulkMessageSent",
        ),
        exchange(
            mark_as_read::NAME,
            "Marks messages as read, and all that were before them.",
            (
                "MarkAsRead",
                json!({ "conversationId": CONVERSATION, "upTo": MESSAGE }),
            ),
            Some(mark_as_read::READ),
            "MessageRead",
        ),
        exchange(
            typing::START,
            "Shows the other side that the user is typing.",
            conversation(),
            None,
            "ConversationNamed",
        ),
        exchange(
            typing::STOP,
            "Shows the other side that the user is no longer typing.",
            conversation(),
            None,
            "ConversationNamed",
        ),
        exchange(
            get_conversations::NAME,
            "A page of the user's conversations, newest first.",
            ("GetConversations", json!({ "limit": 20 })),
            Some(get_conversations::REPLY),
            "Conversations",
        ),
        exchange(
            get_messages::NAME,
            "A page of a conversation's messages.",
            (
                "GetMessages",
                json!({ "conversationId": CONVERSATION, "limit": 50, "before": MESSAGE }),
            ),
            Some(get_messages::REPLY),
            "Messages",
        ),
        exchange(
            get_unread_total::NAME,
            "How much the user has received and not read.",
            ("GetUnreadTotal", json!({})),
            Some(get_unread_total::UNREAD_TOTAL),
            "UnreadTotal",
        ),
        exchange(
            join_conversation::JOIN,
            "For clients of older servers: a user's devices get everything anyway.",
            conversation(),
            Some(join_conversation::JOINED),
            "ConversationNamed",
        ),
        exchange(
            join_conversation::LEAVE,
            "For clients of older servers: a user's devices get everything anyway.",
            conversation(),
            Some(join_conversation::LEFT),
            "ConversationNamed",
        ),
        exchange(
            block_user::BLOCK,
            "From now on this user's messages are refused.",
            user(),
            Some(block_user::BLOCKED),
            "UserBlocked",
        ),
        exchange(
            block_user::UNBLOCK,
            "This user may write again.",
            user(),
            Some(block_user::UNBLOCKED),
            "UserBlocked",
        ),
        exchange(
            preferences::SET,
            "Changes the user's preferences. What is not given stays as it is.",
            (
                "SetPreferences",
                json!({
                    "notices": "direct",
                    "quietHours": { "from": "22:00", "to": "07:00", "timeZone": "Europe/Berlin" },
                    "presence": "contacts",
                    "bulkMessages": "contacts",
                }),
            ),
            Some(preferences::PREFERENCES),
            "Preferences",
        ),
        exchange(
            preferences::GET,
            "The user's preferences.",
            ("GetPreferences", json!({})),
            Some(preferences::PREFERENCES),
            "Preferences",
        ),
        exchange(
            get_push_key::NAME,
            "With which key a browser subscribes to pushes.",
            ("GetPushKey", json!({})),
            Some(get_push_key::REPLY),
            "PushKey",
        ),
        exchange(
            subscribe_push::SUBSCRIBE,
            "From now on, this browser is told of messages that reach no device of the user, or stay unread.",
            (
                "SubscribePush",
                json!({ "endpoint": ENDPOINT, "keys": { "p256dh": P256DH, "auth": AUTH } }),
            ),
            Some(subscribe_push::SUBSCRIBED),
            "PushEndpoint",
        ),
        exchange(
            subscribe_push::UNSUBSCRIBE,
            "This browser gets no more pushes.",
            ("UnsubscribePush", json!({ "endpoint": ENDPOINT })),
            Some(subscribe_push::UNSUBSCRIBED),
            "PushEndpoint",
        ),
        exchange(
            create_campaign::NAME,
            "Begins a campaign: a message to more users than a bulk message may have. Contractors only.",
            (
                "CreateCampaign",
                draft(json!({ "name": "Summer offer", "sendAt": "2026-06-01T08:00:00Z" })),
            ),
            Some(create_campaign::REPLY),
            "CampaignCreated",
        ),
        exchange(
            add_campaign_receivers::NAME,
            "Adds receivers to a campaign that has not been started. A part that is added again replaces itself.",
            (
                "AddCampaignReceivers",
                json!({ "campaignId": CAMPAIGN, "part": 0, "receiverIds": ["customer1", "nobody"] }),
            ),
            Some(add_campaign_receivers::REPLY),
            "CampaignReceiversAdded",
        ),
        exchange(
            change_campaign::START,
            "Starts a campaign, now or at its time.",
            campaign(),
            Some(campaigns::CAMPAIGN),
            "Campaign",
        ),
        exchange(
            change_campaign::PAUSE,
            "Stops a campaign until it is resumed. The chunk in progress is completed.",
            campaign(),
            Some(campaigns::CAMPAIGN),
            "Campaign",
        ),
        exchange(
            change_campaign::RESUME,
            "Goes on with a campaign that is paused.",
            campaign(),
            Some(campaigns::CAMPAIGN),
            "Campaign",
        ),
        exchange(
            change_campaign::CANCEL,
            "Ends a campaign. The chunk in progress is completed.",
            campaign(),
            Some(campaigns::CAMPAIGN),
            "Campaign",
        ),
        exchange(
            campaigns::GET,
            "How a campaign stands.",
            campaign(),
            Some(campaigns::CAMPAIGN),
            "Campaign",
        ),
        exchange(
            get_campaigns::NAME,
            "A page of the contractor's campaigns, newest first.",
            ("GetCampaigns", json!({ "limit": 20 })),
            Some(get_campaigns::REPLY),
            "Campaigns",
        ),
        exchange(
            get_campaign_results::NAME,
            "A page of what became of a campaign's receivers.",
            (
                "GetCampaignResults",
                json!({ "campaignId": CAMPAIGN, "cursor": "1" }),
            ),
            Some(get_campaign_results::REPLY),
            "CampaignResults",
        ),
    ]
}
