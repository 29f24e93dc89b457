//! Reads what is booked under event ids, for comparing it with what comes again.

use std::collections::{BTreeMap, BTreeSet};

use maas_store::StoreError;
use maas_types::{Operation, Outcome, UsageQuality};
use sea_orm::{ColumnTrait as _, ConnectionTrait, EntityTrait as _, QueryFilter as _};
use uuid::Uuid;

use super::{correction, event_row, in_statements};
use crate::domain::{
    booked::Booked, correction::Content, dimensions::Dimensions, event::Fingerprint, measures::Measures,
};

/// By event id: each of the given (day, id) pairs that is there, with its corrections by better quality.
pub async fn load(
    transaction: &impl ConnectionTrait,
    ids: &BTreeSet<(i32, Uuid)>,
) -> Result<BTreeMap<Uuid, Booked>, StoreError> {
    let mut booked: BTreeMap<Uuid, Booked> = BTreeMap::new();
    let pairs: Vec<_> = ids.iter().copied().collect();
    for chunk in in_statements(&pairs) {
        // The days leave out the other partitions.
        let events = event_row::Entity::find()
            .filter(event_row::Column::Day.is_in(chunk.iter().map(|(day, _)| *day).collect::<BTreeSet<_>>()))
            .filter(event_row::Column::Id.is_in(chunk.iter().map(|(_, id)| *id)));
        for row in events.all(transaction).await? {
            let (content, dimensions) = (event_content(&row)?, event_dimensions(&row)?);
            booked.entry(row.id).or_default().add(content, dimensions, &event_measures(&row));
        }
    }
    for row in correction::improvements(transaction, &booked.keys().copied().collect()).await? {
        let Some(booked) = row.event_id.and_then(|event| booked.get_mut(&event)) else { continue };
        booked.add(correction_content(&row)?, correction_dimensions(&row)?, &correction_measures(&row));
    }
    Ok(booked)
}

fn content(table: &'static str, id: Uuid, quality: &str, hash: &[u8]) -> Result<Content, StoreError> {
    let quality = UsageQuality::parse(quality).ok_or_else(|| StoreError::corrupt(table, "quality", id))?;
    let hash: [u8; 32] = hash.try_into().map_err(|_| StoreError::corrupt(table, "content_hash", id))?;
    Ok(Content { quality, fingerprint: Fingerprint(hash) })
}

fn event_content(row: &event_row::Model) -> Result<Content, StoreError> {
    content("usage_events", row.id, &row.quality, &row.content_hash)
}

fn correction_content(row: &correction::Model) -> Result<Content, StoreError> {
    content("usage_corrections", row.id, &row.quality, &row.content_hash)
}

/// What an event is booked to.
pub fn event_dimensions(row: &event_row::Model) -> Result<Dimensions, StoreError> {
    let corrupt = |column| move || StoreError::corrupt("usage_events", column, row.id);
    Ok(Dimensions {
        key_id: row.key_id.unwrap_or_default(),
        user_id: row.user_id,
        team_id: row.team_id.unwrap_or_default(),
        organisation_id: row.organisation_id.unwrap_or_default(),
        cost_centre: row.cost_centre.clone(),
        model: row.model.clone(),
        upstream: row.upstream.clone(),
        operation: Operation::parse(&row.operation).ok_or_else(corrupt("operation"))?,
        outcome: Outcome::parse(&row.outcome).ok_or_else(corrupt("outcome"))?,
        currency: row.currency.parse().map_err(|_| corrupt("currency")())?,
    })
}

/// What a correction is booked to.
pub fn correction_dimensions(row: &correction::Model) -> Result<Dimensions, StoreError> {
    let corrupt = |column| move || StoreError::corrupt("usage_corrections", column, row.id);
    Ok(Dimensions {
        key_id: row.key_id,
        user_id: row.user_id,
        team_id: row.team_id,
        organisation_id: row.organisation_id,
        cost_centre: row.cost_centre.clone(),
        model: row.model.clone(),
        upstream: row.upstream.clone(),
        operation: Operation::parse(&row.operation).ok_or_else(corrupt("operation"))?,
        outcome: Outcome::parse(&row.outcome).ok_or_else(corrupt("outcome"))?,
        currency: row.currency.parse().map_err(|_| corrupt("currency")())?,
    })
}

/// What an event adds to its dimensions.
pub fn event_measures(row: &event_row::Model) -> Measures {
    Measures {
        requests: 1,
        unpriced_requests: i64::from(row.price_id.is_none()),
        input: row.input_tokens,
        cached_input: row.cached_input_tokens,
        cache_write_input: row.cache_write_input_tokens,
        audio_input: row.audio_input_tokens,
        output: row.output_tokens,
        reasoning_output: row.reasoning_output_tokens,
        audio_output: row.audio_output_tokens,
        images: row.images,
        cost_nanos: row.cost_nanos,
    }
}

/// What a correction adds to its dimensions.
pub fn correction_measures(row: &correction::Model) -> Measures {
    Measures {
        requests: row.requests,
        unpriced_requests: row.unpriced_requests,
        input: row.input_tokens,
        cached_input: row.cached_input_tokens,
        cache_write_input: row.cache_write_input_tokens,
        audio_input: row.audio_input_tokens,
        output: row.output_tokens,
        reasoning_output: row.reasoning_output_tokens,
        audio_output: row.audio_output_tokens,
        images: row.images,
        cost_nanos: row.cost_nanos,
    }
}
