//! One cryptography provider (ring) for every TLS connection of the process.

/// First call in `main` and in test set-up, before anything opens a TLS connection. Calling it again does nothing.
pub fn install_crypto_provider() {
    // The only error is that a provider is installed already, which is what is wanted.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
