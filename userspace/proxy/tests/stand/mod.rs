//! Real shards over loopback, a small PostgreSQL behind them, and an agent in front: what the tests of steady state share.
#![allow(dead_code)] // every includer uses a part of it
#![allow(clippy::unwrap_used, unreachable_pub)] // a failed step of the set-up fails the test

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use audit::token::CardKey;
use policy::{Names, Policy};
use proxy::{Admitted, Handle, Origins, RecordSettings, Settings, ShardLimits, Stopped, Tls, start};
use session::{AgentTls, Database, Limits, Mode, Subject};

#[path = "../../../session/tests/world/server.rs"]
mod server;
pub use server::Server;

const POLICY: &str = r#"
[[sensitive]]
kind    = "pan"
columns = ["public.payments.pan"]

[[rule]]
name       = "read"
statements = ["select", "copy-out"]
tables     = ["public.payments", "@catalog"]
action     = "allow"
"#;

/// Admits every connection to one destination.
struct Everyone(SocketAddr, Arc<Database>, Arc<Subject>, Arc<Tls>);

impl Origins for Everyone {
    fn take(&mut self, _agent: SocketAddr, _local: SocketAddr) -> Option<Admitted> {
        Some(Admitted {
            destination: self.0,
            database: Arc::clone(&self.1),
            tls: Arc::clone(&self.3),
            subject: Arc::clone(&self.2),
            signed: None,
        })
    }

    fn sweep(&mut self) {}
}

/// A running shard, and the folder of its record.
pub struct Stand {
    handle: Option<Handle>,
    folder: PathBuf,
}

impl Stand {
    /// One shard in front of this database.
    pub fn start(name: &str, database: SocketAddr, sessions: u32) -> Stand {
        Stand::secured(name, database, sessions, Tls::default())
    }

    /// The same with TLS on the legs that have some.
    pub fn secured(name: &str, database: SocketAddr, sessions: u32, tls: Tls) -> Stand {
        Stand::begin(name, database, sessions, tls, None)
    }

    /// One shard that keeps results, and has so much memory for them.
    pub fn keeping(name: &str, database: SocketAddr, memory: usize) -> Stand {
        Stand::begin(name, database, 8, Tls::default(), Some(memory))
    }

    fn begin(name: &str, database: SocketAddr, sessions: u32, tls: Tls, results: Option<usize>) -> Stand {
        let folder = std::env::temp_dir().join(format!("proxy-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        let mut record = RecordSettings::new(folder.clone());
        record.segment_bytes = 16 << 20;
        // Every statement is slow: telling so is part of the steady state.
        let slow = Some(Duration::ZERO);
        let shard = ShardLimits {
            sessions,
            sessions_per_agent: sessions,
            slow,
            results: results.unwrap_or_default(),
            ..ShardLimits::default()
        };
        let settings = Settings {
            port: 0,
            shards: 1,
            shard,
            limits: Limits::default(),
            record,
            card_key: Arc::new(CardKey::derived(b"a test").unwrap()),
        };
        let policy = Arc::new(Policy::parse(POLICY, &Names::default()).unwrap());
        let subject = Subject {
            policy: Arc::new(policy::Subject { agent: "tester".into(), groups: Vec::new(), signed: None }),
            token: Arc::default(),
            cgroup: 1,
            pid: 2,
            uid: 3,
            exe_device: 4,
            exe_inode: 5,
            exe_name: "test".into(),
        };
        let payments = Database {
            name: "payments".into(),
            dbnames: Vec::new(),
            mode: Mode::Enforce,
            mask: true,
            masking: Default::default(),
            agent_tls: if tls.agent.is_some() { AgentTls::Require } else { AgentTls::Disable },
            database_tls: tls.database.is_some(),
            verifiers: None,
            logins: None,
            tell_agent: false,
            asks_login: false,
            estimates: false,
            results: results.is_some(),
            agent_certificate: false,
        };
        let origins = Everyone(database, Arc::new(payments), Arc::new(subject), Arc::new(tls));
        let handle = start(&settings, policy, vec![Box::new(origins)]).unwrap();
        Stand { handle: Some(handle), folder }
    }

    pub fn handle(&self) -> &Handle {
        self.handle.as_ref().unwrap()
    }

    /// Stops the shard in order; the bytes of its first segment.
    pub fn record(mut self) -> Vec<u8> {
        if let Some(handle) = self.handle.take() {
            handle.drain(uring::mono_ns() + 10_000_000_000).unwrap();
            assert!(handle.join().iter().all(|fate| *fate == Some(Stopped::Drained)));
        }
        std::fs::read(self.folder.join(audit::segment::file_name(0, 1))).unwrap()
    }

    pub fn port(&self) -> u16 {
        self.handle().port()
    }
}

impl Drop for Stand {
    fn drop(&mut self) {
        if let Some(handle) = self.handle.take()
            && !std::thread::panicking()
        {
            handle.drain(uring::mono_ns() + 10_000_000_000).unwrap();
            assert!(handle.join().iter().all(|fate| *fate == Some(Stopped::Drained)));
        }
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// A startup packet of protocol 3.0 (protocol-message-formats, StartupMessage).
pub fn startup() -> Vec<u8> {
    let body = b"\0\x03\0\0user\0app\0database\0payments\0\0";
    let mut packet = (body.len() as u32 + 4).to_be_bytes().to_vec();
    packet.extend_from_slice(body);
    packet
}

/// One message.
pub fn message(tag: u8, body: &[u8]) -> Vec<u8> {
    let mut packet = vec![tag];
    packet.extend_from_slice(&(body.len() as u32 + 4).to_be_bytes());
    packet.extend_from_slice(body);
    packet
}

/// A Query.
pub fn query(text: &str) -> Vec<u8> {
    message(b'Q', &[text.as_bytes(), b"\0"].concat())
}

/// A ReadyForQuery, but for its status.
const READY: [u8; 5] = [b'Z', 0, 0, 0, 5];

/// Sends, and reads until a whole ReadyForQuery stands at the end of what came; says how many bytes that were. Allocates nothing.
pub fn ask(stream: &mut TcpStream, request: &[u8]) -> usize {
    stream.write_all(request).unwrap();
    let (mut tail, mut total) = ([0_u8; 6], 0);
    let mut buffer = [0_u8; 65536];
    while tail[..5] != READY {
        let count = stream.read(&mut buffer).unwrap();
        assert!(count > 0, "the connection was closed");
        total += count;
        let keep = count.min(6);
        tail.copy_within(keep.., 0);
        tail[6 - keep..].copy_from_slice(&buffer[count - keep..count]);
    }
    total
}

/// What comes back of it, until the next message may be sent.
pub fn received(stream: &mut TcpStream, request: &[u8]) -> Vec<u8> {
    stream.write_all(request).unwrap();
    let (mut received, mut buffer) = (Vec::new(), [0_u8; 65536]);
    while received.len() < 6 || received[received.len() - 6..][..5] != READY {
        let count = stream.read(&mut buffer).unwrap();
        assert!(count > 0, "the connection was closed");
        received.extend_from_slice(&buffer[..count]);
    }
    received
}

/// An agent that has logged in.
pub fn agent(port: u16) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_nodelay(true).unwrap();
    ask(&mut stream, &startup());
    stream
}

/// Serves one connection to its end. A request that is in `known` is answered from there once it was answered: without allocating.
pub fn serve(mut stream: TcpStream, known: &[Vec<u8>]) {
    stream.set_nodelay(true).unwrap();
    let mut server = Server::new();
    let mut answers: Vec<Option<Vec<u8>>> = vec![None; known.len()];
    let mut buffer = [0_u8; 65536];
    loop {
        let count = stream.read(&mut buffer).unwrap_or(0);
        if count == 0 {
            return;
        }
        let at = known.iter().position(|known| *known == buffer[..count]);
        if let Some(answer) = at.and_then(|at| answers[at].as_ref()) {
            stream.write_all(answer).unwrap();
            continue;
        }
        server.feed(&buffer[..count]);
        let answer = server.take();
        stream.write_all(&answer).unwrap();
        if let Some(at) = at {
            answers[at] = Some(answer);
        }
    }
}

/// A database that serves one connection.
pub fn database(known: Vec<Vec<u8>>) -> (SocketAddr, std::thread::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let thread = std::thread::spawn(move || serve(listener.accept().unwrap().0, &known));
    (address, thread)
}
