//! TLS towards a database on a socket that blocks: for connections of our own, which no shard serves.

use std::io::{self, Read, Write};
use std::net::{IpAddr, TcpStream};
use std::sync::Arc;

use rustls::{ClientConnection, StreamOwned};

use super::binding;
use super::keys::DatabaseTls;

/// Length 8, code 80877103.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

impl DatabaseTls {
    /// Asks the database for TLS as a client does (SSLRequest) and makes it; the hash that a login binds to is empty where the
    /// certificate has none. The socket's time limits hold.
    pub fn over(
        &self,
        mut socket: TcpStream,
        address: IpAddr,
    ) -> io::Result<(impl Read + Write + Send + use<>, Vec<u8>)> {
        socket.write_all(&SSL_REQUEST)?;
        let mut answer = [0];
        socket.read_exact(&mut answer)?;
        if answer != *b"S" {
            return Err(io::Error::new(io::ErrorKind::ConnectionRefused, "the database declines TLS"));
        }
        let mut tls = ClientConnection::new(Arc::clone(self.config()), self.name(address)).map_err(io::Error::other)?;
        while tls.is_handshaking() {
            tls.complete_io(&mut socket)?;
        }
        let leaf = tls.peer_certificates().and_then(|chain| chain.first());
        let binding = leaf.map(|leaf| binding::of(leaf)).unwrap_or_default();
        Ok((StreamOwned::new(tls, socket), binding))
    }
}
