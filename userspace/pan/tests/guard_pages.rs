//! Buffers that end, and begin, at a page that nobody may read: a load of one byte too many ends the test.

#![cfg(target_os = "linux")]
#![allow(unsafe_code, reason = "maps pages")]
#![allow(clippy::unwrap_used, reason = "a test that cannot build its input must fail")]

use pan::{Backend, Engine, Fill, Mode, Scanner, Settings, clean_prefix};

const PAGE: usize = 4096; // a multiple of the page size, or less: then the guards are larger
const PAGES: usize = 4;

/// Four pages between two that may not be touched.
struct Guarded(*mut u8);

impl Guarded {
    fn new() -> Guarded {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        // SAFETY: a fresh anonymous mapping of six pages without access; no memory of anybody's is touched.
        let start = unsafe { libc::mmap(std::ptr::null_mut(), (PAGES + 2) * PAGE, libc::PROT_NONE, flags, -1, 0) };
        assert!(start != libc::MAP_FAILED);
        let inside = start.cast::<u8>().wrapping_add(PAGE);
        // SAFETY: the four pages lie inside the mapping made above.
        let opened = unsafe { libc::mprotect(inside.cast(), PAGES * PAGE, libc::PROT_READ | libc::PROT_WRITE) };
        assert_eq!(opened, 0);
        Guarded(inside)
    }

    fn bytes(&mut self) -> &mut [u8] {
        // SAFETY: the four pages are mapped for reading and writing, zeroed, and borrowed through `self` alone.
        unsafe { std::slice::from_raw_parts_mut(self.0, PAGES * PAGE) }
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        // SAFETY: the whole mapping, made by `new`; nothing borrows from it any more.
        unsafe { libc::munmap(self.0.wrapping_sub(PAGE).cast(), (PAGES + 2) * PAGE) };
    }
}

#[test]
fn nothing_is_read_beyond_a_buffer() {
    let pattern = b"4111111111111111=2512 4111 1111 1111 1111\xc2\xa0\xe2\x80\x89378282246310005 \\u0034%34%B";
    let mut guarded = Guarded::new();
    for backend in Backend::available() {
        let engine = Engine::new(&Settings { backend: Some(backend), ..Settings::default() }).unwrap();
        let engine: &'static Engine = Box::leak(Box::new(engine));
        for length in (0..700).chain([2047, 2048, 2049, 2176, 4000, PAGES * PAGE]) {
            let turned = length % pattern.len();
            for mode in [Mode::Balanced, Mode::Strict] {
                for fill in [Fill::Text, Fill::Number, Fill::Json, Fill::Hex] {
                    let room = guarded.bytes();
                    let (at_start, at_end) = (0, room.len() - length);
                    for from in [at_start, at_end] {
                        let buffer = &mut room[from..from + length];
                        let source = pattern.iter().cycle().skip(turned);
                        buffer.iter_mut().zip(source).for_each(|(byte, source)| *byte = *source);
                        assert!(clean_prefix(buffer) <= length);
                        Scanner::with_mode(engine, mode, fill).scan(buffer, length % 2 == 0);
                    }
                }
            }
        }
    }
}
