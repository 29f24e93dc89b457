//! Where people sign in. A person is (issuer, subject); each provider speaks for one issuer.

/// The issuer of people who sign in with a password that this service keeps. Their subject is the text of their user
/// id, which never changes, whatever they are renamed to.
pub const LOCAL_ISSUER: &str = "local";

/// How a provider signs people in, as the portal needs to know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ProviderKind {
    /// User name and password, sent to `POST /api/v1/auth/login`.
    Password,
}

impl ProviderKind {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Password => "password",
        }
    }
}

/// One way to sign in that is switched on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provider {
    /// Stable; also the `provider` label of the sign-in metric.
    pub id: &'static str,
    pub kind: ProviderKind,
}

impl Provider {
    pub const LOCAL: Self = Self { id: "local", kind: ProviderKind::Password };
}
