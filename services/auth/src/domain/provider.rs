//! Where people sign in. A person is (issuer, subject); each provider speaks for one issuer.

/// The issuer of people who sign in with a password that this service keeps. Their subject is the text of their user
/// id, which never changes, whatever they are renamed to.
pub const LOCAL_ISSUER: &str = "local";

/// The id of the provider of [`LOCAL_ISSUER`].
pub const LOCAL_PROVIDER: &str = "local";

const MAX_ID_BYTES: usize = 32;

/// How a provider signs people in, as the portal needs to know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ProviderKind {
    /// User name and password, sent to `POST /api/v1/auth/login`.
    Password,
    /// OpenID Connect: the browser goes to `GET /api/v1/auth/login/{id}`.
    Oidc,
    /// The OAuth server of an OpenShift cluster; the same way for the browser.
    OpenShift,
}

impl ProviderKind {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::Oidc => "oidc",
            Self::OpenShift => "openshift",
        }
    }
}

/// One way to sign in that is switched on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provider {
    /// Stable; also the `provider` label of the sign-in metric.
    pub id: String,
    pub kind: ProviderKind,
    /// For the button in the portal.
    pub display_name: String,
    pub state: ProviderState,
}

/// What the last contact with a provider says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ProviderState {
    /// Nobody has signed in there since this process started.
    Untried,
    Ready,
    Failing,
}

impl ProviderState {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Untried => "untried",
            Self::Ready => "ready",
            Self::Failing => "failing",
        }
    }
}

impl Provider {
    pub fn local() -> Self {
        Self {
            id: LOCAL_PROVIDER.to_owned(),
            kind: ProviderKind::Password,
            display_name: "User name and password".to_owned(),
            state: ProviderState::Ready,
        }
    }
}

/// Ids stand in paths and metric labels: 1 to 32 lower-case letters, digits and hyphens, beginning with a letter.
pub fn is_provider_id(text: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    text.len() <= MAX_ID_BYTES && text.starts_with(|c: char| c.is_ascii_lowercase()) && text.bytes().all(is_allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_safe_in_paths() {
        for id in ["corp", "a", "openshift-2", &"a".repeat(32)] {
            assert!(is_provider_id(id), "{id}");
        }
        for id in ["", "2", "-a", "Corp", "a/b", "a.b", "a b", "a%2f", &"a".repeat(33)] {
            assert!(!is_provider_id(id), "{id}");
        }
    }
}
