//! Witnesses of transparency logs (C2SP tlog-witness and tlog-cosignature): somebody elsewhere who keeps the newest state of this log that
//! he has seen, and cosigns a later one only with the proof that it goes on from there.
//!
//! What he has cosigned cannot be taken back: a record that was put back, or went on another way, gets no cosignature any more.

use std::fmt::{self, Write as _};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ring::signature::{ED25519, UnparsedPublicKey};
use sha2::{Digest, Sha256};

use crate::chain::Hash;
use crate::note::{Checkpoint, NAME_MAX, Unfit, parts};
use crate::show::hex;

/// The signature type of Ed25519 cosignatures.
const COSIGNATURE_TYPE: u8 = 4;
/// More lines of a consistency proof no witness takes.
pub const PROOF_MAX: usize = 63;

/// A witness's name and public key, as it publishes it: `name+id+key`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WitnessKey {
    name: String,
    key: [u8; 32],
}

impl WitnessKey {
    /// Of a name and the 32 bytes of RFC 8032.
    pub fn new(name: &str, key: [u8; 32]) -> Result<WitnessKey, Unfit> {
        let fits = !name.is_empty() && name.len() <= NAME_MAX && !name.contains([' ', '+']);
        if fits && !name.contains(char::is_control) {
            Ok(WitnessKey { name: name.to_owned(), key })
        } else {
            Err(Unfit::Key)
        }
    }

    /// Reads `name+id+key`.
    pub fn parse(text: &str) -> Result<WitnessKey, Unfit> {
        let mut parts = text.trim().splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(Unfit::Key);
        };
        let key = match BASE64.decode(key).map_err(|_| Unfit::Key)?.split_first() {
            Some((&COSIGNATURE_TYPE, key)) => key.try_into().map_err(|_| Unfit::Key)?,
            _ => return Err(Unfit::Key),
        };
        let read = WitnessKey::new(name, key)?;
        if hex(&read.id()) == id { Ok(read) } else { Err(Unfit::Key) }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    fn id(&self) -> [u8; 4] {
        let hash =
            Sha256::new().chain_update(&self.name).chain_update([b'\n', COSIGNATURE_TYPE]).chain_update(self.key);
        let hash = hash.finalize();
        [hash[0], hash[1], hash[2], hash[3]]
    }

    /// Reads a checkpoint with this witness's cosignature: what it says, and when it was cosigned, seconds since 1970 UTC. Whether the log
    /// has signed it is another question.
    pub fn open(&self, text: &str) -> Result<(Checkpoint, u64), Unfit> {
        let (body, checkpoint, signatures) = parts(text)?;
        for (name, bytes) in signatures {
            let Some((id, rest)) = bytes.split_first_chunk::<4>() else { return Err(Unfit::Form) };
            if name != self.name || *id != self.id() {
                continue;
            }
            let Some((time, signature)) = rest.split_first_chunk::<8>() else { return Err(Unfit::Form) };
            let time = u64::from_be_bytes(*time);
            let message = message(body, time);
            return match UnparsedPublicKey::new(&ED25519, self.key).verify(message.as_bytes(), signature) {
                Ok(()) => Ok((checkpoint, time)),
                Err(_) => Err(Unfit::Signature),
            };
        }
        Err(Unfit::Unsigned)
    }

    /// The line of a cosignature that somebody with this key's other half has made.
    pub fn line(&self, time: u64, signature: &[u8; 64]) -> String {
        let bytes = [self.id().as_slice(), &time.to_be_bytes(), signature].concat();
        format!("— {} {}\n", self.name, BASE64.encode(bytes))
    }
}

impl fmt::Display for WitnessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = BASE64.encode([&[COSIGNATURE_TYPE], self.key.as_slice()].concat());
        write!(f, "{}+{}+{key}", self.name, hex(&self.id()))
    }
}

/// The bytes that a witness signs of a checkpoint's text (all before the empty line, its last newline with it).
pub fn message(body: &str, time: u64) -> String {
    format!("cosignature/v1\ntime {time}\n{body}")
}

/// The body of an `add-checkpoint` request: from the size that the witness has seen, the proof, the signed checkpoint.
pub fn request(old: u64, proof: &[Hash], signed: &str) -> String {
    let mut text = format!("old {old}\n");
    proof.iter().for_each(|hash| _ = writeln!(text, "{}", BASE64.encode(hash)));
    text + "\n" + signed
}

/// Reads what [`request`] wrote.
pub fn read_request(text: &str) -> Option<(u64, Vec<Hash>, &str)> {
    let (head, signed) = text.split_once("\n\n")?;
    let mut lines = head.lines();
    let old = lines.next()?.strip_prefix("old ")?;
    let size: u64 = old.parse().ok()?;
    let proof: Option<Vec<Hash>> = lines.map(|line| BASE64.decode(line).ok()?.try_into().ok()).collect();
    let proof = proof.filter(|proof| proof.len() <= PROOF_MAX)?;
    (size.to_string() == old).then_some((size, proof, signed))
}

#[cfg(test)]
mod tests {
    use ring::signature::{Ed25519KeyPair, KeyPair as _};

    use super::*;
    use crate::note::SignerKey;

    fn witness() -> (WitnessKey, Ed25519KeyPair) {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[5; 32]).unwrap();
        (WitnessKey::new("witness.example/w1", pair.public_key().as_ref().try_into().unwrap()).unwrap(), pair)
    }

    fn signed() -> String {
        let key = SignerKey::of_seed("host.example/interceptor", &[1; 32]).unwrap();
        key.sign(&Checkpoint { origin: "host.example/interceptor".to_owned(), size: 4711, root: [7; 32] }).unwrap()
    }

    #[test]
    fn what_is_cosigned_is_opened_and_no_changed_byte_is() {
        let (key, pair) = witness();
        assert_eq!(WitnessKey::parse(&key.to_string()), Ok(key.clone()));
        let signed = signed();
        assert_eq!(key.open(&signed), Err(Unfit::Unsigned));
        let body = &signed[..signed.find("\n\n").unwrap() + 1];
        let signature = pair.sign(message(body, 1_679_315_147).as_bytes());
        let text = signed.clone() + &key.line(1_679_315_147, signature.as_ref().try_into().unwrap());
        let (checkpoint, time) = key.open(&text).unwrap();
        assert_eq!((checkpoint.size, time), (4711, 1_679_315_147));
        // The log's own signature is not the witness's to vouch for.
        let own = signed.find('—').unwrap()..signed.len();
        for at in (0..text.len()).filter(|at| !own.contains(at)) {
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= 1;
            let Ok(changed) = String::from_utf8(bytes) else { continue };
            assert!(key.open(&changed).is_err(), "byte {at}");
        }
    }

    #[test]
    fn the_example_of_the_specification_is_read() {
        // C2SP tlog-cosignature: a cosignature's line names its witness and the time, 2023-03-20.
        let line = "— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==";
        let bytes = BASE64.decode(line.rsplit_once(' ').unwrap().1).unwrap();
        assert_eq!(bytes.len(), 4 + 8 + 64);
        assert_eq!(u64::from_be_bytes(bytes[4..12].try_into().unwrap()), 1_679_315_147);
    }

    #[test]
    fn a_request_is_read_back_and_nothing_else() {
        let text = request(20_852_014, &[[1; 32], [2; 32]], "o\n1\n…\n\n— k …\n");
        assert_eq!(read_request(&text), Some((20_852_014, vec![[1; 32], [2; 32]], "o\n1\n…\n\n— k …\n")));
        for wrong in ["", "old 01\n\nx", "old 1\nAA==\n\nx", "new 1\n\nx", &request(1, &[[0; 32]; 64], "x")] {
            assert_eq!(read_request(wrong), None, "{wrong}");
        }
    }
}
