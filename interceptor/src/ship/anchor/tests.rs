//! Against a witness that speaks HTTP and checks what C2SP's tlog-witness says: it cosigns what goes on, and refuses what does not.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use audit::note::{SignerKey, private_key};
use audit::proof::extends;
use audit::segment::{SERVICE_SHARD, frames};
use audit::witness::{WitnessKey, message, read_request};
use audit::{Head, RecordType, show};
use proxy::DurableHead;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::*;
use crate::checkpoints::{Checkpoints, PUBLIC_KEY};
use crate::config::Config;
use crate::host_record::HostRecord;
use crate::host_record::series::{self, Place};
use crate::record::Against;
use crate::ship::tests::certified;
use crate::ship::{Shipper, shipping, start_anchor};

const LOG: &str = "host.example/interceptor";

fn root() -> SignerKey {
    SignerKey::of_seed(LOG, &[1; 32]).unwrap()
}

fn pair(seed: u8) -> (WitnessKey, Ed25519KeyPair) {
    let pair = Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap();
    (WitnessKey::new("witness.example/w1", pair.public_key().as_ref().try_into().unwrap()).unwrap(), pair)
}

/// A witness of one log, on a free port: what it has cosigned last.
struct Witness {
    port: u16,
    last: Arc<Mutex<Option<Checkpoint>>>,
}

impl Witness {
    /// Of the log with this root key.
    fn of(log: VerifierKey) -> Witness {
        Witness::with(None, log)
    }

    /// Under TLS, where it has a certificate.
    fn with(tls: Option<Arc<ServerConfig>>, log: VerifierKey) -> Witness {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (port, last) = (listener.local_addr().unwrap().port(), Arc::new(Mutex::new(None)));
        let state = Arc::clone(&last);
        // It ends with the test's process.
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else { return };
                let Some(tls) = &tls else {
                    serve(stream, &log, &state);
                    continue;
                };
                let connection = ServerConnection::new(Arc::clone(tls)).unwrap();
                serve(StreamOwned::new(connection, stream), &log, &state);
            }
        });
        Witness { port, last }
    }

    fn size(&self) -> u64 {
        self.last.lock().unwrap().as_ref().map_or(0, |last| last.size)
    }
}

/// One request, unless the client is gone before it has said anything (it does not believe the certificate).
fn serve(mut stream: impl Read + Write, log: &VerifierKey, last: &Mutex<Option<Checkpoint>>) {
    let Some(body) = request(&mut stream) else { return };
    let (status, content, body) = answer(log, &mut last.lock().unwrap(), &body);
    let head = format!("HTTP/1.1 {status} X\r\nContent-Type: {content}\r\nContent-Length: {}\r\n\r\n", body.len());
    let _ = stream.write_all((head + &body).as_bytes()).and_then(|()| stream.flush());
}

fn request(stream: impl Read) -> Option<String> {
    let mut reader = BufReader::new(stream);
    let (mut line, mut length) = (String::new(), 0);
    (reader.read_line(&mut line).ok()? > 0).then_some(())?;
    assert!(line.starts_with("POST /w/add-checkpoint HTTP/1.1"), "{line}");
    while line != "\r\n" {
        line.clear();
        reader.read_line(&mut line).unwrap();
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    Some(String::from_utf8(body).unwrap())
}

/// tlog-witness, `add-checkpoint`.
fn answer(log: &VerifierKey, last: &mut Option<Checkpoint>, body: &str) -> (u16, &'static str, String) {
    let plain = |status| (status, "text/plain", String::new());
    let Some((old, proof, signed)) = read_request(body) else { return plain(400) };
    let checkpoint = match log.open(signed, log.name()) {
        Ok(checkpoint) => checkpoint,
        Err(audit::note::Unfit::Origin) => return plain(404),
        Err(_) => return plain(403),
    };
    if old > checkpoint.size {
        return plain(400);
    }
    let (size, root) = last.as_ref().map_or((0, [0; 32]), |last| (last.size, last.root));
    if old != size || (old == checkpoint.size && root != checkpoint.root) {
        return (409, "text/x.tlog.size", format!("{size}\n"));
    }
    let goes_on = match old {
        0 => proof.is_empty(),
        _ => extends((old, &root), (checkpoint.size, &checkpoint.root), &proof),
    };
    if !goes_on {
        return plain(422);
    }
    let (key, pair) = pair(5);
    let text = &signed[..signed.find("\n\n").unwrap() + 1];
    let time = 1_790_000_000 + checkpoint.size;
    let signature = pair.sign(message(text, time).as_bytes()).as_ref().try_into().unwrap();
    *last = Some(checkpoint);
    (200, "text/plain", key.line(time, &signature))
}

/// A host: its folders, and the service of one run.
struct Host {
    folder: PathBuf,
    running: Checkpoints,
}

impl Host {
    fn new(name: &str) -> Host {
        let folder = std::env::temp_dir().join(format!("anchor-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(folder.join("state")).unwrap();
        let host = folder.join("state-host");
        std::os::unix::fs::DirBuilderExt::mode(&mut fs::DirBuilder::new(), 0o700).create(&host).unwrap();
        fs::write(host.join("root.key"), private_key(LOG, &[1; 32]).unwrap()).unwrap();
        let state = folder.join("state");
        fs::write(state.join(PUBLIC_KEY), root().public().to_string()).unwrap();
        root_key::certify_for(&state, None).unwrap();
        let running = Checkpoints::open(&state).unwrap();
        Host { folder, running }
    }

    fn state(&self) -> PathBuf {
        self.folder.join("state")
    }

    /// Something is recorded, and signed.
    fn record(&mut self, count: u32) {
        let (state, shard) = (self.state(), 0);
        let place = Place { folder: &state, shard };
        (0..count).for_each(|_| _ = series::append(&place, RecordType::Canary.code(), b"").unwrap());
        let Head { size, root, .. } = series::head(&place).unwrap();
        let head = DurableHead::default();
        head.tell(Head { shard, size, root });
        self.running.of(vec![Arc::new(head)]);
        self.running.last("ab12").unwrap();
    }

    fn size(&self) -> u64 {
        let text = fs::read_to_string(self.state().join(CHECKPOINT)).unwrap();
        audit::note::checkpoint_of(&text).unwrap().size
    }

    /// Every file of the service's folder.
    fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let paths = fs::read_dir(self.state()).unwrap().map(|entry| entry.unwrap().path());
        paths.map(|path| (path.clone(), fs::read(&path).unwrap())).collect()
    }

    fn put_back(&self, files: &[(PathBuf, Vec<u8>)]) {
        files.iter().for_each(|(path, bytes)| fs::write(path, bytes).unwrap());
    }

    fn config(&self, port: u16, key: &WitnessKey) -> PathBuf {
        let path = self.folder.join("interceptor.toml");
        let text = format!(
            "[service]\nstate_dir = {:?}\nrun_dir = {:?}\n[[database]]\nname = \"d\"\nprotocol = \"postgres\"\naddresses = [\"127.0.0.1:1\"]\n[anchor]\nurl = \"http://127.0.0.1:{port}/w\"\nkey = \"{key}\"\n",
            self.state(),
            self.folder.join("run")
        );
        fs::write(&path, text).unwrap();
        path
    }

    fn source(&self, config: &Config) -> Source {
        let (positions, host) = (self.folder.join("state-host"), "host.example".to_owned());
        Source { folders: record::folders(config), positions, host, once: true }
    }

    fn ask(&self, port: u16, key: &WitnessKey) -> Result<Round> {
        let config = Config::load(&self.config(port, key)).unwrap();
        round(config.anchor.as_ref().unwrap(), &self.source(&config), &self.state())
    }

    /// What `ship --once` does of it: the anchor's thread asks once, and what it has to say becomes alerts.
    fn ship(&self, port: u16, key: &WitnessKey) -> Result<()> {
        let config = Config::load(&self.config(port, key)).unwrap();
        let source = self.source(&config);
        let mut shipper = Shipper::new(&config, &source, HostRecord::new(&self.state())).unwrap();
        let started = start_anchor(config.anchor.as_ref().unwrap(), &source, &self.state()).unwrap();
        while !started.thread.is_finished() {
            std::thread::yield_now();
        }
        shipper.watch(&[], Some(&started));
        let shipping = shipping(&config).unwrap().unwrap();
        let (words, metrics) = (shipping.words().0, shipping.metrics());
        assert!(words.contains("anchor    witness.example/w1"), "{words}");
        assert!(metrics.contains("interceptor_anchor_lag_seconds ") && metrics.contains("interceptor_anchor_refuses "));
        started.thread.join().unwrap()
    }

    /// What `audit verify --witness` and the second verifier say, which is the same.
    fn verdict(&self, key: &WitnessKey) -> u8 {
        let (folder, public, witness) = (self.folder.join("copy"), root().public().to_string(), key.to_string());
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir(&folder).unwrap();
        self.files().iter().for_each(|(path, bytes)| fs::write(folder.join(path.file_name().unwrap()), bytes).unwrap());
        let (cosigned, copy) = (self.folder.join("state-host").join(COSIGNED), folder.join(COSIGNED));
        let mut command = Command::new("python3");
        command.arg("-B").arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../userspace/audit/verify.py"));
        command.args(["--key", &public, "--witness", &witness, "--checkpoint"]).arg(folder.join(CHECKPOINT));
        if cosigned.exists() {
            fs::copy(&cosigned, &copy).unwrap();
            command.arg("--witnessed").arg(&copy);
        }
        command.args(record::segments(std::slice::from_ref(&folder)).unwrap());
        let against = Against { key: Some(&public), kept: &[], witness: Some(&witness) };
        let status = record::verify(Path::new("/none"), Some(folder), against, true).unwrap();
        match command.output() {
            Ok(output) => {
                let said =
                    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
                assert_eq!(output.status.code(), Some(i32::from(status)), "the second verifier: {said}");
                assert_eq!(said.contains("cosigned: checkpoint"), status == 0);
            }
            Err(_) => {
                assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "python3 is missing, and CI needs it")
            }
        }
        status
    }

    /// What root's series says of alerts.
    fn alerts(&self) -> Vec<String> {
        let files = record::series_of(&[self.folder.join("state-host")], SERVICE_SHARD).unwrap();
        let read = |path: &PathBuf| {
            let bytes = fs::read(path).unwrap();
            let alerts = frames(&bytes).filter(|frame| frame.kind == RecordType::Alert.code());
            alerts.map(|frame| show::line(SERVICE_SHARD, &frame)).collect::<Vec<_>>()
        };
        files.iter().flat_map(read).collect()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

#[test]
fn what_goes_on_is_cosigned_and_both_verifiers_see_it() {
    let (mut host, witness, (key, _)) = (Host::new("goes-on"), Witness::of(root().public().clone()), pair(5));
    host.record(3);
    assert_eq!(host.verdict(&key), 1, "nothing is cosigned yet");
    for _ in 0..3 {
        let size = host.size();
        assert_eq!(host.ask(witness.port, &key).unwrap(), Round::Cosigned { size, time_s: 1_790_000_000 + size });
        assert_eq!((witness.size(), host.verdict(&key)), (size, 0));
        host.record(2);
        assert_eq!(host.verdict(&key), 0, "the rest is later");
    }
    // A new run, with a key of its own, is the same log.
    root_key::certify_for(&host.state(), None).unwrap();
    host.running = Checkpoints::open(&host.state()).unwrap();
    host.record(1);
    assert!(matches!(host.ask(witness.port, &key).unwrap(), Round::Cosigned { .. }));
    // The same state once more: the witness says that it still is the newest.
    assert!(matches!(host.ask(witness.port, &key).unwrap(), Round::Cosigned { .. }));
    assert_eq!(host.verdict(&key), 0);
    // Whoever loses what was cosigned asks the witness how far it is.
    fs::remove_file(host.folder.join("state-host").join(COSIGNED)).unwrap();
    host.record(1);
    let size = host.size();
    assert_eq!(host.ask(witness.port, &key).unwrap(), Round::Cosigned { size, time_s: 1_790_000_000 + size });
}

#[test]
fn a_witness_over_https_is_asked_under_its_name_and_authority_alone() {
    let (mut host, (key, _)) = (Host::new("https"), pair(5));
    let (tls, roots) = certified("localhost", &host.folder);
    let witness = Witness::with(Some(tls), root().public().clone());
    host.record(3);
    let ask = |name: &str, roots: &Path| {
        let mut anchor = Config::load(&host.config(witness.port, &key)).unwrap().anchor.unwrap();
        (anchor.to.tls, anchor.to.host, anchor.to.roots) = (true, name.to_owned(), roots.to_owned());
        round(&anchor, &host.source(&Config::load(&host.config(witness.port, &key)).unwrap()), &host.state())
    };
    assert!(matches!(ask("localhost", &roots).unwrap(), Round::Cosigned { .. }));
    assert_eq!((witness.size(), host.verdict(&key)), (host.size(), 0));
    let elsewhere = host.folder.join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    let (_, others) = certified("localhost", &elsewhere);
    for (name, roots) in [("127.0.0.1", &roots), ("localhost", &others)] {
        let why = format!("{:#}", ask(name, roots).unwrap_err());
        assert!(why.contains("no answer") && why.contains("certificate"), "{why}");
    }
}

#[test]
fn a_fork_is_refused_and_becomes_an_alert() {
    let (mut host, witness, (key, _)) = (Host::new("fork"), Witness::of(root().public().clone()), pair(5));
    host.record(3);
    let before = host.files();
    host.record(3);
    assert!(matches!(host.ask(witness.port, &key).unwrap(), Round::Cosigned { .. }));
    let seen = witness.size();
    // All files as they were, and another history from there: with the run's own key.
    host.put_back(&before);
    host.ship(witness.port, &key).unwrap_err();
    assert!(
        host.alerts().iter().any(|line| line.contains("it was put back to an earlier state")),
        "{:?}",
        host.alerts()
    );
    while host.size() <= seen {
        host.record(1);
    }
    host.ship(witness.port, &key).unwrap_err();
    let alerts = host.alerts();
    assert!(
        alerts.iter().any(|line| line.contains("object=anchor") && line.contains("another history was written")),
        "{alerts:?}"
    );
    assert_eq!(witness.size(), seen, "the witness has seen nothing of it");
    assert_eq!(host.verdict(&key), 1, "and what it cosigned shows it to anybody");
    // The same where nobody here remembers what was cosigned.
    fs::remove_file(host.folder.join("state-host").join(COSIGNED)).unwrap();
    assert!(matches!(host.ask(witness.port, &key).unwrap(), Round::Forked(_)));
}

#[test]
fn another_witness_and_another_log_are_named() {
    let (mut host, (key, _), (other, _)) = (Host::new("others"), pair(5), pair(6));
    host.record(3);
    let stranger = Witness::of(SignerKey::of_seed(LOG, &[9; 32]).unwrap().public().clone());
    let why = format!("{:#}", host.ask(stranger.port, &key).unwrap_err());
    assert!(why.contains("does not know this log's root key"), "{why}");
    let elsewhere = Witness::of(SignerKey::of_seed("elsewhere.example/x", &[1; 32]).unwrap().public().clone());
    let why = format!("{:#}", host.ask(elsewhere.port, &key).unwrap_err());
    assert!(why.contains("does not know the log"), "{why}");
    let witness = Witness::of(root().public().clone());
    let why = format!("{:#}", host.ask(witness.port, &other).unwrap_err());
    assert!(why.contains("no cosignature of its key"), "{why}");
    assert!(matches!(host.ask(witness.port, &key).unwrap(), Round::Cosigned { .. }));
    assert_eq!((host.verdict(&key), host.verdict(&other)), (0, 1));
    // A cosignature of another state, and a changed one.
    let path = host.folder.join("state-host").join(COSIGNED);
    let cosigned = fs::read_to_string(&path).unwrap();
    host.record(2);
    let newest = fs::read_to_string(host.state().join(CHECKPOINT)).unwrap();
    let line = cosigned.lines().last().unwrap();
    fs::write(&path, format!("{newest}{line}\n")).unwrap();
    assert_eq!(host.verdict(&key), 1);
    fs::write(&path, cosigned.replace(line, &line.replace('w', "v"))).unwrap();
    assert_eq!(host.verdict(&key), 1);
}

#[test]
fn a_key_that_root_has_not_certified_is_not_countersigned() {
    let (mut host, witness, (key, _)) = (Host::new("uncertified"), Witness::of(root().public().clone()), pair(5));
    host.record(1);
    let text = fs::read_to_string(host.state().join(CHECKPOINT)).unwrap();
    let checkpoint = audit::note::checkpoint_of(&text).unwrap();
    let own = SignerKey::of_seed(LOG, &[7; 32]).unwrap();
    fs::write(host.state().join(CHECKPOINT), own.sign(&checkpoint).unwrap()).unwrap();
    assert!(host.ask(witness.port, &key).is_err());
    let told = KeyTold::run(
        &own,
        own.public(),
        [0; 16],
        1,
        Head { shard: 65_534, ..series::head(&Place { folder: &host.state(), shard: 65_534 }).unwrap() },
    );
    fs::write(host.state().join("record.keys"), root_key::line(&told)).unwrap();
    let why = format!("{:#}", host.ask(witness.port, &key).unwrap_err());
    assert!(why.contains("not certified by the root key"), "{why}");
    assert_eq!(witness.size(), 0);
}
