//! What an idle session costs: memory of the process in between, fresh and after a result of 1 MiB.

use crate::cpu;
use crate::load::measure;
use crate::load::options::Options;
use crate::load::targets::{Backend, Stand};
use crate::slice::{Slice, Work};

/// One path's memory.
pub(crate) struct Idle {
    pub(crate) target: &'static str,
    pub(crate) sessions: u32,
    /// KiB a session of memory that is nobody else's (RssAnon): after one small query, and after a result of 1 MiB on each.
    pub(crate) fresh: f64,
    pub(crate) after_bulk: f64,
}

/// Measures every path that has a process in between.
pub(crate) fn run(options: &Options, stand: &mut Stand) -> Result<Vec<Idle>, String> {
    let mut all = Vec::new();
    for target in &mut stand.targets {
        let place = target.place(Backend::Near).clone();
        let Some(pid) = place.pid else { continue };
        let mut slice = Slice {
            work: Work::Idle,
            sealed: false,
            port: place.port,
            dbname: place.dbname,
            connections: 1,
            millis: 0,
            cpus: measure::cpus(Backend::Near, options),
        };
        // The first session pays for what all share.
        target.worker.slice(&slice)?;
        let before = cpu::resident_kib(pid, "RssAnon:");
        slice.connections = options.idle;
        target.worker.slice(&slice)?;
        let fresh = cpu::resident_kib(pid, "RssAnon:");
        slice.work = Work::IdleBulk;
        target.worker.slice(&slice)?;
        let after = cpu::resident_kib(pid, "RssAnon:");
        slice.work = Work::Close;
        target.worker.slice(&slice)?;
        let each = |now: u64| now.saturating_sub(before) as f64 / f64::from(options.idle.max(2) - 1);
        let (fresh, after_bulk) = (each(fresh), each(after));
        all.push(Idle { target: target.name, sessions: options.idle, fresh, after_bulk });
    }
    Ok(all)
}
