//! Database errors by what a caller can do about them.

use std::path::PathBuf;

use sea_orm::{DbErr, RuntimeErr, SqlErr};

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("not a database address: expected postgres://… or sqlite:PATH")]
    BadUrl,
    #[error("cannot open the database file {path}")]
    File {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    /// A unique constraint was violated; the caller knows which one it meant.
    #[error("a row with this value exists already")]
    Duplicate(#[source] DbErr),
    /// No connection, or it broke: nothing is known about the outcome. Trying again later may help.
    #[error("the database is not reachable")]
    Unavailable(#[source] DbErr),
    /// The transaction lost against another one and was rolled back. Trying again at once may help.
    #[error("the transaction conflicted with another one")]
    Conflict(#[source] DbErr),
    /// Disk full, read-only or out of resources: an operator has to act.
    #[error("the database does not accept writes")]
    ReadOnly(#[source] DbErr),
    #[error("the database schema is older than this version needs ({0} migrations pending); run `migrate`")]
    SchemaOutdated(usize),
    /// A row that this version cannot have written.
    #[error("table {table}, column {column}, row {row}: impossible value")]
    CorruptRow { table: &'static str, column: &'static str, row: String },
    #[error("database error")]
    Other(#[source] DbErr),
}

impl StoreError {
    /// Whether the same call may succeed later without anybody acting.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unavailable(_) | Self::Conflict(_) | Self::ReadOnly(_) => true,
            Self::BadUrl
            | Self::File { .. }
            | Self::Duplicate(_)
            | Self::SchemaOutdated(_)
            | Self::CorruptRow { .. }
            | Self::Other(_) => false,
        }
    }

    pub fn corrupt(table: &'static str, column: &'static str, row: impl ToString) -> Self {
        Self::CorruptRow { table, column, row: row.to_string() }
    }
}

/// Sorts a driver error into its class.
pub fn classify(error: DbErr) -> StoreError {
    if let Some(SqlErr::UniqueConstraintViolation(_)) = error.sql_err() {
        return StoreError::Duplicate(error);
    }
    match &error {
        DbErr::ConnectionAcquire(_) | DbErr::Conn(_) => return StoreError::Unavailable(error),
        _ => {}
    }
    match database_code(&error).as_deref() {
        // Serialisation failure, deadlock; SQLITE_BUSY, SQLITE_LOCKED.
        Some("40001" | "40P01" | "5" | "6" | "517" | "261") => StoreError::Conflict(error),
        // Read-only transaction, disk full, too many connections; SQLITE_READONLY, SQLITE_FULL, SQLITE_IOERR.
        Some("25006" | "53100" | "53200" | "8" | "13" | "10" | "778") => StoreError::ReadOnly(error),
        // Connection exceptions, shutdown, crash, starting up, too many connections.
        Some(code) if code.starts_with("08") || code.starts_with("57P") || code == "53300" => {
            StoreError::Unavailable(error)
        }
        // The statement took longer than it may; the session was ended since it left its transaction idle.
        Some("57014" | "25P03") => StoreError::Unavailable(error),
        Some(_) => StoreError::Other(error),
        None if is_transport(&error) => StoreError::Unavailable(error),
        None => StoreError::Other(error),
    }
}

impl From<DbErr> for StoreError {
    fn from(error: DbErr) -> Self {
        classify(error)
    }
}

fn sqlx_error(error: &DbErr) -> Option<&sea_orm::sqlx::Error> {
    match error {
        DbErr::Exec(RuntimeErr::SqlxError(inner)) | DbErr::Query(RuntimeErr::SqlxError(inner)) => Some(inner),
        _ => None,
    }
}

fn database_code(error: &DbErr) -> Option<String> {
    let inner = sqlx_error(error)?.as_database_error()?;
    inner.code().map(|code| code.into_owned())
}

/// The connection itself broke: not an answer of the database.
fn is_transport(error: &DbErr) -> bool {
    use sea_orm::sqlx::Error;
    matches!(sqlx_error(error), Some(Error::Io(_) | Error::PoolTimedOut | Error::PoolClosed | Error::WorkerCrashed))
}
