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

/// One request, one connection.
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
    let host = if to.host.contains(':') { format!("[{}]", to.host) } else { to.host.clone() };
    let head = format!(
        "POST {} HTTP/1.1\r\nHost: {host}:{}\r\nUser-Agent: interceptor/{}\r\n{token}Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        to.path,
        to.port,
        env!("CARGO_PKG_VERSION"),
        body.len()
    );
    let exchange = || {
        let stream = tls::connect(&format!("{host}:{}", to.port))?;
        if to.tls { ask(tls::secure(stream, &to.host, &to.roots)?, &head, body) } else { ask(stream, &head, body) }
    };
    match exchange().map_err(Refused::Lost)? {
        200..=299 => Ok(()),
        413 => Err(Refused::TooLarge),
        status => Err(Refused::Status(status)),
    }
}

fn ask(mut stream: impl Read + Write, head: &str, body: &str) -> io::Result<u16> {
    // A receiver may answer and close before it has read all: its answer says more than the broken pipe.
    let sent = stream
        .write_all(head.as_bytes())
        .and_then(|()| stream.write_all(body.as_bytes()))
        .and_then(|()| stream.flush());
    let (mut answer, mut piece) = (Vec::new(), [0; 1024]);
    while !answer.windows(2).any(|end| end == b"\r\n") && answer.len() < ANSWER_BYTES_MAX {
        match stream.read(&mut piece) {
            Ok(0) => break,
            Ok(count) => answer.extend_from_slice(piece.get(..count).unwrap_or_default()),
            Err(why) if why.kind() == io::ErrorKind::Interrupted => {}
            Err(why) => return Err(sent.err().unwrap_or(why)),
        }
    }
    let status = answer
        .strip_prefix(b"HTTP/1.")
        .and_then(|rest| std::str::from_utf8(rest.get(2..5)?).ok()?.parse().ok())
        .filter(|_| answer.contains(&b'\n'));
    status.ok_or_else(|| {
        sent.err().unwrap_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "its answer is no HTTP"))
    })
}
