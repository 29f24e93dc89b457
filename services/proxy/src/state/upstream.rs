//! One endpoint of one model: where its operations are, what it speaks, and what is sent with each request.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use http::{HeaderMap, HeaderName, HeaderValue, Uri, header};
use maas_events::{state::UpstreamState, validate::required_uuid};
use maas_http::ConnectProfile;
use maas_types::{Operation, UpstreamId};

use super::{
    credential::CredentialSource,
    dialect::{Dialect, with_path},
};
use crate::routing::{HealthTable, Routed, Target, UpstreamHealth};

/// What frames a message or belongs to one connection. The catalogue must not say it, since it would be believed.
const FRAMING: [HeaderName; 8] = [
    header::HOST,
    header::CONTENT_LENGTH,
    header::TRANSFER_ENCODING,
    header::CONNECTION,
    header::UPGRADE,
    header::TE,
    header::TRAILER,
    header::EXPECT,
];
/// Milliseconds.
const FIRST_BYTE: u64 = 300_000;
const GAP: u64 = 120_000;
const TOTAL: u64 = 3_600_000;

/// How an operation of a client is asked of an upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Via {
    /// As it came.
    Native,
    MessagesOnChat,
    ResponsesOnChat,
    ChatOnMessages,
    /// By way of chat completions.
    ResponsesOnMessages,
    /// Nobody is asked: the answer is made here. Only for the counting of tokens.
    Estimate,
}

impl Via {
    /// What the upstream is asked for in place of `operation`.
    pub const fn upstream_operation(self, operation: Operation) -> Operation {
        match self {
            Self::Native | Self::Estimate => operation,
            Self::MessagesOnChat | Self::ResponsesOnChat => Operation::Chat,
            Self::ChatOnMessages | Self::ResponsesOnMessages => Operation::Messages,
        }
    }
}

/// What this process adds to the catalogue's words.
pub struct UpstreamSource {
    pub credentials: CredentialSource,
    /// Where the catalogue's CA files may be; empty: nowhere.
    pub ca_dir: PathBuf,
    /// How upstreams were found so far; outlives changes of the catalogue.
    pub health: Arc<HealthTable>,
}

pub struct UpstreamEntry {
    pub id: UpstreamId,
    pub name: String,
    pub provider: String,
    pub dialect: Dialect,
    /// What the upstream calls the model.
    pub model: String,
    pub weight: u32,
    pub priority: u32,
    pub mirror: bool,
    /// Requests at the same time; 0 = no limit.
    pub capacity: u32,
    /// `namespace/service`.
    pub instance: Option<Box<str>>,
    /// Shared by everything that calls it.
    pub health: Arc<UpstreamHealth>,
    /// Absolute; asked without credentials.
    pub health_check: Option<Uri>,
    pub profile: ConnectProfile,
    pub first_byte_timeout: Duration,
    pub gap_timeout: Duration,
    pub total_timeout: Duration,
    /// Sent with each request: the credential in the dialect's form, and what the catalogue names.
    pub headers: HeaderMap,
    speaks_messages: bool,
    speaks_responses: bool,
    /// By the place of the operation in [`Operation::ALL`]; `None` where the dialect has no such endpoint.
    uris: Vec<Option<Uri>>,
}

impl UpstreamEntry {
    pub fn from_state(state: &UpstreamState, source: &UpstreamSource) -> Result<Self, String> {
        let text = |error: &dyn std::fmt::Display| format!("upstream {}: {error}", state.name);
        let dialect =
            Dialect::parse(&state.dialect).ok_or_else(|| text(&"its dialect is not known to this version"))?;
        let base: Uri = state.base_url.trim_end_matches('/').parse().map_err(|error| text(&error))?;
        let id = UpstreamId::from_uuid(required_uuid("upstream id", &state.id).map_err(|error| text(&error))?);
        let mut headers = catalogue_headers(state).map_err(|error| text(&error))?;
        if let Some(credential) = &state.credential {
            let bound_to = credential_binding(id, &base);
            if let Some(secret) = source.credentials.secret(credential, &bound_to).map_err(|error| text(&error))? {
                let (name, value) = dialect.credential_header(&secret).map_err(|error| text(&error))?;
                headers.insert(name, value);
            }
        }
        let milliseconds =
            |value: u32, default: u64| Duration::from_millis(if value == 0 { default } else { u64::from(value) });
        let native = |api: &str| state.native_apis.iter().any(|name| name == api);
        Ok(Self {
            id,
            name: state.name.clone(),
            provider: state.provider.clone(),
            model: state.upstream_model.clone(),
            weight: state.weight,
            priority: state.priority,
            mirror: state.mirror,
            capacity: state.capacity,
            instance: (!state.instance.is_empty()).then(|| state.instance.as_str().into()),
            health: source.health.upstream(id),
            health_check: health_uri(&base, &state.health_path),
            profile: ConnectProfile {
                ca_file: ca_file(&source.ca_dir, &state.ca_file).map_err(|error| text(&error))?,
                connect_timeout: (state.connect_timeout_ms > 0)
                    .then(|| Duration::from_millis(u64::from(state.connect_timeout_ms))),
            },
            first_byte_timeout: milliseconds(state.first_byte_timeout_ms, FIRST_BYTE),
            gap_timeout: milliseconds(state.gap_timeout_ms, GAP),
            total_timeout: milliseconds(state.total_timeout_ms, TOTAL),
            headers,
            speaks_messages: dialect == Dialect::Anthropic || native("messages"),
            speaks_responses: native("responses"),
            uris: Operation::ALL.iter().map(|operation| dialect.uri(&base, *operation, state)).collect(),
            dialect,
        })
    }

    /// How this upstream is asked for `operation`; `None` if it cannot be.
    pub fn via(&self, operation: Operation) -> Option<Via> {
        let via = match operation {
            Operation::Messages if self.speaks_messages => Via::Native,
            Operation::Messages => Via::MessagesOnChat,
            Operation::CountTokens if self.speaks_messages => Via::Native,
            Operation::CountTokens => Via::Estimate,
            Operation::Responses if self.speaks_responses => Via::Native,
            Operation::Responses if self.dialect == Dialect::Anthropic => Via::ResponsesOnMessages,
            Operation::Responses => Via::ResponsesOnChat,
            Operation::Chat if self.dialect == Dialect::Anthropic => Via::ChatOnMessages,
            _ => Via::Native,
        };
        self.uri(via.upstream_operation(operation)).map(|_| via)
    }

    pub fn uri(&self, operation: Operation) -> Option<&Uri> {
        self.uris.get(operation as usize)?.as_ref()
    }

    /// Below the address of the Responses endpoint: what is stored there, and parts of it. `tail` must be made of checked
    /// segments.
    pub fn stored_response_uri(&self, tail: &str, query: Option<&str>) -> Option<Uri> {
        let responses = self.uri(Operation::Responses).filter(|_| self.speaks_responses)?;
        let own_query = responses.query();
        let query =
            [own_query, query].into_iter().flatten().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("&");
        let separator = if query.is_empty() { "" } else { "?" };
        with_path(responses, &format!("{}/{tail}{separator}{query}", responses.path()))
    }
}

impl Routed for UpstreamEntry {
    fn target(&self) -> Target<'_> {
        Target {
            health: &self.health,
            weight: self.weight,
            priority: self.priority,
            capacity: self.capacity,
            mirror: self.mirror,
        }
    }
}

fn health_uri(base: &Uri, path: &str) -> Option<Uri> {
    path.starts_with('/').then(|| with_path(base, path)).flatten()
}

/// Checked in the catalogue; read again with suspicion, since what is sent with our credential must not be anybody's.
fn catalogue_headers(state: &UpstreamState) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::with_capacity(state.headers.len() + 2);
    for header in &state.headers {
        let name = HeaderName::try_from(&header.name);
        let value = HeaderValue::try_from(&header.value);
        let (Ok(name), Ok(value)) = (name, value) else {
            return Err(format!("the header {:?} cannot be sent", header.name));
        };
        if FRAMING.contains(&name) {
            return Err(format!("the header {name} is not the catalogue's to say"));
        }
        headers.insert(name, value);
    }
    Ok(headers)
}

fn ca_file(folder: &Path, name: &str) -> Result<Option<PathBuf>, &'static str> {
    if name.is_empty() {
        return Ok(None);
    }
    let name = Path::new(name);
    let is_plain = name.components().all(|part| matches!(part, std::path::Component::Normal(_)));
    if folder.as_os_str().is_empty() || !is_plain {
        return Err("its CA file is not inside proxy.ca_dir");
    }
    Ok(Some(folder.join(name)))
}

/// What a sealed credential is bound to: the upstream's row and the origin it may be sent to.
fn credential_binding(id: UpstreamId, uri: &Uri) -> String {
    let scheme = uri.scheme_str().unwrap_or_default();
    let authority = uri.authority().map(http::uri::Authority::as_str).unwrap_or_default();
    maas_keys::credential_binding(&id.to_string(), scheme, authority)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use maas_events::state::Header;

    use super::*;
    use crate::routing::RoutingSettings;

    fn state(dialect: &str, base_url: &str) -> UpstreamState {
        UpstreamState {
            id: uuid::Uuid::now_v7().as_bytes().to_vec().into(),
            dialect: dialect.to_owned(),
            base_url: base_url.to_owned(),
            upstream_model: "gpt 4/o".to_owned(),
            ..UpstreamState::default()
        }
    }

    fn entry(state: &UpstreamState) -> UpstreamEntry {
        let credentials = CredentialSource { variables: Vec::new(), folder: Default::default(), sealing: None };
        let health = Arc::new(HealthTable::new(RoutingSettings::default(), std::time::Instant::now()));
        UpstreamEntry::from_state(state, &UpstreamSource { credentials, ca_dir: PathBuf::new(), health }).unwrap()
    }

    fn uri(entry: &UpstreamEntry, operation: Operation) -> String {
        entry.uri(operation).map(ToString::to_string).unwrap_or_default()
    }

    #[test]
    fn each_dialect_has_its_own_paths() {
        let vllm = entry(&state("openai", "http://vllm:8000/v1/"));
        assert_eq!(uri(&vllm, Operation::Chat), "http://vllm:8000/v1/chat/completions");
        assert_eq!(uri(&vllm, Operation::Tokenize), "http://vllm:8000/tokenize");
        let root = entry(&state("openai", "http://vllm:8000"));
        assert_eq!(uri(&root, Operation::Embeddings), "http://vllm:8000/embeddings");
        for base in ["https://api.anthropic.com", "https://api.anthropic.com/v1"] {
            let anthropic = entry(&state("anthropic", base));
            assert_eq!(uri(&anthropic, Operation::Messages), "https://api.anthropic.com/v1/messages");
            assert_eq!(uri(&anthropic, Operation::Embeddings), "");
        }
        let azure = entry(&state("azure_openai", "https://res.openai.azure.com"));
        assert_eq!(
            uri(&azure, Operation::Chat),
            "https://res.openai.azure.com/openai/deployments/gpt%204%2Fo/chat/completions?api-version=2024-10-21"
        );
        let next = entry(&state("azure_openai", "https://res.openai.azure.com/openai/v1"));
        assert_eq!(uri(&next, Operation::Chat), "https://res.openai.azure.com/openai/v1/chat/completions");
    }

    #[test]
    fn what_an_upstream_does_not_speak_is_translated() {
        let vllm = entry(&state("openai", "http://vllm:8000/v1"));
        assert_eq!(vllm.via(Operation::Messages), Some(Via::MessagesOnChat));
        assert_eq!(vllm.via(Operation::Responses), Some(Via::ResponsesOnChat));
        assert_eq!(vllm.via(Operation::CountTokens), Some(Via::Estimate));
        let native = ["responses".to_owned(), "messages".to_owned()];
        let all = entry(&UpstreamState { native_apis: native.into(), ..state("openai", "http://vllm:8000/v1") });
        for operation in [Operation::Messages, Operation::Responses, Operation::CountTokens] {
            assert_eq!(all.via(operation), Some(Via::Native));
        }
        let anthropic = entry(&state("anthropic", "https://api.anthropic.com"));
        assert_eq!(anthropic.via(Operation::Chat), Some(Via::ChatOnMessages));
        assert_eq!(anthropic.via(Operation::Responses), Some(Via::ResponsesOnMessages));
        assert_eq!(anthropic.via(Operation::Messages), Some(Via::Native));
        assert_eq!(anthropic.via(Operation::Embeddings), None);
    }

    #[test]
    fn stored_answers_are_below_the_responses_endpoint() {
        let native = vec!["responses".to_owned()];
        let openai = entry(&UpstreamState { native_apis: native.clone(), ..state("openai", "https://a/v1") });
        let stored = openai.stored_response_uri("resp_1/input_items", Some("limit=2")).unwrap();
        assert_eq!(stored, "https://a/v1/responses/resp_1/input_items?limit=2");
        let azure = entry(&UpstreamState { native_apis: native, ..state("azure_openai", "https://a") });
        let stored = azure.stored_response_uri("resp_1", Some("limit=2")).unwrap();
        assert_eq!(stored, "https://a/openai/responses/resp_1?api-version=2024-10-21&limit=2");
        assert_eq!(entry(&state("openai", "https://a/v1")).stored_response_uri("resp_1", None), None);
    }

    #[test]
    fn ca_files_stay_in_their_folder() {
        let folder = Path::new("/etc/maas/ca");
        assert_eq!(ca_file(folder, "corp/root.pem"), Ok(Some(folder.join("corp/root.pem"))));
        for name in ["../root.pem", "/root.pem", "a/../../b"] {
            assert!(ca_file(folder, name).is_err(), "{name}");
        }
        assert!(ca_file(Path::new(""), "root.pem").is_err());
    }

    #[test]
    fn headers_that_cannot_be_sent_are_refused() {
        let header = |name: &str, value: &str| UpstreamState {
            headers: vec![Header { name: name.to_owned(), value: value.to_owned() }],
            ..UpstreamState::default()
        };
        assert!(catalogue_headers(&header("x-team", "a")).is_ok());
        assert!(catalogue_headers(&header("x team", "a")).is_err());
        assert!(catalogue_headers(&header("x-team", "a\r\nb: c")).is_err());
        assert!(catalogue_headers(&header("Content-Length", "0")).is_err());
    }
}
