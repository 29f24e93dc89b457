//! What the caller says about a stream.

use std::fmt;

use crate::sse::DEFAULT_MAX_FRAME;

/// Makes our id of a response out of the upstream's.
pub type RenameId = Box<dyn Fn(&str) -> String>;

/// What a stream is to look like for its client.
pub struct FilterSettings {
    /// The name that the client asked for.
    pub client_model: String,
    /// The client asked for the usage chunk.
    pub include_usage: bool,
    /// For errors.
    pub request_id: String,
    /// In bytes.
    pub max_frame: usize,
    /// Only Responses have ids that clients use later.
    pub rename_id: Option<RenameId>,
}

impl FilterSettings {
    /// Settings with the usual bound on frames, under which ids stay as they are.
    pub const fn new(client_model: String, include_usage: bool, request_id: String) -> Self {
        Self { client_model, include_usage, request_id, max_frame: DEFAULT_MAX_FRAME, rename_id: None }
    }
}

impl fmt::Debug for FilterSettings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("FilterSettings")
            .field("client_model", &self.client_model)
            .field("include_usage", &self.include_usage)
            .field("request_id", &self.request_id)
            .field("max_frame", &self.max_frame)
            .field("rename_id", &self.rename_id.is_some())
            .finish()
    }
}
