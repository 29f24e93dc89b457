use maas_model_catalog::{Migrator, SCHEMA};
use maas_store::{ConnectOptions, Database, DatabaseUrl};
use maas_testkit::Postgres;
use sea_orm_migration::MigratorTrait as _;

#[tokio::test]
async fn migrations_run_up_down_and_up() {
    let folder = tempfile::TempDir::new().unwrap();
    let postgres = Postgres::shared().await.unwrap().database().await.unwrap();
    let sqlite = DatabaseUrl::Sqlite(folder.path().join("catalog.db"));
    for url in [sqlite, DatabaseUrl::Postgres(postgres.url().to_owned())] {
        let options = ConnectOptions { url, schema: SCHEMA, max_connections: 2 };
        let database = Database::connect(&options).await.unwrap();
        maas_model_catalog::migrate(&database).await.unwrap();
        Migrator::down(database.writer(), None).await.unwrap();
        assert!(maas_model_catalog::check_schema(&database).await.is_err());
        maas_model_catalog::migrate(&database).await.unwrap();
        maas_model_catalog::check_schema(&database).await.unwrap();
    }
}
