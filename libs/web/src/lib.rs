//! What every control-plane HTTP interface shares: problem+json, the caller and their permissions, checked bodies and
//! queries, entity tags, the OpenAPI document, health and metrics endpoints, listeners.
//!
//! It knows no service and no database. A handler takes its permission as an argument ([`Require`]), so that an
//! operation without one does not compile into the document's default of "nobody". To add a permission, add a line to
//! the table in [`permission`]; to add an error code, one to the table in [`problem`] and to `docs/errors.md`.
#![forbid(unsafe_code)]

pub mod attempts;
pub mod body;
pub mod caller;
pub mod client_address;
pub mod edge;
pub mod etag;
pub mod explorer;
pub mod export;
mod gate;
pub mod internal;
pub mod middleware;
pub mod openai_error;
pub mod openapi;
pub mod operations;
mod optional_body;
pub mod path;
pub mod permission;
pub mod problem;
pub mod query;
mod query_values;
pub mod refusals;
pub mod remote_caller;
pub mod server;

pub use body::JsonBody;
pub use caller::{
    Caller, CallerResolver, Credential, IdentityUnavailable, SharedCallerResolver, TeamMembership, Via, WebSettings,
};
pub use gate::Gate;
pub use optional_body::OptionalBody;
pub use path::{PathPair, PathParam};
pub use permission::{AccessScope, ForInference, Permission, Require};
pub use problem::{FieldFault, Problem, ProblemCode};
pub use query::{PageQuery, QueryParams, page_of};
