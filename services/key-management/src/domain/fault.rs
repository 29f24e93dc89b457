//! What is wrong with an input, and where.

/// One fault of an input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputFault {
    /// JSON pointer into the body, or `?name` for a query parameter.
    pub pointer: String,
    pub code: &'static str,
    pub detail: String,
}

impl InputFault {
    pub fn new(pointer: impl Into<String>, code: &'static str, detail: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), code, detail: detail.into() }
    }
}
