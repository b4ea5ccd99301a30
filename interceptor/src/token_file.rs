//! `exec --token-file`: the job's token is bound to its cgroup before its first instruction, and again whenever the file changes.
#![allow(clippy::print_stdout)] // what a verb prints is its answer

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, SystemTime};

use crate::identity_test::token;

/// How often the file is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// How long the service may take, an issuer's keys included.
const PATIENCE: Duration = Duration::from_secs(20);

/// Binds it now, and watches the file until the process ends.
pub(crate) fn bind(socket: PathBuf, file: &Path, cgroup: u64) -> Result<(), String> {
    let stamp = stamp(file);
    post(&socket, file, cgroup)?;
    let file = file.to_path_buf();
    // Ends with the process; every signal is blocked in it, as in its maker.
    let watch = move || watch(&socket, &file, cgroup, stamp);
    thread::Builder::new()
        .name("token".to_owned())
        .spawn(watch)
        .map_err(|why| format!("a thread for the token: {why}"))?;
    Ok(())
}

fn watch(socket: &Path, file: &Path, cgroup: u64, mut bound: Option<(SystemTime, u64, u64)>) {
    loop {
        thread::sleep(LOOK);
        let now = stamp(file);
        if now.is_none() || now == bound {
            continue;
        }
        match post(socket, file, cgroup) {
            Ok(()) => bound = now,
            Err(why) => {
                eprintln!("interceptor: {}: {why}", file.display());
                // One that is refused is refused again; a service that is away comes back.
                if !why.starts_with(AWAY) {
                    bound = now;
                }
            }
        }
    }
}

fn stamp(file: &Path) -> Option<(SystemTime, u64, u64)> {
    let held = fs::metadata(file).ok()?;
    Some((held.modified().ok()?, held.ino(), held.len()))
}

const AWAY: &str = "the service cannot be reached";

/// `identity fetch`: the SPIFFE agent attests this process, and the service takes its cgroup for the job.
pub fn fetch((address, audience, spiffe_id): (Option<&str>, &str, Option<&str>), socket: &Path) -> anyhow::Result<u8> {
    let usual = std::env::var("SPIFFE_ENDPOINT_SOCKET").unwrap_or_default();
    let address = address.unwrap_or(&usual);
    let Some(workload) = control::socket_of(address) else {
        anyhow::bail!("--workload-api: `{address}` is no unix socket, such as \"unix:///run/spire/agent.sock\"");
    };
    let svid = control::own_svid(&workload, audience, spiffe_id);
    let bound = svid.and_then(|svid| posted(socket, svid.as_bytes(), None));
    match &bound {
        Ok(words) => println!("{}", control::plain(words)),
        Err(why) => eprintln!("interceptor: {}", control::plain(why)),
    }
    Ok(u8::from(bound.is_err()))
}

fn post(socket: &Path, file: &Path, cgroup: u64) -> Result<(), String> {
    let token = token(file).map_err(|why| format!("{why:#}"))?;
    posted(socket, &token, Some(cgroup)).map(drop)
}

/// What it became, or why it was refused. Without a cgroup it is for the one of this process.
fn posted(socket: &Path, token: &[u8], cgroup: Option<u64>) -> Result<String, String> {
    let answer = exchange(socket, token, cgroup).map_err(|why| format!("{AWAY} at {}: {why}", socket.display()))?;
    match answer.split_once("\r\n\r\n") {
        Some((head, words)) if head.starts_with("HTTP/1.1 200 ") => Ok(words.to_owned()),
        Some((_, words)) => Err(control::plain(words)),
        None => Err(format!("{AWAY}: its answer was cut short")),
    }
}

fn exchange(socket: &Path, token: &[u8], cgroup: Option<u64>) -> std::io::Result<String> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let job = cgroup.map(|id| format!("interceptor-cgroup: {id}\r\n")).unwrap_or_default();
    let head = format!("POST /token HTTP/1.1\r\ncontent-length: {}\r\n{job}\r\n", token.len());
    stream.write_all(head.as_bytes())?;
    // One that is too long is answered before it is read.
    let _ = stream.write_all(token);
    let mut answer = String::new();
    stream.take(1 << 16).read_to_string(&mut answer)?;
    Ok(answer)
}
