//! Errors of the data plane: the one list of codes, what a client is shown, and what an upstream has said.

mod body;
mod code;
mod overflow;
mod upstream;

pub use body::{DOC_URL_BASE, ErrorBody, error_body};
pub use code::{ApiErrorCode, ErrorType};
pub(crate) use upstream::read_error_object;
pub use upstream::{MAX_MESSAGE_CHARS, UpstreamErrorInfo, parse_upstream_error};
