//! Price versions.

use maas_store::{
    StoreError,
    ids::{parsed_from_db, time_from_db},
};
use maas_types::{ModelId, PriceId, PriceRates, UserId};

use crate::{domain::price::Price, store::entity::prices};

const PRICES: &str = "prices";

pub fn price_from_db(row: prices::Model) -> Result<Price, StoreError> {
    Ok(Price {
        id: PriceId::from_uuid(row.id),
        model_id: ModelId::from_uuid(row.model_id),
        effective_from: time_from_db(row.effective_from),
        currency: parsed_from_db(PRICES, "currency", row.id, row.currency.parse().ok())?,
        rates: PriceRates {
            input: row.input,
            cached_input: row.cached_input,
            cache_write_input: row.cache_write_input,
            audio_input: row.audio_input,
            output: row.output,
            reasoning_output: row.reasoning_output,
            audio_output: row.audio_output,
            image: row.image,
            request: row.request,
        },
        created_at: time_from_db(row.created_at),
        created_by: row.created_by.map(UserId::from_uuid),
    })
}

pub fn price_to_db(price: &Price) -> prices::Model {
    prices::Model {
        id: price.id.uuid(),
        model_id: price.model_id.uuid(),
        effective_from: price.effective_from.unix_ms(),
        currency: price.currency.to_string(),
        input: price.rates.input,
        cached_input: price.rates.cached_input,
        cache_write_input: price.rates.cache_write_input,
        audio_input: price.rates.audio_input,
        output: price.rates.output,
        reasoning_output: price.rates.reasoning_output,
        audio_output: price.rates.audio_output,
        image: price.rates.image,
        request: price.rates.request,
        created_at: price.created_at.unix_ms(),
        created_by: price.created_by.map(UserId::uuid),
    }
}
