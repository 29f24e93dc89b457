//! The side that revokes: in the service that owns the rows.
//!
//! What is durable at each failure: a revocation is counted in the transaction that makes it ([`record`]), so it is told
//! to every proxy if and only if it happened. A process that ends between commit and broadcast leaves the telling to the
//! other replicas, to its next start, and to the proxies, which ask every two seconds.

mod announcing;
mod counter;
mod fleet;
mod member;
mod polls;
mod service;
mod tables;

pub use counter::{latest, record, renew_epoch};
pub use fleet::{Confirmation, Fleet, PendingProxy};
pub use service::{RevocationOwner, RevokedValue, RevokedValues};
pub use tables::{create_tables, drop_tables};
