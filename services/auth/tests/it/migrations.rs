use maas_store::Database;
use sea_orm_migration::MigratorTrait as _;

use crate::world;

async fn goes_up_down_and_up(database: Database) {
    maas_auth::migrate(&database).await.unwrap();
    let transaction = database.begin().await.unwrap();
    maas_auth::Migrator::down(&transaction, None).await.unwrap();
    transaction.commit().await.unwrap();
    assert!(maas_auth::check_schema(&database).await.is_err());
    maas_auth::migrate(&database).await.unwrap();
    maas_auth::migrate(&database).await.unwrap();
    maas_auth::check_schema(&database).await.unwrap();
}

#[tokio::test]
async fn migrations_go_up_down_and_up_on_sqlite() {
    let (database, _keeper) = world::sqlite().await;
    goes_up_down_and_up(database).await;
}

#[tokio::test]
async fn migrations_go_up_down_and_up_on_postgres() {
    let (database, _keeper) = world::postgres().await;
    goes_up_down_and_up(database).await;
}
