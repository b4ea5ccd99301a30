//! A batch by HTTP POST, a segment by PUT. The answer is the acknowledgement: 2xx, or it comes again.

use std::fs::File;
use std::io::{self, Read, Seek as _, Write};
use std::path::Path;
use std::time::Duration;

use anyhow::{Error, anyhow};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::tls;
use crate::config::{Http, HttpForm};
use crate::sha256;

/// More of an answer is not read.
const ANSWER_BYTES_MAX: usize = 16 << 10;
/// How long a receiver may take to have a whole segment on its disk.
const STORED: Duration = Duration::from_secs(60);

/// Why a batch was not taken.
#[derive(Debug)]
pub(super) enum Refused {
    /// The connection.
    Lost(io::Error),
    /// Another answer than 2xx.
    Status(u16),
    /// 413: the batch is too large.
    TooLarge,
}

impl Refused {
    /// What a person reads of it; `what` is what was sent.
    pub(super) fn of(self, what: &str) -> Error {
        match self {
            Refused::TooLarge => anyhow!("it answers 413 (too large) to {what}"),
            Refused::Status(status) => anyhow!("it answers {status} to {what}"),
            Refused::Lost(why) => Error::new(why).context(format!("no answer to {what}")),
        }
    }
}

/// What a receiver answered.
pub(super) struct Answer {
    /// Of HTTP.
    pub(super) status: u16,
    /// The first of it, as text.
    pub(super) body: String,
}

/// One request, but for its body.
pub(super) struct Request<'a> {
    pub(super) method: &'static str,
    /// With its query.
    pub(super) path: &'a str,
    pub(super) content: &'static str,
    /// Further headers, which end with a line's end each.
    pub(super) headers: String,
    /// Of the body, in bytes.
    pub(super) length: u64,
    /// How long the answer may take; `None`: as long as any piece.
    pub(super) patience: Option<Duration>,
}

/// A batch to a sink.
pub(super) fn post(to: &Http, body: &str) -> Result<(), Refused> {
    let headers = authorization(to).map_err(Refused::Lost)?;
    let (content, length) = ("application/json", body.len() as u64);
    let request = Request { method: "POST", path: &to.path, content, headers, length, patience: None };
    match exchange(to, &request, body.as_bytes()).map_err(Refused::Lost)?.status {
        200..=299 => Ok(()),
        413 => Err(Refused::TooLarge),
        status => Err(Refused::Status(status)),
    }
}

/// A file under this name, with its SHA-256 (RFC 9530), so that a receiver may refuse what arrived otherwise.
pub(super) fn put(to: &Http, name: &str, from: &Path) -> Result<(), Refused> {
    let read = || -> io::Result<(File, u64, String)> {
        let mut file = File::open(from)?;
        let (length, hash) = sha256::of(&mut file)?;
        file.rewind()?;
        Ok((file, length, STANDARD.encode(hash)))
    };
    let unread = |why: io::Error| Refused::Lost(io::Error::new(why.kind(), format!("{}: {why}", from.display())));
    let (file, length, digest) = read().map_err(unread)?;
    let headers = authorization(to).map_err(Refused::Lost)? + &format!("Content-Digest: sha-256=:{digest}:\r\n");
    let (path, content) = (format!("{}/{name}", to.path), "application/octet-stream");
    let request = Request { method: "PUT", path: &path, content, headers, length, patience: Some(STORED) };
    match exchange(to, &request, file).map_err(Refused::Lost)?.status {
        200..=299 => Ok(()),
        413 => Err(Refused::TooLarge),
        status => Err(Refused::Status(status)),
    }
}

/// The header with the sink's token, if it has one.
fn authorization(to: &Http) -> io::Result<String> {
    let Some(path) = &to.token_file else { return Ok(String::new()) };
    let token = std::fs::read_to_string(path)
        .map_err(|why| io::Error::new(why.kind(), format!("{}: {why}", path.display())))?;
    let scheme = match to.form {
        HttpForm::Hec => "Splunk",
        HttpForm::Lines => "Bearer",
    };
    Ok(format!("Authorization: {scheme} {}\r\n", token.trim()))
}

/// One request, one connection.
pub(super) fn exchange(to: &Http, request: &Request<'_>, body: impl Read) -> io::Result<Answer> {
    let host = if to.host.contains(':') { format!("[{}]", to.host) } else { to.host.clone() };
    let Request { method, path, content, headers, length, patience } = request;
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {host}:{}\r\nUser-Agent: interceptor/{}\r\n{headers}Content-Type: {content}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n",
        to.port,
        env!("CARGO_PKG_VERSION"),
    );
    let stream = tls::connect(&format!("{host}:{}", to.port))?;
    if patience.is_some() {
        stream.set_read_timeout(*patience)?;
    }
    let body = body.take(*length);
    if to.tls { ask(tls::secure(stream, &to.host, &to.roots)?, &head, body) } else { ask(stream, &head, body) }
}

fn ask(mut stream: impl Read + Write, head: &str, mut body: impl Read) -> io::Result<Answer> {
    // A receiver may answer and close before it has read all: its answer says more than the broken pipe.
    let sent =
        stream.write_all(head.as_bytes()).and_then(|()| io::copy(&mut body, &mut stream)).and_then(|_| stream.flush());
    let (mut answer, mut piece) = (Vec::new(), [0; 1024]);
    while !is_whole(&answer) && answer.len() < ANSWER_BYTES_MAX {
        match stream.read(&mut piece) {
            Ok(0) => break,
            Ok(count) => answer.extend_from_slice(piece.get(..count).unwrap_or_default()),
            Err(why) if why.kind() == io::ErrorKind::Interrupted => {}
            // It has said what it makes of the request; some close without a word of TLS.
            Err(_) if answer.contains(&b'\n') => break,
            Err(why) => return Err(sent.err().unwrap_or(why)),
        }
    }
    let status = answer
        .strip_prefix(b"HTTP/1.")
        .and_then(|rest| std::str::from_utf8(rest.get(2..5)?).ok()?.parse().ok())
        .filter(|_| answer.contains(&b'\n'));
    let status = status.ok_or_else(|| {
        sent.err().unwrap_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "its answer is no HTTP"))
    })?;
    let body = head_end(&answer).and_then(|at| answer.get(at..)).unwrap_or_default();
    Ok(Answer { status, body: String::from_utf8_lossy(body).into_owned() })
}

/// Where the body begins.
fn head_end(answer: &[u8]) -> Option<usize> {
    answer.windows(4).position(|end| end == b"\r\n\r\n").map(|at| at + 4)
}

/// As long as its head says; where that says nothing, until the connection ends. A 204 has no body (RFC 9110, 15.3.5).
fn is_whole(answer: &[u8]) -> bool {
    let Some(at) = head_end(answer) else { return false };
    let head = String::from_utf8_lossy(answer.get(..at).unwrap_or_default()).to_ascii_lowercase();
    if head.split(' ').nth(1) == Some("204") {
        return true;
    }
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
    length.is_some_and(|length| answer.len() - at >= length)
}
