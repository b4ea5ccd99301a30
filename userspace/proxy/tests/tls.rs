//! Real shards and a real ring, with rustls' buffered end on both sides of them: what passes, and what must not.
#![allow(clippy::unwrap_used)] // a failed step of the set-up fails the test
#![allow(clippy::print_stdout)] // how the two processes talk

mod stand;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use proxy::{AgentTls, DatabaseTls, Tls};
use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, StreamOwned};
use stand::{Server, Stand, query, startup};

const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];
const CARD: &str = "SELECT pan FROM payments";

/// One certificate that signs itself, for the address that all speak to.
struct Keys {
    certificate: String,
    key: String,
}

impl Keys {
    fn new() -> Keys {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().self_signed(&key).unwrap();
        Keys { certificate: certificate.pem(), key: key.serialize_pem() }
    }

    fn der(&self) -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(self.certificate.as_bytes()).unwrap()
    }

    fn legs(&self) -> Tls {
        Tls {
            agent: Some(AgentTls::new(&self.certificate, &self.key, None).unwrap()),
            database: Some(DatabaseTls::verified(&self.certificate, None, None).unwrap()),
        }
    }

    /// A database that consents to TLS, sends `behind` behind its consent, and serves one connection.
    fn database(&self, behind: &'static [u8]) -> (SocketAddr, JoinHandle<Server>) {
        let (listener, config) = self.listen();
        let address = listener.local_addr().unwrap();
        (address, std::thread::spawn(move || serve(listener.accept().unwrap().0, config, behind)))
    }

    fn listen(&self) -> (TcpListener, Arc<ServerConfig>) {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let key = PrivateKeyDer::from_pem_slice(self.key.as_bytes()).unwrap();
        let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = Arc::new(builder.with_no_client_auth().with_single_cert(vec![self.der()], key).unwrap());
        (TcpListener::bind("127.0.0.1:0").unwrap(), config)
    }

    /// An agent that asks for TLS, and gets it.
    fn agent(&self, port: u16) -> StreamOwned<ClientConnection, TcpStream> {
        let mut roots = RootCertStore::empty();
        roots.add(self.der()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = builder.with_root_certificates(roots).with_no_client_auth();
        let mut socket = TcpStream::connect(("127.0.0.1", port)).unwrap();
        socket.set_nodelay(true).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        socket.write_all(&SSL_REQUEST).unwrap();
        let mut consent = [0];
        socket.read_exact(&mut consent).unwrap();
        assert_eq!(consent, *b"S");
        let name = ServerName::try_from("127.0.0.1").unwrap();
        StreamOwned::new(ClientConnection::new(Arc::new(config), name).unwrap(), socket)
    }
}

/// One connection of the database, to its end.
fn serve(mut socket: TcpStream, config: Arc<ServerConfig>, behind: &[u8]) -> Server {
    socket.set_nodelay(true).unwrap();
    let mut request = [0; 8];
    socket.read_exact(&mut request).unwrap();
    assert_eq!(request, SSL_REQUEST);
    socket.write_all(&[b"S", behind].concat()).unwrap();
    let mut stream = StreamOwned::new(ServerConnection::new(config).unwrap(), socket);
    let mut server = Server::new();
    let mut buffer = [0_u8; 65536];
    while let Ok(count @ 1..) = stream.read(&mut buffer) {
        server.feed(&buffer[..count]);
        // In records of odd sizes: a value is cut where it likes.
        for part in server.take().chunks(97) {
            stream.write_all(part).unwrap();
        }
    }
    server
}

/// Reads until the server was ready so many times, or no more comes.
fn until_ready(stream: &mut impl Read, mut times: usize) -> Vec<u8> {
    let mut all = Vec::new();
    while times > 0 {
        let mut head = [0; 5];
        if stream.read_exact(&mut head).is_err() {
            return all;
        }
        let mut body = vec![0; u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize - 4];
        stream.read_exact(&mut body).unwrap();
        times -= usize::from(head[0] == b'Z');
        all.extend(head);
        all.extend(body);
    }
    all
}

fn holds(bytes: &[u8], word: &[u8]) -> bool {
    bytes.windows(word.len()).any(|window| window == word)
}

#[test]
fn statements_pass_both_legs_and_cards_are_masked() {
    let keys = Keys::new();
    let (address, database) = keys.database(b"");
    let stand = Stand::secured("tls-both", address, 10, keys.legs());
    let mut agent = keys.agent(stand.port());
    // All of it at once, behind the handshake's end.
    agent.write_all(&[startup(), query(CARD), query(CARD)].concat()).unwrap();
    let answer = until_ready(&mut agent, 3);
    assert!(holds(&answer, b"411111******1111") && !holds(&answer, b"4111111111111111"));
    for _ in 0..50 {
        agent.write_all(&query(CARD)).unwrap();
        assert!(holds(&until_ready(&mut agent, 1), b"411111******1111"));
    }
    agent.conn.send_close_notify();
    agent.flush().unwrap();
    let mut rest = Vec::new();
    agent.read_to_end(&mut rest).unwrap();
    assert!(rest.is_empty(), "the end is said in TLS's own words");
    let server = database.join().unwrap();
    assert!(server.started);
    assert_eq!(stand.handle().snapshots()[0].insecure, 0);
}

#[test]
fn bytes_behind_the_databases_consent_are_refused_unread() {
    let keys = Keys::new();
    let (address, database) = keys.database(b"R\0\0\0\x08\0\0\0\0");
    let stand = Stand::secured("tls-stuffed", address, 10, keys.legs());
    let mut agent = keys.agent(stand.port());
    agent.write_all(&startup()).unwrap();
    let answer = until_ready(&mut agent, 1);
    assert!(holds(&answer, b"C08001\0") && !holds(&answer, b"R\0\0\0\x08"));
    assert!(!database.join().unwrap().started, "the database was told nothing");
}

#[test]
fn another_certificate_than_the_roots_is_refused() {
    let (keys, other) = (Keys::new(), Keys::new());
    let (address, database) = other.database(b"");
    let stand = Stand::secured("tls-other", address, 10, keys.legs());
    let mut agent = keys.agent(stand.port());
    agent.write_all(&startup()).unwrap();
    assert!(holds(&until_ready(&mut agent, 1), b"not by one of the configured roots"));
    assert!(!database.join().unwrap().started);
    assert_eq!(stand.handle().snapshots()[0].insecure, 1);
}

const SESSIONS: usize = 300;
const SHARED: usize = 32;
const BYTES_MAX: usize = 24 << 10;

/// The other process: the database, and agents that are logged in and idle.
fn peers() {
    let variable = |name: &str| std::env::var(name).unwrap();
    let keys = Keys { certificate: variable("TLS_CERTIFICATE"), key: variable("TLS_KEY") };
    let (listener, config) = keys.listen();
    println!("database {}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            let (socket, config) = (socket.unwrap(), Arc::clone(&config));
            std::thread::spawn(move || serve(socket, config, b""));
        }
    });
    let mut agents = Vec::new();
    for line in std::io::stdin().lines() {
        let line = line.unwrap();
        let (port, count) = line.split_once(' ').unwrap();
        for _ in 0..count.parse().unwrap() {
            let mut agent = keys.agent(port.parse().unwrap());
            agent.write_all(&[startup(), query(CARD)].concat()).unwrap();
            until_ready(&mut agent, 2);
            agents.push(agent);
        }
        println!("open {}", agents.len());
    }
}

/// Memory that is this process's alone.
fn anonymous_bytes() -> usize {
    let rollup = std::fs::read_to_string("/proc/self/smaps_rollup").unwrap();
    let line = rollup.lines().find(|line| line.starts_with("Anonymous:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
}

#[test]
fn an_idle_session_under_tls_costs_at_most_24_kib() {
    const NAME: &str = "an_idle_session_under_tls_costs_at_most_24_kib";
    if std::env::var_os("TLS_KEY").is_some() {
        return peers();
    }
    let keys = Keys::new();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", NAME, "--nocapture"])
        .env("TLS_CERTIFICATE", &keys.certificate)
        .env("TLS_KEY", &keys.key)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut told = child.stdin.take().unwrap();
    let mut wait_for = |word: &str| loop {
        let line = said.next().unwrap().unwrap();
        if let Some(at) = line.find(word) {
            return line[at + word.len()..].trim().to_owned();
        }
    };
    let stand = Stand::secured("tls-idle", wait_for("database ").parse().unwrap(), 1000, keys.legs());
    let mut open = |count: usize| {
        let before = anonymous_bytes();
        writeln!(told, "{} {count}", stand.port()).unwrap();
        wait_for("open ");
        anonymous_bytes().saturating_sub(before) / count
    };
    // What the first ones touch is not theirs alone.
    open(SHARED);
    let each = open(SESSIONS);
    println!("{SESSIONS} idle sessions under TLS on both legs: {each} bytes each");
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(each <= BYTES_MAX, "{each} bytes for an idle session");
}
