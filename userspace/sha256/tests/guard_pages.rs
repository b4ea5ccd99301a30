//! Inputs that end, and begin, at a page that nobody may read: a load of one byte too many ends the test.

#![cfg(target_os = "linux")]
#![allow(unsafe_code, reason = "maps pages")]

use sha256::{Way, alone, prefixed_by};

const PAGE: usize = 4096; // a multiple of the page size, or less: then the guards are larger

#[test]
fn nothing_is_read_beyond_an_input() {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    // SAFETY: a fresh anonymous mapping of three pages without access; no memory of anybody's is touched.
    let start = unsafe { libc::mmap(std::ptr::null_mut(), 3 * PAGE, libc::PROT_NONE, flags, -1, 0) };
    assert!(start != libc::MAP_FAILED);
    let inside = start.cast::<u8>().wrapping_add(PAGE);
    // SAFETY: the page lies inside the mapping made above.
    assert_eq!(unsafe { libc::mprotect(inside.cast(), PAGE, libc::PROT_READ | libc::PROT_WRITE) }, 0);
    // SAFETY: the page is mapped for reading, zeroed, and nothing writes to it.
    let page: &[u8] = unsafe { std::slice::from_raw_parts(inside, PAGE) };
    for len in (0..300).chain([PAGE - 1, PAGE]) {
        let bodies = [[&page[..len], &page[PAGE - len..]]; 16];
        for way in Way::ALL {
            let mut hashes = [[0; 32]; 32];
            prefixed_by(way, 7, bodies.as_flattened(), &mut hashes);
            assert!(hashes.iter().all(|hash| *hash == alone(7, &vec![0; len])), "{len} bytes, {way:?}");
        }
    }
    // SAFETY: the whole mapping; nothing borrows from it any more.
    assert_eq!(unsafe { libc::munmap(start, 3 * PAGE) }, 0);
}
