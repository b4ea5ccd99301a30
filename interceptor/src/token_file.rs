//! `exec --token-file`: the job's token is bound to its cgroup before its first instruction, and again whenever the file changes.

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

fn post(socket: &Path, file: &Path, cgroup: u64) -> Result<(), String> {
    let token = token(file).map_err(|why| format!("{why:#}"))?;
    let answer = exchange(socket, &token, cgroup).map_err(|why| format!("{AWAY} at {}: {why}", socket.display()))?;
    match answer.split_once("\r\n\r\n") {
        Some((head, _)) if head.starts_with("HTTP/1.1 200 ") => Ok(()),
        Some((_, words)) => Err(control::plain(words)),
        None => Err(format!("{AWAY}: its answer was cut short")),
    }
}

fn exchange(socket: &Path, token: &[u8], cgroup: u64) -> std::io::Result<String> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let head =
        format!("POST /token HTTP/1.1\r\ncontent-length: {}\r\ninterceptor-cgroup: {cgroup}\r\n\r\n", token.len());
    stream.write_all(head.as_bytes())?;
    // One that is too long is answered before it is read.
    let _ = stream.write_all(token);
    let mut answer = String::new();
    stream.take(1 << 16).read_to_string(&mut answer)?;
    Ok(answer)
}
