//! The public face of `wire::postgres`, held to its promises: bytes in, expectation out.
#![expect(
    clippy::unwrap_used,
    reason = "clippy allows it inside test functions alone; what tests share is no less a test"
)]

mod data_row;
mod encode;
mod frames;
mod hostile;
mod messages;
mod options;
mod random;
mod refusals;
mod samples;
mod startup;
