//! How an upstream's credential is found: by reference, or by opening what the catalogue sealed.
//!
//! Which variables and files may be credentials is the operator's setting here, not the catalogue's: else whoever may
//! edit an upstream could have any secret of this process sent to a server of theirs.

use std::path::{Component, PathBuf};

use maas_events::state::{Credential, credential::Source};
use maas_keys::{Sealed, SealingKeys};
use zeroize::Zeroizing;

#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    #[error("the environment variable {0} may not be a credential (see proxy.credential_variables)")]
    VariableNotAllowed(String),
    #[error("the environment variable {0} is not set")]
    VariableMissing(String),
    #[error("the file {0} is not inside proxy.credential_dir")]
    FileNotAllowed(String),
    #[error("the file {path} cannot be read")]
    File {
        path: String,
        #[source]
        source: std::io::Error,
    },
    #[error("the stored credential cannot be opened: wrong encryption key, or it belongs to another upstream")]
    Sealed,
    #[error("the credential is not text")]
    NotText,
}

/// The rules and keys of this process.
pub struct CredentialSource {
    pub variables: Vec<String>,
    pub folder: PathBuf,
    pub sealing: Option<SealingKeys>,
}

impl CredentialSource {
    /// The secret itself, for the header that the upstream's dialect wants.
    pub fn secret(
        &self,
        credential: &Credential,
        bound_to: &str,
    ) -> Result<Option<Zeroizing<String>>, CredentialError> {
        let secret = match &credential.source {
            None => return Ok(None),
            Some(Source::EnvironmentVariable(name)) => self.read_variable(name)?,
            Some(Source::File(path)) => self.read_file(path)?,
            Some(Source::Encrypted(sealed)) => {
                let nonce = sealed.nonce.as_ref().try_into().map_err(|_| CredentialError::Sealed)?;
                let sealed = Sealed { key_version: sealed.key_version, nonce, ciphertext: sealed.ciphertext.to_vec() };
                let keys = self.sealing.as_ref().ok_or(CredentialError::Sealed)?;
                let opened = keys.open(&sealed, bound_to.as_bytes()).map_err(|_| CredentialError::Sealed)?;
                String::from_utf8(opened.to_vec()).map_err(|_| CredentialError::NotText)?
            }
        };
        Ok(Some(Zeroizing::new(secret)))
    }

    fn read_variable(&self, name: &str) -> Result<String, CredentialError> {
        if !self.variables.iter().any(|suffix| name.ends_with(suffix.as_str())) || name.starts_with("MAAS__") {
            return Err(CredentialError::VariableNotAllowed(name.to_owned()));
        }
        std::env::var(name).map_err(|_| CredentialError::VariableMissing(name.to_owned()))
    }

    fn read_file(&self, path: &str) -> Result<String, CredentialError> {
        let relative = PathBuf::from(path);
        let is_plain = relative.components().all(|part| matches!(part, Component::Normal(_)));
        if self.folder.as_os_str().is_empty() || !is_plain {
            return Err(CredentialError::FileNotAllowed(path.to_owned()));
        }
        std::fs::read_to_string(self.folder.join(relative))
            .map_err(|source| CredentialError::File { path: path.to_owned(), source })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn read(folder: &std::path::Path, source: Source) -> Result<Option<Zeroizing<String>>, CredentialError> {
        let variables = vec!["PATH".to_owned(), "PEPPER".to_owned()];
        let source_of_all = CredentialSource { variables, folder: folder.to_owned(), sealing: None };
        source_of_all.secret(&Credential { source: Some(source) }, "")
    }

    #[test]
    fn files_are_read_inside_their_folder_only() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("inside")).unwrap();
        std::fs::write(folder.path().join("outside"), "secret\n").unwrap();
        std::fs::write(folder.path().join("inside/key"), "secret\n").unwrap();
        let inside = folder.path().join("inside");
        let value = read(&inside, Source::File("key".to_owned())).unwrap().unwrap();
        assert_eq!(value.trim(), "secret");
        let absolute = inside.join("key").to_string_lossy().into_owned();
        for path in ["../outside".to_owned(), "x/../../outside".to_owned(), absolute] {
            let refused = read(&inside, Source::File(path));
            assert!(matches!(refused, Err(CredentialError::FileNotAllowed(_))), "{refused:?}");
        }
        let no_folder = read(std::path::Path::new(""), Source::File("key".to_owned()));
        assert!(matches!(no_folder, Err(CredentialError::FileNotAllowed(_))));
    }

    #[test]
    fn settings_of_our_own_are_never_credentials() {
        let folder = std::path::Path::new("");
        assert!(read(folder, Source::EnvironmentVariable("PATH".to_owned())).unwrap().is_some());
        for name in ["MAAS__PROXY__PEPPER", "HOME"] {
            let refused = read(folder, Source::EnvironmentVariable(name.to_owned()));
            assert!(matches!(refused, Err(CredentialError::VariableNotAllowed(_))), "{name}");
        }
    }
}
