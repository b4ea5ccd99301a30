//! What TLS is made from: certificates, keys, roots. Made once by whoever reads the configuration, shared by all shards.

use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, PoisonError, RwLock};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, ServerConfig, SignatureScheme};

use super::binding;

/// The protocol's name in ALPN (PostgreSQL 17).
const ALPN: &[u8] = b"postgresql";

/// Why keys or certificates are of no use. It holds no byte of them.
#[derive(Debug)]
pub enum KeyError {
    /// No certificate, no key, or another form than PEM.
    Unreadable(&'static str),
    /// They do not fit each other, or are not ones that can be used.
    Unfit(Error),
    /// The name is neither a DNS name nor an address.
    Name,
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeyError::Unreadable(what) => write!(f, "{what} cannot be read as PEM"),
            KeyError::Unfit(why) => write!(f, "{why}"),
            KeyError::Name => f.write_str("neither a DNS name nor an address"),
        }
    }
}

impl std::error::Error for KeyError {}

/// TLS of one database's two legs; absent: that leg is plain.
#[derive(Clone, Debug, Default)]
pub struct Tls {
    /// Towards agents.
    pub agent: Option<AgentTls>,
    /// Towards the database.
    pub database: Option<DatabaseTls>,
}

/// Our end of the agents' leg.
#[derive(Clone)]
pub struct AgentTls {
    shown: Arc<RwLock<Arc<Shown>>>,
    /// Whose certificates are asked for.
    clients: Option<Arc<dyn ClientCertVerifier>>,
}

/// What one certificate makes: handshakes that show it, tickets that resume those alone, and what a login binds to.
pub(super) struct Shown {
    pub(super) config: Arc<ServerConfig>,
    pub(super) binding: Vec<u8>,
}

impl AgentTls {
    /// With this certificate (PEM, the leaf first) and its key. `clients` (PEM): an agent is asked for a certificate, and one that it
    /// shows must be signed by one of these; whether it may show none is the session's to say. Sessions are resumed by tickets that only
    /// this process can read, on any shard.
    pub fn new(chain: &str, key: &str, clients: Option<&str>) -> Result<AgentTls, KeyError> {
        let clients = clients.map(client_verifier).transpose()?;
        let shown = Shown::new(chain, key, clients.clone())?;
        Ok(AgentTls { shown: Arc::new(RwLock::new(Arc::new(shown))), clients })
    }

    /// From the next handshake on, this certificate and key. Tickets of those before are worth nothing: whoever resumes binds to the
    /// certificate that it has seen.
    pub fn renew(&self, chain: &str, key: &str) -> Result<(), KeyError> {
        let fresh = Arc::new(Shown::new(chain, key, self.clients.clone())?);
        *self.shown.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(())
    }

    /// The certificate in force: looked at once per handshake.
    pub(super) fn shown(&self) -> Arc<Shown> {
        Arc::clone(&self.shown.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Shown {
    fn new(chain: &str, key: &str, clients: Option<Arc<dyn ClientCertVerifier>>) -> Result<Shown, KeyError> {
        let provider = Arc::new(ring::default_provider());
        let chain = certificates(chain)?;
        let binding = chain.first().map(|leaf| binding::of(leaf)).unwrap_or_default();
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(KeyError::Unfit)?
            .with_client_cert_verifier(clients.unwrap_or_else(WebPkiClientVerifier::no_client_auth))
            .with_single_cert(chain, private_key(key)?)
            .map_err(KeyError::Unfit)?;
        config.alpn_protocols = vec![ALPN.to_vec()];
        config.ticketer = ring::Ticketer::new().map_err(KeyError::Unfit)?;
        config.send_tls13_tickets = 1;
        Ok(Shown { config: Arc::new(config), binding })
    }
}

impl fmt::Debug for AgentTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AgentTls")
    }
}

fn client_verifier(roots: &str) -> Result<Arc<dyn ClientCertVerifier>, KeyError> {
    let provider = Arc::new(ring::default_provider());
    WebPkiClientVerifier::builder_with_provider(Arc::new(store(roots)?), provider)
        .allow_unauthenticated()
        .build()
        .map_err(|_| KeyError::Unreadable("the root certificate"))
}

fn store(roots: &str) -> Result<RootCertStore, KeyError> {
    let mut store = RootCertStore::empty();
    for root in certificates(roots)? {
        store.add(root).map_err(KeyError::Unfit)?;
    }
    Ok(store)
}

fn certificates(pem: &str) -> Result<Vec<CertificateDer<'static>>, KeyError> {
    let unreadable = KeyError::Unreadable("the certificate");
    match CertificateDer::pem_slice_iter(pem.as_bytes()).collect::<Result<Vec<_>, _>>() {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        Ok(_) | Err(_) => Err(unreadable),
    }
}

fn private_key(pem: &str) -> Result<PrivateKeyDer<'static>, KeyError> {
    PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| KeyError::Unreadable("the key"))
}

/// Our end of the database's leg.
#[derive(Clone)]
pub struct DatabaseTls {
    config: Arc<ClientConfig>,
    name: Option<ServerName<'static>>,
    verified: bool,
}

impl DatabaseTls {
    /// Encrypted, with whoever answers: it keeps listeners out, not somebody in the middle.
    pub fn unverified(client: Option<(&str, &str)>) -> Result<DatabaseTls, KeyError> {
        DatabaseTls::with(None, None, client)
    }

    /// Encrypted, with a database whose certificate one of these roots signed for this name; `None`: for the address that is
    /// connected to.
    pub fn verified(roots: &str, name: Option<&str>, client: Option<(&str, &str)>) -> Result<DatabaseTls, KeyError> {
        let store = store(roots)?;
        let name = name.map(|name| ServerName::try_from(name.to_owned()).map_err(|_| KeyError::Name)).transpose()?;
        DatabaseTls::with(Some(store), name, client)
    }

    fn with(
        roots: Option<RootCertStore>,
        name: Option<ServerName<'static>>,
        client: Option<(&str, &str)>,
    ) -> Result<DatabaseTls, KeyError> {
        let provider = Arc::new(ring::default_provider());
        let verified = roots.is_some();
        let verifier: Arc<dyn ServerCertVerifier> = match roots {
            Some(roots) => WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
                .build()
                .map_err(|_| KeyError::Unreadable("the root certificate"))?,
            None => Arc::new(Anybody(provider.signature_verification_algorithms)),
        };
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(KeyError::Unfit)?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let mut config = match client {
            Some((chain, key)) => {
                builder.with_client_auth_cert(certificates(chain)?, private_key(key)?).map_err(KeyError::Unfit)?
            }
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![ALPN.to_vec()];
        Ok(DatabaseTls { config: Arc::new(config), name, verified })
    }

    pub(super) fn config(&self) -> &Arc<ClientConfig> {
        &self.config
    }

    /// Whom the certificate is verified for.
    pub(super) fn name(&self, address: IpAddr) -> ServerName<'static> {
        self.name.clone().unwrap_or_else(|| ServerName::IpAddress(address.into()))
    }

    pub(super) fn verifies(&self) -> bool {
        self.verified
    }
}

impl fmt::Debug for DatabaseTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DatabaseTls").field("verified", &self.verified).finish_non_exhaustive()
    }
}

/// `require`: any certificate, as long as its key signs the handshake.
#[derive(Debug)]
struct Anybody(WebPkiSupportedAlgorithms);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _leaf: &CertificateDer<'_>,
        _chain: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls12_signature(message, certificate, signature, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls13_signature(message, certificate, signature, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}
