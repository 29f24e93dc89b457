//! One endpoint of one model.

use maas_types::input::{InputFault, MAX_NAME, check_name, check_text};
use maas_types::{ModelId, SourceId, Timestamp, UpstreamId};
use reqwest::Url;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use super::credential::{CredentialInput, NewCredential, UpstreamCredential};

const MAX_URL: usize = 2_048;
const MAX_WEIGHT: u32 = 1_000_000;
const MAX_TIMEOUT_MS: u32 = 24 * 60 * 60 * 1_000;
pub const DEFAULT_WEIGHT: u32 = 100;

/// The language an upstream speaks. Others (Anthropic, Azure OpenAI) are added here and in the proxy.
pub const OPENAI_DIALECT: &str = "openai";

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Upstream {
    pub id: UpstreamId,
    pub model_id: ModelId,
    pub version: u64,
    pub name: String,
    pub base_url: String,
    pub dialect: String,
    pub upstream_model: String,
    pub credential: UpstreamCredential,
    pub weight: u32,
    pub priority: u32,
    pub enabled: bool,
    #[serde(flatten)]
    pub timeouts: Timeouts,
    /// The source that made it and keeps it up to date; none for those that people added.
    pub source_id: Option<SourceId>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// Milliseconds; 0 = what the proxy does by default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Timeouts {
    pub connect_timeout_ms: u32,
    pub first_byte_timeout_ms: u32,
    pub gap_timeout_ms: u32,
    pub total_timeout_ms: u32,
}

impl Upstream {
    pub fn new(model_id: ModelId, now: Timestamp) -> Self {
        Self {
            id: UpstreamId::new_at(now),
            model_id,
            version: 1,
            name: String::new(),
            base_url: String::new(),
            dialect: OPENAI_DIALECT.to_owned(),
            upstream_model: String::new(),
            credential: UpstreamCredential::None,
            weight: DEFAULT_WEIGHT,
            priority: 0,
            enabled: true,
            timeouts: Timeouts::default(),
            source_id: None,
            created_at: now,
            updated_at: now,
        }
    }
}

/// What may be said about an upstream; in a change, a field that is left out stays as it is.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CatalogUpstreamInput)]
pub struct UpstreamFields {
    /// What people call it; the host of the URL when left out.
    #[schema(example = "vllm-a")]
    pub name: Option<String>,
    /// Scheme, host and path before the endpoint. Required when an upstream is made.
    #[schema(example = "http://llama.models.svc:8000/v1")]
    pub base_url: Option<String>,
    /// Only `openai` is known to this version.
    #[schema(example = "openai")]
    pub dialect: Option<String>,
    /// What the upstream calls the model; the model's name when left out.
    #[schema(example = "meta-llama/Llama-3.1-8B-Instruct")]
    pub upstream_model: Option<String>,
    /// null removes it. Changing the scheme, host or port of `base_url` clears a stored secret.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<CredentialInput>)]
    pub credential: Option<Option<CredentialInput>>,
    /// The share among upstreams of the same priority; 100 when left out.
    #[schema(maximum = 1000000, example = 100)]
    pub weight: Option<u32>,
    /// Lower is tried first.
    #[schema(example = 0)]
    pub priority: Option<u32>,
    pub enabled: Option<bool>,
    /// Milliseconds; 0 leaves it to the proxy, as for the other three.
    pub connect_timeout_ms: Option<u32>,
    pub first_byte_timeout_ms: Option<u32>,
    pub gap_timeout_ms: Option<u32>,
    pub total_timeout_ms: Option<u32>,
}

/// Tells "null" from "left out".
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<CredentialInput>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// What is to become of the credential.
#[derive(Debug, Clone)]
pub enum CredentialChange {
    /// Kept, unless the origin changes under a sealed secret.
    Keep,
    Remove,
    Set(NewCredential),
}

impl UpstreamFields {
    /// Every fault, with pointers below `at`. `is_new` asks for what a new upstream needs.
    pub fn check(&self, at: &str, is_new: bool, faults: &mut Vec<InputFault>) -> CredentialChange {
        if let Some(name) = &self.name {
            check_name(&format!("{at}/name"), name, faults);
        }
        if let Some(model) = &self.upstream_model {
            check_name(&format!("{at}/upstream_model"), model, faults);
        }
        match &self.base_url {
            Some(url) => {
                if let Err(detail) = parse_base_url(url) {
                    faults.push(InputFault::new(format!("{at}/base_url"), "invalid_url", detail));
                }
            }
            None if is_new => faults.push(InputFault::new(format!("{at}/base_url"), "missing_field", "is required")),
            None => {}
        }
        if self.dialect.as_deref().is_some_and(|dialect| dialect != OPENAI_DIALECT) {
            let detail = format!("this version knows `{OPENAI_DIALECT}` only");
            faults.push(InputFault::new(format!("{at}/dialect"), "invalid_value", detail));
        }
        self.check_numbers(at, faults);
        match &self.credential {
            None => CredentialChange::Keep,
            Some(None) => CredentialChange::Remove,
            Some(Some(input)) => match input.checked(&format!("{at}/credential"), faults) {
                Some(credential) => CredentialChange::Set(credential),
                None => CredentialChange::Keep,
            },
        }
    }

    fn check_numbers(&self, at: &str, faults: &mut Vec<InputFault>) {
        let numbers = [
            ("weight", self.weight, MAX_WEIGHT),
            ("priority", self.priority, MAX_WEIGHT),
            ("connect_timeout_ms", self.connect_timeout_ms, MAX_TIMEOUT_MS),
            ("first_byte_timeout_ms", self.first_byte_timeout_ms, MAX_TIMEOUT_MS),
            ("gap_timeout_ms", self.gap_timeout_ms, MAX_TIMEOUT_MS),
            ("total_timeout_ms", self.total_timeout_ms, MAX_TIMEOUT_MS),
        ];
        for (field, value, max) in numbers {
            if value.is_some_and(|value| value > max) {
                faults.push(InputFault::new(format!("{at}/{field}"), "out_of_range", format!("at most {max}")));
            }
        }
    }

    /// Puts what is said here into the upstream, all but the credential. Call it after [`Self::check`]. `model_name`
    /// stands in where nothing is said about the upstream's model.
    pub fn apply(&self, model_name: &str, upstream: &mut Upstream) {
        if let Some(url) = self.base_url.as_deref().and_then(|url| parse_base_url(url).ok()) {
            upstream.base_url = base_url_text(&url);
            if upstream.name.is_empty() {
                upstream.name = url.host_str().unwrap_or_default().to_owned();
            }
        }
        if let Some(name) = &self.name {
            upstream.name.clone_from(name);
        }
        if let Some(model) = &self.upstream_model {
            upstream.upstream_model.clone_from(model);
        } else if upstream.upstream_model.is_empty() {
            upstream.upstream_model = model_name.to_owned();
        }
        let timeouts = &mut upstream.timeouts;
        for (target, value) in [
            (&mut upstream.weight, self.weight),
            (&mut upstream.priority, self.priority),
            (&mut timeouts.connect_timeout_ms, self.connect_timeout_ms),
            (&mut timeouts.first_byte_timeout_ms, self.first_byte_timeout_ms),
            (&mut timeouts.gap_timeout_ms, self.gap_timeout_ms),
            (&mut timeouts.total_timeout_ms, self.total_timeout_ms),
        ] {
            *target = value.unwrap_or(*target);
        }
        upstream.enabled = self.enabled.unwrap_or(upstream.enabled);
    }
}

/// A URL that endpoints can be appended to: http or https, a host, nothing after the path, no credentials in it.
pub fn parse_base_url(text: &str) -> Result<Url, &'static str> {
    let mut faults = Vec::new();
    check_text("", text, MAX_URL, &mut faults);
    if !faults.is_empty() || text.chars().any(char::is_whitespace) {
        return Err("must be a URL of at most 2048 characters without white space");
    }
    let url = Url::parse(text).map_err(|_| "must be an absolute http or https URL")?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none_or(str::is_empty) {
        return Err("must be an absolute http or https URL with a host");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must not hold a user or password: use the credential");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("must not have a query or a fragment");
    }
    if url.host_str().is_some_and(|host| host.len() > MAX_NAME) {
        return Err("the host is too long");
    }
    Ok(url)
}

/// The form that is stored and sent to the proxies; both read scheme and authority out of this same text.
pub fn base_url_text(url: &Url) -> String {
    url.as_str().trim_end_matches('/').to_owned()
}

/// Scheme and authority (host, and port unless it is the scheme's own) of a stored base URL.
pub fn origin(base_url: &str) -> (&str, &str) {
    let (scheme, rest) = base_url.split_once("://").unwrap_or(("", base_url));
    (scheme, rest.split('/').next().unwrap_or_default())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn base_urls_are_kept_in_one_form() {
        let text = |url| base_url_text(&parse_base_url(url).unwrap());
        assert_eq!(text("HTTPS://API.Example.com:443/v1/"), "https://api.example.com/v1");
        assert_eq!(text("http://host:8000"), "http://host:8000");
        assert_eq!(origin("https://api.example.com/v1"), ("https", "api.example.com"));
        assert_eq!(origin("http://[::1]:8000"), ("http", "[::1]:8000"));
    }

    #[test]
    fn urls_that_hide_something_are_refused() {
        for url in
            ["ftp://x/", "host:8000", "http://", "http://u:p@h/", "http://h/?a=1", "http://h/#x", "http://h/ v", "/v1"]
        {
            assert!(parse_base_url(url).is_err(), "{url}");
        }
    }

    #[test]
    fn null_and_left_out_differ_for_the_credential() {
        let parse = |json| serde_json::from_str::<UpstreamFields>(json).unwrap();
        assert!(parse("{}").credential.is_none());
        assert!(matches!(parse(r#"{"credential":null}"#).credential, Some(None)));
    }
}
