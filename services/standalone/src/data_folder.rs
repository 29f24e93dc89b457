//! The folder that keeps everything: databases, journal, and the secrets that are made at the first start.
//!
//! Whoever can read the folder can act as the platform, so it is 0700 and the secrets in it are 0600. Losing
//! `secrets/` makes every key and every stored credential worthless: back it up with the databases.

use std::{
    fs,
    io::{ErrorKind, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use maas_runtime::exit::StartError;

pub struct DataFolder {
    path: PathBuf,
}

impl DataFolder {
    /// Creates what is missing.
    pub fn open(path: &Path) -> Result<Self, StartError> {
        let folder = Self { path: path.to_owned() };
        create_private(path)?;
        create_private(&folder.secrets())?;
        create_private(&folder.journal())?;
        folder.secret("pepper", || Ok(maas_key_management::generate_pepper()?))?;
        folder.secret("signing_key.pem", || Ok(maas_auth::generate_signing_key()?))?;
        folder.secret("encryption_key", random_hex)?;
        Ok(folder)
    }

    pub fn database(&self, schema: &str) -> PathBuf {
        self.path.join(format!("{schema}.db"))
    }

    pub fn journal(&self) -> PathBuf {
        self.path.join("journal")
    }

    pub fn secret_file(&self, name: &str) -> PathBuf {
        self.secrets().join(name)
    }

    fn secrets(&self) -> PathBuf {
        self.path.join("secrets")
    }

    /// Makes the secret at the first start; it is whole on disk before it is used for anything.
    fn secret(&self, name: &str, make: impl FnOnce() -> anyhow::Result<String>) -> Result<(), StartError> {
        let path = self.secret_file(name);
        if path.exists() {
            return Ok(());
        }
        let secret = make()?;
        let half_written = self.secrets().join(format!(".{name}.{}", std::process::id()));
        let written = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&half_written);
        let written = written.and_then(|mut file| {
            file.write_all(secret.as_bytes())?;
            file.sync_all()
        });
        written.and_then(|()| fs::rename(&half_written, &path)).map_err(|error| unusable(&path, &error))
    }
}

fn create_private(path: &Path) -> Result<(), StartError> {
    match fs::DirBuilder::new().recursive(true).mode(0o700).create(path) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::AlreadyExists && path.is_dir() => {}
        Err(error) => return Err(unusable(path, &error)),
    }
    // A folder that was there may still be one that we cannot write to.
    let probe = path.join(format!(".writable.{}", std::process::id()));
    fs::write(&probe, b"").and_then(|()| fs::remove_file(&probe)).map_err(|error| unusable(path, &error))
}

fn unusable(path: &Path, error: &std::io::Error) -> StartError {
    let what = format!("the data folder cannot be used: {}", path.display());
    StartError::unavailable(what, error, "name a folder that this user may write to with --data-dir")
}

/// 32 random bytes as hexadecimal digits.
fn random_hex() -> anyhow::Result<String> {
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
