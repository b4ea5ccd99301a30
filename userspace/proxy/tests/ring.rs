//! Shards on the real ring, with the real session, over loopback.
#![allow(clippy::unwrap_used)] // a failed step of the set-up fails the test

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;

use audit::segment::{Recovered, recover};
use audit::token::CardKey;
use policy::{Names, Policy};
use proxy::{Admitted, Handle, OpenError, Origins, RecordSettings, Settings, ShardLimits, StartError, Stopped, start};
use session::{Database, Limits, Mode, Subject};

/// Admits every connection to one destination, or none.
struct Everyone(Option<SocketAddr>);

impl Origins for Everyone {
    fn take(&mut self, _agent: SocketAddr, _local: SocketAddr) -> Option<Admitted> {
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
        let database = Database {
            name: "payments".into(),
            dbnames: Vec::new(),
            mode: Mode::Enforce,
            mask: true,
            masking: Default::default(),
            agent_tls: Default::default(),
            database_tls: false,
            verifiers: None,
            logins: None,
            tell_agent: false,
            asks_login: false,
            estimates: false,
            results: false,
            agent_certificate: false,
        };
        Some(Admitted {
            destination: self.0?,
            database: Arc::new(database),
            tls: Arc::default(),
            subject: Arc::new(subject),
            signed: None,
        })
    }

    fn sweep(&mut self) {}
}

/// Its path, and the boot of the host, where it is told.
struct Directory(PathBuf, Option<[u8; 16]>);

impl Directory {
    fn new(name: &str) -> Directory {
        let path = std::env::temp_dir().join(format!("proxy-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        Directory(path, None)
    }

    /// What recovery says of each segment that was begun, in order.
    fn segments(&self) -> Vec<Recovered> {
        let mut paths: Vec<_> = std::fs::read_dir(&self.0).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        paths.iter().filter_map(|path| recover(&std::fs::read(path).unwrap()).ok()).collect()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn serve(directory: &Directory, shards: u16, destination: Option<SocketAddr>) -> Handle {
    begin(directory, shards, destination).unwrap()
}

fn begin(directory: &Directory, shards: u16, destination: Option<SocketAddr>) -> Result<Handle, StartError> {
    let mut record = RecordSettings::new(directory.0.clone());
    record.segment_bytes = 1 << 20;
    record.boot_id = directory.1;
    let shard = ShardLimits { buffers: 64, ..ShardLimits::default() };
    let settings = Settings {
        port: 0,
        shards,
        shard,
        limits: Limits::default(),
        record,
        card_key: Arc::new(CardKey::derived(b"a test").unwrap()),
    };
    let policy = Arc::new(Policy::parse("", &Names::default()).unwrap());
    let origins = (0..shards).map(|_| Box::new(Everyone(destination)) as Box<dyn Origins>).collect();
    start(&settings, policy, origins)
}

fn stop(handle: Handle) {
    handle.drain(uring::mono_ns() + 10_000_000_000).unwrap();
    assert!(handle.join().iter().all(|fate| *fate == Some(Stopped::Drained)));
}

fn agent(handle: &Handle) -> TcpStream {
    TcpStream::connect(("127.0.0.1", handle.port())).unwrap()
}

/// A startup packet of protocol 3.0 (protocol-message-formats, StartupMessage).
fn startup() -> Vec<u8> {
    let body = b"\0\x03\0\0user\0tester\0database\0payments\0\0";
    let mut packet = (body.len() as u32 + 4).to_be_bytes().to_vec();
    packet.extend_from_slice(body);
    packet
}

/// A FATAL ErrorResponse.
fn fatal() -> Vec<u8> {
    let body = b"SFATAL\0VFATAL\0C28000\0Mno such role\0\0";
    let mut message = vec![b'E'];
    message.extend_from_slice(&(body.len() as u32 + 4).to_be_bytes());
    message.extend_from_slice(body);
    message
}

fn read_to_end(mut stream: TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    bytes
}

#[test]
fn a_connection_that_nobody_redirected_is_closed_and_counted() {
    let directory = Directory::new("unknown");
    let handle = serve(&directory, 2, None);
    for _ in 0..5 {
        assert!(read_to_end(agent(&handle)).is_empty());
    }
    let refused: u64 = handle.snapshots().iter().map(|shard| shard.refused_unknown).sum();
    assert_eq!(refused, 5);
    stop(handle);
}

#[test]
fn the_databases_answer_reaches_the_agent() {
    let directory = Directory::new("answer");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let handle = serve(&directory, 1, Some(listener.local_addr().unwrap()));
    let database = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut packet = vec![0; startup().len()];
        stream.read_exact(&mut packet).unwrap();
        stream.write_all(&fatal()).unwrap();
        packet
    });
    let mut agent = agent(&handle);
    agent.write_all(&startup()).unwrap();
    assert_eq!(read_to_end(agent), fatal());
    assert_eq!(&database.join().unwrap()[4..8], b"\0\x03\0\0");
    stop(handle);
    assert!(directory.segments()[0].records > 0);
}

#[test]
fn a_database_that_is_down_is_an_error_of_the_protocol() {
    let directory = Directory::new("down");
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let handle = serve(&directory, 1, Some(nobody));
    let mut agent = agent(&handle);
    agent.write_all(&startup()).unwrap();
    let answer = read_to_end(agent);
    assert_eq!(answer.first(), Some(&b'E'));
    assert_eq!(handle.snapshots()[0].connect_errors, 1);
    stop(handle);
}

#[test]
fn a_malformed_start_is_answered_and_ended() {
    let directory = Directory::new("malformed");
    let handle = serve(&directory, 1, Some(SocketAddr::from(([127, 0, 0, 1], 1))));
    let mut agent = agent(&handle);
    agent.write_all(&[0x40, 0, 0, 0, 0, 3, 0, 0]).unwrap();
    read_to_end(agent);
    stop(handle);
}

#[test]
fn the_record_goes_on_after_a_restart_and_ends_in_order() {
    let directory = Directory::new("restart");
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut last_seq = 0;
    for run in 0..3 {
        let handle = serve(&directory, 1, Some(nobody));
        let mut agent = agent(&handle);
        agent.write_all(&startup()).unwrap();
        read_to_end(agent);
        let head = handle.heads().remove(0);
        stop(handle);
        let segments = directory.segments();
        let told = head.get().map(|head| (head.shard, head.size, head.root));
        assert_eq!(told, Some((0, segments[0].tree.size(), segments[0].tree.root())), "all is on disk at the end");
        assert_eq!(segments.len(), 1, "run {run}: the same boot and configuration go on in the same segment");
        assert!(segments[0].stopped && segments[0].next_seq > last_seq + 1);
        last_seq = segments[0].next_seq - 1;
    }
}

#[test]
fn a_damaged_record_is_not_written_on() {
    let directory = Directory::new("damaged");
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let handle = serve(&directory, 1, Some(nobody));
    let mut agent = agent(&handle);
    agent.write_all(&startup()).unwrap();
    read_to_end(agent);
    stop(handle);
    let path = directory.0.join(audit::segment::file_name(0, 1));
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[audit::segment::HEADER_LEN + 60] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let policy = Arc::new(Policy::parse("", &Names::default()).unwrap());
    let mut record = RecordSettings::new(directory.0.clone());
    record.segment_bytes = 1 << 20;
    let settings = Settings {
        port: 0,
        shards: 1,
        shard: ShardLimits::default(),
        limits: Limits::default(),
        record,
        card_key: Arc::new(CardKey::derived(b"a test").unwrap()),
    };
    let refused = start(&settings, policy, vec![Box::new(Everyone(None))]).err().unwrap();
    assert!(refused.to_string().contains("damaged"), "{refused}");
}

#[test]
fn two_services_never_write_one_record() {
    let directory = Directory::new("two");
    let first = serve(&directory, 2, None);
    // On another port: nothing but the record is in the way.
    for _ in 0..3 {
        let second = begin(&directory, 2, None).err().unwrap();
        assert!(matches!(second, StartError::Record(OpenError::Busy(_))), "{second:?}");
        let said = second.to_string();
        assert!(
            said.contains("record.lock") && said.contains("another process") && said.contains("state_dir"),
            "{said}"
        );
    }
    stop(first);
    let segments = directory.segments();
    assert!(segments.iter().all(|segment| segment.stopped), "the second one wrote");
    stop(serve(&directory, 2, None));
}

#[test]
fn another_boot_begins_a_segment_of_its_own() {
    let mut directory = Directory::new("boots");
    for boot in [1, 1, 2] {
        directory.1 = Some([boot; 16]);
        stop(serve(&directory, 1, None));
    }
    let boots: Vec<_> = directory.segments().iter().map(|segment| segment.header.identity.boot_id[0]).collect();
    assert_eq!(boots, [1, 2]);
}
