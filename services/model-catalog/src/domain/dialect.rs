//! What upstreams speak.

use std::collections::BTreeSet;

use maas_types::input::InputFault;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::texts::texts;

texts! {
    /// The API of an upstream. The proxies translate into it what clients ask for.
    UpstreamDialect {
        OpenAi = "openai",
        Anthropic = "anthropic",
        AzureOpenAi = "azure_openai",
    }
}

/// An API that an upstream answers by itself, besides those of its dialect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum UpstreamNativeApi {
    Responses,
    Messages,
}

impl UpstreamNativeApi {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Responses => "responses",
            Self::Messages => "messages",
        }
    }
}

impl UpstreamDialect {
    /// Refuses fields that mean nothing to an upstream of this dialect. Faults point below `at`.
    pub fn check(
        self,
        at: &str,
        api_version: &str,
        native_apis: &BTreeSet<UpstreamNativeApi>,
        faults: &mut Vec<InputFault>,
    ) {
        if !api_version.is_empty() && self != Self::AzureOpenAi {
            let detail = format!("an upstream of dialect {} has none: an empty text removes it", self.as_str());
            faults.push(InputFault::new(format!("{at}/api_version"), "not_allowed", detail));
        }
        // Anthropic has no Responses API, Azure OpenAI no Messages API; an OpenAI-compatible server may have both.
        let foreign = match self {
            Self::OpenAi => None,
            Self::Anthropic => Some(UpstreamNativeApi::Responses),
            Self::AzureOpenAi => Some(UpstreamNativeApi::Messages),
        };
        if let Some(api) = foreign.filter(|api| native_apis.contains(api)) {
            let detail = format!("an upstream of dialect {} does not speak {}", self.as_str(), api.as_str());
            faults.push(InputFault::new(format!("{at}/native_apis"), "not_allowed", detail));
        }
    }
}

/// A dated version, a preview of one, or the rolling `preview`.
pub fn check_api_version(text: &str) -> Result<(), &'static str> {
    let date = text.strip_suffix("-preview").unwrap_or(text);
    if text == "preview" || is_date(date) {
        return Ok(());
    }
    Err("must be a version such as 2024-10-21 or 2025-01-01-preview, or preview")
}

/// The form of a date only: which versions there are is known to the provider.
fn is_date(text: &str) -> bool {
    let fits = |(at, byte): (usize, u8)| if matches!(at, 4 | 7) { byte == b'-' } else { byte.is_ascii_digit() };
    text.len() == 10 && text.bytes().enumerate().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn api_versions_are_dates_previews_or_preview() {
        for text in ["2024-10-21", "2025-01-01-preview", "preview"] {
            assert!(check_api_version(text).is_ok(), "{text}");
        }
        for text in
            ["v1", "2024-10", "2024-10-21-", "2024-10-21&x=1", "-preview", "2024/10/21", "Preview", "２０24-10-21"]
        {
            assert!(check_api_version(text).is_err(), "{text}");
        }
    }

    #[test]
    fn fields_of_another_dialect_are_refused() {
        let both = BTreeSet::from([UpstreamNativeApi::Messages, UpstreamNativeApi::Responses]);
        for (dialect, expected) in [
            (UpstreamDialect::OpenAi, vec!["/api_version"]),
            (UpstreamDialect::AzureOpenAi, vec!["/native_apis"]),
            (UpstreamDialect::Anthropic, vec!["/api_version", "/native_apis"]),
        ] {
            let mut faults = Vec::new();
            dialect.check("", "preview", &both, &mut faults);
            let pointers: Vec<_> = faults.iter().map(|fault| fault.pointer.as_str()).collect();
            assert_eq!(pointers, expected);
        }
    }
}
