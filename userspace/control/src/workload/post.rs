//! `run_dir/identity.sock`: a job posts its token, and the kernel says which job it is.
//!
//! ```text
//! POST /token    the token, nothing else: 200 and what it became, or why it was refused
//! ```
//! Every process of the host may connect, so all is bounded: connections, of each account, bytes, time. One request for each connection.

use std::collections::HashMap;
use std::os::fd::AsFd as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use identity::TOKEN_BYTES_MAX;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};

use super::{Caller, Job, Unbound, Workloads};
use crate::server::Source;

/// Connections at a time, of all and of one account.
const CONNECTIONS_MAX: usize = 64;
const OF_ACCOUNT_MAX: usize = 16;
/// So much is read over behind a request that was refused.
const REST_MAX: usize = 4 << 20;
/// A request's head is no longer.
const HEAD_MAX: usize = 4096;
/// From its connection to its answer, the time for an issuer's keys included.
const PATIENCE: Duration = Duration::from_secs(15);
/// A request that does not come in this time does not come.
const READ_PATIENCE: Duration = Duration::from_secs(3);

/// Connections by account.
#[derive(Default)]
struct Open(Mutex<HashMap<u32, usize>>);

/// A connection's place among them, given back when it ends.
struct Place {
    open: Arc<Open>,
    uid: u32,
}

impl Open {
    fn take(self: &Arc<Open>, uid: u32) -> Option<Place> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (all, own) = (counts.values().sum::<usize>(), counts.get(&uid).copied().unwrap_or(0));
        // Root brings the tokens of `exec`: nobody keeps it out.
        if uid != 0 && (all >= CONNECTIONS_MAX || own >= OF_ACCOUNT_MAX) {
            return None;
        }
        counts.insert(uid, own + 1);
        Some(Place { open: Arc::clone(self), uid })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.open.0.lock().unwrap_or_else(PoisonError::into_inner);
        match counts.get_mut(&self.uid) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(counts.remove(&self.uid)),
        }
    }
}

pub(super) async fn serve(listener: UnixListener, workloads: Arc<Workloads>, source: Arc<dyn Source>) {
    let open = Arc::new(Open::default());
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(200)).await;
            continue;
        };
        let uid = stream.peer_cred().map_or(u32::MAX, |peer| peer.uid());
        let Some(place) = open.take(uid) else { continue };
        let (workloads, source) = (Arc::clone(&workloads), Arc::clone(&source));
        tokio::spawn(async move {
            let _place = place;
            let _ = tokio::time::timeout(PATIENCE, answer(stream, &workloads, &*source)).await;
        });
    }
}

async fn answer(mut stream: UnixStream, workloads: &Workloads, source: &dyn Source) {
    let (status, words) = match tokio::time::timeout(READ_PATIENCE, request(&mut stream)).await {
        Ok(Ok(request)) => respond(&stream, request, workloads, source).await,
        Ok(Err(status)) => (status, "this socket takes POST /token with a token of at most 16 KiB".to_owned()),
        Err(_) => (408, "the request did not come in time".to_owned()),
    };
    let head = format!("HTTP/1.1 {status} -\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", words.len());
    let _ = stream.write_all(head.as_bytes()).await;
    let _ = stream.write_all(words.as_bytes()).await;
    let _ = stream.shutdown().await;
    let _ = tokio::time::timeout(READ_PATIENCE, read_on(&mut stream)).await;
}

/// What was sent beyond what was read: closed before, the other end would lose its answer.
async fn read_on(stream: &mut UnixStream) {
    let mut rest = [0; 4096];
    let mut left = REST_MAX;
    while let Ok(some @ 1..) = stream.read(&mut rest).await {
        left = left.saturating_sub(some);
        if left == 0 {
            return;
        }
    }
}

/// What was asked.
#[derive(Debug, PartialEq, Eq)]
struct Request {
    /// Root names the cgroup of the job that it starts.
    cgroup: Option<u64>,
    token: Vec<u8>,
}

async fn request(stream: &mut UnixStream) -> Result<Request, u16> {
    let mut bytes = Vec::new();
    loop {
        match parse(&bytes)? {
            Some(request) => return Ok(request),
            None if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 => return Err(400),
            None => {}
        }
    }
}

/// `None`: more must come. An error is the answer's status.
fn parse(bytes: &[u8]) -> Result<Option<Request>, u16> {
    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
        return if bytes.len() > HEAD_MAX { Err(431) } else { Ok(None) };
    };
    let head = bytes.get(..end).and_then(|head| std::str::from_utf8(head).ok()).ok_or(400u16)?;
    let mut lines = head.split("\r\n");
    match lines.next().unwrap_or_default().split(' ').collect::<Vec<_>>().as_slice() {
        ["POST", "/token", "HTTP/1.1" | "HTTP/1.0"] => {}
        [_, "/token", _] => return Err(405),
        _ => return Err(404),
    }
    let (mut length, mut cgroup) = (None, None);
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        let place = match name.to_ascii_lowercase().as_str() {
            "content-length" => &mut length,
            "interceptor-cgroup" => &mut cgroup,
            "transfer-encoding" => return Err(411),
            _ => continue,
        };
        let number = value.trim().parse::<u64>().map_err(|_| 400u16)?;
        if place.replace(number).is_some() {
            return Err(400);
        }
    }
    let length = usize::try_from(length.ok_or(411u16)?).map_err(|_| 413u16)?;
    if length > TOKEN_BYTES_MAX + 2 {
        return Err(413);
    }
    let body = bytes.get(end + 4..).unwrap_or_default();
    Ok(body.get(..length).map(|token| Request { cgroup, token: token.to_vec() }))
}

async fn respond(stream: &UnixStream, request: Request, workloads: &Workloads, source: &dyn Source) -> (u16, String) {
    let Ok(end) = stream.as_fd().try_clone_to_owned() else {
        return (503, "no descriptor is left".to_owned());
    };
    let caller = match source.caller(&end) {
        Ok(caller) => caller,
        Err(why) => return (403, format!("it cannot be told which job you are of: {why}")),
    };
    let caller = match request.cgroup {
        None => caller,
        Some(cgroup) if caller.uid == 0 => Caller { cgroup, ..caller },
        Some(_) => return (403, "only root names a job".to_owned()),
    };
    match workloads.bring(&request.token, Job::Cgroup(caller.cgroup), Some(caller), source).await {
        Ok(told) => (200, serde_json::to_string(&told).unwrap_or_default()),
        Err(why @ Unbound::Refused(_)) => (403, format!("the token was refused: {why}")),
        Err(why @ Unbound::NotBound(_)) => (409, format!("the token was refused: {why}")),
        Err(why @ (Unbound::Unrecorded | Unbound::Unfetched(_))) => (503, why.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_request_and_nothing_else() {
        let parsed = |text: &str| parse(text.as_bytes());
        let token = |text: &str, cgroup| Ok(Some(Request { cgroup, token: text.as_bytes().to_vec() }));
        assert_eq!(parsed("POST /token HTTP/1.1\r\nContent-Length: 3\r\n\r\na.b"), token("a.b", None));
        let with = "POST /token HTTP/1.1\r\ncontent-length: 1\r\ninterceptor-cgroup: 7\r\n\r\na";
        assert_eq!(parsed(with), token("a", Some(7)));
        assert_eq!(parsed("POST /token HTTP/1.1\r\ncontent-length: 3\r\n\r\na."), Ok(None));
        assert_eq!(parsed("POST /tok"), Ok(None));
        for (head, status) in [
            ("GET /token HTTP/1.1", 405),
            ("POST / HTTP/1.1", 404),
            ("nonsense", 404),
            ("POST /token HTTP/1.1", 411),
            ("POST /token HTTP/1.1\r\ntransfer-encoding: chunked", 411),
            ("POST /token HTTP/1.1\r\ncontent-length: -1", 400),
            ("POST /token HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2", 400),
            ("POST /token HTTP/1.1\r\ncontent-length: 1048576", 413),
            ("POST /token HTTP/1.1\r\ncontent-length: 18446744073709551615", 413),
        ] {
            assert_eq!(parsed(&format!("{head}\r\n\r\n")), Err(status), "{head}");
        }
        assert_eq!(parsed(&"x".repeat(5000)), Err(431));
        assert_eq!(parse(b"\xff\r\n\r\n"), Err(400));
    }

    #[test]
    fn one_account_does_not_keep_others_out() {
        let open = Arc::new(Open::default());
        let mut mine: Vec<Place> = (0..OF_ACCOUNT_MAX).filter_map(|_| open.take(1)).collect();
        assert!(mine.len() == OF_ACCOUNT_MAX && open.take(1).is_none());
        assert!(open.take(2).is_some() && open.take(0).is_some());
        mine.pop();
        assert!(open.take(1).is_some());
    }
}
