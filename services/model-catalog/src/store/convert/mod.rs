//! Rows to domain values and back; a row that cannot be true is named. One file per table.

mod model;
mod price;
mod source;
mod upstream;

use maas_store::{StoreError, ids::parsed_from_db};
use sea_orm::prelude::Uuid;
use serde::{Serialize, de::DeserializeOwned};

pub use model::{model_from_db, model_to_db};
pub use price::{price_from_db, price_to_db};
pub use source::{source_from_db, source_to_db};
pub use upstream::{upstream_from_db, upstream_to_db};

/// A column that holds a number which is small in the domain.
fn small(table: &'static str, column: &'static str, row: Uuid, value: i64) -> Result<u32, StoreError> {
    u32::try_from(value).map_err(|_| StoreError::corrupt(table, column, row))
}

/// A column that holds JSON.
fn json_from_db<T: DeserializeOwned>(
    table: &'static str,
    column: &'static str,
    row: Uuid,
    json: &str,
) -> Result<T, StoreError> {
    parsed_from_db(table, column, row, serde_json::from_str(json).ok())
}

/// Lists, maps and small structs of texts and numbers, which always have a JSON form: `empty` is never needed.
fn json_to_db<T: Serialize>(value: &T, empty: &str) -> String {
    serde_json::to_string(value).unwrap_or_else(|_| empty.to_owned())
}
