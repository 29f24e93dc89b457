//! What both buses promise, checked on both, and what only NATS can go through.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod handed_out;
mod in_process;
mod messages;
mod outages;
mod provisioning;
mod state;
mod stuck;
mod talk;
mod world;

/// Runs each case once on the bus inside the process and once on a NATS server of its own.
macro_rules! on_both {
    ($($case:ident),+ $(,)?) => {
        mod in_process {
            $(#[tokio::test]
            async fn $case() {
                super::$case(std::sync::Arc::new(maas_bus::InProcessBus::new())).await;
            })+
        }
        mod nats {
            $(#[tokio::test]
            async fn $case() {
                let world = crate::world::NatsWorld::start().await;
                super::$case(world.bus.clone()).await;
            })+
        }
    };
}
pub(crate) use on_both;
