//! Identity providers: where people sign in besides this service's own passwords.

use std::path::PathBuf;

use maas_http::AddressGuard;
use maas_runtime::config::{Faults, Secret};
use reqwest::Url;
use serde::{Deserialize, Serialize};

use crate::domain::{
    claims::ClaimNames,
    provider::{LOCAL_PROVIDER, ProviderKind, is_provider_id},
};

/// One entry of `auth.providers`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProviderSettings {
    /// Stands in paths and metrics, and must stay: lower-case letters, digits and hyphens.
    pub id: String,
    pub kind: FederatedKind,
    /// For the button in the portal; the id when left out.
    pub display_name: Option<String>,
    /// OIDC: the issuer, exactly as it calls itself. OpenShift: the API server.
    pub url: String,
    pub client_id: String,
    /// None for a public client.
    pub client_secret: Secret,
    /// A file that holds the secret instead.
    pub client_secret_file: Option<PathBuf>,
    /// OIDC: what is asked for besides `openid`; `profile` when left out.
    pub scopes: Option<Vec<String>>,
    /// OIDC: the names of claims.
    pub claims: ClaimNames,
    /// Certificate authorities besides the machine's, PEM.
    pub ca_file: Option<PathBuf>,
    /// Instead of `auth.allowed_groups` for people of this provider.
    pub allowed_groups: Vec<String>,
    /// OIDC: access tokens issued for one of these audiences can be exchanged for tokens of ours; none when empty.
    pub access_token_audiences: Vec<String>,
    /// OpenShift: a file with a token of ours that may ask the cluster who the holder of a token is (TokenReview); read
    /// again when it changes. Without it the cluster's tokens cannot be exchanged for ours.
    pub reviewer_token_file: Option<PathBuf>,
    /// OpenShift: only tokens for one of these audiences; those for the API server when empty, as `oc whoami -t` gives.
    pub review_audiences: Vec<String>,
    /// Allows its addresses to be in private networks.
    pub allow_private: bool,
    /// Allows its addresses to be on this machine.
    pub allow_loopback: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FederatedKind {
    #[default]
    Oidc,
    OpenShift,
}

impl From<FederatedKind> for ProviderKind {
    fn from(kind: FederatedKind) -> Self {
        match kind {
            FederatedKind::Oidc => Self::Oidc,
            FederatedKind::OpenShift => Self::OpenShift,
        }
    }
}

impl ProviderSettings {
    pub(crate) fn guard(&self) -> AddressGuard {
        AddressGuard {
            allow_private: self.allow_private,
            allow_loopback: self.allow_loopback,
            ..AddressGuard::default()
        }
    }

    pub(crate) fn shown_name(&self) -> String {
        self.display_name.clone().unwrap_or_else(|| self.id.clone())
    }

    /// The secret from wherever it is; `None` for a public client.
    pub(crate) fn read_client_secret(&self) -> Result<Option<Secret>, String> {
        let Some(path) = &self.client_secret_file else {
            return Ok(self.client_secret.is_set().then(|| self.client_secret.clone()));
        };
        let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        let secret = Secret::new(text.trim_end_matches(['\n', '\r']));
        if secret.is_set() { Ok(Some(secret)) } else { Err(format!("{} is empty", path.display())) }
    }

    fn validate(&self, at: &str, faults: &mut Faults) {
        let mut fault = |field: &str, message: String| faults.add(&format!("{at}.{field}"), message);
        if !is_provider_id(&self.id) || self.id == LOCAL_PROVIDER {
            let message = "must be 1 to 32 lower-case letters, digits and hyphens, begin with a letter, not be `local`";
            fault("id", message.to_owned());
        }
        if let Err(message) = parse_provider_url(&self.url) {
            fault("url", message.to_owned());
        }
        if self.client_id.is_empty() {
            fault("client_id", "is required".to_owned());
        }
        if self.client_secret.is_set() && self.client_secret_file.is_some() {
            fault("client_secret_file", "is given beside client_secret: keep one of them".to_owned());
        } else if let Err(message) = self.read_client_secret() {
            fault("client_secret_file", format!("cannot be read: {message}"));
        }
        let is_scope = |scope: &String| !scope.is_empty() && scope.bytes().all(|byte| byte.is_ascii_graphic());
        if self.scopes.as_ref().is_some_and(|scopes| !scopes.iter().all(is_scope)) {
            fault("scopes", "must be texts without spaces, one per scope".to_owned());
        }
        if self.kind == FederatedKind::OpenShift {
            self.validate_openshift(fault);
        }
    }

    /// Settings that would have no effect would be taken for protection that is there.
    fn validate_openshift(&self, mut fault: impl FnMut(&str, String)) {
        let unused = [
            ("scopes", self.scopes.is_some()),
            ("claims", self.claims != ClaimNames::default()),
            ("access_token_audiences", !self.access_token_audiences.is_empty()),
        ];
        for (field, is_set) in unused {
            if is_set {
                fault(field, "has no meaning for a provider of kind openshift".to_owned());
            }
        }
        if self.client_secret.expose().is_empty() && self.client_secret_file.is_none() {
            fault("client_secret", "is required: set it or client_secret_file".to_owned());
        }
    }
}

/// Checks every provider, and that no two share an id or an issuer: people of one would be taken for people of the
/// other.
pub(crate) fn validate_all(providers: &[ProviderSettings], faults: &mut Faults) {
    for (index, provider) in providers.iter().enumerate() {
        let at = format!("providers.{index}");
        provider.validate(&at, faults);
        let earlier = providers.iter().take(index);
        if earlier.clone().any(|other| other.id == provider.id) {
            faults.add(&format!("{at}.id"), "is used twice");
        }
        if earlier.clone().any(|other| other.url == provider.url) {
            faults.add(&format!("{at}.url"), "is used twice: one issuer is one provider");
        }
    }
}

/// https, or http to this machine itself, where nobody listens in between.
pub(crate) fn parse_provider_url(text: &str) -> Result<Url, &'static str> {
    let url = Url::parse(text).map_err(|_| "must be a URL such as https://id.example.org/realms/corp")?;
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
        return Err("must have no user name, password, query or fragment");
    }
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_this_machine(&url) => Ok(url),
        _ => Err("must be https"),
    }
}

/// By address, or by the one name that means it everywhere.
pub(crate) fn is_this_machine(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let literal = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    host == "localhost" || literal.is_ok_and(|address| address.is_loopback())
}
