//! TLS settings of outgoing connections: the machine's authorities and the ones that are added.

use std::{
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};

use crate::error::ClientError;

/// The authorities of a whole operating system take a quarter of this.
const MAX_CA_FILE_BYTES: u64 = 1024 * 1024;

/// Without any authority this is no error: each TLS handshake fails then, plain HTTP works.
pub(crate) fn client_config(roots: RootCertStore) -> Result<ClientConfig, ClientError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

/// The machine's authorities and those in `ca_files`, PEM.
pub(crate) fn load_roots(ca_files: &[PathBuf]) -> Result<RootCertStore, ClientError> {
    let mut roots = RootCertStore::empty();
    let native = rustls_native_certs::load_native_certs();
    let (accepted, _) = roots.add_parsable_certificates(native.certs);
    if accepted == 0 {
        tracing::warn!(tls.errors = ?native.errors, "this machine has no trusted certificate authorities");
    }
    for path in ca_files {
        add_file(&mut roots, path)?;
    }
    Ok(roots)
}

/// Adds the certificates of a PEM file. Its errors quote nothing of the file: the path may be an administrator's guess.
pub(crate) fn add_file(roots: &mut RootCertStore, path: &Path) -> Result<(), ClientError> {
    let unreadable = |source| ClientError::CaFile { path: path.to_owned(), source };
    let content = read_small_file(path).map_err(|error| unreadable(error.into()))?;
    let mut found = false;
    for certificate in CertificateDer::pem_slice_iter(&content) {
        let certificate = certificate.map_err(|_| unreadable("it is not PEM".into()))?;
        roots.add(certificate).map_err(|error| unreadable(error.into()))?;
        found = true;
    }
    if found { Ok(()) } else { Err(unreadable("it holds no certificate".into())) }
}

/// A device or a pipe would be read for ever.
fn read_small_file(path: &Path) -> io::Result<Vec<u8>> {
    let is_readable = |length: u64| length <= MAX_CA_FILE_BYTES;
    let metadata = std::fs::metadata(path)?;
    if !metadata.is_file() || !is_readable(metadata.len()) {
        return Err(io::Error::other("it is not a file of at most 1 MiB"));
    }
    let mut content = Vec::new();
    File::open(path)?.take(MAX_CA_FILE_BYTES).read_to_end(&mut content)?;
    Ok(content)
}
