//! The admin socket and the web page: status, metrics, reload, approvals. tokio lives here alone.
//!
//! [`serve`] answers on `run_dir/admin.sock` from a thread of its own: a control plane that hangs or dies takes nothing with it.
//! What it says comes from a [`Source`], which the program implements. [`client`] is the other end, for the command line.
//!
//! ```text
//! GET  /status    the service as JSON (Status)
//! GET  /columns   what was seen in the columns of tables (Columns)
//! GET  /metrics   the same figures as Prometheus text
//! GET  /approvals                 held statements, those that wait and those that are over
//! GET  /approvals/ID              one of them
//! POST /approvals/ID/approve      lets it go on, for a reason: {"reason": "…"}
//! POST /approvals/ID/deny         refuses it, for a reason
//! POST /approvals/ID/break-glass  lets it go on alone, where the rule names the person for that
//! POST /grants                    approves in advance what a rule holds: {"rule", "agent", "database", "seconds", "reason"}
//! POST /standing/ID/revoke        takes back what stands, or ends what is shown: {"reason": "…"}
//! GET  /sessions                  open sessions
//! POST /sessions/ID/kill          ends one, for a reason
//! POST /login     a login link of the page for the account that asks: its address, or 404 without a page
//! POST /token     a token of the API for the account that asks: {"scopes": ["read"], "purpose": "…", "seconds": …}
//! GET  /identities                bound tokens, and how the issuers stand
//! POST /identities/revoke         ends one, for a reason: {"name": "…", "reason": "…"}
//! POST /reload    reads the policy again; 409 and the reason where the old one stays in force
//! ```
#![forbid(unsafe_code)]

mod api;
pub mod approvals;
pub mod client;
mod columns;
mod fetch;
mod flows;
mod grants;
mod issuers;
mod latency;
mod metrics;
pub mod oidc;
mod person;
mod plain;
mod rules;
pub mod saml;
mod samples;
mod secrets;
mod server;
mod small_file;
mod spiffe;
mod status;
mod timeline;
mod tokens;
mod web;
mod webhooks;
mod workload;

pub use columns::{Column, Columns, Looks};
pub use grants::Wanted;
pub use issuers::{IssuerSettings, IssuerState, Issuers, KeySource, Told, keys_now};
pub use latency::Latency;
pub use plain::{plain, plain_lines};
pub use rules::{RuleBook, RuleUse};
pub use server::{Handle, Page, Provider, ServeError, Settings, Source, serve};
pub use spiffe::{SpiffeAgent, Unsourced, own_svid, socket_of};
pub use status::{
    Agent, Canary, Coverage, Database, Figure, FigureKind, Label, LiveSession, Mode, Policy, Shard, ShardState, Status,
};
pub use timeline::{Line, Moment, Received, Timeline};
pub use tokens::{TOKEN_KEY_BYTES, TOKEN_S_MAX};
pub use webhooks::{Webhook, WebhookKind};
pub use workload::{
    Attested, Binding, Caller, Change, IsThere, Job, KEYS_CHANGED, NotBound, Process, Revoked, Save, Store, SvidAsk,
    SvidTerms, Table, TokenFile, TokenNews, Workloads, read_token,
};
