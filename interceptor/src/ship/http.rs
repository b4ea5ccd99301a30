//! A batch by HTTP POST. Its answer is the acknowledgement: 2xx, or it comes again.

use std::io::{self, Read, Write};

use super::tls;
use crate::config::Http;

/// More of an answer is not read.
const ANSWER_BYTES_MAX: usize = 16 << 10;

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

/// What a receiver answered.
pub(super) struct Answer {
    /// Of HTTP.
    pub(super) status: u16,
    /// The first of it, as text.
    pub(super) body: String,
}

/// A batch to a sink.
pub(super) fn post(to: &Http, body: &str) -> Result<(), Refused> {
    let token = match &to.token_file {
        None => String::new(),
        Some(path) => {
            let token = std::fs::read_to_string(path)
                .map_err(|why| Refused::Lost(io::Error::new(why.kind(), format!("{}: {why}", path.display()))))?;
            let scheme = match to.form {
                crate::config::HttpForm::Hec => "Splunk",
                crate::config::HttpForm::Lines => "Bearer",
            };
            format!("Authorization: {scheme} {}\r\n", token.trim())
        }
    };
    match exchange(to, "application/json", &token, body).map_err(Refused::Lost)?.status {
        200..=299 => Ok(()),
        413 => Err(Refused::TooLarge),
        status => Err(Refused::Status(status)),
    }
}

/// One request, one connection. `headers` end with a line's end each.
pub(super) fn exchange(to: &Http, content: &str, headers: &str, body: &str) -> io::Result<Answer> {
    let host = if to.host.contains(':') { format!("[{}]", to.host) } else { to.host.clone() };
    let head = format!(
        "POST {} HTTP/1.1\r\nHost: {host}:{}\r\nUser-Agent: interceptor/{}\r\n{headers}Content-Type: {content}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        to.path,
        to.port,
        env!("CARGO_PKG_VERSION"),
        body.len()
    );
    let stream = tls::connect(&format!("{host}:{}", to.port))?;
    if to.tls { ask(tls::secure(stream, &to.host, &to.roots)?, &head, body) } else { ask(stream, &head, body) }
}

fn ask(mut stream: impl Read + Write, head: &str, body: &str) -> io::Result<Answer> {
    // A receiver may answer and close before it has read all: its answer says more than the broken pipe.
    let sent = stream
        .write_all(head.as_bytes())
        .and_then(|()| stream.write_all(body.as_bytes()))
        .and_then(|()| stream.flush());
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
