//! Conversions between what a row holds (text, i64) and what the domain means, inwards fallible.

use maas_types::Timestamp;

use crate::error::StoreError;

/// A count that a row holds as i64 and that can never be negative.
pub fn unsigned_from_db(
    table: &'static str,
    column: &'static str,
    row: impl ToString,
    value: i64,
) -> Result<u64, StoreError> {
    u64::try_from(value).map_err(|_| StoreError::corrupt(table, column, row))
}

/// A count for a row. Saturates: counts above i64 are refused long before they get here.
pub fn unsigned_to_db(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

pub fn time_from_db(milliseconds: i64) -> Timestamp {
    Timestamp::from_unix_ms(milliseconds)
}

/// A text that the domain parses, e.g. a status.
pub fn parsed_from_db<T>(
    table: &'static str,
    column: &'static str,
    row: impl ToString,
    parsed: Option<T>,
) -> Result<T, StoreError> {
    parsed.ok_or_else(|| StoreError::corrupt(table, column, row))
}
