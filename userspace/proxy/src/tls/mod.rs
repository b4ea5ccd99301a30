//! TLS of both legs. rustls owns no socket here: a [`leg::Leg`] turns what the ring received into what the session reads, and what the
//! session says into what the ring sends. `secured` is its place in the shard; `keys` is what it is made from.

mod binding;
mod blocking;
mod certificate;
mod keys;
mod leg;
mod secured;
#[cfg(test)]
mod tests;
mod words;

pub use keys::{AgentTls, DatabaseTls, KeyError, Tls};
pub(crate) use leg::Leg;
