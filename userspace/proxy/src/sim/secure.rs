//! TLS of the peers: rustls with its own buffers, as programs use it. What goes wrong is when and how its bytes arrive.
//!
//! A seed replays but for the bytes of keys and nonces: Ed25519's signatures, and so all of TLS's messages, have one length.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::sync::{Arc, LazyLock};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, PKCS_ED25519, SerialNumber};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, Connection, RootCertStore, ServerConfig, ServerConnection, version};

use super::rng::Rng;
use crate::tls::{AgentTls, DatabaseTls, Tls};

/// A plain byte that asks for TLS, and the one that grants it. No TLS begins with either.
pub(super) const ASKS: u8 = b'?';
pub(super) const GRANTS: u8 = b'S';
/// One name for all.
const NAME: &str = "sim.example";

struct Keys {
    root: String,
    leaf: String,
    key: String,
}

static KEYS: LazyLock<Keys> = LazyLock::new(|| {
    let mut root = CertificateParams::new(Vec::<String>::new()).unwrap();
    root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    root.serial_number = Some(SerialNumber::from(1));
    let root_key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
    let root_pem = root.self_signed(&root_key).unwrap().pem();
    let mut leaf = CertificateParams::new(vec![NAME.to_owned()]).unwrap();
    leaf.serial_number = Some(SerialNumber::from(2));
    let key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
    let leaf = leaf.signed_by(&key, &Issuer::new(root, root_key)).unwrap();
    Keys { root: root_pem, leaf: leaf.pem(), key: key.serialize_pem() }
});

/// Which legs have TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Legs {
    pub(super) agent: bool,
    pub(super) database: bool,
}

/// What one run's TLS is made from: made anew for each, so that no run resumes what another began.
pub(super) struct Configs {
    pub(super) shard: Arc<Tls>,
    agents: Arc<ClientConfig>,
    databases: Arc<ServerConfig>,
}

impl Configs {
    pub(super) fn new(rng: &mut Rng, legs: Legs) -> Configs {
        let Keys { root, leaf, key } = &*KEYS;
        let agent = legs.agent.then(|| AgentTls::new(leaf, key, None).unwrap());
        let database = legs.database.then(|| DatabaseTls::verified(root, Some(NAME), None).unwrap());
        let versions = if rng.once_in(4) { &[&version::TLS12] } else { &[&version::TLS13] };
        let provider = || Arc::new(rustls::crypto::ring::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(root.as_bytes()).unwrap()).unwrap();
        let agents = ClientConfig::builder_with_provider(provider()).with_protocol_versions(versions).unwrap();
        let databases = ServerConfig::builder_with_provider(provider()).with_protocol_versions(versions).unwrap();
        let chain = vec![CertificateDer::from_pem_slice(leaf.as_bytes()).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
        let mut databases = databases.with_no_client_auth().with_single_cert(chain, key).unwrap();
        databases.send_tls13_tickets = rng.below(3);
        Configs {
            shard: Arc::new(Tls { agent, database }),
            agents: Arc::new(agents.with_root_certificates(roots).with_no_client_auth()),
            databases: Arc::new(databases),
        }
    }

    pub(super) fn of_agent(&self, rng: &mut Rng) -> Secure {
        let name = ServerName::try_from(NAME).unwrap();
        let client = ClientConnection::new(Arc::clone(&self.agents), name).unwrap();
        Secure::new(client.into(), if rng.once_in(2) { Stage::Asks } else { Stage::Speaks })
    }

    pub(super) fn of_database(&self) -> Secure {
        Secure::new(ServerConnection::new(Arc::clone(&self.databases)).unwrap().into(), Stage::Listens)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Will ask for TLS.
    Asks,
    /// Has asked.
    Waits,
    /// Hears what the shard begins with.
    Listens,
    /// TLS.
    Speaks,
}

/// One peer's end.
pub(super) struct Secure {
    connection: Connection,
    stage: Stage,
    /// Bytes for the wire.
    out: VecDeque<u8>,
    /// An unfinished record.
    record: Vec<u8>,
    /// Bytes of the wire that were read so far, up to the last whole record.
    pub(super) taken: u64,
    /// It said that no more comes.
    ended: bool,
    /// One bit of what it sends is turned over, this many bytes on.
    pub(super) corrupts: Option<usize>,
    broken: bool,
}

impl Secure {
    fn new(mut connection: Connection, stage: Stage) -> Secure {
        connection.set_buffer_limit(None);
        Secure {
            connection,
            stage,
            out: VecDeque::new(),
            record: Vec::new(),
            taken: 0,
            ended: false,
            corrupts: None,
            broken: false,
        }
    }

    /// Its stream may be sent.
    pub(super) fn is_ready(&self) -> bool {
        self.stage == Stage::Speaks && !self.connection.is_handshaking() && !self.broken
    }

    pub(super) fn is_broken(&self) -> bool {
        self.broken
    }

    /// Encrypts some of the stream.
    pub(super) fn say(&mut self, rng: &mut Rng, bytes: &[u8]) {
        if rng.once_in(30) && self.connection.protocol_version() == Some(rustls::ProtocolVersion::TLSv1_3) {
            self.connection.refresh_traffic_keys().unwrap();
        }
        self.connection.writer().write_all(bytes).unwrap();
        self.flush();
    }

    /// The last words; some programs leave them out.
    pub(super) fn end(&mut self, rng: &mut Rng) {
        if !std::mem::replace(&mut self.ended, true) && !rng.once_in(4) {
            self.connection.send_close_notify();
            self.flush();
        }
    }

    /// What goes on the wire now, of what waits for it. `None`: nothing waits.
    pub(super) fn sends(&mut self, rng: &mut Rng, room: usize) -> Option<Vec<u8>> {
        match self.stage {
            Stage::Asks => {
                self.stage = Stage::Waits;
                self.out.push_back(ASKS);
            }
            Stage::Speaks => self.flush(),
            Stage::Waits | Stage::Listens => {}
        }
        if self.out.is_empty() {
            return None;
        }
        let len = rng.skewed(room.min(self.out.len()));
        let mut bytes: Vec<u8> = self.out.drain(..len).collect();
        if let (Stage::Speaks, Some(left)) = (self.stage, &mut self.corrupts) {
            match bytes.get_mut(*left) {
                Some(byte) => {
                    *byte ^= 1 << rng.below(8);
                    self.corrupts = None;
                    self.broken = true;
                }
                None => *left -= bytes.len(),
            }
        }
        Some(bytes)
    }

    fn flush(&mut self) {
        while self.connection.wants_write() {
            self.connection.write_tls(&mut self.out).unwrap();
        }
    }

    /// Takes what came off the wire, and gives each record's plaintext to `told`, with how much of the wire was read by then.
    pub(super) fn takes(&mut self, bytes: &[u8], mut told: impl FnMut(u64, &[u8])) {
        for &byte in bytes {
            match self.stage {
                Stage::Asks => panic!("an answer to what was not asked"),
                Stage::Waits => {
                    assert_eq!(byte, GRANTS);
                    (self.stage, self.taken) = (Stage::Speaks, self.taken + 1);
                    continue;
                }
                Stage::Listens if byte == ASKS => {
                    self.out.push_back(GRANTS);
                    self.taken += 1;
                    continue;
                }
                Stage::Listens => self.stage = Stage::Speaks,
                Stage::Speaks => {}
            }
            self.record.push(byte);
            let whole = match self.record.get(3..5) {
                Some(&[high, low]) => 5 + usize::from(u16::from_be_bytes([high, low])),
                _ => usize::MAX,
            };
            if self.record.len() == whole {
                self.taken += whole as u64;
                let record = std::mem::take(&mut self.record);
                self.work(&record, &mut told);
            }
        }
    }

    fn work(&mut self, record: &[u8], told: &mut impl FnMut(u64, &[u8])) {
        let mut rest = record;
        while !rest.is_empty() {
            if !matches!(self.connection.read_tls(&mut rest), Ok(count) if count > 0) {
                return; // behind the shard's last words
            }
            if let Err(error) = self.connection.process_new_packets() {
                assert!(self.broken, "the shard's TLS is broken: {error}");
                return;
            }
        }
        let mut plain = Vec::new();
        // The end without last words is an error here, and so is the absence of bytes.
        let _ = self.connection.reader().read_to_end(&mut plain);
        if !plain.is_empty() {
            told(self.taken, &plain);
        }
    }
}

impl std::fmt::Debug for Secure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Secure").field("stage", &self.stage).finish_non_exhaustive()
    }
}
