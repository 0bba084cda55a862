//! Client configurations for DNS over TLS (RFC 7858).

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};

/// How a TLS upstream is talked to: whom to trust, and the name that its certificate must carry.
#[derive(Clone, Debug)]
pub struct TlsClient {
    config: Arc<ClientConfig>,
    server_name: ServerName<'static>,
}

/// Why there is no TLS client.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// The name is neither a host name nor an address.
    #[error("`{0}` is not a server name")]
    ServerName(String),
    /// A PEM file that cannot be read as such.
    #[error("not in PEM format: {0}")]
    Pem(#[from] rustls::pki_types::pem::Error),
    /// A PEM file without what it is there for.
    #[error("no {0} in the file")]
    Empty(&'static str),
    /// What rustls says about it.
    #[error("{0}")]
    Rustls(#[from] rustls::Error),
}

impl TlsClient {
    /// A client; without a name the certificate must carry the upstream's address.
    pub fn new(
        config: Arc<ClientConfig>,
        server_name: Option<&str>,
        address: IpAddr,
    ) -> Result<Self, TlsError> {
        let server_name = match server_name {
            None => ServerName::IpAddress(address.into()),
            Some(name) => parse_name(name)?,
        };
        Ok(Self { config, server_name })
    }

    /// Whether a certificate can carry the name.
    pub fn check_server_name(name: &str) -> Result<(), TlsError> {
        parse_name(name).map(|_| ())
    }

    /// The same client, with an application protocol to agree on (RFC 7301). Sessions are shared.
    pub(crate) fn with_protocol(mut self, protocol: &[u8]) -> Self {
        Arc::make_mut(&mut self.config).alpn_protocols = vec![protocol.to_vec()];
        self
    }

    pub(crate) fn config(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.config)
    }

    pub(crate) fn server_name(&self) -> ServerName<'static> {
        self.server_name.clone()
    }
}

fn parse_name(name: &str) -> Result<ServerName<'static>, TlsError> {
    let bare = name.strip_suffix('.').unwrap_or(name).to_owned();
    ServerName::try_from(bare).map_err(|_| TlsError::ServerName(name.to_owned()))
}

/// A client configuration from PEM: authorities to trust (`None`: the system's), and a certificate with its key to
/// show. TLS 1.2 and 1.3; sessions are resumed.
pub fn client_config(
    authorities: Option<&[u8]>,
    identity: Option<(&[u8], &[u8])>,
) -> Result<Arc<ClientConfig>, TlsError> {
    let roots = match authorities {
        None => system_roots(),
        Some(pem) => {
            let mut roots = RootCertStore::empty();
            for certificate in CertificateDer::pem_slice_iter(pem) {
                roots.add(certificate?)?;
            }
            if roots.is_empty() {
                return Err(TlsError::Empty("certificate"));
            }
            Arc::new(roots)
        }
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots);
    let config = match identity {
        None => builder.with_no_client_auth(),
        Some((certificates, key)) => {
            let chain: Vec<_> =
                CertificateDer::pem_slice_iter(certificates).collect::<Result<_, _>>()?;
            if chain.is_empty() {
                return Err(TlsError::Empty("certificate"));
            }
            builder.with_client_auth_cert(chain, PrivateKeyDer::from_pem_slice(key)?)?
        }
    };
    Ok(Arc::new(config))
}

/// The system's authorities, read once. There may be none, as in an image from scratch: then every handshake fails,
/// and the log says why.
fn system_roots() -> Arc<RootCertStore> {
    static ROOTS: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    let load = || {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        Arc::new(roots)
    };
    Arc::clone(ROOTS.get_or_init(load))
}
