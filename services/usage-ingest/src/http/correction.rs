//! A correction on the wire.

use maas_types::{CorrectionId, EventId, KeyId, Money, Nanos, OrganisationId, TeamId, Timestamp, UserId};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::store::correction_list::BookedCorrection;

/// A signed row beside the events: it says what changed, by whom and why.
#[derive(Debug, Serialize, ToSchema)]
pub struct UsageCorrection {
    pub id: CorrectionId,
    /// quality: the platform itself, better counts came; manual: of an event, by a person; backfill: usage without an
    /// event.
    #[schema(example = "manual")]
    pub kind: &'static str,
    #[schema(example = "billed twice by the upstream")]
    pub reason: String,
    /// Who booked it; null: the platform itself.
    pub actor_id: Option<UserId>,
    #[schema(example = "Ada")]
    pub actor_name: String,
    pub created_at: Timestamp,
    /// The time that it counts for.
    pub time: Timestamp,
    pub event_id: Option<EventId>,
    pub user_id: UserId,
    pub key_id: Option<KeyId>,
    pub team_id: Option<TeamId>,
    pub organisation_id: Option<OrganisationId>,
    #[schema(example = "CC-4711")]
    pub cost_centre: String,
    #[schema(example = "llama-3.1-8b-instruct")]
    pub model: String,
    #[schema(example = "gpu-a")]
    pub upstream: String,
    #[schema(example = "chat")]
    pub operation: &'static str,
    #[schema(example = "success")]
    pub outcome: &'static str,
    #[schema(example = 0)]
    pub requests: i64,
    #[schema(example = 0)]
    pub unpriced_requests: i64,
    #[schema(example = -412)]
    pub input_tokens: i64,
    #[schema(example = 0)]
    pub cached_input_tokens: i64,
    #[schema(example = 0)]
    pub cache_write_input_tokens: i64,
    #[schema(example = 0)]
    pub audio_input_tokens: i64,
    #[schema(example = -96)]
    pub output_tokens: i64,
    #[schema(example = 0)]
    pub reasoning_output_tokens: i64,
    #[schema(example = 0)]
    pub audio_output_tokens: i64,
    #[schema(example = 0)]
    pub images: i64,
    pub cost: Money,
}

impl UsageCorrection {
    pub fn to_api(booked: &BookedCorrection) -> Self {
        let correction = &booked.correction;
        let (of, measures) = (&correction.dimensions, &correction.measures);
        let known = |id: Uuid| (!id.is_nil()).then_some(id);
        Self {
            id: CorrectionId::from_uuid(correction.id),
            kind: correction.kind.as_str(),
            reason: correction.reason.clone(),
            actor_id: correction.actor,
            actor_name: correction.actor_name.clone(),
            created_at: booked.created_at,
            time: correction.admitted_at,
            event_id: correction.event,
            user_id: UserId::from_uuid(of.user_id),
            key_id: known(of.key_id).map(KeyId::from_uuid),
            team_id: known(of.team_id).map(TeamId::from_uuid),
            organisation_id: known(of.organisation_id).map(OrganisationId::from_uuid),
            cost_centre: of.cost_centre.clone(),
            model: of.model.clone(),
            upstream: of.upstream.clone(),
            operation: of.operation.as_str(),
            outcome: of.outcome.as_str(),
            requests: measures.requests,
            unpriced_requests: measures.unpriced_requests,
            input_tokens: measures.input,
            cached_input_tokens: measures.cached_input,
            cache_write_input_tokens: measures.cache_write_input,
            audio_input_tokens: measures.audio_input,
            output_tokens: measures.output,
            reasoning_output_tokens: measures.reasoning_output,
            audio_output_tokens: measures.audio_output,
            images: measures.images,
            cost: Money { amount: Nanos(measures.cost_nanos), currency: of.currency },
        }
    }
}
