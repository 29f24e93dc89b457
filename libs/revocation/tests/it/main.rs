//! The owner's side on SQLite and on Postgres, beside a bus in this process.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod answers;
mod confirmations;
mod counting;
mod world;

/// One test for each database.
macro_rules! on_both {
    ($($name:ident)*) => {$(
        mod $name {
            #[tokio::test]
            async fn on_sqlite() {
                super::stories::$name($crate::world::World::sqlite().await).await;
            }

            #[tokio::test]
            async fn on_postgres() {
                super::stories::$name($crate::world::World::postgres().await).await;
            }
        }
    )*};
}
pub(crate) use on_both;
