//! What a person sends to correct usage, and the checks on it.

use maas_types::{
    CorrectionId, Currency, EventId, KeyId, Money, Operation, OrganisationId, Outcome, TeamId, Timestamp, UserId,
    input::{InputFault, check_name, check_text},
};
use maas_web::Problem;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use utoipa::ToSchema;
use uuid::Uuid;

use super::repair::{check_reason, invalid};
use crate::{
    domain::{dimensions::Dimensions, measures::Measures},
    service::record_correction::{CorrectionInput, CorrectionTarget},
};

const MAX_NAME_CHARACTERS: usize = 255;
const MAX_IDEMPOTENCY_KEY: usize = 255;

/// Either of an event (`event_id`) or of usage that has none (`usage`). What is left out does not change.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateUsageCorrection {
    /// Makes the request repeatable: the same id is booked once. Not together with an Idempotency-Key; one of them is
    /// needed.
    #[serde(default)]
    #[schema(example = json!(null))]
    id: Option<CorrectionId>,
    /// The event whose usage changes.
    #[serde(default)]
    event_id: Option<EventId>,
    /// Usage that no event has booked.
    #[serde(default)]
    #[schema(example = json!(null))]
    usage: Option<UsageWithoutEvent>,
    /// 1 to 500 characters.
    #[schema(example = "billed twice by the upstream", min_length = 1, max_length = 500)]
    reason: String,
    #[serde(default)]
    #[schema(example = 0)]
    requests: i64,
    #[serde(default)]
    #[schema(example = 0)]
    unpriced_requests: i64,
    #[serde(default)]
    #[schema(example = -412)]
    input_tokens: i64,
    #[serde(default)]
    #[schema(example = 0)]
    cached_input_tokens: i64,
    #[serde(default)]
    #[schema(example = 0)]
    cache_write_input_tokens: i64,
    #[serde(default)]
    #[schema(example = 0)]
    audio_input_tokens: i64,
    #[serde(default)]
    #[schema(example = -96)]
    output_tokens: i64,
    #[serde(default)]
    #[schema(example = 0)]
    reasoning_output_tokens: i64,
    #[serde(default)]
    #[schema(example = 0)]
    audio_output_tokens: i64,
    #[serde(default)]
    #[schema(example = 0)]
    images: i64,
    /// Signed, in the currency of the event.
    #[serde(default)]
    cost: Option<Money>,
}

/// What a backfill is booked to.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UsageWithoutEvent {
    /// The time that it counts for.
    time: Timestamp,
    user_id: UserId,
    #[serde(default)]
    key_id: Option<KeyId>,
    #[serde(default)]
    team_id: Option<TeamId>,
    #[serde(default)]
    organisation_id: Option<OrganisationId>,
    #[serde(default)]
    #[schema(example = "CC-4711")]
    cost_centre: String,
    #[schema(example = "llama-3.1-8b-instruct")]
    model: String,
    #[serde(default)]
    #[schema(example = "gpu-a")]
    upstream: String,
    #[schema(example = "chat")]
    operation: String,
    /// `success` when left out.
    #[serde(default)]
    #[schema(example = "success")]
    outcome: Option<String>,
}

/// Checks everything that can be told without the ledger, and reports all faults.
pub fn input_from_api(
    body: CreateUsageCorrection,
    idempotency_key: Option<&[u8]>,
    caller: UserId,
    currency: Currency,
) -> Result<CorrectionInput, Problem> {
    let mut faults = Vec::new();
    check_reason(&body.reason, &mut faults);
    let measures = measures_from_api(&body);
    let id = id_from_api(body.id, idempotency_key, caller).map_err(|fault| faults.push(fault)).ok();
    let currency = body.cost.map_or(currency, |cost| cost.currency);
    let target = match (body.event_id, body.usage) {
        (Some(event), None) => Some(CorrectionTarget::Event(event)),
        (None, Some(usage)) => usage_from_api(usage, currency, &mut faults),
        (Some(_), Some(_)) | (None, None) => {
            faults.push(InputFault::new("/event_id", "not_together", "send either event_id or usage"));
            None
        }
    };
    match (id, target) {
        (Some(id), Some(target)) if faults.is_empty() => {
            Ok(CorrectionInput { id, target, reason: body.reason, measures, cost: body.cost })
        }
        _ => Err(invalid(faults)),
    }
}

/// The id that was sent, or one that is always the same for a caller's Idempotency-Key.
fn id_from_api(
    id: Option<CorrectionId>,
    idempotency_key: Option<&[u8]>,
    caller: UserId,
) -> Result<CorrectionId, InputFault> {
    let fault = |code, detail: &str| Err(InputFault::new("Idempotency-Key", code, detail));
    match (id, idempotency_key) {
        (Some(id), None) => Ok(id),
        (None, Some(key))
            if key.len() <= MAX_IDEMPOTENCY_KEY && key.iter().all(u8::is_ascii_graphic) && !key.is_empty() =>
        {
            let mut hash = Sha256::new();
            hash.update(caller.uuid().as_bytes());
            hash.update(key);
            let digest: [u8; 32] = hash.finalize().into();
            let mut bytes = [0; 16];
            bytes.iter_mut().zip(digest).for_each(|(byte, of)| *byte = of);
            Ok(CorrectionId::from_uuid(uuid::Builder::from_custom_bytes(bytes).into_uuid()))
        }
        (None, Some(_)) => fault("invalid_value", "1 to 255 visible ASCII characters"),
        (Some(_), Some(_)) => fault("not_together", "send either an id or an Idempotency-Key"),
        (None, None) => fault("missing_field", "send an id or an Idempotency-Key: money must not be booked twice"),
    }
}

fn measures_from_api(body: &CreateUsageCorrection) -> Measures {
    Measures {
        requests: body.requests,
        unpriced_requests: body.unpriced_requests,
        input: body.input_tokens,
        cached_input: body.cached_input_tokens,
        cache_write_input: body.cache_write_input_tokens,
        audio_input: body.audio_input_tokens,
        output: body.output_tokens,
        reasoning_output: body.reasoning_output_tokens,
        audio_output: body.audio_output_tokens,
        images: body.images,
        cost_nanos: 0,
    }
}

fn usage_from_api(
    usage: UsageWithoutEvent,
    currency: Currency,
    faults: &mut Vec<InputFault>,
) -> Option<CorrectionTarget> {
    check_name("/usage/model", &usage.model, faults);
    check_text("/usage/upstream", &usage.upstream, MAX_NAME_CHARACTERS, faults);
    check_text("/usage/cost_centre", &usage.cost_centre, MAX_NAME_CHARACTERS, faults);
    let operation = Operation::parse(&usage.operation);
    if operation.is_none() {
        faults.push(unknown("/usage/operation", Operation::ALL.iter().map(|known| known.as_str())));
    }
    let outcome = usage.outcome.as_deref().map_or(Some(Outcome::Success), Outcome::parse);
    if outcome.is_none() {
        faults.push(unknown("/usage/outcome", Outcome::ALL.iter().map(|known| known.as_str())));
    }
    let id = |id: Option<Uuid>| id.unwrap_or_default();
    let dimensions = Dimensions {
        key_id: id(usage.key_id.map(KeyId::uuid)),
        user_id: usage.user_id.uuid(),
        team_id: id(usage.team_id.map(TeamId::uuid)),
        organisation_id: id(usage.organisation_id.map(OrganisationId::uuid)),
        cost_centre: usage.cost_centre,
        model: usage.model,
        upstream: usage.upstream,
        operation: operation?,
        outcome: outcome?,
        currency,
    };
    Some(CorrectionTarget::Usage { admitted_at: usage.time, dimensions })
}

fn unknown(pointer: &str, known: impl Iterator<Item = &'static str>) -> InputFault {
    let known: Vec<_> = known.collect();
    InputFault::new(pointer, "invalid_value", format!("must be one of {}", known.join(", ")))
}
