//! Writes messages to the end of the caller's buffer.
//!
//! What cannot be written (a zero byte inside a string, a count or length that its word cannot hold) is an [`Unencodable`], and the buffer
//! is left as it was: no half message ever leaves. Reports of our own ([`error_response`]) cannot fail.

extern crate alloc;

mod again;
mod backend;
mod frontend;
mod report;
mod startup;
mod writer;

pub use again::{backend_message, frontend_message};
pub use backend::*;
pub use frontend::*;
pub use report::{Field, error_response, notice_response, report_fields};
pub use startup::*;
pub use writer::Unencodable;
