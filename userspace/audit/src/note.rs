//! Signed checkpoints: the size and root of a tree under an Ed25519 signature, in the C2SP formats (signed-note,
//! tlog-checkpoint, tlog-proof), so that any witness or tool of transparency logs can read them.
//!
//! ```text
//! host.example/interceptor/0            origin: which log
//! 4711                                  size: how many records
//! sFodV/vSp5O8n9a8QpW6PRY97tf…=         root, base64
//!
//! — host.example/interceptor hI2DJw…=   key's name; base64 of the key id's 4 bytes and the signature's 64
//! ```

use std::fmt::{self, Write as _};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use sha2::{Digest, Sha256};

use crate::chain::Hash;
use crate::show::hex;

/// The signature type of Ed25519 in C2SP's signed-note.
const ED25519_TYPE: u8 = 1;
/// The longest name of a key or a log: C2SP's tlog-cosignature bounds an origin at 255 bytes.
pub const NAME_MAX: usize = 255;
/// Bytes of a checkpoint that a reader takes: three lines and a few signatures.
pub const CHECKPOINT_MAX: usize = 16 << 10;

/// The state of a tree at one size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log: unique in the world, so it begins with the host's name.
    pub origin: String,
    /// How many records.
    pub size: u64,
    /// Their root.
    pub root: Hash,
}

/// Why a text is no signed checkpoint, or not one of this key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// It is not of the form.
    Form,
    /// It is of another log.
    Origin,
    /// The key has not signed it.
    Unsigned,
    /// The key's signature does not match the text.
    Signature,
    /// A key or a name cannot be used.
    Key,
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Unfit::Form => "it is no signed checkpoint",
            Unfit::Origin => "it is a checkpoint of another log",
            Unfit::Unsigned => "it is not signed by this key",
            Unfit::Signature => "its signature does not match",
            Unfit::Key => "the key or its name cannot be used",
        })
    }
}

impl std::error::Error for Unfit {}

/// A public key with its name, as C2SP's signed-note writes it: `name+id+key`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    key: [u8; 32],
}

/// A key that signs. Its seed is 32 random bytes, which the caller drew and keeps.
pub struct SignerKey {
    public: VerifierKey,
    pair: Ed25519KeyPair,
}

impl fmt::Debug for SignerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignerKey").field("public", &self.public).finish_non_exhaustive()
    }
}

impl VerifierKey {
    /// Of a name and the 32 bytes of RFC 8032.
    pub fn new(name: &str, key: [u8; 32]) -> Result<VerifierKey, Unfit> {
        let fits = !name.is_empty() && name.len() <= NAME_MAX && !name.contains([' ', '+']) && is_line(name);
        if fits { Ok(VerifierKey { name: name.to_owned(), key }) } else { Err(Unfit::Key) }
    }

    /// Reads `name+id+key`.
    pub fn parse(text: &str) -> Result<VerifierKey, Unfit> {
        let mut parts = text.trim().splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(Unfit::Key);
        };
        let bytes = BASE64.decode(key).map_err(|_| Unfit::Key)?;
        let key = match bytes.split_first() {
            Some((&ED25519_TYPE, key)) => key.try_into().map_err(|_| Unfit::Key)?,
            _ => return Err(Unfit::Key),
        };
        let read = VerifierKey::new(name, key)?;
        if hex(&read.id()) == id { Ok(read) } else { Err(Unfit::Key) }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The 32 bytes of RFC 8032.
    pub fn bytes(&self) -> [u8; 32] {
        self.key
    }

    /// The first four bytes of `SHA-256(name || 0x0a || 0x01 || key)`.
    fn id(&self) -> [u8; 4] {
        let hash = Sha256::new()
            .chain_update(&self.name)
            .chain_update([b'\n', ED25519_TYPE])
            .chain_update(self.key)
            .finalize();
        [hash[0], hash[1], hash[2], hash[3]]
    }

    /// Reads a signed checkpoint of the log `origin` and checks this key's signature. Other keys' lines pass unread.
    pub fn open(&self, text: &str, origin: &str) -> Result<Checkpoint, Unfit> {
        let Note { body, checkpoint, signatures } = parse(text)?;
        if checkpoint.origin != origin {
            return Err(Unfit::Origin);
        }
        let id = self.id();
        let mut signed = false;
        for (name, bytes) in signatures {
            let Some((by, signature)) = bytes.split_first_chunk::<4>() else { return Err(Unfit::Form) };
            if name != self.name || *by != id {
                continue;
            }
            if !self.has_signed(body.as_bytes(), signature) {
                return Err(Unfit::Signature);
            }
            signed = true;
        }
        if signed { Ok(checkpoint) } else { Err(Unfit::Unsigned) }
    }

    /// Whether the signature is this key's over these bytes.
    pub(crate) fn has_signed(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, self.key).verify(message, signature).is_ok()
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = BASE64.encode([&[ED25519_TYPE], self.key.as_slice()].concat());
        write!(f, "{}+{}+{key}", self.name, hex(&self.id()))
    }
}

impl SignerKey {
    /// Of a name and a seed.
    pub fn of_seed(name: &str, seed: &[u8; 32]) -> Result<SignerKey, Unfit> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| Unfit::Key)?;
        let key = pair.public_key().as_ref().try_into().map_err(|_| Unfit::Key)?;
        Ok(SignerKey { public: VerifierKey::new(name, key)?, pair })
    }

    /// Reads what [`private_key`] wrote.
    pub fn parse(text: &str) -> Result<SignerKey, Unfit> {
        let rest = text.trim().strip_prefix("PRIVATE+KEY+").ok_or(Unfit::Key)?;
        let mut parts = rest.splitn(3, '+');
        let (Some(name), Some(id), Some(seed)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(Unfit::Key);
        };
        let bytes = BASE64.decode(seed).map_err(|_| Unfit::Key)?;
        let key = match bytes.split_first() {
            Some((&ED25519_TYPE, seed)) => SignerKey::of_seed(name, seed.try_into().map_err(|_| Unfit::Key)?)?,
            _ => return Err(Unfit::Key),
        };
        if hex(&key.public.id()) == id { Ok(key) } else { Err(Unfit::Key) }
    }

    /// What others need to check its signatures.
    pub fn public(&self) -> &VerifierKey {
        &self.public
    }

    /// The signature over bytes that no checkpoint can be: their first line is no key's name.
    pub(crate) fn sign_bytes(&self, message: &[u8]) -> [u8; 64] {
        let mut signature = [0; 64];
        // Ed25519 has 64 bytes, always.
        signature.iter_mut().zip(self.pair.sign(message).as_ref()).for_each(|(to, from)| *to = *from);
        signature
    }

    /// The signed checkpoint with this key's signature beside those that it has.
    pub fn countersign(&self, signed: &str) -> Result<String, Unfit> {
        let (body, ..) = parts(signed)?;
        let bytes = [self.public.id().as_slice(), self.pair.sign(body.as_bytes()).as_ref()].concat();
        Ok(format!("{signed}— {} {}\n", self.public.name, BASE64.encode(bytes)))
    }

    /// The checkpoint with this key's signature.
    pub fn sign(&self, checkpoint: &Checkpoint) -> Result<String, Unfit> {
        if checkpoint.origin.is_empty() || checkpoint.origin.len() > NAME_MAX || !is_line(&checkpoint.origin) {
            return Err(Unfit::Origin);
        }
        let body = body(checkpoint);
        let signature = self.pair.sign(body.as_bytes());
        let bytes = [self.public.id().as_slice(), signature.as_ref()].concat();
        Ok(format!("{body}\n— {} {}\n", self.public.name, BASE64.encode(bytes)))
    }
}

/// A private key as the public tools for signed notes keep it: `PRIVATE+KEY+name+id+seed`. Never to be shown.
pub fn private_key(name: &str, seed: &[u8; 32]) -> Result<String, Unfit> {
    let key = SignerKey::of_seed(name, seed)?;
    let seed = BASE64.encode([&[ED25519_TYPE], seed.as_slice()].concat());
    Ok(format!("PRIVATE+KEY+{name}+{}+{seed}", hex(&key.public.id())))
}

/// The lines of signatures in a signed note: the key's name, and the key id with what follows it.
pub(crate) type Signatures<'a> = Vec<(&'a str, Vec<u8>)>;

/// A signed checkpoint's text, what that says, and its signatures, of which none is checked.
pub(crate) fn parts(text: &str) -> Result<(&str, Checkpoint, Signatures<'_>), Unfit> {
    parse(text).map(|note| (note.body, note.checkpoint, note.signatures))
}

/// What a signed checkpoint says, whoever signed it: for a look at its size, and nothing else.
pub fn checkpoint_of(text: &str) -> Result<Checkpoint, Unfit> {
    parse(text).map(|note| note.checkpoint)
}

/// The proof that record `seq` is in a checkpoint's tree, as C2SP's tlog-proof writes it.
pub fn inclusion_proof(seq: u64, path: &[Hash], signed: &str) -> String {
    let mut text = format!("c2sp.org/tlog-proof@v1\nindex {}\n", seq.saturating_sub(1));
    path.iter().for_each(|hash| _ = writeln!(text, "{}", BASE64.encode(hash)));
    text + "\n" + signed
}

/// Reads what [`inclusion_proof`] wrote: the record's number, the path, the signed checkpoint.
pub fn read_inclusion_proof(text: &str) -> Result<(u64, Vec<Hash>, &str), Unfit> {
    let (head, signed) = text.split_once("\n\n").ok_or(Unfit::Form)?;
    let mut lines = head.lines().filter(|line| !line.starts_with("extra "));
    if lines.next() != Some("c2sp.org/tlog-proof@v1") {
        return Err(Unfit::Form);
    }
    let index = lines.next().and_then(|line| line.strip_prefix("index ")).and_then(decimal).ok_or(Unfit::Form)?;
    let path: Option<Vec<Hash>> = lines.map(hash).collect();
    Ok((index.checked_add(1).ok_or(Unfit::Form)?, path.ok_or(Unfit::Form)?, signed))
}

fn body(checkpoint: &Checkpoint) -> String {
    format!("{}\n{}\n{}\n", checkpoint.origin, checkpoint.size, BASE64.encode(checkpoint.root))
}

/// A signed note, read and not checked.
struct Note<'a> {
    /// The signed text.
    body: &'a str,
    /// What it says.
    checkpoint: Checkpoint,
    /// Names, each with the key id and the signature.
    signatures: Signatures<'a>,
}

/// Extension lines are no part of ours and are refused.
fn parse(text: &str) -> Result<Note<'_>, Unfit> {
    if text.len() > CHECKPOINT_MAX {
        return Err(Unfit::Form);
    }
    let cut = text.find("\n\n").ok_or(Unfit::Form)? + 1;
    let (signed, rest) = (text.get(..cut).ok_or(Unfit::Form)?, text.get(cut + 1..).ok_or(Unfit::Form)?);
    let mut lines = signed.lines();
    let (Some(origin), Some(size), Some(root), None) = (lines.next(), lines.next(), lines.next(), lines.next()) else {
        return Err(Unfit::Form);
    };
    let (Some(size), Some(root)) = (decimal(size), hash(root)) else { return Err(Unfit::Form) };
    let checkpoint = Checkpoint { origin: origin.to_owned(), size, root };
    if body(&checkpoint) != signed || !rest.ends_with('\n') {
        return Err(Unfit::Form);
    }
    let line = |line: &'_ str| -> Option<(usize, Vec<u8>)> {
        let (name, bytes) = line.strip_prefix("— ")?.split_once(' ')?;
        Some((name.len(), BASE64.decode(bytes).ok()?))
    };
    let signatures = rest.lines().map(|text| {
        let (length, bytes) = line(text).ok_or(Unfit::Form)?;
        let start = "— ".len();
        Ok((text.get(start..start + length).ok_or(Unfit::Form)?, bytes))
    });
    Ok(Note { body: signed, checkpoint, signatures: signatures.collect::<Result<_, Unfit>>()? })
}

fn decimal(text: &str) -> Option<u64> {
    let number: u64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

fn hash(text: &str) -> Option<Hash> {
    BASE64.decode(text).ok()?.try_into().ok()
}

fn is_line(text: &str) -> bool {
    !text.contains(|letter: char| letter.is_control())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkpoint() -> Checkpoint {
        Checkpoint { origin: "host.example/interceptor/0".to_owned(), size: 4711, root: [7; 32] }
    }

    #[test]
    fn what_is_signed_is_opened() {
        let key = SignerKey::of_seed("host.example/interceptor", &[1; 32]).unwrap();
        let text = key.sign(&checkpoint()).unwrap();
        let public = VerifierKey::parse(&key.public().to_string()).unwrap();
        assert_eq!(public.open(&text, "host.example/interceptor/0"), Ok(checkpoint()));
        let witnessed = format!("{text}— witness.example {}\n", BASE64.encode([9; 68]));
        assert_eq!(public.open(&witnessed, "host.example/interceptor/0"), Ok(checkpoint()));
        assert_eq!(public.open(&text, "host.example/interceptor/1"), Err(Unfit::Origin));
        let other = SignerKey::of_seed("host.example/interceptor", &[2; 32]).unwrap();
        assert_eq!(other.public().open(&text, "host.example/interceptor/0"), Err(Unfit::Unsigned));
    }

    #[test]
    fn no_changed_byte_is_opened() {
        let key = SignerKey::of_seed("k", &[1; 32]).unwrap();
        let text = key.sign(&checkpoint()).unwrap();
        for at in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= 1;
            let Ok(changed) = String::from_utf8(bytes) else { continue };
            assert!(key.public().open(&changed, "host.example/interceptor/0").is_err(), "byte {at}");
            assert!(key.public().open(&text[..at.min(text.find('—').unwrap())], &checkpoint().origin).is_err());
        }
    }

    #[test]
    fn a_published_key_is_read_and_its_id_checked() {
        // The key of Go's checksum database, as its clients carry it.
        let text = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8";
        assert_eq!(VerifierKey::parse(text).map(|key| key.to_string()), Ok(text.to_owned()));
        assert_eq!(VerifierKey::parse(&text.replace("033de0ae", "033de0af")), Err(Unfit::Key));
        for wrong in ["", "a+b", "a+00000000+AAAA", "a b+033de0ae+AQ=="] {
            assert_eq!(VerifierKey::parse(wrong), Err(Unfit::Key), "{wrong}");
        }
    }

    #[test]
    fn a_proof_is_read_back() {
        let text = inclusion_proof(3, &[[1; 32], [2; 32]], "o\n1\n…\n\n— k …\n");
        assert_eq!(read_inclusion_proof(&text), Ok((3, vec![[1; 32], [2; 32]], "o\n1\n…\n\n— k …\n")));
        assert_eq!(read_inclusion_proof("c2sp.org/tlog-proof@v1\nindex 03\n\nx"), Err(Unfit::Form));
    }

    #[test]
    fn a_private_key_is_read_back_and_nothing_else() {
        let text = private_key("host.example/interceptor", &[3; 32]).unwrap();
        let read = SignerKey::parse(&text).unwrap();
        assert_eq!(read.public(), SignerKey::of_seed("host.example/interceptor", &[3; 32]).unwrap().public());
        assert!(SignerKey::parse(&text.replace("host", "tost")).is_err());
        assert!(SignerKey::parse(&read.public().to_string()).is_err());
    }

    #[test]
    fn the_signing_key_is_not_shown() {
        let key = SignerKey::of_seed("k", &[1; 32]).unwrap();
        assert!(!format!("{key:?}").contains("pair"));
    }
}
