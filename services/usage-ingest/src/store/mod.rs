//! Entities and queries. Everything takes the connection as argument, so that the use case owns the transaction.

pub mod analytics;
pub mod booked;
mod bulk;
pub mod correction;
pub mod correction_list;
pub mod event;
pub mod event_row;
pub mod export;
pub mod key_use;
pub mod ledger;
pub mod lock;
pub mod partition;
pub mod proof;
pub mod quarantine;
pub mod reconciliation;
pub mod request_log;
pub mod retention;
pub mod snapshot;
pub mod source;
pub mod sums;

use maas_store::StoreError;
use sea_orm::{DbErr, RuntimeErr, sqlx};

/// SQLite binds at most 32,766 values in a statement, Postgres 65,535; a row has up to 70.
const MOST_ROWS: usize = 256;

/// The rows in slices for one statement each: of 256 rows, then of 128, 64 and so on. With any number of rows only nine
/// different statements are ever prepared, so that the databases can keep them.
fn in_statements<T>(mut rows: &[T]) -> impl Iterator<Item = &[T]> {
    std::iter::from_fn(move || {
        let largest = rows.len().min(MOST_ROWS);
        let size = 1_usize << largest.checked_ilog2()?;
        let (slice, rest) = rows.split_at(size);
        rows = rest;
        Some(slice)
    })
}

/// Whether the database refused because of what we asked it to store, so that leaving out the right row would help.
///
/// `false` for everything else, also for what only an operator can mend (a missing table or right, a value that cannot
/// be read back): no event is to blame for that, and sending them all to quarantine would hide it.
pub fn blames_the_data(error: &StoreError) -> bool {
    match error {
        StoreError::Duplicate(_) => true,
        StoreError::Other(DbErr::Exec(RuntimeErr::SqlxError(cause)) | DbErr::Query(RuntimeErr::SqlxError(cause))) => {
            match &**cause {
                sqlx::Error::Database(refusal) => refusal.code().is_some_and(|code| !is_about_the_server(&code)),
                cause => matches!(cause, sqlx::Error::Encode(_)),
            }
        }
        StoreError::Other(_)
        | StoreError::BadUrl
        | StoreError::File { .. }
        | StoreError::Unavailable(_)
        | StoreError::Conflict(_)
        | StoreError::ReadOnly(_)
        | StoreError::SchemaOutdated(_)
        | StoreError::CorruptRow { .. } => false,
    }
}

/// SQLSTATE classes 42 (no such table, column or right), 3F (no such schema), 0A (not supported), 53, 57, 58 and XX (the
/// server is in trouble). SQLITE_ERROR (1, the statement does not fit the schema), SQLITE_PERM, SQLITE_CORRUPT,
/// SQLITE_SCHEMA, SQLITE_NOTADB.
fn is_about_the_server(code: &str) -> bool {
    const CLASSES: [&str; 7] = ["42", "3F", "0A", "53", "57", "58", "XX"];
    let postgres = code.len() == 5 && CLASSES.iter().any(|class| code.starts_with(class));
    postgres || ["1", "3", "11", "17", "26"].contains(&code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_in_one_statement_of_a_few_sizes() {
        let rows: Vec<u32> = (0..619).collect();
        let slices: Vec<_> = in_statements(&rows).collect();
        assert_eq!(slices.concat(), rows);
        assert_eq!(slices.iter().map(|slice| slice.len()).collect::<Vec<_>>(), [256, 256, 64, 32, 8, 2, 1]);
        assert_eq!(in_statements::<u32>(&[]).count(), 0);
    }
}
