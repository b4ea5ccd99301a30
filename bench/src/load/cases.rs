//! What is measured.

use crate::answers::Flow;
use crate::load::targets::{
    AGAIN, BESIDE, Backend, DIRECT, HAPROXY, MEMORY, NAMED, NULL, PGBOUNCER, RESULTS, RESULTS_BESIDE, STRICT, UNMASKED,
    UNRECORDED, US,
};
use crate::slice::Work;

/// Kinds of load, as the command line names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Group {
    Idle,
    Tls,
    Micro,
    Latency,
    Bulk,
    Churn,
}

impl Group {
    /// Idle comes first: memory is asked of processes that have done nothing else yet.
    pub(crate) const ALL: [Group; 6] =
        [Group::Idle, Group::Tls, Group::Micro, Group::Latency, Group::Bulk, Group::Churn];

    /// The word of the command line.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Group::Idle => "idle",
            Group::Tls => "tls",
            Group::Micro => "micro",
            Group::Latency => "latency",
            Group::Bulk => "bulk",
            Group::Churn => "churn",
        }
    }

    pub(crate) fn of(word: &str) -> Option<Group> {
        Group::ALL.into_iter().find(|group| group.word() == word)
    }
}

/// What of an outcome matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Figure {
    /// Latencies, and operations a second.
    Statements,
    /// Bytes a second.
    Bytes,
}

/// One kind of work on one backend.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) group: Group,
    /// How goals name it.
    pub(crate) id: String,
    pub(crate) title: String,
    pub(crate) backend: Backend,
    pub(crate) work: Work,
    pub(crate) connections: u32,
    pub(crate) figure: Figure,
    /// On which paths; none: on all but those that price a part of ours.
    pub(crate) paths: &'static [&'static str],
    /// Rounds at most; 0: as many as are asked for.
    pub(crate) rounds: u32,
}

/// Paths that price a part of ours alone.
const PARTS: [&str; 6] = [UNMASKED, UNRECORDED, MEMORY, NAMED, RESULTS, RESULTS_BESIDE];
/// What is compared to price one.
const PRICED: [&str; 10] = [NULL, AGAIN, US, UNMASKED, UNRECORDED, MEMORY, STRICT, RESULTS, BESIDE, RESULTS_BESIDE];
/// The case of a column that policy names.
pub(crate) const RULED_ID: &str = "stub-named";
/// What a column that policy names is compared with.
const RULED: [&str; 5] = [NULL, AGAIN, US, NAMED, BESIDE];
/// What half a gigabyte is asked of.
const FEW: [&str; 5] = [DIRECT, NULL, US, PGBOUNCER, HAPROXY];
const FEW_ROUNDS: u32 = 3;

impl Case {
    /// Whether a path is in it.
    pub(crate) fn on(&self, path: &str) -> bool {
        if self.paths.is_empty() { !PARTS.contains(&path) } else { self.paths.contains(&path) }
    }

    fn of(self, paths: &'static [&'static str], rounds: u32) -> Case {
        Case { paths, rounds, ..self }
    }
}

/// Shares of what the slowest path does in the closed loop: the rates of the open one.
const OPEN_SHARES: [u32; 2] = [30, 60];

/// The cases of a group. An open loop has a rate of 0 here; see [`with_rate`].
pub(crate) fn cases(group: Group, quick: bool) -> Vec<Case> {
    let all = match group {
        Group::Idle | Group::Tls => Vec::new(),
        Group::Micro => parts(),
        Group::Latency => latency(quick),
        Group::Bulk => bulk(quick),
        Group::Churn => vec![
            case("stub-connect", "connect, query, close", Backend::Near, Work::Connect, 1, Figure::Statements),
            case("pg-connect", "connect, query, close", Backend::Postgres, Work::Connect, 1, Figure::Statements),
        ],
    };
    all.into_iter().map(|case| Case { group, ..case }).collect()
}

fn latency(quick: bool) -> Vec<Case> {
    let protocols = [("simple", Work::Simple), ("extended", Work::Extended), ("prepared", Work::Prepared)];
    let connections: &[u32] = if quick { &[1, 8] } else { &[1, 8, 64] };
    let mut all = Vec::new();
    for (backend, short) in [(Backend::Near, "stub"), (Backend::Postgres, "pg")] {
        for &count in connections {
            for (word, work) in protocols {
                let title = format!("select {word}, {count} connection{}", if count == 1 { "" } else { "s" });
                all.push(case(&format!("{short}-{word}-{count}"), &title, backend, work, count, Figure::Statements));
            }
        }
    }
    for share in OPEN_SHARES {
        let title = format!("open loop at {share} %, 8 connections");
        let id = format!("pg-open-{share}");
        all.push(case(&id, &title, Backend::Postgres, Work::Open(0), 8, Figure::Statements));
    }
    let across = "select prepared, 1 connection";
    all.push(case("stub-across-1", across, Backend::Across, Work::Prepared, 1, Figure::Statements));
    all.push(case("pg-tpcb-8", "TPC-B-like, 8 connections", Backend::Postgres, Work::Tpcb, 8, Figure::Statements));
    all.push(case(
        "stub-beside",
        "select simple beside a bulk stream",
        Backend::Far,
        Work::Beside,
        2,
        Figure::Statements,
    ));
    all
}

/// What a part of ours costs: the same work with it and without it.
fn parts() -> Vec<Case> {
    let bulk = |flow| (Work::Bulk(flow), 1, Figure::Bytes);
    let cases = [
        ("part-prepared-1", "select prepared, 1 connection", Backend::Near, (Work::Prepared, 1, Figure::Statements)),
        ("part-prepared-8", "select prepared, 8 connections", Backend::Near, (Work::Prepared, 8, Figure::Statements)),
        (
            "part-pg-prepared-1",
            "select prepared, 1 connection",
            Backend::Postgres,
            (Work::Prepared, 1, Figure::Statements),
        ),
        (
            "part-pg-prepared-8",
            "select prepared, 8 connections",
            Backend::Postgres,
            (Work::Prepared, 8, Figure::Statements),
        ),
        ("part-rows", "narrow rows in sends of 1 MiB", Backend::Far, bulk(Flow::Rows)),
        ("part-cards", "a card in every row of 100 B", Backend::Far, bulk(Flow::Cards)),
        ("part-select", "SELECT of 100,000 narrow rows", Backend::Postgres, bulk(Flow::Rows)),
        ("part-tpcb-8", "TPC-B-like, 8 connections", Backend::Postgres, (Work::Tpcb, 8, Figure::Statements)),
    ];
    let one = |(id, title, backend, (work, connections, figure))| {
        case(id, &format!("parts: {title}"), backend, work, connections, figure).of(&PRICED, 0)
    };
    cases.into_iter().map(one).collect()
}

fn bulk(quick: bool) -> Vec<Case> {
    let stub = [
        ("stub-rows", "narrow rows in sends of 1 MiB", Flow::Rows),
        ("stub-rows8", "narrow rows in sends of 8 KiB", Flow::Rows8),
        ("stub-wide", "rows of 8 KiB", Flow::Wide),
        ("stub-cards", "a card in every row of 100 B", Flow::Cards),
    ];
    let mut all: Vec<Case> = stub
        .into_iter()
        .map(|(id, title, flow)| case(id, title, Backend::Far, Work::Bulk(flow), 1, Figure::Bytes))
        .collect();
    let cards = Work::Bulk(Flow::Cards);
    let named = "a card in every row of 100 B, its column named by policy";
    all.push(case(RULED_ID, named, Backend::Far, cards, 1, Figure::Bytes).of(&RULED, 0));
    let rows = Work::Bulk(Flow::Rows);
    all.push(case("pg-rows", "SELECT of 100,000 narrow rows", Backend::Postgres, rows, 1, Figure::Bytes));
    all.push(case("pg-copy", "COPY of 100,000 narrow rows", Backend::Postgres, Work::Copy, 1, Figure::Bytes));
    let wide = Work::Bulk(Flow::Wide);
    all.push(case("pg-wide", "SELECT of 2,000 rows of 8 KiB", Backend::Postgres, wide, 1, Figure::Bytes));
    all.push(case("pg-copy-in", "COPY FROM of rows of 1 KiB", Backend::Postgres, Work::CopyIn, 1, Figure::Bytes));
    if !quick {
        let large =
            [("pg-large", "SELECT of 500 MB", Work::Large), ("pg-large-copy", "COPY of 500 MB", Work::LargeCopy)];
        all.extend(
            large.map(|(id, title, work)| {
                case(id, title, Backend::Postgres, work, 1, Figure::Bytes).of(&FEW, FEW_ROUNDS)
            }),
        );
    }
    all
}

pub(crate) fn case(id: &str, title: &str, backend: Backend, work: Work, connections: u32, figure: Figure) -> Case {
    let place = match backend {
        Backend::Postgres if id.starts_with("url-") => "your database",
        Backend::Postgres => "PostgreSQL",
        Backend::Near => "stub, one CPU",
        Backend::Far => "stub, a CPU for itself",
        Backend::Across => "stub, the agent on another CPU",
    };
    let title = format!("{title} ({place})");
    // Whose group it is, its list says.
    let (group, id) = (Group::Latency, id.to_owned());
    Case { group, id, title, backend, work, connections, figure, paths: &[], rounds: 0 }
}

/// An open loop gets its rate: a share of what the slowest path did with as many connections.
pub(crate) fn with_rate(mut case: Case, slowest: f64) -> Case {
    if let (Work::Open(0), Some(share)) = (case.work, case.id.rsplit('-').next().and_then(|s| s.parse::<f64>().ok())) {
        let rate = (slowest * share / 100.0).max(1.0) as u32;
        case.work = Work::Open(rate);
        case.title = format!("{}, {rate}/s", case.title);
    }
    case
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_case_has_a_name_of_its_own() {
        let mut ids: Vec<String> = Group::ALL.into_iter().flat_map(|g| cases(g, false)).map(|case| case.id).collect();
        let count = ids.len();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), count);
    }

    #[test]
    fn the_open_loop_gets_its_share() {
        let open = latency(true).into_iter().find(|case| case.id == "pg-open-30").unwrap();
        assert_eq!(with_rate(open, 10_000.0).work, Work::Open(3000));
    }
}
