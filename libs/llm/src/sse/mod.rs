//! Server-sent events: cutting a byte stream into frames, and reading one frame.

mod frame;
mod splitter;

pub use frame::Frame;
pub use splitter::{FrameBytes, FrameSplitter, FrameTooLarge};

/// The largest frame that is accepted unless told otherwise.
pub const DEFAULT_MAX_FRAME: usize = 1 << 20;
