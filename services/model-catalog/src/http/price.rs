//! A price version on the wire.

use maas_types::{Currency, Nanos, PriceId, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::price::{Price, PriceInput};

/// Rates are decimal strings per million tokens; `image` and `request` for one.
#[derive(Debug, Serialize, ToSchema)]
pub struct CatalogPrice {
    pub id: PriceId,
    pub effective_from: Timestamp,
    pub currency: Currency,
    pub input: Nanos,
    /// null: charged as `input`, as the other subsets of input.
    pub cached_input: Option<Nanos>,
    pub cache_write_input: Option<Nanos>,
    pub audio_input: Option<Nanos>,
    pub output: Nanos,
    /// null: charged as `output`, as the other subsets of output.
    pub reasoning_output: Option<Nanos>,
    pub audio_output: Option<Nanos>,
    pub image: Nanos,
    pub request: Nanos,
    pub created_at: Timestamp,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct CatalogPricePage {
    /// Newest first; one that begins in the future is listed too.
    pub data: Vec<CatalogPrice>,
    /// Always null: all of a model's prices are on one page.
    pub next_cursor: Option<String>,
}

impl CatalogPrice {
    pub fn to_api(price: &Price) -> Self {
        let rates = PriceInput::from_rates(&price.rates);
        Self {
            id: price.id,
            effective_from: price.effective_from,
            currency: price.currency,
            input: rates.input,
            cached_input: rates.cached_input,
            cache_write_input: rates.cache_write_input,
            audio_input: rates.audio_input,
            output: rates.output,
            reasoning_output: rates.reasoning_output,
            audio_output: rates.audio_output,
            image: rates.image.unwrap_or_default(),
            request: rates.request.unwrap_or_default(),
            created_at: price.created_at,
        }
    }
}
