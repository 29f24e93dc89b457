//! Behaviour of the service through its real app, each test with a database of its own, on SQLite and on Postgres.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

/// Runs each `async fn name(world: World)` on both databases.
macro_rules! on_both_databases {
    ($($name:ident)*) => {$(
        mod $name {
            #[actix_web::test]
            async fn on_sqlite() {
                super::$name($crate::world::World::on_sqlite().await).await;
            }

            #[actix_web::test]
            async fn on_postgres() {
                super::$name($crate::world::World::on_postgres().await).await;
            }
        }
    )*};
}

mod bus;
mod create_key;
mod degraded;
mod delivery;
mod document;
mod export_key_states;
mod list_keys;
mod lookup;
mod migrations;
mod rights;
mod status;
mod update_key;
mod world;
