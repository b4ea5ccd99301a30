//! Sans-IO codecs of the databases' wire protocols: bytes of the caller in, views of them out.
//!
//! Nothing here reads, writes, waits, allocates while parsing, or keeps a byte of what it was shown. Parsing is strict: a message
//! is accepted only when encoding what was understood gives the same bytes back, so no byte of it went unread.
//!
//! `no_std`, and `alloc` is named inside [`postgres::encode`] alone: that no parser allocates is the compiler's word.
#![no_std]
#![forbid(unsafe_code)]

pub mod postgres;
