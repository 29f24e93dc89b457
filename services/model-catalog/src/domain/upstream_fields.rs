//! What may be said about an upstream, in a body of the API and in the models file alike: every field may be left out.

use std::collections::{BTreeMap, BTreeSet};

use maas_types::input::{InputFault, check_name};
use serde::{Deserialize, Deserializer};
use utoipa::ToSchema;

use super::{
    credential::{CredentialInput, NewCredential},
    dialect::{UpstreamDialect, UpstreamNativeApi, check_api_version},
    instance::check_instance,
    model_fields::put,
    text::is_plain_file,
    upstream::{Upstream, base_url_text, check_health_path, parse_base_url},
    upstream_headers::{check_headers, normalized},
};

const MAX_WEIGHT: u32 = 1_000_000;
const MAX_CAPACITY: u32 = 1_000_000;
const MAX_TIMEOUT_MS: u32 = 24 * 60 * 60 * 1_000;

/// What may be said about an upstream; in a change, a field that is left out stays as it is. An empty text removes
/// `api_version`, `ca_file`, `instance` and `health_path`.
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
    /// What it speaks; `openai` when left out.
    pub dialect: Option<UpstreamDialect>,
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
    /// It gets a copy of the model's requests, and its answers go nowhere; false when left out.
    pub mirror: Option<bool>,
    /// Requests that each proxy sends to it at the same time; 0, also when left out, is no limit.
    #[schema(maximum = 1000000, example = 64)]
    pub capacity: Option<u32>,
    /// Milliseconds; 0 leaves it to the proxy, as for the other three.
    pub connect_timeout_ms: Option<u32>,
    pub first_byte_timeout_ms: Option<u32>,
    pub gap_timeout_ms: Option<u32>,
    pub total_timeout_ms: Option<u32>,
    /// Up to 16 headers that it gets with each request; replaces those it had. No place for secrets: the values are
    /// shown to administrators and in the audit log, and headers that carry credentials are refused.
    #[schema(example = json!({"openai-organization": "org-4711"}))]
    pub headers: Option<BTreeMap<String, String>>,
    /// What it answers by itself besides the API of its dialect; everything else is translated. `messages` goes without
    /// saying for `anthropic`.
    #[schema(max_items = 2, example = json!(["responses"]))]
    pub native_apis: Option<Vec<UpstreamNativeApi>>,
    /// `api-version` of an `azure_openai` upstream, a date with or without `-preview`, or `preview`.
    #[schema(example = "2024-10-21")]
    pub api_version: Option<String>,
    /// The name of a PEM file with certificate authorities, in the proxies' folder of them; the machine's authorities
    /// when left out.
    #[schema(example = "internal-ca.pem")]
    pub ca_file: Option<String>,
    /// `namespace/service`, two DNS labels: the path under which this server's own model names can be called. The
    /// namespace is none of the platform's own path segments.
    #[schema(example = "llm/gemini-llamastack")]
    pub instance: Option<String>,
    /// A path on the upstream's origin that answers 2xx while it can serve; without one it is not asked.
    #[schema(example = "/health")]
    pub health_path: Option<String>,
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
    /// Every fault, with pointers below `at`. `is_new` asks for what a new upstream needs; of a change, only
    /// [`Upstream::check_dialect`] knows whether the whole still makes sense.
    pub fn check(&self, at: &str, is_new: bool, faults: &mut Vec<InputFault>) -> CredentialChange {
        for (field, name) in [("name", &self.name), ("upstream_model", &self.upstream_model)] {
            if let Some(name) = name {
                check_name(&format!("{at}/{field}"), name, faults);
            }
        }
        match self.base_url.as_deref().map(parse_base_url) {
            None if is_new => faults.push(InputFault::new(format!("{at}/base_url"), "missing_field", "is required")),
            Some(Err(detail)) => faults.push(InputFault::new(format!("{at}/base_url"), "invalid_url", detail)),
            _ => {}
        }
        self.check_numbers(at, faults);
        self.check_texts(at, faults);
        self.check_lists(at, faults);
        if is_new {
            let apis = self.native_apis.iter().flatten().copied().collect();
            let dialect = self.dialect.unwrap_or(UpstreamDialect::OpenAi);
            dialect.check(at, self.api_version.as_deref().unwrap_or_default(), &apis, faults);
        }
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
            ("capacity", self.capacity, MAX_CAPACITY),
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

    /// The texts that may be empty, which removes them.
    fn check_texts(&self, at: &str, faults: &mut Vec<InputFault>) {
        type Check = fn(&str) -> Result<(), &'static str>;
        let texts: [(&str, &Option<String>, Check); 4] = [
            ("api_version", &self.api_version, check_api_version),
            ("ca_file", &self.ca_file, check_ca_file),
            ("instance", &self.instance, check_instance),
            ("health_path", &self.health_path, check_health_path),
        ];
        for (field, text, check) in texts {
            let text = text.as_deref().filter(|text| !text.is_empty());
            if let Some(Err(detail)) = text.map(check) {
                faults.push(InputFault::new(format!("{at}/{field}"), "invalid_value", detail));
            }
        }
    }

    fn check_lists(&self, at: &str, faults: &mut Vec<InputFault>) {
        if let Some(headers) = &self.headers {
            check_headers(&format!("{at}/headers"), headers, faults);
        }
        let apis = self.native_apis.as_deref().unwrap_or_default();
        if apis.iter().collect::<BTreeSet<_>>().len() < apis.len() {
            faults.push(InputFault::new(format!("{at}/native_apis"), "duplicate", "names an API twice"));
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
        if upstream.upstream_model.is_empty() {
            upstream.upstream_model = model_name.to_owned();
        }
        put(&mut upstream.name, &self.name);
        put(&mut upstream.upstream_model, &self.upstream_model);
        put(&mut upstream.dialect, &self.dialect);
        put(&mut upstream.weight, &self.weight);
        put(&mut upstream.priority, &self.priority);
        put(&mut upstream.enabled, &self.enabled);
        put(&mut upstream.mirror, &self.mirror);
        put(&mut upstream.capacity, &self.capacity);
        put(&mut upstream.timeouts.connect_timeout_ms, &self.connect_timeout_ms);
        put(&mut upstream.timeouts.first_byte_timeout_ms, &self.first_byte_timeout_ms);
        put(&mut upstream.timeouts.gap_timeout_ms, &self.gap_timeout_ms);
        put(&mut upstream.timeouts.total_timeout_ms, &self.total_timeout_ms);
        put(&mut upstream.headers, &self.headers.as_ref().map(normalized));
        put(&mut upstream.native_apis, &self.native_apis.as_ref().map(|apis| apis.iter().copied().collect()));
        put(&mut upstream.api_version, &self.api_version);
        put(&mut upstream.ca_file, &self.ca_file);
        put(&mut upstream.instance, &self.instance);
        put(&mut upstream.health_path, &self.health_path);
    }
}

fn check_ca_file(path: &str) -> Result<(), &'static str> {
    if is_plain_file(path) {
        return Ok(());
    }
    Err("the name of a file inside the folder of authorities, without leading / or ..")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn null_and_left_out_differ_for_the_credential() {
        let parse = |json| serde_json::from_str::<UpstreamFields>(json).unwrap();
        assert!(parse("{}").credential.is_none());
        assert!(matches!(parse(r#"{"credential":null}"#).credential, Some(None)));
    }

    #[test]
    fn every_fault_is_found_at_once() {
        let json = r#"{"base_url":"x","dialect":"azure_openai","capacity":1000001,"headers":{"Cookie":"a"},
            "native_apis":["responses","responses"],"api_version":"new","ca_file":"../ca","instance":"v1/x","health_path":"health"}"#;
        let mut faults = Vec::new();
        serde_json::from_str::<UpstreamFields>(json).unwrap().check("", true, &mut faults);
        let mut pointers: Vec<_> = faults.iter().map(|fault| fault.pointer.as_str()).collect();
        pointers.sort_unstable();
        let fields = ["/api_version", "/base_url", "/ca_file", "/capacity", "/headers/Cookie", "/health_path"];
        assert_eq!(pointers, [fields.as_slice(), &["/instance", "/native_apis"]].concat());
    }
}
