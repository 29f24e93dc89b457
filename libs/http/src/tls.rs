//! TLS settings of outgoing connections: the machine's authorities and the ones that are added.

use std::{path::PathBuf, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};

use crate::error::ClientError;

/// Without any authority this is no error: each TLS handshake fails then, plain HTTP works.
pub(crate) fn client_config(ca_files: &[PathBuf]) -> Result<ClientConfig, ClientError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(builder.with_root_certificates(roots(ca_files)?).with_no_client_auth())
}

fn roots(ca_files: &[PathBuf]) -> Result<RootCertStore, ClientError> {
    let mut roots = RootCertStore::empty();
    let native = rustls_native_certs::load_native_certs();
    let (accepted, _) = roots.add_parsable_certificates(native.certs);
    if accepted == 0 {
        tracing::warn!(tls.errors = ?native.errors, "this machine has no trusted certificate authorities");
    }
    for path in ca_files {
        let fault =
            |source: Box<dyn std::error::Error + Send + Sync>| ClientError::CaFile { path: path.clone(), source };
        let mut found = false;
        for certificate in CertificateDer::pem_file_iter(path).map_err(|error| fault(error.into()))? {
            let certificate = certificate.map_err(|error| fault(error.into()))?;
            roots.add(certificate).map_err(|error| fault(error.into()))?;
            found = true;
        }
        if !found {
            return Err(fault("it holds no certificate".into()));
        }
    }
    Ok(roots)
}
