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

mod access;
mod bulk_revoke;
mod bus;
mod create_key;
mod degraded;
mod delivery;
mod document;
mod ephemeral;
mod export_key_states;
mod key_uses;
mod list_keys;
mod lookup;
mod migrations;
mod plans;
mod presets;
mod refusals;
mod report_leak;
mod restrictions;
mod rights;
mod rotate_key;
mod status;
mod subscription_cascades;
mod subscription_walks;
mod subscriptions;
mod teams;
mod update_key;
mod world;
