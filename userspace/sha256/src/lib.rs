//! SHA-256 (FIPS 180-4) of many short inputs: sixteen side by side in the vectors of AVX-512, or four in lockstep by SHA instructions,
//! whichever this CPU does faster.
//!
//! That is what a hash tree wants: its leaves and nodes are many, and none needs another of the same level. The rounds of one input
//! wait for each other, also by the CPU's own SHA instructions; of sixteen inputs a vector has a word of each.
//!
//! A crate of its own since vectors need some lines of `unsafe`, which who keeps the record forbids.

use sha2::{Digest, Sha256};

#[cfg(target_arch = "x86_64")]
mod lockstep;
#[cfg(target_arch = "x86_64")]
mod wide;

/// A SHA-256.
pub type Hash = [u8; 32];

/// SHA-256's first state (FIPS 180-4, 5.3.3).
const BEGIN: [u32; 8] =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];

/// The constants of the 64 rounds (FIPS 180-4, 4.2.2).
#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code))]
#[rustfmt::skip]
const ROUNDS: [u32; 64] = [
    0x428a_2f98, 0x7137_4491, 0xb5c0_fbcf, 0xe9b5_dba5, 0x3956_c25b, 0x59f1_11f1, 0x923f_82a4, 0xab1c_5ed5,
    0xd807_aa98, 0x1283_5b01, 0x2431_85be, 0x550c_7dc3, 0x72be_5d74, 0x80de_b1fe, 0x9bdc_06a7, 0xc19b_f174,
    0xe49b_69c1, 0xefbe_4786, 0x0fc1_9dc6, 0x240c_a1cc, 0x2de9_2c6f, 0x4a74_84aa, 0x5cb0_a9dc, 0x76f9_88da,
    0x983e_5152, 0xa831_c66d, 0xb003_27c8, 0xbf59_7fc7, 0xc6e0_0bf3, 0xd5a7_9147, 0x06ca_6351, 0x1429_2967,
    0x27b7_0a85, 0x2e1b_2138, 0x4d2c_6dfc, 0x5338_0d13, 0x650a_7354, 0x766a_0abb, 0x81c2_c92e, 0x9272_2c85,
    0xa2bf_e8a1, 0xa81a_664b, 0xc24b_8b70, 0xc76c_51a3, 0xd192_e819, 0xd699_0624, 0xf40e_3585, 0x106a_a070,
    0x19a4_c116, 0x1e37_6c08, 0x2748_774c, 0x34b0_bcb5, 0x391c_0cb3, 0x4ed8_aa4a, 0x5b9c_ca4f, 0x682e_6ff3,
    0x748f_82ee, 0x78a5_636f, 0x84c8_7814, 0x8cc7_0208, 0x90be_fffa, 0xa450_6ceb, 0xbef9_a3f7, 0xc671_78f2,
];

/// How inputs that do not wait for each other are hashed. The hashes are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Sixteen side by side, in vectors of AVX-512.
    Vectors,
    /// Four in lockstep, by the CPU's SHA instructions.
    Lockstep,
    /// One after the other.
    Alone,
}

impl Way {
    /// From the one that wants most of a CPU to the one that wants nothing.
    pub const ALL: [Way; 3] = [Way::Vectors, Way::Lockstep, Way::Alone];

    /// Whether this CPU can.
    pub fn is_there(self) -> bool {
        match self {
            #[cfg(target_arch = "x86_64")]
            Way::Vectors => wide::is_there(),
            #[cfg(target_arch = "x86_64")]
            Way::Lockstep => lockstep::is_there(),
            #[cfg(not(target_arch = "x86_64"))]
            Way::Vectors | Way::Lockstep => false,
            Way::Alone => true,
        }
    }

    #[cfg(target_arch = "x86_64")]
    fn fastest(inputs: usize) -> Way {
        match inputs {
            0 | 1 => Way::Alone,
            WIDE.. if wide::is_there() && !lockstep::is_fastest() => Way::Vectors,
            _ => Way::Lockstep,
        }
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn fastest(_: usize) -> Way {
        Way::Alone
    }
}

/// The hash of each body with the same byte before it: `hashes[i] = SHA-256(prefix || bodies[i])`. Of two lists of different lengths
/// the shorter counts.
pub fn prefixed(prefix: u8, bodies: &[&[u8]], hashes: &mut [Hash]) {
    prefixed_by(Way::fastest(bodies.len()), prefix, bodies, hashes);
}

/// The same, in a way that the caller names; where the CPU cannot, each goes alone.
pub fn prefixed_by(way: Way, prefix: u8, bodies: &[&[u8]], hashes: &mut [Hash]) {
    let done = short(way, prefix, bodies, hashes);
    for (body, hash) in bodies.iter().zip(hashes) {
        if blocks(body) > done {
            *hash = alone(prefix, body);
        }
    }
}

/// Hashes those of up to so many blocks as it answers.
#[cfg(target_arch = "x86_64")]
fn short(way: Way, prefix: u8, bodies: &[&[u8]], hashes: &mut [Hash]) -> usize {
    match way {
        Way::Vectors if wide::short_side_by_side(prefix, bodies, hashes) => SHORT,
        Way::Lockstep if lockstep::short_in_lockstep(prefix, bodies, hashes) => BLOCKS,
        _ => 0,
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn short(_: Way, _: u8, _: &[&[u8]], _: &mut [Hash]) -> usize {
    0
}

/// From so many inputs on they go side by side: with fewer, most of each vector is idle.
#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code))]
const WIDE: usize = 12;

/// Inputs of up to so many blocks do: a longer one would have all lanes but its own idle at its end.
#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code))]
const SHORT: usize = 16;

/// Inputs of up to so many blocks are laid out at once: a tree's node has two, a statement's record some five.
const BLOCKS: usize = 8;

/// An input with its prefix and its padding.
type LaidOut = [[u8; 64]; BLOCKS];

/// Lays an input out; how many blocks it takes, if it is no more than there are.
fn lay_out(prefix: u8, body: &[u8], to: &mut LaidOut) -> usize {
    let used = blocks(body);
    let Some(laid_out) = to.get_mut(..used) else { return used };
    let bytes = laid_out.as_flattened_mut();
    let len = 1 + body.len();
    bytes[0] = prefix;
    bytes[1..len].copy_from_slice(body);
    bytes[len..].fill(0);
    bytes[len] = 0x80;
    if let Some(bits) = bytes.last_chunk_mut() {
        *bits = (len as u64 * 8).to_be_bytes();
    }
    used
}

/// `SHA-256(prefix || body)`. A short input is laid out with its padding and goes through the compression in one run: a hasher that is
/// fed piece by piece copies each into a block of its own, and begins anew for every block.
pub fn alone(prefix: u8, body: &[u8]) -> Hash {
    let mut laid_out = [[0; 64]; BLOCKS];
    let used = lay_out(prefix, body, &mut laid_out);
    let Some(laid_out) = laid_out.get(..used) else {
        return Sha256::new().chain_update([prefix]).chain_update(body).finalize().into();
    };
    let mut state = BEGIN;
    sha2::block_api::compress256(&mut state, laid_out);
    words(state)
}

/// How many blocks of 64 bytes a body has: behind prefix and body come a bit, and their length in bits in eight bytes (FIPS 180-4, 5.1.1).
fn blocks(body: &[u8]) -> usize {
    (1 + body.len() + 9).div_ceil(64)
}

fn words(state: [u32; 8]) -> Hash {
    let mut hash = [0; 32];
    hash.as_chunks_mut().0.iter_mut().zip(state).for_each(|(bytes, word)| *bytes = word.to_be_bytes());
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(len: usize, seed: usize) -> Vec<u8> {
        (0..len).map(|n| ((n + seed) * 7 % 251) as u8).collect()
    }

    fn naive(prefix: u8, body: &[u8]) -> Hash {
        Sha256::new().chain_update([prefix]).chain_update(body).finalize().into()
    }

    fn check(prefix: u8, bodies: &[Vec<u8>]) {
        let slices: Vec<&[u8]> = bodies.iter().map(Vec::as_slice).collect();
        let wanted: Vec<Hash> = slices.iter().map(|body| naive(prefix, body)).collect();
        let lengths = || bodies.iter().map(Vec::len).collect::<Vec<_>>();
        let mut hashes = vec![[0; 32]; bodies.len()];
        prefixed(prefix, &slices, &mut hashes);
        assert!(hashes == wanted, "{:?}", lengths());
        for way in Way::ALL {
            hashes.fill([0; 32]);
            prefixed_by(way, prefix, &slices, &mut hashes);
            assert!(hashes == wanted, "{way:?}: {:?}", lengths());
        }
    }

    #[test]
    fn one_input_is_hashed_as_by_the_library() {
        for len in 0..700 {
            let body = bytes(len, len);
            assert_eq!(alone(0x42, &body), naive(0x42, &body), "{len} bytes");
        }
    }

    #[test]
    fn it_is_said_what_these_tests_tell() {
        for way in Way::ALL.into_iter().filter(|way| !way.is_there()) {
            let skipped =
                format!("SKIPPED: {way:?}: this CPU cannot, the tests of this crate hash each alone instead\n");
            // Not by `eprintln`, which is kept back where a test passes.
            std::io::Write::write_all(&mut std::io::stderr(), skipped.as_bytes()).unwrap();
        }
    }

    #[test]
    fn inputs_of_any_lengths_are_hashed_as_each_alone() {
        for len in 0..400 {
            // Of each length in the first lane and in the last, and one longer by every step in those between.
            let bodies: Vec<Vec<u8>> = (0..16).map(|n| bytes(len + n * (len % 13), n)).collect();
            check(len as u8, &bodies);
        }
    }

    #[test]
    fn an_input_takes_the_lane_that_is_free() {
        for count in 0..80 {
            let bodies: Vec<Vec<u8>> = (0..count).map(|n| bytes((n * 97 + count * 31) % 1200, n)).collect();
            check(0x00, &bodies);
        }
        let mut bodies = vec![vec![]; 40];
        bodies[3] = bytes(100_000, 3);
        bodies[39] = bytes(64, 5);
        (10..16).for_each(|n| bodies[n] = bytes(64 * SHORT - 20 + 2 * n, n));
        check(0x01, &bodies);
    }

    #[test]
    fn no_more_are_hashed_than_there_is_room_for() {
        let bodies: Vec<Vec<u8>> = (0..30).map(|n| bytes(n * 11, n)).collect();
        let slices: Vec<&[u8]> = bodies.iter().map(Vec::as_slice).collect();
        for (room, way) in (0..slices.len()).flat_map(|room| Way::ALL.map(|way| (room, way))) {
            let mut hashes = vec![[0xee; 32]; slices.len()];
            prefixed_by(way, 9, &slices, &mut hashes[..room]);
            assert!(hashes[..room].iter().zip(&slices).all(|(hash, body)| *hash == naive(9, body)), "{room}");
            assert!(hashes[room..].iter().all(|hash| *hash == [0xee; 32]), "{room}");
            prefixed_by(way, 9, &slices[..room], &mut hashes);
            assert!(hashes[room..].iter().all(|hash| *hash == [0xee; 32]), "{room}");
        }
    }

    #[test]
    fn published_vector() {
        // NIST's example for SHA-256 of "abc".
        let hex: String = alone(b'a', b"bc").iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
