//! The status as Prometheus text, format version 0.0.4
//! (<https://prometheus.io/docs/instrumenting/exposition_formats/>): per name one HELP, one TYPE, then all its samples.
use std::collections::BTreeMap;
use std::fmt::Write;

use crate::latency;
use crate::status::{Canary, Figure, FigureKind, Label, Mode, ShardState, Status};

/// What the answer's `Content-Type` says.
pub(crate) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The whole page.
pub(crate) fn page(status: &Status) -> String {
    let mut families: BTreeMap<&str, Vec<Figure>> = BTreeMap::new();
    for figure in own(status).into_iter().chain(status.figures.iter().cloned()) {
        families.entry(figure.name).or_default().push(figure);
    }
    let mut page = String::new();
    for (name, figures) in families {
        let Some(first) = figures.first() else { continue };
        let kind = match first.kind {
            FigureKind::Counter => "counter",
            FigureKind::Gauge => "gauge",
        };
        // Writing to a String cannot fail.
        let _ = writeln!(page, "# HELP interceptor_{name} {}", escaped(first.help, false));
        let _ = writeln!(page, "# TYPE interceptor_{name} {kind}");
        for figure in &figures {
            let _ = writeln!(page, "interceptor_{name}{} {}", labels(&figure.labels), figure.value);
        }
    }
    page.push_str(&latency::page(&status.latency));
    page
}

/// The figures that every status has.
fn own(status: &Status) -> Vec<Figure> {
    let gauge = |name, help, labels, value| Figure { name, help, kind: FigureKind::Gauge, labels, value };
    let mut figures = vec![
        gauge("uptime_seconds", "seconds since the service began to serve", vec![], status.uptime_s),
        gauge("sessions", "open sessions", vec![], status.sessions),
        gauge("attached", "1: the kernel half is attached", vec![], u64::from(status.coverage.attached)),
        gauge("coverage_gaps", "what was found open", vec![], status.coverage.gaps.len() as u64),
        gauge(
            "redirection_proven",
            "1: the last canary came through",
            vec![],
            u64::from(status.canary == Canary::Works),
        ),
        gauge("reload_refused", "1: the last reload was refused", vec![], u64::from(status.policy.refused.is_some())),
    ];
    for shard in &status.shards {
        let label = || vec![Label::Shard(shard.number)];
        let serving = u64::from(shard.state == ShardState::Serving);
        let lag = shard.last_seq.saturating_sub(shard.synced_seq);
        figures.push(gauge("shard_serving", "1: the shard accepts and serves", label(), serving));
        figures.push(gauge("shard_sessions", "open sessions of the shard", label(), shard.sessions));
        figures.push(gauge("records_unsynced", "records of the shard that are not on disk yet", label(), lag));
        figures.push(Figure {
            kind: FigureKind::Counter,
            ..gauge("records_total", "records in the shard's series", label(), shard.last_seq)
        });
    }
    for database in &status.databases {
        let label = || vec![Label::Database(database.name.clone())];
        let observed = u64::from(database.mode == Mode::Observe);
        figures.push(gauge("database_observed", "1: what policy refuses is recorded and forwarded", label(), observed));
        figures.push(gauge("database_masked", "1: what comes back is masked", label(), u64::from(database.mask)));
        figures.push(gauge("database_sessions", "open sessions to the database", label(), database.sessions));
    }
    figures
}

fn labels(labels: &[Label]) -> String {
    let each: Vec<String> = labels
        .iter()
        .map(|label| match label {
            Label::Shard(number) => format!("shard=\"{number}\""),
            Label::Database(name) => format!("database=\"{}\"", escaped(name, true)),
            Label::Webhook(name) => format!("webhook=\"{}\"", escaped(name, true)),
            Label::Reason(word) => format!("reason=\"{}\"", escaped(word, true)),
        })
        .collect();
    if each.is_empty() { String::new() } else { format!("{{{}}}", each.join(",")) }
}

fn escaped(text: &str, quoted: bool) -> String {
    let text = text.replace('\\', "\\\\").replace('\n', "\\n");
    if quoted { text.replace('"', "\\\"") } else { text }
}
