//! From a person's decision to the first byte of the statement at the database.
//!
//! The database is a stub in this process, so that both moments are read from one clock; the thread that sees the byte has to be woken first, and
//! that is counted too.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use super::{DECIDED_US, Options, PATIENCE, Service, ask};
use crate::answers::HELD;
use crate::load::targets::Worker;
use crate::ratio::{self, Ratio};
use crate::slice::{Cpus, Slice, Work};
use crate::stub::{self, Reply};

/// A service whose record lies in memory: what is left is the hold's own, without the disk's time.
const MEMORY: &str = "memory";
/// Decisions that are not counted.
const WARM: u32 = 20;

/// What one service came to.
pub(super) struct Decided {
    /// Where its record is.
    pub(super) name: String,
    /// Microseconds.
    took: Vec<f64>,
}

impl Decided {
    pub(super) fn at(&self, quantile: f64) -> Ratio {
        ratio::quantile(&self.took, quantile).unwrap_or(Ratio { median: f64::NAN, low: f64::NAN, high: f64::NAN })
    }

    /// How long a disk takes is its own.
    pub(super) fn is_judged(&self) -> bool {
        self.name == MEMORY
    }

    pub(super) fn is_met(&self) -> bool {
        self.at(0.99).high < DECIDED_US
    }
}

/// Every service, one after the other.
pub(super) fn measure(options: &Options) -> Result<Vec<Decided>, String> {
    let seen = listen(options.seen)?;
    options.services.iter().map(|service| one(options, service, &seen)).collect()
}

fn one(options: &Options, service: &Service, seen: &Receiver<Instant>) -> Result<Decided, String> {
    let mut worker = Worker::start(&service.through.words)?;
    let (port, dbname) = (options.seen, "bench".to_owned());
    let slice = Slice { work: Work::Held, sealed: false, port, dbname, connections: 1, millis: 0, cpus: Cpus::Any };
    let mut took = Vec::with_capacity(options.decisions as usize);
    for number in 0..WARM + options.decisions {
        worker.begin(&slice)?;
        let id = pending(service)?;
        let start = Instant::now();
        ask(&service.admin, "POST", &format!("/approvals/{id}/approve"), "{\"reason\": \"bench\"}")?;
        let at = seen.recv_timeout(PATIENCE).map_err(|_| "an approved statement does not reach the database")?;
        worker.end()?;
        if number >= WARM {
            took.push(at.duration_since(start).as_nanos() as f64 / 1e3);
        }
    }
    Ok(Decided { name: service.through.name.clone(), took })
}

/// The id of the only statement that waits.
fn pending(service: &Service) -> Result<String, String> {
    let until = Instant::now() + PATIENCE;
    while Instant::now() < until {
        let listing = ask(&service.admin, "GET", "/approvals", "")?;
        let first = listing.strip_prefix("{\"pending\":[{\"id\":\"").and_then(|rest| rest.split_once('"'));
        if let Some((id, _)) = first {
            return Ok(id.to_owned());
        }
        std::thread::sleep(Duration::from_micros(500));
    }
    Err("the statement is not held".into())
}

/// A database on this port, which says when it sees a held statement.
fn listen(port: u16) -> Result<Receiver<Instant>, String> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(|error| format!("port {port}: {error}"))?;
    let (tell, seen) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let tell = tell.clone();
            std::thread::spawn(move || serve(stream, &tell));
        }
    });
    Ok(seen)
}

/// Ends with its connection.
fn serve(mut stream: TcpStream, tell: &Sender<Instant>) {
    let (mut bytes, mut started, mut chunk) = (Vec::new(), false, [0; 16 << 10]);
    let _ = stream.set_nodelay(true);
    while let Ok(count @ 1..) = stream.read(&mut chunk) {
        let now = Instant::now();
        let got = chunk.get(..count).unwrap_or_default();
        bytes.extend_from_slice(got);
        if memchr::memmem::find(got, HELD.as_bytes()).is_some() && tell.send(now).is_err() {
            return;
        }
        let mut reply = Reply::default();
        let used = stub::read(&bytes, &mut started, &mut reply);
        bytes.drain(..used);
        if reply.close || stream.write_all(&reply.bytes).is_err() {
            return;
        }
    }
}
