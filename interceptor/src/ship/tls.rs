//! TLS towards a receiver, over a blocking socket.

use std::io;
use std::net::{TcpStream, ToSocketAddrs};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

/// How long a receiver may take to accept, to read a piece, and to answer.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) type Secured = StreamOwned<ClientConnection, TcpStream>;

/// Connected, with bounds on every wait.
pub(super) fn connect(address: &str) -> io::Result<TcpStream> {
    let mut why = io::Error::new(io::ErrorKind::NotFound, "its name has no address");
    for address in address.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, PATIENCE) {
            Ok(stream) => {
                stream.set_read_timeout(Some(PATIENCE))?;
                stream.set_write_timeout(Some(PATIENCE))?;
                return Ok(stream);
            }
            Err(error) => why = error,
        }
    }
    Err(why)
}

/// The same under TLS: the certificate must be for this name, signed by one of the roots (PEM).
pub(super) fn secure(stream: TcpStream, name: &str, roots: &Path) -> io::Result<Secured> {
    let unfit = |why: String| io::Error::new(io::ErrorKind::InvalidInput, why);
    let mut store = RootCertStore::empty();
    let unreadable = |why: String| unfit(format!("{}: {why}", roots.display()));
    for root in CertificateDer::pem_file_iter(roots).map_err(|why| unreadable(why.to_string()))? {
        // One of a system's many that rustls does not read is passed over.
        let _ = store.add(root.map_err(|why| unreadable(why.to_string()))?);
    }
    if store.is_empty() {
        return Err(unreadable("no certificate is in it".into()));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|why| unfit(why.to_string()))?
        .with_root_certificates(store)
        .with_no_client_auth();
    let name = ServerName::try_from(name.to_owned()).map_err(|why| unfit(why.to_string()))?;
    let connection = ClientConnection::new(Arc::new(config), name).map_err(|why| unfit(why.to_string()))?;
    Ok(StreamOwned::new(connection, stream))
}
