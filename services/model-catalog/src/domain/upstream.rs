//! One endpoint of one model.

use std::collections::{BTreeMap, BTreeSet};

use maas_types::input::{InputFault, MAX_NAME, check_text};
use maas_types::{ModelId, SourceId, Timestamp, UpstreamId};
use reqwest::Url;
use serde::Serialize;

use super::{
    credential::UpstreamCredential,
    dialect::{UpstreamDialect, UpstreamNativeApi},
};

const MAX_URL: usize = 2_048;
const DEFAULT_WEIGHT: u32 = 100;

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Upstream {
    pub id: UpstreamId,
    pub model_id: ModelId,
    pub version: u64,
    pub name: String,
    pub base_url: String,
    pub dialect: UpstreamDialect,
    pub upstream_model: String,
    pub credential: UpstreamCredential,
    pub weight: u32,
    pub priority: u32,
    pub enabled: bool,
    /// Gets a copy of requests and never answers a client.
    pub mirror: bool,
    /// Requests at the same time; 0 = no limit.
    pub capacity: u32,
    #[serde(flatten)]
    pub timeouts: Timeouts,
    /// Sent with each request; names in lower case, never a credential.
    pub headers: BTreeMap<String, String>,
    pub native_apis: BTreeSet<UpstreamNativeApi>,
    /// Empty = what the proxy does by default, as for the next three.
    pub api_version: String,
    /// Relative to the proxies' folder of authorities.
    pub ca_file: String,
    /// `namespace/service`.
    pub instance: String,
    /// On the origin of the base URL.
    pub health_path: String,
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
            dialect: UpstreamDialect::OpenAi,
            upstream_model: String::new(),
            credential: UpstreamCredential::None,
            weight: DEFAULT_WEIGHT,
            priority: 0,
            enabled: true,
            mirror: false,
            capacity: 0,
            timeouts: Timeouts::default(),
            headers: BTreeMap::new(),
            native_apis: BTreeSet::new(),
            api_version: String::new(),
            ca_file: String::new(),
            instance: String::new(),
            health_path: String::new(),
            source_id: None,
            created_at: now,
            updated_at: now,
        }
    }

    /// Whether clients can get an answer from it.
    pub fn serves(&self) -> bool {
        self.enabled && !self.mirror
    }

    /// What a change of some fields may have left without meaning, see [`UpstreamDialect::check`].
    pub fn check_dialect(&self, at: &str, faults: &mut Vec<InputFault>) {
        self.dialect.check(at, &self.api_version, &self.native_apis, faults);
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

/// A path on the upstream's origin, perhaps with a query. Nothing in it can name another host: no second slash at its
/// beginning, no backslash, which URL parsers read as a slash.
pub fn check_health_path(text: &str) -> Result<(), &'static str> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/?%".contains(&byte);
    if text.len() <= MAX_URL && text.starts_with('/') && !text.starts_with("//") && text.bytes().all(allowed) {
        return Ok(());
    }
    Err("must be an absolute path such as /health, without scheme, host or fragment")
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
    fn a_health_path_never_leaves_the_origin() {
        let base = Url::parse("http://host:8000/v1").unwrap();
        for path in ["/health", "/", "/v1/health?full=1", "/a%20b/../c"] {
            assert!(check_health_path(path).is_ok(), "{path}");
            assert_eq!(base.join(path).unwrap().origin(), base.origin(), "{path}");
        }
        for path in ["", "health", "//evil/x", "/\\evil", "http://evil/", "/a#b", "/a b", "/a\r\nb", "/é"] {
            assert!(check_health_path(path).is_err(), "{path}");
        }
    }
}
