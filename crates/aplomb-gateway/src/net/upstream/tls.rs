//! What TLS to upstreams trusts: the system's roots, and an extra CA file if there is one.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, InvalidDnsNameError, ServerName};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, TlsStream};

use super::error::{SendError, Stage};
use super::origin::Host;

/// The trust of one process, shared by all its threads.
///
/// The system's roots are read when the first `https` connection needs them, since reading them takes
/// milliseconds and memory that a gateway before plain upstreams has no use for.
#[derive(Debug, Default)]
pub struct Trust {
    extra: Vec<CertificateDer<'static>>,
    config: Mutex<Option<Arc<ClientConfig>>>,
}

/// Why certificates could not be read.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// The extra CA file cannot be read, is not PEM, or holds no certificate.
    #[error("the CA file {path} holds no readable PEM certificate")]
    File {
        /// The file as it was named.
        path: PathBuf,
        /// What the reader said, unless the file was merely empty.
        #[source]
        source: Option<rustls_pki_types::pem::Error>,
    },
    /// A certificate in the extra CA file is not one that can be a root.
    #[error("a certificate of the CA file cannot serve as a root")]
    Root(#[source] rustls::Error),
}

/// No root certificate was found, so that no upstream can be trusted.
#[derive(Debug, thiserror::Error)]
#[error("the system has no root certificates; install ca-certificates or name a CA file")]
struct NoRoots(#[source] Option<rustls_native_certs::Error>);

impl Trust {
    /// The system's roots and nothing else.
    pub fn system() -> Self {
        Self::default()
    }

    /// The system's roots and the certificates of a PEM file.
    ///
    /// # Errors
    ///
    /// Fails when the file cannot be read or holds no certificate that can be a root.
    pub fn with_file(path: &Path) -> Result<Self, TrustError> {
        let unreadable = |source| TrustError::File { path: path.to_owned(), source };
        let extra = CertificateDer::pem_file_iter(path)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|error| unreadable(Some(error)))?;
        if extra.is_empty() {
            return Err(unreadable(None));
        }
        let mut trial = RootCertStore::empty();
        for certificate in &extra {
            trial.add(certificate.clone()).map_err(TrustError::Root)?;
        }
        Ok(Self { extra, config: Mutex::default() })
    }

    /// The configuration of every connection, made once; may block on files the first time.
    fn config(&self) -> Result<Arc<ClientConfig>, NoRoots> {
        let mut kept = self.config.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(config) = &*kept {
            return Ok(config.clone());
        }
        let mut roots = RootCertStore::empty();
        let mut system = rustls_native_certs::load_native_certs();
        roots.add_parsable_certificates(system.certs);
        roots.add_parsable_certificates(self.extra.iter().cloned());
        if roots.is_empty() {
            return Err(NoRoots(system.errors.pop()));
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the ring provider supports the default versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(kept.insert(Arc::new(config)).clone())
    }

    fn ready(&self) -> Option<Arc<ClientConfig>> {
        self.config.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Sets up TLS with `host` upon a connection.
pub(super) async fn secure(
    trust: &Arc<Trust>,
    host: &Host,
    stream: TcpStream,
) -> Result<TlsStream<TcpStream>, SendError> {
    let config = match trust.ready() {
        Some(config) => config,
        None => first(trust.clone()).await?,
    };
    let name = server_name(host).map_err(|error| SendError::because(Stage::Tls, error))?;
    match TlsConnector::from(config).connect(name, stream).await {
        Ok(stream) => Ok(TlsStream::Client(stream)),
        Err(error) => Err(SendError::because(Stage::Tls, error)),
    }
}

/// Reads the roots where files may block without holding up the thread's other requests.
async fn first(trust: Arc<Trust>) -> Result<Arc<ClientConfig>, SendError> {
    let read = tokio::task::spawn_blocking(move || trust.config()).await;
    let config = read.map_err(|error| SendError::because(Stage::Tls, io::Error::other(error)))?;
    config.map_err(|error| SendError::because(Stage::Tls, error))
}

fn server_name(host: &Host) -> Result<ServerName<'static>, InvalidDnsNameError> {
    match host {
        Host::Name(name) => ServerName::try_from(name.to_string()),
        Host::Address(address) => Ok(ServerName::IpAddress((*address).into())),
    }
}
