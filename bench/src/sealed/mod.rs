//! TLS in the benchmark: keys, a stub that speaks it, a client's end, and what rustls costs for the same bytes with nothing around it.

mod alone;
pub(crate) mod keys;
mod stub;

use std::io::{Error, ErrorKind, Read, Result, Write};
use std::net::TcpStream;
use std::os::fd::AsRawFd;
use std::sync::Arc;

use nix::sys::socket::{MsgFlags, recv};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme, StreamOwned};

pub(crate) use alone::nanos_per_byte;
pub(crate) use stub::run as run_stub;

/// SSLRequest.
const REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

/// A client's connection.
pub(crate) enum Stream {
    Plain(TcpStream),
    Sealed(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Stream {
    /// Asks for TLS and begins it. Whose certificate it is does not matter here: both ends are the benchmark's.
    pub(crate) fn sealed(mut socket: TcpStream) -> Result<Stream> {
        socket.write_all(&REQUEST)?;
        let mut consent = [0];
        socket.read_exact(&mut consent)?;
        if consent != *b"S" {
            return Err(Error::other("TLS was declined"));
        }
        let name = ServerName::try_from("127.0.0.1").map_err(Error::other)?;
        let client = ClientConnection::new(client()?, name).map_err(Error::other)?;
        Ok(Stream::Sealed(Box::new(StreamOwned::new(client, socket))))
    }
}

/// A stop and a continue of the process interrupt a call that waits with a time limit (signal(7)): it is made again.
fn again(mut call: impl FnMut() -> Result<usize>) -> Result<usize> {
    loop {
        match call() {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            told => return told,
        }
    }
}

impl Stream {
    /// Takes bytes off the stream that nobody looks at; of a plain one without a copy (tcp(7), MSG_TRUNC).
    pub(crate) fn discard(&mut self, into: &mut [u8]) -> Result<usize> {
        match self {
            Stream::Plain(socket) => again(|| Ok(recv(socket.as_raw_fd(), into, MsgFlags::MSG_TRUNC)?)),
            Stream::Sealed(stream) => stream.read(into),
        }
    }
}

impl Read for Stream {
    fn read(&mut self, into: &mut [u8]) -> Result<usize> {
        match self {
            Stream::Plain(socket) => again(|| socket.read(into)),
            Stream::Sealed(stream) => again(|| stream.read(into)),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        match self {
            Stream::Plain(socket) => again(|| socket.write(bytes)),
            Stream::Sealed(stream) => again(|| stream.write(bytes)),
        }
    }

    fn flush(&mut self) -> Result<()> {
        match self {
            Stream::Plain(socket) => socket.flush(),
            Stream::Sealed(stream) => stream.flush(),
        }
    }
}

/// Without a memory of sessions: each connection shakes hands.
fn client() -> Result<Arc<ClientConfig>> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let anybody = Arc::new(Anybody(provider.signature_verification_algorithms));
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(Error::other)?.dangerous().with_custom_certificate_verifier(anybody);
    Ok(Arc::new(builder.with_no_client_auth()))
}

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
    ) -> std::result::Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, certificate, signature, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, certificate, signature, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}
