//! A simulated world for shards: sockets, peers, time and disk are made up from one seed, and go wrong as they please.
//!
//! `SEED=7 cargo test -p proxy sim` replays one seed; a failure prints its seed.

mod adversary;
mod commits;
mod disk;
mod ledger;
mod peer;
mod power;
mod rng;
mod runs;
mod secure;
mod world;
