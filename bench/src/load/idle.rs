//! What an idle session costs: memory of the process in between, fresh and after a result of 1 MiB.

use crate::cpu;
use crate::load::measure;
use crate::load::options::Options;
use crate::load::targets::{
    AGAIN, Backend, HAPROXY, MEMORY, NAMED, RESULTS, RESULTS_BESIDE, STRICT, Stand, Target, UNMASKED, UNRECORDED, US,
    haproxy_sessions,
};
use crate::slice::{Slice, Work};

/// Ours with TLS on both legs.
pub(crate) const SEALED: &str = "interceptor, TLS";
/// The first sessions pay for what all share.
const SHARED: u32 = 64;
/// HAProxy lets a connection beyond its limit wait for ever, and those of the check before are still open.
const HAPROXY_SPARE: u32 = 2 * SHARED;
/// Paths that would say what another one says.
const SAME: [&str; 8] = [AGAIN, STRICT, UNMASKED, UNRECORDED, MEMORY, NAMED, RESULTS, RESULTS_BESIDE];

/// One path's memory.
pub(crate) struct Idle {
    pub(crate) target: &'static str,
    pub(crate) sessions: u32,
    /// KiB a session of memory that is nobody else's (RssAnon): after one small query, and after a result of 1 MiB on each.
    pub(crate) fresh: f64,
    pub(crate) after_bulk: f64,
}

/// Measures every path that has a process in between; ours under TLS too.
pub(crate) fn run(options: &Options, stand: &mut Stand) -> Result<Vec<Idle>, String> {
    let mut all = Vec::new();
    for target in stand.targets.iter_mut().filter(|target| !SAME.contains(&target.name)) {
        if let Some(pid) = target.place(Backend::Near).pid {
            all.push(one(options, target, pid, false)?);
            if target.name == US && options.sealed > 0 {
                all.push(one(options, target, pid, true)?);
            }
        }
    }
    Ok(all)
}

fn one(options: &Options, target: &mut Target, pid: u32, sealed: bool) -> Result<Idle, String> {
    let place = target.place(Backend::Near).clone();
    let mut slice = Slice {
        work: Work::Idle,
        sealed,
        port: if sealed { options.sealed } else { place.port },
        dbname: place.dbname,
        connections: SHARED,
        millis: 0,
        cpus: measure::cpus(Backend::Near, options),
    };
    let sessions =
        if target.name == HAPROXY { options.idle.min(haproxy_sessions() - HAPROXY_SPARE) } else { options.idle };
    let mut kib = |work, connections| {
        slice.work = work;
        slice.connections = connections;
        target.worker.slice(&slice).map(|_| cpu::resident_kib(pid, "RssAnon:"))
    };
    let before = kib(Work::Idle, SHARED)?;
    let fresh = kib(Work::Idle, sessions + SHARED)?;
    let after = kib(Work::IdleBulk, sessions + SHARED)?;
    kib(Work::Close, 0)?;
    let each = |now: u64| now.saturating_sub(before) as f64 / f64::from(sessions.max(1));
    let name = if sealed { SEALED } else { target.name };
    Ok(Idle { target: name, sessions, fresh: each(fresh), after_bulk: each(after) })
}
