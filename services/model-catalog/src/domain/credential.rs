//! What an upstream asks for: a reference that the proxy resolves, or a secret that only leaves here as ciphertext.

use maas_keys::Sealed;
use maas_runtime::config::Secret;
use maas_types::input::InputFault;
use serde::{Deserialize, Serialize, Serializer, ser::SerializeStruct as _};
use utoipa::ToSchema;

use super::text::is_plain_file;

const MAX_SECRET: usize = 4_096;

/// How the proxy gets the secret. Serialised (answers, audit) it says only that there is one, and of which kind.
#[derive(Clone, PartialEq, Eq, Default)]
pub enum UpstreamCredential {
    #[default]
    None,
    EnvironmentVariable(String),
    /// Relative to the proxy's folder of credentials.
    File(String),
    Sealed(Sealed),
}

impl UpstreamCredential {
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::None => "none",
            Self::EnvironmentVariable(_) => "environment_variable",
            Self::File(_) => "file",
            Self::Sealed(_) => "encrypted",
        }
    }

    pub const fn is_set(&self) -> bool {
        !matches!(self, Self::None)
    }
}

impl std::fmt::Debug for UpstreamCredential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.kind())
    }
}

impl Serialize for UpstreamCredential {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut shown = serializer.serialize_struct("UpstreamCredential", 2)?;
        shown.serialize_field("kind", self.kind())?;
        shown.serialize_field("set", &self.is_set())?;
        shown.end()
    }
}

/// What an upstream expects as its key: exactly one of the three. Never shown again.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CatalogCredentialInput)]
pub struct CredentialInput {
    /// The name of a variable in the proxies' environment.
    #[schema(example = "OPENAI_API_KEY")]
    pub environment_variable: Option<String>,
    /// The name of a file in the proxies' folder of credentials.
    pub file: Option<String>,
    /// The secret itself; stored encrypted, bound to this upstream and its origin.
    #[schema(value_type = Option<String>, write_only)]
    pub secret: Option<Secret>,
}

/// A checked input. The secret is sealed once the upstream's row is known.
#[derive(Debug, Clone)]
pub enum NewCredential {
    Reference(UpstreamCredential),
    Secret(Secret),
}

impl CredentialInput {
    /// The credential, or the faults in it.
    pub fn checked(&self, at: &str, faults: &mut Vec<InputFault>) -> Option<NewCredential> {
        match (&self.environment_variable, &self.file, &self.secret) {
            (Some(name), None, None) => {
                check_variable(&format!("{at}/environment_variable"), name, faults);
                Some(NewCredential::Reference(UpstreamCredential::EnvironmentVariable(name.clone())))
            }
            (None, Some(file), None) => {
                check_file(&format!("{at}/file"), file, faults);
                Some(NewCredential::Reference(UpstreamCredential::File(file.clone())))
            }
            (None, None, Some(secret)) => {
                check_secret(&format!("{at}/secret"), secret, faults);
                Some(NewCredential::Secret(secret.clone()))
            }
            _ => {
                let detail = "give exactly one of environment_variable, file, secret";
                faults.push(InputFault::new(at, "invalid_value", detail));
                None
            }
        }
    }
}

/// Upper-case letters, digits and `_`. Our own settings are never a credential for somebody else.
pub fn check_variable(pointer: &str, name: &str, faults: &mut Vec<InputFault>) {
    let allowed = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
    let is_name = name.as_bytes().first().is_some_and(u8::is_ascii_uppercase) && name.bytes().all(allowed);
    if !is_name || name.len() > 255 || name.starts_with("MAAS__") {
        let detail = "a name such as OPENAI_API_KEY: upper-case letters, digits and _, not starting with MAAS__";
        faults.push(InputFault::new(pointer, "invalid_value", detail));
    }
}

fn check_file(pointer: &str, file: &str, faults: &mut Vec<InputFault>) {
    if !is_plain_file(file) {
        let detail = "the name of a file inside the folder of credentials, without leading / or ..";
        faults.push(InputFault::new(pointer, "invalid_value", detail));
    }
}

fn check_secret(pointer: &str, secret: &Secret, faults: &mut Vec<InputFault>) {
    let text = secret.expose();
    if text.is_empty() || text.len() > MAX_SECRET || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        let detail = format!("1 to {MAX_SECRET} visible ASCII characters without white space");
        faults.push(InputFault::new(pointer, "invalid_value", detail));
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn faults_of(json: &str) -> Vec<InputFault> {
        let mut faults = Vec::new();
        serde_json::from_str::<CredentialInput>(json).unwrap().checked("/credential", &mut faults);
        faults
    }

    #[test]
    fn exactly_one_source_is_needed() {
        assert!(faults_of(r#"{"environment_variable":"OPENAI_API_KEY"}"#).is_empty());
        assert!(faults_of(r#"{"secret":"sk-123"}"#).is_empty());
        for json in ["{}", r#"{"file":"a","secret":"b"}"#] {
            assert_eq!(faults_of(json)[0].pointer, "/credential", "{json}");
        }
    }

    #[test]
    fn foreign_files_and_our_own_settings_are_refused() {
        for json in [
            r#"{"environment_variable":"MAAS__CATALOG__ENCRYPTION_KEY"}"#,
            r#"{"environment_variable":"lower"}"#,
            r#"{"file":"../passwd"}"#,
            r#"{"file":"/etc/passwd"}"#,
            r#"{"secret":""}"#,
            r#"{"secret":"a b"}"#,
        ] {
            assert_eq!(faults_of(json).len(), 1, "{json}");
        }
    }

    #[test]
    fn what_is_shown_holds_no_secret() {
        let shown = serde_json::to_string(&UpstreamCredential::EnvironmentVariable("X_API_KEY".to_owned())).unwrap();
        assert_eq!(shown, r#"{"kind":"environment_variable","set":true}"#);
    }
}
