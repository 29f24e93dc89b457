use maas_model_catalog::{Migrator, SCHEMA};
use maas_store::{ConnectOptions, Database, DatabaseUrl};
use maas_testkit::Postgres;
use sea_orm::{ConnectionTrait as _, DatabaseBackend, Statement};
use sea_orm_migration::MigratorTrait as _;

async fn with_each_database(check: impl AsyncFn(Database)) {
    let folder = tempfile::TempDir::new().unwrap();
    let postgres = Postgres::shared().await.unwrap().database().await.unwrap();
    let sqlite = DatabaseUrl::Sqlite(folder.path().join("catalog.db"));
    for url in [sqlite, DatabaseUrl::Postgres(postgres.url().to_owned())] {
        let options = ConnectOptions { url, schema: SCHEMA, max_connections: 2 };
        let database = Database::connect(&options).await.unwrap();
        maas_model_catalog::migrate(&database).await.unwrap();
        check(database).await;
    }
}

#[tokio::test]
async fn migrations_run_up_down_and_up() {
    with_each_database(async |database| {
        Migrator::down(database.writer(), None).await.unwrap();
        assert!(maas_model_catalog::check_schema(&database).await.is_err());
        maas_model_catalog::migrate(&database).await.unwrap();
        maas_model_catalog::check_schema(&database).await.unwrap();
        // The last step alone, as after a release that is taken back.
        Migrator::down(database.writer(), Some(1)).await.unwrap();
        maas_model_catalog::migrate(&database).await.unwrap();
    })
    .await;
}

/// What a version before the columns of routing writes.
const OLD_MODEL: &str = "INSERT INTO models (id, version, name, display_name, description, aliases, provider, family, \
    category, kind, capabilities, context_length, max_output_tokens, owner, licence, tags, lifecycle, enabled, \
    restricted, available, created_at, updated_at) VALUES (ID, 1, 'm', 'm', '', '[]', '', '', '', 'chat', '[]', 0, 0, \
    '', '', '[]', 'available', true, false, true, 1, 1)";
const OLD_UPSTREAM: &str = "INSERT INTO upstreams (id, model_id, version, name, base_url, dialect, upstream_model, \
    credential_kind, weight, priority, enabled, connect_timeout_ms, first_byte_timeout_ms, gap_timeout_ms, \
    total_timeout_ms, created_at, updated_at) VALUES (ID, ID, 1, 'u', 'http://h', 'openai', 'm', 'none', 100, 0, true, \
    0, 0, 0, 0, 1, 1)";

#[tokio::test]
async fn the_version_before_goes_on_adding_rows() {
    with_each_database(async |database| {
        let writer = database.writer();
        let id = match writer.get_database_backend() {
            DatabaseBackend::Sqlite => "x'0199d3c0a1b27c3d8e4f5a6b7c8d9e0f'",
            _ => "'0199d3c0a1b27c3d8e4f5a6b7c8d9e0f'",
        };
        for insert in [OLD_MODEL, OLD_UPSTREAM] {
            writer.execute_unprepared(&insert.replace("ID", id)).await.unwrap();
        }
        let select = "SELECT routing || affinity || fallbacks || context_fallbacks || headers || native_apis || \
            api_version || ca_file || instance || health_path || capacity FROM models, upstreams WHERE NOT mirror";
        let row = writer.query_one_raw(Statement::from_string(writer.get_database_backend(), select)).await;
        let defaults: String = row.unwrap().unwrap().try_get_by_index(0).unwrap();
        assert_eq!(defaults, "weightednone[][]{}[]0");
    })
    .await;
}
