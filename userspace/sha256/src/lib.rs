//! SHA-256 (FIPS 180-4) of many short inputs: sixteen of them side by side, where the CPU has AVX-512.
//!
//! That is what a hash tree wants: its leaves and nodes are many, and none needs another of the same level. The rounds of one input
//! wait for each other, also by the CPU's own SHA instructions; of sixteen inputs a vector has a word of each.
//!
//! A crate of its own since vectors need some lines of `unsafe`, which who keeps the record forbids.

use sha2::{Digest, Sha256};

#[cfg(target_arch = "x86_64")]
mod wide;
#[cfg(target_arch = "x86_64")]
use wide::short_side_by_side;

/// A SHA-256.
pub type Hash = [u8; 32];

/// SHA-256's first state (FIPS 180-4, 5.3.3).
const BEGIN: [u32; 8] =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];

/// The hash of each body with the same byte before it: `hashes[i] = SHA-256(prefix || bodies[i])`. Of two lists of different lengths
/// the shorter counts.
pub fn prefixed(prefix: u8, bodies: &[&[u8]], hashes: &mut [Hash]) {
    let short_are_done = bodies.len() >= WIDE && short_side_by_side(prefix, bodies, hashes);
    for (body, hash) in bodies.iter().zip(hashes) {
        if !(short_are_done && blocks(body) <= SHORT) {
            *hash = alone(prefix, body);
        }
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn short_side_by_side(_: u8, _: &[&[u8]], _: &mut [Hash]) -> bool {
    false
}

/// From so many inputs on they go side by side: with fewer, most of each vector is idle.
const WIDE: usize = 12;

/// Inputs of up to so many blocks do: a longer one would have all lanes but its own idle at its end.
const SHORT: usize = 16;

/// Inputs of up to so many blocks are laid out at once: a tree's node has two, a statement's record some five.
const BLOCKS: usize = 8;

/// `SHA-256(prefix || body)`. A short input is laid out with its padding and goes through the compression in one run: a hasher that is
/// fed piece by piece copies each into a block of its own, and begins anew for every block.
pub fn alone(prefix: u8, body: &[u8]) -> Hash {
    let used = blocks(body);
    let mut laid_out = [[0; 64]; BLOCKS];
    let Some(laid_out) = laid_out.get_mut(..used) else {
        return Sha256::new().chain_update([prefix]).chain_update(body).finalize().into();
    };
    let bytes = laid_out.as_flattened_mut();
    let len = 1 + body.len();
    bytes[0] = prefix;
    bytes[1..len].copy_from_slice(body);
    bytes[len] = 0x80;
    if let Some(bits) = bytes.last_chunk_mut() {
        *bits = (len as u64 * 8).to_be_bytes();
    }
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
        let mut hashes = vec![[0; 32]; bodies.len()];
        prefixed(prefix, &slices, &mut hashes);
        for (at, (body, hash)) in bodies.iter().zip(hashes).enumerate() {
            assert_eq!(hash, naive(prefix, body), "the {at}th of {}, {} bytes", bodies.len(), body.len());
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
        #[cfg(target_arch = "x86_64")]
        let there = wide::is_there();
        #[cfg(not(target_arch = "x86_64"))]
        let there = false;
        if !there {
            let skipped =
                "SKIPPED: sixteen inputs side by side: no AVX-512 here, the tests of this crate hash each alone";
            // Not by `eprintln`, which is kept back where a test passes.
            std::io::Write::write_all(&mut std::io::stderr(), format!("{skipped}\n").as_bytes()).unwrap();
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
        for room in 0..slices.len() {
            let mut hashes = vec![[0xee; 32]; slices.len()];
            prefixed(9, &slices, &mut hashes[..room]);
            assert!(hashes[..room].iter().zip(&slices).all(|(hash, body)| *hash == naive(9, body)), "{room}");
            assert!(hashes[room..].iter().all(|hash| *hash == [0xee; 32]), "{room}");
            prefixed(9, &slices[..room], &mut hashes);
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
