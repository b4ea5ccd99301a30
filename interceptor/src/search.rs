//! Finding records: an index of words and figures, derived from the segments, that can be dropped and made anew at any time.
//!
//! A record becomes an [`entry`] (its place, figures and words), the entries are kept by the [`index`] in SQLite, and what a person
//! types is parsed by [`query`] into what the index understands. What is shown is always read from the segments themselves.
//!
//! Root's verbs keep the index in root's own folder beside the record, and bring it up to date before each search: nothing of it is
//! in the service, and a service that was taken over can hide nothing from a search that it cannot take from the record.

mod entry;
mod index;
mod place;
mod query;
mod shape;
#[cfg(test)]
pub(crate) mod tests;

pub use index::{Filled, Hit, Index, Progress, Session};
pub use place::{Found, Segments};
pub use query::{Query, Unclear};
