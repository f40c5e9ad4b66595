//! TLS on the callers' side: a certificate chain and its key, from PEM files.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls_pki_types::pem::{self, PemObject};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// What a listener shows to callers; cheap to clone.
#[derive(Debug, Clone)]
pub struct ServerTls(pub(super) Arc<ServerConfig>);

/// Why a certificate and its key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ServerTlsError {
    /// A file that cannot be read or holds no PEM of the kind that is needed.
    #[error("{path} holds no readable PEM {what}")]
    File {
        /// The file as it was named.
        path: PathBuf,
        /// What should be in it.
        what: &'static str,
        /// What the reader said, unless the file was merely empty.
        #[source]
        source: Option<pem::Error>,
    },
    /// The two don't belong together, or are of a kind that is not supported.
    #[error("the certificate and the key cannot be used together")]
    Pair(#[source] rustls::Error),
}

impl ServerTls {
    /// Reads the chain, the server's own certificate first, and its private key.
    ///
    /// # Errors
    ///
    /// Says which file is not what it should be, or that the two don't fit.
    pub fn from_pem(certificate: &Path, key: &Path) -> Result<Self, ServerTlsError> {
        let bad = |path: &Path, what, source| ServerTlsError::File { path: path.to_owned(), what, source };
        let chain = CertificateDer::pem_file_iter(certificate)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|error| bad(certificate, "certificate", Some(error)))?;
        if chain.is_empty() {
            return Err(bad(certificate, "certificate", None));
        }
        let secret =
            PrivateKeyDer::from_pem_file(key).map_err(|error| bad(key, "private key", Some(error)))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the ring provider supports the default versions")
            .with_no_client_auth()
            .with_single_cert(chain, secret)
            .map_err(ServerTlsError::Pair)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self(Arc::new(config)))
    }
}
