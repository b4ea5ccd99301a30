//! The database's certificate and who signed it: made for one run.

use std::path::Path;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// What the certificate is made out to.
const NAME: &str = "db.bench";

/// `bench tls-keys FOLDER`: `root.pem`, `db.pem`, `db.key`.
pub(crate) fn run(args: &[String]) -> Result<(), String> {
    let [folder] = args else { return Err("tls-keys FOLDER".into()) };
    let wrong = |error: rcgen::Error| error.to_string();
    let mut root = CertificateParams::new(Vec::<String>::new()).map_err(wrong)?;
    root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root_key = KeyPair::generate().map_err(wrong)?;
    let root_pem = root.self_signed(&root_key).map_err(wrong)?.pem();
    let key = KeyPair::generate().map_err(wrong)?;
    let leaf = CertificateParams::new(vec![NAME.to_owned()]).map_err(wrong)?;
    let leaf = leaf.signed_by(&key, &Issuer::new(root, root_key)).map_err(wrong)?;
    for (name, text) in [("root.pem", root_pem), ("db.pem", leaf.pem()), ("db.key", key.serialize_pem())] {
        let path = Path::new(folder).join(name);
        std::fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(())
}

/// What the stub shows.
pub(super) fn server(folder: &str) -> Result<Arc<ServerConfig>, String> {
    let path = |name: &str| Path::new(folder).join(name);
    let chain = CertificateDer::from_pem_file(path("db.pem")).map_err(|error| format!("db.pem: {error}"))?;
    let key = PrivateKeyDer::from_pem_file(path("db.key")).map_err(|error| format!("db.key: {error}"))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| error.to_string())?.with_no_client_auth();
    builder.with_single_cert(vec![chain], key).map(Arc::new).map_err(|error| error.to_string())
}
