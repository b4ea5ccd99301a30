//! PostgreSQL's protocol 3.0 and 3.2.
//!
//! Facts are from the manual's chapter "Frontend/Backend Protocol" (section "Message Formats", 55.7 in version 17, 53.7 in 14) unless a
//! comment names a file of the server. `client` and `server` are the protocol's own words here; elsewhere they are agent and database.
//!
//! The order of use: [`startup::first`] for the packet that opens a connection, then [`frame::header`] for each message, then, once its
//! body is at hand, the `parse` of the message named by the tag. A message that may be larger than memory is never parsed whole:
//! [`backend::data_row::Walk`] finds the values of a row whose bytes come and go.
//!
//! A view borrows from the body it was parsed from. `parse` walks the whole body once and checks all of it, which is why the iterators of
//! a view cannot fail. `Debug` of a view prints the name of the message alone, never what it carries.

mod opaque;
mod read;

pub mod backend;
pub mod encode;
pub mod format;
pub mod frame;
pub mod frontend;
pub mod limits;
pub mod malformed;
pub mod sqlstate;
pub mod startup;
pub mod tag;
pub mod values;

pub use format::{Format, Formats};
pub use frame::{Header, header};
pub use malformed::Malformed;
pub use sqlstate::SqlState;
pub use tag::{BackendTag, FrontendTag, Tag};
pub use values::Values;
