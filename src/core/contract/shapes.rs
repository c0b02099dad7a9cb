//! The payload schemas, by name.

use schemars::generate::{SchemaGenerator, SchemaSettings};
use schemars::{JsonSchema, Schema};
use serde_json::Value;

use crate::core::error;
use crate::core::events::campaigns::{
    self, CampaignRef, add_campaign_receivers, create_campaign, get_campaign_results, get_campaigns,
};
use crate::core::events::content::Body;
use crate::core::events::{
    ConversationRef, UserRef, UserRefs, block_user, draft, get_bulk_online_status,
    get_conversations, get_messages, get_online_status, get_push_key, get_unread_total,
    join_conversation, mark_as_read, preferences, send_bulk_message, send_message,
    subscribe_online_status, subscribe_push, typing,
};
use crate::core::preferences::Preferences;

/// Where the schemas are in the document.
pub(super) const SCHEMAS: &str = "/components/schemas";

/// Combines schemas with `allOf`, for payloads that are read in parts.
pub fn all_of(description: &str, mut parts: Vec<Schema>) -> Schema {
    for part in &mut parts {
        open(part.as_object_mut());
        part.remove("description");
    }
    schemars::json_schema!({ "description": description, "allOf": parts })
}

/// Permits additional properties: each part knows only its own fields.
fn open(schema: Option<&mut serde_json::Map<String, Value>>) {
    let Some(schema) = schema else { return };
    schema.remove("additionalProperties");
    for of in ["oneOf", "allOf"] {
        for part in schema
            .get_mut(of)
            .and_then(Value::as_array_mut)
            .into_iter()
            .flatten()
        {
            open(part.as_object_mut());
        }
    }
}

fn generator(settings: SchemaSettings) -> SchemaGenerator {
    settings
        .with(|settings| {
            settings.definitions_path = SCHEMAS.into();
            settings.meta_schema = None;
        })
        .into_generator()
}

/// The schemas of what clients send.
fn request_schemas() -> serde_json::Map<String, Value> {
    let mut from = generator(SchemaSettings::draft07().for_deserialize());
    from.subschema_for::<UserRef>();
    from.subschema_for::<UserRefs>();
    from.subschema_for::<ConversationRef>();
    from.subschema_for::<get_conversations::GetConversations>();
    from.subschema_for::<get_messages::GetMessages>();
    from.subschema_for::<get_unread_total::GetUnreadTotal>();
    from.subschema_for::<preferences::SetPreferences>();
    from.subschema_for::<preferences::GetPreferences>();
    from.subschema_for::<CampaignRef>();
    from.subschema_for::<get_push_key::GetPushKey>();
    from.subschema_for::<subscribe_push::SubscribePush>();
    from.subschema_for::<subscribe_push::UnsubscribePush>();
    from.subschema_for::<get_campaigns::GetCampaigns>();
    let draft = vec![
        draft::DraftFields::json_schema(&mut from),
        Body::json_schema(&mut from),
    ];
    let one = vec![send_message::To::json_schema(&mut from)];
    let many = vec![send_bulk_message::Receivers::json_schema(&mut from)];
    let schedule = vec![create_campaign::Schedule::json_schema(&mut from)];
    let campaign = CampaignRef::json_schema(&mut from);
    let part = vec![
        campaign.clone(),
        add_campaign_receivers::CampaignPart::json_schema(&mut from),
    ];
    let results = vec![
        campaign,
        get_campaign_results::ResultsCursor::json_schema(&mut from),
    ];
    let marking = vec![
        mark_as_read::MarkingFields::json_schema(&mut from),
        mark_as_read::What::json_schema(&mut from),
    ];
    let in_parts = [
        (
            "SendMessage",
            all_of("A message to one user.", [one, draft.clone()].concat()),
        ),
        (
            "SendBulkMessage",
            all_of("A message to many users.", [many, draft.clone()].concat()),
        ),
        (
            "CreateCampaign",
            all_of(
                "A message to more users than a bulk message may have.",
                [schedule, draft].concat(),
            ),
        ),
        (
            "AddCampaignReceivers",
            all_of("A part of a campaign's receivers.", part),
        ),
        (
            "GetCampaignResults",
            all_of("Which page of results.", results),
        ),
        (
            "MarkAsRead",
            all_of(
                "What was read. Whatever is before it is read, too.",
                marking,
            ),
        ),
    ];
    let mut schemas = from.take_definitions(true);
    schemas.extend(in_parts.map(|(name, schema)| (name.to_owned(), schema.to_value())));
    schemas
}

/// The schemas of what clients receive.
fn reply_schemas() -> serde_json::Map<String, Value> {
    let mut from = generator(SchemaSettings::draft07().for_serialize());
    from.subschema_for::<get_online_status::UserOnlineStatus>();
    from.subschema_for::<get_bulk_online_status::StatusMap>();
    from.subschema_for::<subscribe_online_status::OnlineStatusUnsubscribed>();
    from.subschema_for::<send_message::MessageSent>();
    from.subschema_for::<send_message::Delivered>();
    from.subschema_for::<send_bulk_message::BulkMessageSent>();
    from.subschema_for::<mark_as_read::Read>();
    from.subschema_for::<typing::UserTyping>();
    from.subschema_for::<get_conversations::Conversations>();
    from.subschema_for::<get_messages::Messages>();
    from.subschema_for::<get_unread_total::UnreadTotal>();
    from.subschema_for::<join_conversation::ConversationNamed>();
    from.subschema_for::<block_user::UserBlocked>();
    from.subschema_for::<Preferences>();
    from.subschema_for::<get_push_key::PushKey>();
    from.subschema_for::<subscribe_push::PushEndpoint>();
    from.subschema_for::<create_campaign::CampaignCreated>();
    from.subschema_for::<add_campaign_receivers::CampaignReceiversAdded>();
    from.subschema_for::<campaigns::Campaign>();
    from.subschema_for::<get_campaigns::Campaigns>();
    from.subschema_for::<get_campaign_results::CampaignResults>();
    from.subschema_for::<error::ErrorReport>();
    from.subschema_for::<error::Ack>();
    from.take_definitions(true)
}

pub(super) fn schemas() -> serde_json::Map<String, Value> {
    let mut schemas = request_schemas();
    for (name, schema) in reply_schemas() {
        let known = schemas.insert(name.clone(), schema.clone());
        assert!(
            known.is_none_or(|known| known == schema),
            "two shapes of {name}"
        );
    }
    schemas
}
