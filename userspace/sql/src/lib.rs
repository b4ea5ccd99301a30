//! What would this statement do? Effects, tables, functions, by the server's own grammar.
//!
//! [`analyze`] takes a text as it came and says, per statement, every effect ([`Kind`]) and what it falls on ([`Object`]),
//! the settings it changes, the names it prepares, and the columns it mentions. It knows no catalog: names are reported as
//! written, and what it cannot see into is a kind of its own (`do`, `call`, `function-call`, `unknown`), never nothing.
//!
//! What it can therefore not see: the functions behind operators, casts, triggers, column defaults and views that already
//! exist, and a function of the user's that bears the name of one of the server's own. The grammar is PostgreSQL 18's: on an
//! older server a word that has become syntax since (`json_scalar`, `system_user`) may name a function or column there.

mod alone;
mod analyze;
mod catalog;
mod copy;
mod definition;
mod digest;
mod grammar;
mod identifiers;
mod kind;
mod lineage;
mod literals;
mod pattern;
mod query;
mod redact;
mod schema;
mod statement;
mod tree;
mod utility;
mod walk;
mod word;

pub use alone::{parses, reads};
pub use analyze::{Analysis, Limits, Refusal, analyze, analyze_in, copied_query, defining_query};
pub use catalog::{
    SERVER, SERVERS, is_catalog, is_catalog_function, is_catalog_in, is_catalog_relation, is_safe_function,
    is_safe_function_of,
};
pub use identifiers::identifier_list;
pub use kind::{Group, Kind, Kinds};
pub use lineage::{
    Clause, Context, Explained, Fate, Flow, How, Lineage, Output, Probe, Source, Unknown, Used, explain,
};
pub use literals::{Shape, skeleton};
pub use pattern::matches;
pub use redact::{Redacted, redact};
pub use schema::{Column, ColumnId, Computation, Function, Relation, RelationKind, Schema, Sensitivity, Watch};
pub use statement::{
    ColumnRef, Copy, CopyDirection, CopyEnd, CopyFormat, CopySource, Name, Object, Pair, Prepared, Scope, Setting,
    SettingValue, Statement, Transaction,
};
pub use word::Word;
