//! Sans-IO codecs of the databases' wire protocols: bytes of the caller in, views of them out.
//!
//! Nothing here reads, writes, waits, allocates while parsing, or keeps a byte of what it was shown. Parsing is strict: a message
//! is accepted only when encoding what was understood gives the same bytes back, so no byte of it went unread.
#![forbid(unsafe_code)]

pub mod postgres;
