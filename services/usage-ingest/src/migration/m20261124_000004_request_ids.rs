//! Requests are found by the id that their client was told.
//!
//! Holds the ingest's lock while the index is made, a second for some hundred thousand events; messages wait and come
//! after it. Our ids begin with their time, so entering one touches the page that the one before is on.

use sea_orm::DatabaseBackend;
use sea_orm_migration::prelude::*;

pub struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m20261124_000004_request_ids"
    }
}

const INDEX: &str = "usage_events_by_request";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        if manager.get_database_backend() == DatabaseBackend::Postgres {
            // That of `store::lock`: whoever books waits until this transaction ends.
            let lock = "SELECT pg_advisory_xact_lock(hashtext('maas-usage-ingest'), 0)";
            manager.get_connection().execute_unprepared(lock).await?;
        }
        let index = Index::create().name(INDEX).table("usage_events").col("request_id").to_owned();
        manager.create_index(index).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_index(Index::drop().name(INDEX).table("usage_events").to_owned()).await
    }
}
