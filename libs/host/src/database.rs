//! Connecting to the database, with one clear message when it is not there.

use maas_runtime::{config::sections::DatabaseSection, exit::StartError};
use maas_store::{ConnectOptions, Database, DatabaseUrl, StoreError};

/// The service's database; it need not be migrated.
pub async fn connect_database(section: &DatabaseSection, schema: &'static str) -> Result<Database, StartError> {
    let url = DatabaseUrl::parse(section.url.expose()).map_err(anyhow::Error::from)?;
    let options = ConnectOptions { url, schema, max_connections: section.max_connections };
    Database::connect(&options).await.map_err(|error| database_error(&error))
}

/// What a failure of the database means for a start.
pub fn database_error(error: &StoreError) -> StartError {
    let hint = match error {
        StoreError::SchemaOutdated(_) => "run this program with `migrate` first",
        _ => "check database.url, and that the server runs",
    };
    let why = match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    };
    StartError::unavailable("the database cannot be used", why, hint)
}
