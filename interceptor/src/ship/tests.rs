use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use audit::RecordType;
use audit::segment::{file_name, frames};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::*;
use crate::config::{Http, HttpForm, Syslog, To};
use crate::host_record::series::{self, Place as SeriesPlace};

mod alerts;

/// A record in a folder, and one for positions.
pub(super) struct Scratch(pub(super) PathBuf);

impl Scratch {
    pub(super) fn new(name: &str) -> Scratch {
        let path = std::env::temp_dir().join(format!("ship-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(path.join("record")).unwrap();
        fs::create_dir_all(path.join("positions")).unwrap();
        Scratch(path)
    }

    pub(super) fn record(&self) -> PathBuf {
        self.0.join("record")
    }

    /// Each record is followed by a stop, as root's are.
    fn append(&self, shard: u16, count: u32) {
        let place = SeriesPlace { folder: &self.record(), shard };
        (0..count).for_each(|_| _ = series::append(&place, RecordType::Canary.code(), b"").unwrap());
    }

    /// The names of all records.
    fn names(&self) -> Vec<String> {
        let mut names = Vec::new();
        for path in record::segments(&[self.record()]).unwrap() {
            let (shard, _) = audit::segment::parse_file_name(path.file_name().unwrap().to_str().unwrap()).unwrap();
            names.extend(frames(&fs::read(path).unwrap()).map(|frame| format!("{shard}-{}", frame.seq)));
        }
        names.sort();
        names
    }

    fn source(&self) -> Source {
        Source {
            folders: vec![self.record()],
            positions: self.0.join("positions"),
            host: "host.example".into(),
            once: true,
        }
    }

    pub(super) fn ship(&self, to: To) -> Result<Health> {
        let sink = Sink { name: "siem".into(), to, only_alerts: false, lag_max: Duration::from_secs(60) };
        let seen = Seen::of(&sink);
        sink::run(&sink, &self.source(), &seen)?;
        Ok(seen.health())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn uids(lines: &str) -> Vec<String> {
    let uid = |line: &str| {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        let event = if event["event"].is_object() { event["event"].clone() } else { event };
        event["metadata"]["uid"].as_str().unwrap().to_owned()
    };
    let mut uids: Vec<String> = lines.lines().map(uid).collect();
    uids.sort();
    uids
}

#[test]
fn a_file_gets_each_record_once_and_goes_on_where_it_was() {
    let scratch = Scratch::new("file");
    scratch.append(0, 3);
    scratch.append(1, 2);
    let path = scratch.0.join("out.json");
    assert_eq!(scratch.ship(To::File(path.clone())).unwrap().shipped, 10);
    scratch.append(1, 2);
    assert_eq!(scratch.ship(To::File(path.clone())).unwrap().shipped, 4);
    assert_eq!(uids(&fs::read_to_string(&path).unwrap()), scratch.names());
    // Rotated away: a new one takes what is new.
    fs::rename(&path, scratch.0.join("old.json")).unwrap();
    scratch.append(0, 1);
    scratch.ship(To::File(path.clone())).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 2);
}

#[test]
fn a_sink_of_alerts_gets_alerts_alone() {
    let scratch = Scratch::new("alerts");
    scratch.append(0, 2);
    let deed = Deed::Alert { object: "redirection", about: None };
    let mut payload = Vec::new();
    let kind = host_record::encode(&deed, Stage::Failed("it is broken"), &mut payload);
    let place = SeriesPlace { folder: &scratch.record(), shard: 0 };
    let alert = series::append(&place, kind, &payload).unwrap().record;
    scratch.append(0, 1);
    let path = scratch.0.join("out.json");
    let to = To::File(path.clone());
    let sink = Sink { name: "pager".into(), to, only_alerts: true, lag_max: Duration::from_secs(60) };
    sink::run(&sink, &scratch.source(), &Seen::of(&sink)).unwrap();
    assert_eq!(uids(&fs::read_to_string(&path).unwrap()), [alert.to_string()]);
}

#[test]
fn a_line_that_a_kill_cut_off_is_written_anew() {
    let scratch = Scratch::new("cut");
    scratch.append(0, 3);
    let path = scratch.0.join("out.json");
    // As a kill leaves it: two records and a half, and no position.
    scratch.ship(To::File(path.clone())).unwrap();
    let text = fs::read_to_string(&path).unwrap();
    let half = text.match_indices('\n').nth(1).unwrap().0 + 100;
    fs::write(&path, &text[..half]).unwrap();
    fs::remove_file(scratch.0.join("positions/ship-siem.position")).unwrap();
    scratch.ship(To::File(path.clone())).unwrap();
    let mut got = uids(&fs::read_to_string(&path).unwrap());
    assert_eq!(got.len(), 6 + 2, "the two that were whole come again, the half line is gone");
    got.dedup();
    assert_eq!(got, scratch.names());
}

/// How a receiver behaves, request by request; when the list is at its end it takes everything.
#[derive(Clone, Copy)]
enum Acts {
    Dies,
    Answers(u16),
    IsSlow,
    TakesAtMost(usize),
}

/// A receiver; the bodies that it took, each line once per time that it was taken.
fn receiver(acts: Vec<Acts>) -> (u16, Arc<Mutex<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let taken = Arc::new(Mutex::new(String::new()));
    let takes = Arc::clone(&taken);
    std::thread::spawn(move || {
        let mut acts = acts.into_iter().peekable();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let act = match acts.peek() {
                // It goes on as long as it is asked for more.
                Some(Acts::TakesAtMost(_)) => acts.peek().copied(),
                _ => acts.next(),
            };
            let body = request(&stream);
            let status = match act {
                Some(Acts::Dies) => continue,
                Some(Acts::Answers(status)) => status,
                Some(Acts::TakesAtMost(lines)) if body.lines().count() > lines => 413,
                Some(Acts::IsSlow) => {
                    std::thread::sleep(Duration::from_millis(300));
                    200
                }
                Some(Acts::TakesAtMost(_)) | None => 200,
            };
            if status == 200 {
                takes.lock().unwrap().push_str(&body);
            }
            let _ = write!(stream, "HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n");
        }
    });
    (port, taken)
}

fn request(stream: &TcpStream) -> String {
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line == "\r\n" || line.is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    String::from_utf8(body).unwrap()
}

fn to(port: u16, form: HttpForm) -> To {
    let (host, path) = ("127.0.0.1".into(), "/services/collector/event".into());
    To::Http(Http { tls: false, host, port, path, token_file: None, form, roots: PathBuf::new() })
}

#[test]
fn a_receiver_that_dies_or_refuses_loses_nothing() {
    let scratch = Scratch::new("http");
    scratch.append(0, 4);
    let (port, taken) = receiver(vec![Acts::Dies, Acts::Answers(503), Acts::IsSlow]);
    let died = scratch.ship(to(port, HttpForm::Hec)).unwrap_err();
    assert!(format!("{died:#}").contains("no answer"), "{died:#}");
    let refused = scratch.ship(to(port, HttpForm::Hec)).unwrap_err();
    assert!(format!("{refused:#}").contains("503"), "{refused:#}");
    scratch.ship(to(port, HttpForm::Hec)).unwrap();
    scratch.append(0, 1);
    scratch.ship(to(port, HttpForm::Hec)).unwrap();
    let taken = taken.lock().unwrap();
    assert_eq!(uids(&taken), scratch.names());
    assert!(taken.starts_with("{\"time\":1") && taken.contains("\"sourcetype\":\"ocsf\""), "{taken}");
}

#[test]
fn a_receiver_that_takes_little_gets_it_piece_by_piece() {
    let scratch = Scratch::new("pieces");
    scratch.append(0, 20);
    let (port, taken) = receiver(vec![Acts::TakesAtMost(7)]);
    scratch.ship(to(port, HttpForm::Lines)).unwrap();
    assert_eq!(uids(&taken.lock().unwrap()), scratch.names());
}

/// A server's side of TLS under this name, and the file with its authority, which is written into the folder.
pub(super) fn certified(name: &str, folder: &Path) -> (Arc<ServerConfig>, PathBuf) {
    let key = rcgen::generate_simple_self_signed(vec![name.into()]).unwrap();
    let roots = folder.join("roots.pem");
    fs::write(&roots, key.cert.pem()).unwrap();
    let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.signing_key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![key.cert.der().clone()], private)
        .unwrap();
    (Arc::new(config), roots)
}

/// A syslog receiver under TLS; what each connection said, and where its authority is.
fn syslog_receiver(scratch: &Scratch, dies: usize) -> (To, mpsc::Receiver<String>) {
    let (config, roots) = certified("siem.example", &scratch.0);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (says, said) = mpsc::channel();
    std::thread::spawn(move || {
        for (index, stream) in listener.incoming().enumerate() {
            let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = StreamOwned::new(connection, stream.unwrap());
            let mut text = String::new();
            if index < dies {
                // It reads a part and is gone: what is left unread makes the kernel reset the connection.
                let _ = stream.read(&mut [0; 16]);
                continue;
            }
            if stream.read_to_string(&mut text).is_ok() {
                says.send(text).unwrap();
            }
        }
    });
    (To::Syslog(Syslog { address, server_name: "siem.example".into(), roots }), said)
}

/// The messages of an octet-counted stream.
fn messages(mut text: &str) -> Vec<&str> {
    let mut messages = Vec::new();
    while let Some((length, rest)) = text.split_once(' ') {
        let (message, rest) = rest.split_at(length.parse().unwrap());
        messages.push(message);
        text = rest;
    }
    messages
}

#[test]
fn syslog_over_tls_is_taken_when_the_receiver_ends_in_order() {
    let scratch = Scratch::new("syslog");
    scratch.append(0, 100);
    let (to, said) = syslog_receiver(&scratch, 1);
    assert!(scratch.ship(to.clone()).is_err(), "the receiver died with the batch half read");
    scratch.ship(to.clone()).unwrap();
    let text: String = said.try_iter().collect();
    let messages = messages(&text);
    let mut names: Vec<String> = messages
        .iter()
        .map(|message| message.split("externalId=").nth(1).unwrap().split(' ').next().unwrap().to_owned())
        .collect();
    names.sort();
    assert_eq!(names, scratch.names());
    let first = messages[0];
    assert!(first.starts_with("<109>1 20") || first.starts_with("<110>1 20"), "{first}");
    assert!(first.contains(" host.example interceptor - canary - CEF:0|interceptor|interceptor|"), "{first}");
    // Another name than the certificate's: nothing is sent.
    let To::Syslog(syslog) = to else { unreachable!() };
    let other = To::Syslog(Syslog { server_name: "other.example".into(), ..syslog });
    scratch.append(0, 1);
    assert!(scratch.ship(other).is_err());
}

#[test]
fn what_a_power_cut_took_back_is_said_and_its_segment_is_shipped_again() {
    let scratch = Scratch::new("power");
    scratch.append(0, 3);
    let path = scratch.0.join("out.json");
    scratch.ship(To::File(path.clone())).unwrap();
    // The record as it was before, and another history from there.
    fs::remove_file(scratch.record().join(file_name(0, 1))).unwrap();
    scratch.append(0, 2);
    let sink = Sink { name: "siem".into(), to: To::File(path.clone()), only_alerts: false, lag_max: Duration::ZERO };
    let seen = Seen::of(&sink);
    sink::run(&sink, &scratch.source(), &seen).unwrap();
    let notes = seen.notes();
    assert!(notes.len() == 1 && notes[0].contains("record 0-6 was read before"), "{notes:?}");
    assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 6 + 4);
}

/// Neither the segment that was read last nor the end of the one before it was on disk.
#[test]
fn what_a_power_cut_took_out_of_two_segments_is_shipped_anew() {
    let scratch = Scratch::new("two");
    let place = SeriesPlace { folder: &scratch.record(), shard: 7 };
    let segment = |number| scratch.record().join(file_name(7, number));
    let append = |payload: &[u8]| _ = series::append(&place, RecordType::Canary.code(), payload).unwrap();
    while !segment(2).exists() {
        append(&[0; 200_000]);
    }
    let on_disk = fs::read(segment(2)).unwrap();
    while !segment(3).exists() {
        append(&[0; 200_000]);
    }
    let path = scratch.0.join("out.json");
    scratch.ship(To::File(path.clone())).unwrap();
    fs::remove_file(segment(3)).unwrap();
    fs::write(segment(2), on_disk).unwrap();
    let before = scratch.names();
    append(b"another history");
    fs::remove_file(&path).unwrap();
    scratch.ship(To::File(path.clone())).unwrap();
    let shipped = uids(&fs::read_to_string(&path).unwrap());
    let new: Vec<String> = scratch.names().into_iter().filter(|name| !before.contains(name)).collect();
    assert!(new.len() == 2 && new.iter().all(|name| shipped.contains(name)), "{new:?} of {}", shipped.len());
}

#[test]
fn a_segment_that_is_gone_is_said_and_the_rest_is_read() {
    let scratch = Scratch::new("gone");
    let place = SeriesPlace { folder: &scratch.record(), shard: 7 };
    while !scratch.record().join(file_name(7, 3)).exists() {
        series::append(&place, RecordType::Canary.code(), &vec![0; 200_000]).unwrap();
    }
    let mut follower = Follower::new(vec![scratch.record()], Default::default());
    fs::remove_file(scratch.record().join(file_name(7, 2))).unwrap();
    let mut last = 0;
    loop {
        let batch = follower.next().unwrap();
        let Some(record) = batch.last() else { break };
        last = record.frame().unwrap().seq;
    }
    assert_eq!(follower.notes, ["segments 2 to 2 of shard 7 are gone and were not read to their end"]);
    assert!(last > 0);
    assert_eq!(follower.places()[&7].seq, last);
}

#[test]
fn a_record_comes_with_the_boot_that_its_segment_is_of() {
    use audit::segment::{Appender, Identity, Previous, Stamp};
    let scratch = Scratch::new("boots");
    let (mut previous, stamp) = (Previous::NONE, Stamp { mono_ns: 1, wall_ns: 2 });
    for boot in [7, 0, 9] {
        let identity = Identity { shards: 1, boot_id: [boot; 16], host_id: [2; 16], config: [0; 32] };
        let mut memory = vec![0; 1 << 16];
        let mut appender = Appender::begin(&mut memory, 4, identity, previous, stamp).unwrap();
        appender.append(&mut memory, RecordType::Canary.code(), 0, stamp, &[]).unwrap();
        previous = appender.seal(&mut memory, stamp, 0).unwrap();
        fs::write(scratch.record().join(file_name(4, appender.header().number())), memory).unwrap();
    }
    let first = RecordType::Canary.code();
    let batch = Follower::new(vec![scratch.record()], Default::default()).next().unwrap();
    let boots: Vec<_> = batch.iter().filter(|one| one.frame().unwrap().kind == first).map(|one| one.boot_id).collect();
    assert_eq!(boots, [Some([7; 16]), None, Some([9; 16])]);
}
