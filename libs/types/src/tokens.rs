//! What a request consumed, in one normal form for every dialect.

use serde::{Deserialize, Serialize};

/// Token counts of one request, normalised: `cached_input`, `cache_write_input` and `audio_input` are **subsets** of
/// `input`; `reasoning_output` and `audio_output` are subsets of `output`. Providers that report disjoint counts
/// (Anthropic) are converted when their answer is read, never later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TokenCounts {
    pub input: u64,
    pub cached_input: u64,
    pub cache_write_input: u64,
    pub audio_input: u64,
    pub output: u64,
    pub reasoning_output: u64,
    pub audio_output: u64,
    pub images: u64,
}

/// How good the counts are, from best to worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum UsageQuality {
    /// The upstream reported them at the end of the answer.
    Exact,
    /// The upstream reported them before the answer was complete.
    Partial,
    /// Counted from the text that was relayed.
    Estimated,
    /// Nothing was produced, or nothing is known.
    None,
}

impl UsageQuality {
    pub const ALL: [Self; 4] = [Self::Exact, Self::Partial, Self::Estimated, Self::None];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Partial => "partial",
            Self::Estimated => "estimated",
            Self::None => "none",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|quality| quality.as_str() == text)
    }
}
