//! Who may sign the record, told in the record itself: for each run of the service a key of its own, certified by the root key, and each
//! change of the root key, signed by the one before and by the new one. Whoever has the first root key follows the chain from there
//! ([`Keys`]). All of it stands in the node's own series, so the checkpoints bind it.
//!
//! A certificate names the node's tree at the time when it was signed: the root key has so signed all that was recorded before, and who
//! takes the service over later, with its key, cannot sign another history of that time.

use std::fmt::{self, Write as _};

use sha2::{Digest, Sha256};

use crate::chain::Hash;
use crate::decode::{self, Fields, number};
use crate::encode;
use crate::event::Head;
use crate::field;
use crate::note::{Checkpoint, SignerKey, Unfit, VerifierKey, checkpoint_of};
use crate::record_type::RecordType;
use crate::segment::{Frame, NODE_SHARD};
use crate::show::hex;

/// What a key is told to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// It signs the checkpoints of one run of the service.
    Run {
        /// The boot of the host that the run is of.
        boot_id: [u8; 16],
    },
    /// It is the root key from here on.
    Root {
        /// By the key itself: whoever tells of it has it.
        consent: [u8; 64],
    },
}

/// A key, and the root key's word for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyTold {
    /// What for.
    pub role: Role,
    /// SHA-256 of the log's name.
    pub log: Hash,
    /// The 32 bytes of RFC 8032.
    pub key: [u8; 32],
    /// When, seconds since 1970 UTC.
    pub issued_s: u64,
    /// The node's own tree then.
    pub base: Head,
    /// By the root key.
    pub signature: [u8; 64],
}

/// Why a key is none that this record may be signed by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyFault {
    /// A field is missing, or is none.
    Damaged,
    /// It is of another log.
    OtherLog,
    /// No root key of this log has signed it.
    Unsigned,
    /// The root key that has signed it was replaced before.
    Replaced,
    /// It names a root key that has not signed it itself.
    NoConsent,
    /// It is of another boot of the host than the segment that it stands in.
    OtherBoot,
    /// It tells of a state of the record that is not before it, or is older than what the one before it tells of.
    Order,
    /// A later run's key was told in between.
    Over,
}

impl fmt::Display for KeyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            KeyFault::Damaged => "what is told of a key is damaged",
            KeyFault::OtherLog => "the key that is told is of another log",
            KeyFault::Unsigned => "the key that is told is not signed by the root key",
            KeyFault::Replaced => "the key that is told is signed by a root key that was replaced before",
            KeyFault::NoConsent => "the new root key has not signed that it is one",
            KeyFault::OtherBoot => "the key that is told is of another boot of the host",
            KeyFault::Order => "the key that is told is bound to a state of the record at another place",
            KeyFault::Over => "the key that is told again is of a run that another one followed",
        })
    }
}

impl std::error::Error for KeyFault {}

/// SHA-256 of a log's name.
fn log_of(name: &str) -> Hash {
    Sha256::digest(name).into()
}

impl KeyTold {
    /// A key for one run of the service, certified by the root key.
    pub fn run(root: &SignerKey, key: &VerifierKey, boot_id: [u8; 16], issued_s: u64, base: Head) -> KeyTold {
        let log = log_of(root.public().name());
        let mut told =
            KeyTold { role: Role::Run { boot_id }, log, key: key.bytes(), issued_s, base, signature: [0; 64] };
        told.signature = root.sign_bytes(told.message(root.public().name()).as_bytes());
        told
    }

    /// The next root key, signed by this one and by itself.
    pub fn root(root: &SignerKey, next: &SignerKey, issued_s: u64, base: Head) -> KeyTold {
        let name = root.public().name();
        let (log, key) = (log_of(name), next.public().bytes());
        let mut told = KeyTold { role: Role::Root { consent: [0; 64] }, log, key, issued_s, base, signature: [0; 64] };
        let message = told.message(name);
        told.signature = root.sign_bytes(message.as_bytes());
        told.role = Role::Root { consent: next.sign_bytes(message.as_bytes()) };
        told
    }

    /// From a record's payload; `None`: it is none.
    pub fn read(kind: u8, payload: &[u8]) -> Option<KeyTold> {
        let (mut log, mut key, mut issued_s, mut base, mut signature) = (None, None, None, None, None);
        let (mut boot_id, mut consent) = (None, None);
        for one in Fields::of(payload) {
            let (number_of, value) = one.ok()?;
            match number_of {
                field::LOG => log = Some(value.try_into().ok()?),
                field::KEY => key = Some(value.try_into().ok()?),
                field::BOOT => boot_id = Some(value.try_into().ok()?),
                field::ISSUED => issued_s = Some(number(value)?),
                field::BASE => base = Some(decode::head(value)?),
                field::KEY_SIGNATURE => signature = Some(value.try_into().ok()?),
                field::KEY_CONSENT => consent = Some(value.try_into().ok()?),
                _ => {}
            }
        }
        let role = match RecordType::of(kind)? {
            RecordType::RunKey => Role::Run { boot_id: boot_id? },
            RecordType::RootKey => Role::Root { consent: consent? },
            _ => return None,
        };
        let base = base.filter(|head: &Head| head.shard == NODE_SHARD)?;
        Some(KeyTold { role, log: log?, key: key?, issued_s: issued_s?, base, signature: signature? })
    }

    /// The type of its record.
    pub fn record_type(&self) -> RecordType {
        match self.role {
            Role::Run { .. } => RecordType::RunKey,
            Role::Root { .. } => RecordType::RootKey,
        }
    }

    /// The bytes that are signed: lines of text, the log's name in the second. The first line is no log's name, so none of it is a checkpoint.
    fn message(&self, name: &str) -> String {
        let (what, boot) = match &self.role {
            Role::Run { boot_id } => ("run", format!("{}\n", hex(boot_id))),
            Role::Root { .. } => ("root", String::new()),
        };
        let Head { size, root, .. } = &self.base;
        let mut text = format!("interceptor {what} key v1\n{name}\n{}\n{boot}", hex(&self.key));
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{}\n{size} {}", self.issued_s, hex(root));
        text
    }

    /// Whether this root key has signed it.
    pub fn is_signed(&self, root: &VerifierKey) -> bool {
        root.has_signed(self.message(root.name()).as_bytes(), &self.signature)
    }

    pub(crate) fn append(&self, out: &mut Vec<u8>) {
        encode::bytes(out, field::LOG, &self.log);
        encode::bytes(out, field::KEY, &self.key);
        if let Role::Run { boot_id } = &self.role {
            encode::bytes(out, field::BOOT, boot_id);
        }
        encode::number(out, field::ISSUED, self.issued_s);
        self.base.append_as(field::BASE, out);
        encode::bytes(out, field::KEY_SIGNATURE, &self.signature);
        if let Role::Root { consent } = &self.role {
            encode::bytes(out, field::KEY_CONSENT, consent);
        }
    }
}

/// The keys of one log, from the first root key on.
#[derive(Clone, Debug)]
pub struct Keys {
    /// The first, and each that followed it.
    roots: Vec<VerifierKey>,
    /// The last of them.
    root: VerifierKey,
    /// From which record of the node's series on which key signs, in their order.
    in_force: Vec<(u64, VerifierKey)>,
    /// Runs that are over: their keys are told no more.
    over: Vec<[u8; 32]>,
    /// The states that the root keys have signed with what they told.
    bases: Vec<Head>,
}

impl Keys {
    /// Nothing is told yet: the first root key signs itself, as it does in a log without keys of runs.
    pub fn of(first: VerifierKey) -> Keys {
        Keys {
            roots: vec![first.clone()],
            root: first.clone(),
            in_force: vec![(0, first)],
            over: Vec::new(),
            bases: Vec::new(),
        }
    }

    /// The next record of the node's series; others than those that tell of keys pass. `boot_id` is its segment's; zeros: not known.
    pub fn see(&mut self, boot_id: &[u8; 16], frame: &Frame<'_>) -> Result<(), KeyFault> {
        if !matches!(RecordType::of(frame.kind), Some(RecordType::RunKey | RecordType::RootKey)) {
            return Ok(());
        }
        let told = KeyTold::read(frame.kind, frame.payload()).ok_or(KeyFault::Damaged)?;
        let name = self.name().to_owned();
        if told.log != log_of(&name) {
            return Err(KeyFault::OtherLog);
        }
        if told.base.size >= frame.seq {
            return Err(KeyFault::Order);
        }
        let key = VerifierKey::new(&name, told.key).map_err(|_| KeyFault::Damaged)?;
        match &told.role {
            Role::Root { consent } => self.root(frame.seq, &told, key, consent),
            Role::Run { boot_id: own } => {
                if *boot_id != [0; 16] && own != boot_id {
                    return Err(KeyFault::OtherBoot);
                }
                self.run(frame.seq, &told, key)
            }
        }
    }

    fn root(&mut self, seq: u64, told: &KeyTold, key: VerifierKey, consent: &[u8; 64]) -> Result<(), KeyFault> {
        // Each segment tells all of them again.
        let known = self.roots.iter().skip(1).position(|root| *root == key);
        let by = known.and_then(|at| self.roots.get(at)).unwrap_or(&self.root);
        if !told.is_signed(by) {
            return Err(self.not_by_root(told));
        }
        if !key.has_signed(told.message(key.name()).as_bytes(), consent) {
            return Err(KeyFault::NoConsent);
        }
        if known.is_none() {
            self.bound(told.base)?;
            self.roots.push(key.clone());
            self.root = key.clone();
            self.in_force.push((seq, key));
        }
        Ok(())
    }

    fn run(&mut self, seq: u64, told: &KeyTold, key: VerifierKey) -> Result<(), KeyFault> {
        if !told.is_signed(&self.root) {
            return Err(self.not_by_root(told));
        }
        if self.over.contains(&told.key) {
            return Err(KeyFault::Over);
        }
        self.bound(told.base)?;
        let last = self.in_force.last().map(|(_, last)| last.bytes());
        if last != Some(told.key) {
            let runs = last.filter(|last| self.roots.iter().all(|root| root.bytes() != *last));
            self.over.extend(runs);
            self.in_force.push((seq, key));
        }
        Ok(())
    }

    fn not_by_root(&self, told: &KeyTold) -> KeyFault {
        let before = self.roots.split_last().map_or(&[][..], |(_, before)| before);
        if before.iter().any(|root| told.is_signed(root)) { KeyFault::Replaced } else { KeyFault::Unsigned }
    }

    /// What was told later was signed later.
    fn bound(&mut self, base: Head) -> Result<(), KeyFault> {
        match self.bases.last() {
            Some(before) if *before == base => {}
            Some(before) if before.size > base.size => return Err(KeyFault::Order),
            _ => self.bases.push(base),
        }
        Ok(())
    }

    /// The log's name, which is that of all its keys.
    pub fn name(&self) -> &str {
        self.root.name()
    }

    /// Every root key so far.
    pub fn roots(&self) -> &[VerifierKey] {
        &self.roots
    }

    /// States of the node's series that the root keys have signed: each must be met.
    pub fn bases(&self) -> &[Head] {
        &self.bases
    }

    /// Whoever signs a state of this size.
    pub fn at(&self, size: u64) -> &VerifierKey {
        let until = self.in_force.partition_point(|(seq, _)| *seq <= size);
        self.in_force.get(until.saturating_sub(1)).map_or(&self.root, |(_, key)| key)
    }

    /// Reads a checkpoint that was signed by the key in force at its size.
    pub fn open(&self, text: &str) -> Result<Checkpoint, Unfit> {
        let size = checkpoint_of(text)?.size;
        self.at(size).open(text, self.name())
    }
}
