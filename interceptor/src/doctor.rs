//! `interceptor doctor`: what this kernel and host can do, what is missing, and its cure.

pub(crate) mod disk;
mod host;
mod kernel;
mod ways;

use std::{fmt::Write as _, path::PathBuf};

use serde::Serialize;

/// What the questions are about.
#[derive(Clone, Debug)]
pub struct Inquiry {
    /// The instance's pins.
    pub instance: PathBuf,
    /// The proxy's port.
    pub port: u16,
    /// The service's account, if it exists.
    pub service_uid: Option<u32>,
    /// The folders of the databases' unix sockets that are hidden from agents.
    pub hidden: Vec<PathBuf>,
    /// The folder of the record.
    pub state_dir: PathBuf,
    /// Bytes that the shards will lock in memory for registered buffers; 0: none.
    pub locked_bytes: u64,
    /// Descriptors that the shards may need.
    pub descriptors: u64,
}

/// How much depends on an ability.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It is there.
    Ok,
    /// `run` works without it, but something that an operator should know about is open.
    Warning,
    /// `run` cannot work.
    Missing,
}

/// One ability of the host.
#[derive(Clone, Debug, Serialize)]
pub struct Ability {
    /// What it is.
    pub name: &'static str,
    /// Whether it is there.
    pub state: State,
    /// What was found.
    pub found: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cure: Option<String>,
}

impl Ability {
    fn ok(name: &'static str, found: impl Into<String>) -> Ability {
        Ability { name, state: State::Ok, found: found.into(), cure: None }
    }

    fn warning(name: &'static str, found: impl Into<String>, cure: impl Into<String>) -> Ability {
        Ability { name, state: State::Warning, found: found.into(), cure: Some(cure.into()) }
    }

    fn missing(name: &'static str, found: impl Into<String>, cure: impl Into<String>) -> Ability {
        Ability { name, state: State::Missing, found: found.into(), cure: Some(cure.into()) }
    }
}

/// Looks at everything.
pub fn examine(inquiry: &Inquiry) -> Vec<Ability> {
    let mut out = vec![
        kernel::version(),
        kernel::btf(),
        kernel::cgroups(),
        kernel::bpffs(&inquiry.instance),
        kernel::programs(&inquiry.instance),
        kernel::destroy(),
        kernel::io_uring(),
        host::account(inquiry),
        host::port(inquiry.port),
        host::memlock(inquiry.locked_bytes),
        host::descriptors(inquiry.descriptors),
        disk::record(&inquiry.state_dir),
    ];
    out.extend(ways::sockets(&inquiry.hidden));
    out.extend(ways::agents(&inquiry.instance));
    out
}

/// Could `run` work?
pub fn works(abilities: &[Ability]) -> bool {
    abilities.iter().all(|ability| ability.state != State::Missing)
}

/// One line each, and the cure below.
pub fn text(abilities: &[Ability]) -> String {
    let mut out = String::new();
    for Ability { name, state, found, cure } in abilities {
        let word = match state {
            State::Ok => "ok",
            State::Warning => "warning",
            State::Missing => "MISSING",
        };
        let _ = writeln!(out, "{word:<8} {name:<22} {found}");
        if let Some(cure) = cure {
            let _ = writeln!(out, "{:<8} {:<22} -> {cure}", "", "");
        }
    }
    out
}

/// The same for a program.
pub fn json(abilities: &[Ability]) -> serde_json::Value {
    serde_json::json!({ "works": works(abilities), "abilities": abilities })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_does_not_stop_run_and_a_missing_ability_does() {
        let ok = Ability::ok("one", "");
        let warning = Ability::warning("two", "", "do this");
        let missing = Ability::missing("three", "", "do that");
        assert!(works(&[ok.clone(), warning.clone()]));
        assert!(!works(&[ok, warning, missing.clone()]));
        assert!(text(std::slice::from_ref(&missing)).contains("-> do that"));
        assert_eq!(json(&[missing])["abilities"][0]["state"], "missing");
    }
}
