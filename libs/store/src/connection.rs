//! Connecting to Postgres (one schema per service) or SQLite (one file per service).

use std::{path::Path, time::Duration};

use sea_orm::{ConnectionTrait, DatabaseBackend, DatabaseConnection, DatabaseTransaction, TransactionTrait};

use crate::error::{StoreError, classify};

/// Where a service's data lives.
#[derive(Clone, PartialEq, Eq)]
pub enum DatabaseUrl {
    /// `postgres://…`; the text holds a password and is never printed.
    Postgres(String),
    /// A file; created with mode 0600 when it is missing.
    Sqlite(std::path::PathBuf),
}

impl DatabaseUrl {
    /// `postgres://…` (or `postgresql://…`), or `sqlite:` and a path.
    pub fn parse(text: &str) -> Result<Self, StoreError> {
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            return Ok(Self::Postgres(text.to_owned()));
        }
        match text.strip_prefix("sqlite:").map(|rest| rest.trim_start_matches("//")) {
            Some(path) if !path.is_empty() => Ok(Self::Sqlite(path.into())),
            _ => Err(StoreError::BadUrl),
        }
    }
}

impl std::fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Postgres(_) => f.write_str("postgres://…"),
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
        }
    }
}

#[derive(Debug, Clone)]
pub struct ConnectOptions {
    pub url: DatabaseUrl,
    /// The Postgres schema of the service; its `search_path`, so that entities name none. Unused on SQLite.
    pub schema: &'static str,
    /// Postgres pool size.
    pub max_connections: u32,
}

/// A service's database.
///
/// On Postgres `reader` and `writer` are one pool. On SQLite there is a single writer connection, so that writers
/// queue here instead of failing with "database is locked", and a small pool of readers that they do not block.
/// **A use case that holds a transaction must do all its reads and writes on that transaction**, else it waits for
/// itself.
#[derive(Clone, Debug)]
pub struct Database {
    reader: DatabaseConnection,
    writer: DatabaseConnection,
    backend: DatabaseBackend,
}

impl Database {
    pub async fn connect(options: &ConnectOptions) -> Result<Self, StoreError> {
        match &options.url {
            DatabaseUrl::Postgres(url) => {
                let pool = open_postgres(url, options).await?;
                Ok(Self { reader: pool.clone(), writer: pool, backend: DatabaseBackend::Postgres })
            }
            DatabaseUrl::Sqlite(path) => {
                create_private_file(path)?;
                let writer = open_sqlite(path, 1).await?;
                let reader = open_sqlite(path, 4).await?;
                Ok(Self { reader, writer, backend: DatabaseBackend::Sqlite })
            }
        }
    }

    /// For reads outside any transaction.
    pub fn reader(&self) -> &DatabaseConnection {
        &self.reader
    }

    /// For single statements that write.
    pub fn writer(&self) -> &DatabaseConnection {
        &self.writer
    }

    pub fn backend(&self) -> DatabaseBackend {
        self.backend
    }

    /// A transaction for what must commit together.
    pub async fn begin(&self) -> Result<DatabaseTransaction, StoreError> {
        self.writer.begin().await.map_err(classify)
    }

    /// Answers when the database can be asked something.
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.reader.execute_unprepared("SELECT 1").await.map(|_| ()).map_err(classify)
    }

    pub async fn close(self) -> Result<(), StoreError> {
        self.reader.close().await.map_err(classify)?;
        self.writer.close().await.map_err(classify)
    }
}

async fn open_postgres(url: &str, options: &ConnectOptions) -> Result<DatabaseConnection, StoreError> {
    let mut connect = sea_orm::ConnectOptions::new(url);
    connect
        .max_connections(options.max_connections)
        .min_connections(1)
        .connect_timeout(Duration::from_secs(5))
        .acquire_timeout(Duration::from_secs(5))
        .set_schema_search_path(options.schema)
        .set_application_name(format!("maas-{}", options.schema))
        .sqlx_logging(false);
    sea_orm::Database::connect(connect).await.map_err(classify)
}

async fn open_sqlite(path: &Path, max_connections: u32) -> Result<DatabaseConnection, StoreError> {
    let mut connect = sea_orm::ConnectOptions::new(format!("sqlite://{}?mode=rw", path.display()));
    connect
        .max_connections(max_connections)
        .min_connections(1)
        .acquire_timeout(Duration::from_secs(10))
        .sqlx_logging(false)
        .map_sqlx_sqlite_opts(|options| {
            options
                .busy_timeout(Duration::from_secs(10))
                .foreign_keys(true)
                .pragma("journal_mode", "WAL")
                // A commit that was answered survives power loss: the metering ledger depends on it.
                .pragma("synchronous", "FULL")
        });
    sea_orm::Database::connect(connect).await.map_err(classify)
}

fn create_private_file(path: &Path) -> Result<(), StoreError> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let opened = std::fs::OpenOptions::new().create(true).append(true).mode(0o600).open(path);
    opened.map(|_| ()).map_err(|source| StoreError::File { path: path.to_owned(), source })
}
