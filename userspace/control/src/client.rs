//! The command line's end: one request, one answer, blocking, without a runtime.
use std::fmt;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// How long a service may take to answer before it counts as not reached.
const PATIENCE: Duration = Duration::from_secs(10);
/// No answer of the service is longer.
const ANSWER_MAX: u64 = 64 << 20;

/// There was no answer. Exit status 3.
#[derive(Debug)]
pub enum Unreachable {
    /// The socket is not there, may not be used, or its service is dead or silent.
    Socket(io::Error),
    /// What answers is not the service.
    Foreign,
    /// The service does not know this request, or failed on it.
    Status(u16, String),
}

impl fmt::Display for Unreachable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unreachable::Socket(error) => error.fmt(f),
            Unreachable::Foreign => f.write_str("what answers is not the service"),
            Unreachable::Status(code, words) => write!(f, "the service answered {code}: {words}"),
        }
    }
}

impl std::error::Error for Unreachable {}

/// The body of a `GET`.
pub fn get(socket: &Path, path: &str) -> Result<String, Unreachable> {
    match ask(socket, "GET", path, "")? {
        (200, body) => Ok(body),
        (code, body) => Err(Unreachable::Status(code, body)),
    }
}

/// The status and body of a `POST` of JSON.
pub fn post(socket: &Path, path: &str, body: &str) -> Result<(u16, String), Unreachable> {
    ask(socket, "POST", path, body)
}

/// Asks for a reload: the policy's version now in force, or the service's reason why the old one stays.
pub fn reload(socket: &Path) -> Result<Result<String, String>, Unreachable> {
    match ask(socket, "POST", "/reload", "")? {
        (200, version) => Ok(Ok(version)),
        (409, why) => Ok(Err(why)),
        (code, body) => Err(Unreachable::Status(code, body)),
    }
}

fn ask(socket: &Path, method: &str, path: &str, body: &str) -> Result<(u16, String), Unreachable> {
    let answer = exchange(socket, method, path, body).map_err(Unreachable::Socket)?;
    parse(&answer).ok_or(Unreachable::Foreign)
}

fn exchange(socket: &Path, method: &str, path: &str, body: &str) -> io::Result<Vec<u8>> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: interceptor\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.take(ANSWER_MAX).read_to_end(&mut answer)?;
    Ok(answer)
}

/// Status and body. Our server says the body's length; an answer that is cut short is none.
fn parse(answer: &[u8]) -> Option<(u16, String)> {
    let text = std::str::from_utf8(answer).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let mut lines = head.split("\r\n");
    let code = lines.next()?.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
    let length =
        lines.filter_map(|line| line.split_once(':')).find(|(name, _)| name.eq_ignore_ascii_case("content-length"))?;
    (length.1.trim().parse() == Ok(body.len())).then(|| (code, body.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers() {
        let cases: [(&str, Option<(u16, &str)>); 7] = [
            ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi", Some((200, "hi"))),
            ("HTTP/1.1 409 Conflict\r\nContent-Length: 0\r\n\r\n", Some((409, ""))),
            ("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nhi", None),
            ("HTTP/1.1 200 OK\r\n\r\nhi", None),
            ("SSH-2.0-OpenSSH\r\n\r\n", None),
            ("HTTP/1.1 ", None),
            ("", None),
        ];
        for (answer, expected) in cases {
            assert_eq!(parse(answer.as_bytes()), expected.map(|(code, body)| (code, body.to_owned())), "{answer:?}");
        }
    }
}
