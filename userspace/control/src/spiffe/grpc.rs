//! One call of gRPC over a unix socket: a connection of its own for each, so that the agent attests who asks now. Bounded in time and bytes.
//!
//! (gRPC over HTTP/2, the protocol: <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>)

use std::path::Path;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::{HeaderMap, Request, StatusCode, header};
use h2::RecvStream;
use identity::svid::MESSAGE_BYTES_MAX;
use tokio::net::UnixStream;

use super::Unsourced;

/// From the connection to the answer.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);
/// In front of each message: whether it is compressed, and its length.
const PREFIX: usize = 5;
/// Of an agent's words so much is shown.
const WORDS_MAX: usize = 200;
/// All the headers of an answer, in bytes.
const HEADERS_MAX: u32 = 16 << 10;
/// gRPC's status codes.
const OK: u32 = 0;
const UNKNOWN: u32 = 2;
const PERMISSION_DENIED: u32 = 7;

/// What is called, and where.
pub(super) struct Way<'a> {
    pub(super) socket: &'a Path,
    /// `/Service/Method`
    pub(super) method: &'a str,
    /// The answer is a stream, whose first message is all that is wanted.
    pub(super) stream: bool,
}

impl Way<'_> {
    /// The answer's (first) message.
    pub(super) async fn call(&self, message: Vec<u8>) -> Result<Bytes, Unsourced> {
        let asked = tokio::time::timeout(PATIENCE, self.exchange(message));
        asked.await.map_err(|_| Unsourced::Late(self.socket.to_path_buf()))?
    }

    async fn exchange(&self, message: Vec<u8>) -> Result<Bytes, Unsourced> {
        let stream = UnixStream::connect(self.socket)
            .await
            .map_err(|why| Unsourced::Unreachable(self.socket.to_path_buf(), why))?;
        let mut settings = h2::client::Builder::new();
        settings.enable_push(false).max_header_list_size(HEADERS_MAX);
        let (mut sender, connection) = settings.handshake(stream).await.map_err(no_grpc)?;
        let answered = async {
            let (answer, mut body) = sender.send_request(self.request()?, false).map_err(no_grpc)?;
            body.send_data(framed(&message), true).map_err(no_grpc)?;
            let (head, body) = answer.await.map_err(no_grpc)?.into_parts();
            self.answer(head.status, &head.headers, body).await
        };
        let mut answered = std::pin::pin!(answered);
        // The connection moves while the answer is waited for, and ends with it.
        tokio::select! {
            answer = &mut answered => answer,
            _ = connection => answered.await,
        }
    }

    fn request(&self) -> Result<Request<()>, Unsourced> {
        let request = Request::post(format!("http://localhost{}", self.method))
            .header(header::TE, "trailers")
            .header(header::CONTENT_TYPE, "application/grpc")
            .header("grpc-timeout", format!("{}S", PATIENCE.as_secs()))
            // The Workload API refuses who does not say so: no browser and no proxy says it by mistake (SPIFFE Workload Endpoint, 3).
            .header("workload.spiffe.io", "true");
        request.body(()).map_err(|why| Unsourced::NoGrpc(why.to_string()))
    }

    async fn answer(&self, status: StatusCode, headers: &HeaderMap, mut body: RecvStream) -> Result<Bytes, Unsourced> {
        if status != StatusCode::OK {
            return Err(Unsourced::NoGrpc(format!("it answers {}", status.as_u16())));
        }
        let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        if !kind.starts_with("application/grpc") {
            return Err(Unsourced::NoGrpc("it answers something else than application/grpc".to_owned()));
        }
        // Without a message the status may stand in the head already.
        if headers.contains_key("grpc-status") {
            said(headers)?;
            return Err(Unsourced::Garbled);
        }
        let mut bytes = Vec::new();
        while let Some(chunk) = body.data().await {
            let chunk = chunk.map_err(no_grpc)?;
            body.flow_control().release_capacity(chunk.len()).map_err(no_grpc)?;
            bytes.extend_from_slice(&chunk);
            match first_message(&bytes)? {
                Some((message, _)) if self.stream => return Ok(message),
                Some((_, 1..)) => return Err(Unsourced::Garbled),
                _ => {}
            }
        }
        let trailers = body.trailers().await.map_err(no_grpc)?;
        said(&trailers.ok_or_else(|| Unsourced::NoGrpc("it ends without a status".to_owned()))?)?;
        first_message(&bytes)?.map(|(message, _)| message).ok_or(Unsourced::Garbled)
    }
}

fn no_grpc(why: h2::Error) -> Unsourced {
    Unsourced::NoGrpc(why.to_string())
}

fn framed(message: &[u8]) -> Bytes {
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
    Bytes::from([&[0][..], &length.to_be_bytes(), message].concat())
}

/// The first message, where it is whole, and how many bytes are behind it.
fn first_message(bytes: &[u8]) -> Result<Option<(Bytes, usize)>, Unsourced> {
    let Some((prefix, rest)) = bytes.split_first_chunk::<PREFIX>() else { return Ok(None) };
    let [compressed, length @ ..] = *prefix;
    if compressed != 0 {
        // Nothing was said of compression that we would understand.
        return Err(Unsourced::Garbled);
    }
    let length = usize::try_from(u32::from_be_bytes(length)).map_err(|_| Unsourced::TooLong)?;
    if length > MESSAGE_BYTES_MAX {
        return Err(Unsourced::TooLong);
    }
    Ok(rest.split_at_checked(length).map(|(message, behind)| (Bytes::copy_from_slice(message), behind.len())))
}

/// What the status says; no status is none that is good.
fn said(of: &HeaderMap) -> Result<(), Unsourced> {
    let text = |name: &str| of.get(name).and_then(|value| value.to_str().ok());
    let code = text("grpc-status").and_then(|code| code.parse::<u32>().ok()).unwrap_or(UNKNOWN);
    let words = || decoded(text("grpc-message").unwrap_or_default());
    match code {
        OK => Ok(()),
        PERMISSION_DENIED => Err(Unsourced::Denied(words())),
        code => Err(Unsourced::Failed(code, words())),
    }
}

/// Percent-encoded; for a person, so that what is no text is left out.
fn decoded(words: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = words.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        let pair = behind.get(..2).and_then(|pair| std::str::from_utf8(pair).ok());
        let escaped = pair.filter(|_| *first == b'%').and_then(|pair| u8::from_str_radix(pair, 16).ok());
        bytes.push(escaped.unwrap_or(*first));
        rest = if escaped.is_some() { behind.get(2..).unwrap_or_default() } else { behind };
    }
    String::from_utf8_lossy(&bytes).chars().filter(|c| !c.is_control()).take(WORDS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_whole_or_more_must_come() {
        let framed = framed(b"abc");
        for at in 0..framed.len() {
            assert!(first_message(&framed[..at]).unwrap().is_none(), "cut at {at}");
        }
        assert_eq!(first_message(&framed).unwrap(), Some((Bytes::from_static(b"abc"), 0)));
        assert_eq!(first_message(&[&framed[..], b"x"].concat()).unwrap(), Some((Bytes::from_static(b"abc"), 1)));
        assert!(matches!(first_message(b"\x01\0\0\0\0"), Err(Unsourced::Garbled)), "compressed");
        assert!(matches!(first_message(b"\0\xff\xff\xff\xff"), Err(Unsourced::TooLong)), "before it has come");
    }

    #[test]
    fn words_of_an_agent_are_one_line_of_text() {
        assert_eq!(decoded("no identity%20issued"), "no identity issued");
        assert_eq!(decoded("a%0ab%zz%4"), "ab%zz%4");
        assert_eq!(decoded(&"%C3%A9".repeat(WORDS_MAX + 1)).chars().count(), WORDS_MAX);
    }
}
