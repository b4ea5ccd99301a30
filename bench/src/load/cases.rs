//! What is measured.

use crate::answers::Flow;
use crate::load::targets::Backend;
use crate::slice::Work;

/// Kinds of load, as the command line names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Group {
    Idle,
    Tls,
    Latency,
    Bulk,
    Churn,
}

impl Group {
    /// Idle comes first: memory is asked of processes that have done nothing else yet.
    pub(crate) const ALL: [Group; 5] = [Group::Idle, Group::Tls, Group::Latency, Group::Bulk, Group::Churn];

    pub(crate) fn of(word: &str) -> Option<Group> {
        Some(match word {
            "idle" => Group::Idle,
            "tls" => Group::Tls,
            "latency" => Group::Latency,
            "bulk" => Group::Bulk,
            "churn" => Group::Churn,
            _ => return None,
        })
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
    /// How goals name it.
    pub(crate) id: String,
    pub(crate) title: String,
    pub(crate) backend: Backend,
    pub(crate) work: Work,
    pub(crate) connections: u32,
    pub(crate) figure: Figure,
}

/// Shares of what the slowest path does in the closed loop: the rates of the open one.
const OPEN_SHARES: [u32; 2] = [30, 60];

/// The cases of a group. An open loop has a rate of 0 here; see [`with_rate`].
pub(crate) fn cases(group: Group, quick: bool) -> Vec<Case> {
    match group {
        Group::Idle | Group::Tls => Vec::new(),
        Group::Latency => latency(quick),
        Group::Bulk => bulk(),
        Group::Churn => vec![
            case("stub-connect", "connect, query, close", Backend::Near, Work::Connect, 1, Figure::Statements),
            case("pg-connect", "connect, query, close", Backend::Postgres, Work::Connect, 1, Figure::Statements),
        ],
    }
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

fn bulk() -> Vec<Case> {
    let stub = [
        ("stub-rows", "narrow rows in sends of 64 KiB", Flow::Rows),
        ("stub-rows8", "narrow rows in sends of 8 KiB", Flow::Rows8),
        ("stub-wide", "rows of 8 KiB", Flow::Wide),
        ("stub-cards", "a card in every row of 100 B", Flow::Cards),
    ];
    let mut all: Vec<Case> = stub
        .into_iter()
        .map(|(id, title, flow)| case(id, title, Backend::Far, Work::Bulk(flow), 1, Figure::Bytes))
        .collect();
    let rows = Work::Bulk(Flow::Rows);
    all.push(case("pg-rows", "SELECT of 100,000 narrow rows", Backend::Postgres, rows, 1, Figure::Bytes));
    all.push(case("pg-copy", "COPY of 100,000 narrow rows", Backend::Postgres, Work::Copy, 1, Figure::Bytes));
    all
}

fn case(id: &str, title: &str, backend: Backend, work: Work, connections: u32, figure: Figure) -> Case {
    let place = match backend {
        Backend::Postgres => "PostgreSQL",
        Backend::Near => "stub, one CPU",
        Backend::Far => "stub, a CPU for itself",
    };
    Case { id: id.to_owned(), title: format!("{title} ({place})"), backend, work, connections, figure }
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
