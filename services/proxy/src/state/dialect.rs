//! The families of servers: where their operations are and how they want a credential.

use http::{HeaderName, HeaderValue, Uri, header, uri::PathAndQuery};
use maas_events::state::UpstreamState;
use maas_types::Operation;

/// The api-version that is asked for where the catalogue names none: the last one with dates, which every Azure resource
/// has.
const AZURE_API_VERSION: &str = "2024-10-21";
/// Sent to Anthropic where the client names none.
const ANTHROPIC_VERSION: HeaderValue = HeaderValue::from_static("2023-06-01");

/// The family of servers that an upstream belongs to: its paths, its way of authentication, its native APIs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    OpenAi,
    Anthropic,
    AzureOpenAi,
}

impl Dialect {
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "openai" => Some(Self::OpenAi),
            "anthropic" => Some(Self::Anthropic),
            "azure_openai" | "azure-openai" => Some(Self::AzureOpenAi),
            _ => None,
        }
    }

    /// The header in which it wants its credential.
    pub fn credential_header(self, secret: &str) -> Result<(HeaderName, HeaderValue), &'static str> {
        let not_a_header = |_| "the credential has characters that no HTTP header can carry";
        let secret = secret.trim();
        let (name, value) = match self {
            Self::OpenAi => (header::AUTHORIZATION, HeaderValue::try_from(format!("Bearer {secret}"))),
            Self::Anthropic => (HeaderName::from_static("x-api-key"), HeaderValue::try_from(secret)),
            Self::AzureOpenAi => (HeaderName::from_static("api-key"), HeaderValue::try_from(secret)),
        };
        let mut value = value.map_err(not_a_header)?;
        value.set_sensitive(true);
        Ok((name, value))
    }

    /// Where the operation is below the base URL; `None` if such a server has nothing of the kind.
    pub fn uri(self, base: &Uri, operation: Operation, state: &UpstreamState) -> Option<Uri> {
        let prefix = base.path().trim_end_matches('/');
        match self {
            Self::OpenAi => with_path(base, &openai_path(prefix, operation)),
            Self::Anthropic => match operation {
                Operation::Messages => with_path(base, &format!("{}/v1/messages", without_version(prefix))),
                Operation::CountTokens => {
                    with_path(base, &format!("{}/v1/messages/count_tokens", without_version(prefix)))
                }
                _ => None,
            },
            Self::AzureOpenAi => with_path(base, &azure_path(prefix, operation, state)?),
        }
    }

    /// What Anthropic wants with each request, unless the client says it itself.
    pub const fn default_version(self) -> Option<HeaderValue> {
        match self {
            Self::Anthropic => Some(ANTHROPIC_VERSION),
            Self::OpenAi | Self::AzureOpenAi => None,
        }
    }
}

/// Below the base URL; vLLM has its tokenizer beside `/v1`, not below it.
fn openai_path(prefix: &str, operation: Operation) -> String {
    match operation {
        Operation::Tokenize | Operation::Detokenize => format!("{}{}", without_version(prefix), endpoint(operation)),
        _ => format!("{prefix}{}", endpoint(operation)),
    }
}

/// Azure's paths: the one of 2025 (`…/openai/v1`, like OpenAI's own) if the base URL ends in it, else the one with
/// deployments. `https://learn.microsoft.com/azure/ai-foundry/openai/reference`
fn azure_path(prefix: &str, operation: Operation, state: &UpstreamState) -> Option<String> {
    let given = Some(state.api_version.as_str()).filter(|version| !version.is_empty());
    if prefix.ends_with("/openai/v1") {
        let query = given.map(|version| format!("?api-version={version}")).unwrap_or_default();
        return Some(format!("{prefix}{}{query}", endpoint(operation)));
    }
    let version = given.unwrap_or(AZURE_API_VERSION);
    let prefix = prefix.strip_suffix("/openai").unwrap_or(prefix);
    match operation {
        Operation::Responses => Some(format!("{prefix}/openai/responses?api-version={version}")),
        Operation::Messages
        | Operation::CountTokens
        | Operation::Rerank
        | Operation::Moderation
        | Operation::Tokenize
        | Operation::Detokenize => None,
        _ => {
            let deployment = path_segment(&state.upstream_model);
            Some(format!("{prefix}/openai/deployments/{deployment}{}?api-version={version}", endpoint(operation)))
        }
    }
}

const fn endpoint(operation: Operation) -> &'static str {
    match operation {
        Operation::Chat => "/chat/completions",
        Operation::Completion => "/completions",
        Operation::Embeddings => "/embeddings",
        Operation::Responses => "/responses",
        Operation::Messages => "/messages",
        Operation::CountTokens => "/messages/count_tokens",
        Operation::Rerank => "/rerank",
        Operation::Speech => "/audio/speech",
        Operation::Transcription => "/audio/transcriptions",
        Operation::Translation => "/audio/translations",
        Operation::ImageGeneration => "/images/generations",
        Operation::ImageEdit => "/images/edits",
        Operation::Moderation => "/moderations",
        Operation::Tokenize => "/tokenize",
        Operation::Detokenize => "/detokenize",
    }
}

fn without_version(prefix: &str) -> &str {
    prefix.strip_suffix("/v1").unwrap_or(prefix)
}

/// The text as one segment of a path, whatever is in it.
fn path_segment(text: &str) -> String {
    let mut segment = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'~' => segment.push(char::from(byte)),
            // Two dots alone would climb up.
            b'.' if !matches!(text, "." | "..") => segment.push('.'),
            _ => segment.push_str(&format!("%{byte:02X}")),
        }
    }
    segment
}

/// The same scheme and authority with another path and query.
pub(super) fn with_path(base: &Uri, path_and_query: &str) -> Option<Uri> {
    let mut parts = base.clone().into_parts();
    parts.path_and_query = Some(path_and_query.parse::<PathAndQuery>().ok()?);
    Uri::from_parts(parts).ok()
}
