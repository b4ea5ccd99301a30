//! The program `interceptor`: composition root and kernel loader, as a library so that its tests can reach its rooms.
#![deny(unsafe_code)] // the loader's modules that need it say so

pub mod admin;
pub mod admit;
pub mod approvals;
pub mod backtest;
pub mod ca;
pub mod cancels;
pub mod check;
pub mod checkpoints;
pub mod cli;
pub mod columns;
pub mod config;
pub mod diagnostics;
pub mod doctor;
pub mod estimates;
pub mod exec;
pub mod explain;
pub mod host_record;
pub mod identity;
pub mod load;
pub mod open_sessions;
pub mod origin;
pub mod origins;
pub mod plan;
pub mod privileges;
pub mod record;
pub mod review;
pub mod run;
pub mod search;
pub mod service;
pub mod sessions;
pub mod ship;
pub mod status;
mod sys;
pub mod tls;
pub mod verbs;
mod verifiers;
