//! What every control-plane HTTP interface shares: problem+json, the caller and their permissions, checked bodies and
//! queries, entity tags, the OpenAPI document, health and metrics endpoints, listeners.
//!
//! It knows no service and no database. A handler takes its permission as an argument ([`Require`]), so that an
//! operation without one does not compile into the document's default of "nobody". To add a permission, add a line to
//! the table in [`permission`]; to add an error code, one to the table in [`problem`] and to `docs/errors.md`.
#![forbid(unsafe_code)]

pub mod body;
pub mod caller;
pub mod edge;
pub mod etag;
pub mod explorer;
mod gate;
pub mod internal;
pub mod middleware;
pub mod openapi;
pub mod operations;
mod optional_body;
pub mod path;
pub mod permission;
pub mod problem;
pub mod query;
mod query_values;
pub mod remote_caller;
pub mod server;

pub use body::JsonBody;
pub use caller::{Caller, CallerResolver, Credential, IdentityUnavailable, SharedCallerResolver, Via, WebSettings};
pub use optional_body::OptionalBody;
pub use path::PathParam;
pub use permission::{AccessScope, Permission, Require};
pub use problem::{FieldFault, Problem, ProblemCode};
pub use query::{PageQuery, QueryParams, page_of};
