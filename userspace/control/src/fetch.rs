//! One request to a server elsewhere: an identity provider, a webhook. Bounded in time and in bytes; `https`, or `http` to this host alone.
//!
//! Runs on the control thread, which nothing of the data path waits for. Follows no redirect.

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// From the name's look-up to the last byte.
const PATIENCE: Duration = Duration::from_secs(10);
/// No answer is longer.
const ANSWER_MAX: usize = 256 << 10;

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum Unfetched {
    /// The address is none that is asked.
    Address(String),
    /// It cannot be reached, or its certificate is not trusted.
    Unreachable(io::Error),
    /// It answers something that is no HTTP, or too much of it.
    Garbled(String),
    /// It did not answer in time.
    Late(Duration),
}

impl fmt::Display for Unfetched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unfetched::Address(url) => write!(f, "`{url}` is no https address (http goes to this host alone)"),
            Unfetched::Unreachable(error) => write!(f, "it cannot be reached: {error}"),
            Unfetched::Garbled(why) => write!(f, "its answer cannot be read: {why}"),
            Unfetched::Late(patience) => write!(f, "it did not answer within {} s", patience.as_secs()),
        }
    }
}

/// An address that may be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    uri: Uri,
    host: String,
    port: u16,
    encrypted: bool,
}

impl Address {
    /// `https://…`, or `http://` and loopback; no user, no fragment.
    pub(crate) fn parse(text: &str) -> Result<Address, Unfetched> {
        let refused = || Unfetched::Address(text.chars().take(200).collect());
        let uri: Uri = text.parse().map_err(|_| refused())?;
        let authority = uri.authority().filter(|authority| !authority.as_str().contains('@')).ok_or_else(refused)?;
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let encrypted = match uri.scheme_str() {
            Some("https") => true,
            Some("http") if is_loopback(&host) => false,
            _ => return Err(refused()),
        };
        let port = authority.port_u16().unwrap_or(if encrypted { 443 } else { 80 });
        Ok(Address { host, port, encrypted, uri })
    }
}

/// Whether it is this host by an address, or by the name that is always it.
pub(crate) fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// What answered.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Bytes,
}

/// Whose certificates are trusted, and how long an answer is waited for.
#[derive(Clone)]
pub(crate) struct Fetch {
    tls: TlsConnector,
    pub(crate) patience: Duration,
}

impl Fetch {
    /// Trusts the authorities in this PEM, and no others.
    pub(crate) fn new(roots: &[u8]) -> Result<Fetch, io::Error> {
        let mut store = RootCertStore::empty();
        let certificates: Vec<CertificateDer<'_>> =
            CertificateDer::pem_slice_iter(roots).filter_map(Result::ok).collect();
        store.add_parsable_certificates(certificates);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_root_certificates(store)
            .with_no_client_auth();
        Ok(Fetch { tls: TlsConnector::from(Arc::new(config)), patience: PATIENCE })
    }

    /// Asks, and reads the whole answer.
    pub(crate) async fn send(
        &self,
        method: Method,
        address: &Address,
        headers: HeaderMap,
        body: impl Into<Bytes>,
    ) -> Result<Answer, Unfetched> {
        let asked = self.exchange(method, address, headers, body.into());
        tokio::time::timeout(self.patience, asked).await.map_err(|_| Unfetched::Late(self.patience))?
    }

    async fn exchange(
        &self,
        method: Method,
        address: &Address,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Answer, Unfetched> {
        let path = address.uri.path_and_query().map_or("/", |path| path.as_str());
        let mut request = Request::builder().method(method).uri(path).body(Full::new(body)).map_err(garbled)?;
        *request.headers_mut() = headers;
        let host = address.uri.authority().map_or("", |authority| authority.as_str());
        request.headers_mut().insert(header::HOST, HeaderValue::from_str(host).map_err(garbled)?);
        request.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        let stream = TcpStream::connect((address.host.as_str(), address.port)).await.map_err(Unfetched::Unreachable)?;
        if !address.encrypted {
            return talk(stream, request).await;
        }
        let name = ServerName::try_from(address.host.clone()).map_err(garbled)?;
        talk(self.tls.connect(name, stream).await.map_err(Unfetched::Unreachable)?, request).await
    }
}

fn garbled(error: impl fmt::Display) -> Unfetched {
    Unfetched::Garbled(error.to_string())
}

async fn talk(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    request: Request<Full<Bytes>>,
) -> Result<Answer, Unfetched> {
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(garbled)?;
    let answered = async {
        let (head, body) = sender.send_request(request).await.map_err(garbled)?.into_parts();
        let body = Limited::new(body, ANSWER_MAX).collect().await.map_err(garbled)?.to_bytes();
        Ok(Answer { status: head.status, body })
    };
    let mut answered = std::pin::pin!(answered);
    // The connection moves while the answer is waited for, and ends with it.
    tokio::select! {
        answer = &mut answered => answer,
        _ = connection => answered.await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_encrypted_or_here() {
        for (text, expected) in [
            ("https://idp.example/x?y", Some(("idp.example", 443, true))),
            ("https://idp.example:8443", Some(("idp.example", 8443, true))),
            ("http://127.0.0.1:9/x", Some(("127.0.0.1", 9, false))),
            ("http://localhost/", Some(("localhost", 80, false))),
            ("http://[::1]:80/", Some(("::1", 80, false))),
            ("http://idp.example/", None),
            ("http://127.0.0.1.evil.example/", None),
            ("https://user@idp.example/", None),
            ("https://user:secret@127.0.0.1/", None),
            ("ftp://127.0.0.1/", None),
            ("/path", None),
            ("", None),
        ] {
            let parsed = Address::parse(text).ok().map(|one| (one.host, one.port, one.encrypted));
            assert_eq!(parsed, expected.map(|(host, port, encrypted)| (host.to_owned(), port, encrypted)), "{text}");
        }
    }
}
