//! What travels on the bus: the wire types generated from `proto/`, their subjects, and the checks on what arrives.
//!
//! This crate publishes and consumes nothing (see `maas-bus`) and stores nothing (see `maas-store`). To add an event:
//! write the message in `proto/`, run `make generate`, give it a subject or bucket in [`topic`], and a validation here.
#![forbid(unsafe_code)]

pub mod audit_entry;
pub mod delivery;
pub mod plans;
pub mod source;
pub mod topic;
pub mod validate;

pub use delivery::Delivery;
pub use source::{SourceError, SourceId};
pub use topic::Bucket;

/// Usage events, heartbeats and watermarks (`proto/maas/usage/v1`).
#[allow(clippy::all, missing_docs)]
pub mod usage {
    include!("generated/maas.usage.v1.rs");
}

/// Last values of keys, users and models (`proto/maas/state/v1`).
#[allow(clippy::all, missing_docs)]
pub mod state {
    include!("generated/maas.state.v1.rs");
}

/// Audit records (`proto/maas/audit/v1`).
#[allow(clippy::all, missing_docs)]
pub mod audit {
    include!("generated/maas.audit.v1.rs");
}

/// Revocations and what the proxies have taken over (`proto/maas/revocation/v1`).
#[allow(clippy::all, missing_docs)]
pub mod revocation {
    include!("generated/maas.revocation.v1.rs");
}
