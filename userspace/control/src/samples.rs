//! The last hour of a few figures, for the page's charts: a sample each ten seconds, in memory.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::server::Source;
use crate::status::Status;

/// Between two samples.
const EVERY: Duration = Duration::from_secs(10);
/// An hour of them.
const KEPT: usize = 360;

/// Figures at one moment; those that only grow, as they stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Figures {
    statements: u64,
    held: u64,
    blocked: u64,
    masked: u64,
    sessions: u64,
    p99_ns: u64,
}

impl Figures {
    fn of(status: &Status) -> Figures {
        let sum = |name: &str| status.figures.iter().filter(|figure| figure.name == name).map(|f| f.value).sum();
        let judge = status.latency.iter().find(|stage| stage.stage == "judge");
        Figures {
            statements: judge.map_or(0, |judge| judge.count),
            held: sum("held"),
            blocked: sum("blocked"),
            masked: sum("masked"),
            sessions: status.sessions,
            p99_ns: judge.map_or(0, |judge| judge.p99_ns),
        }
    }
}

/// What one chart shows.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Series {
    pub(crate) name: &'static str,
    pub(crate) unit: &'static str,
    /// The oldest first.
    pub(crate) values: Vec<f64>,
}

/// See the module's documentation.
#[derive(Debug, Default)]
pub(crate) struct Samples(Mutex<VecDeque<Figures>>);

impl Samples {
    pub(crate) fn add(&self, status: &Status) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT {
            kept.pop_front();
        }
        kept.push_back(Figures::of(status));
    }

    /// Everything that is drawn.
    pub(crate) fn series(&self) -> Vec<Series> {
        let kept: Vec<Figures> = self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().copied().collect();
        let rate = |of: fn(&Figures) -> u64, seconds: f64| -> Vec<f64> {
            kept.windows(2)
                .filter_map(|two| Some((of(two.first()?), of(two.last()?))))
                .map(|(before, after)| after.saturating_sub(before) as f64 / seconds)
                .collect()
        };
        let level =
            |of: fn(&Figures) -> u64, part: f64| -> Vec<f64> { kept.iter().map(|f| of(f) as f64 / part).collect() };
        vec![
            Series { name: "Statements", unit: "per second", values: rate(|f| f.statements, EVERY.as_secs_f64()) },
            Series { name: "Held", unit: "per minute", values: rate(|f| f.held, EVERY.as_secs_f64() / 60.0) },
            Series { name: "Blocked", unit: "per minute", values: rate(|f| f.blocked, EVERY.as_secs_f64() / 60.0) },
            Series { name: "Masked values", unit: "per second", values: rate(|f| f.masked, EVERY.as_secs_f64()) },
            Series { name: "Sessions", unit: "open", values: level(|f| f.sessions, 1.0) },
            Series {
                name: "Verdict, 99th percentile since the start",
                unit: "\u{b5}s",
                values: level(|f| f.p99_ns, 1e3),
            },
        ]
    }
}

/// Takes samples for ever.
pub(crate) async fn take(samples: Arc<Samples>, source: Arc<dyn Source>) {
    let mut tick = tokio::time::interval(EVERY);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        samples.add(&source.status());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_grows_is_a_rate_and_the_oldest_go() {
        let samples = Samples::default();
        let figures =
            |statements| Figures { statements, held: 6, blocked: statements, masked: 3, sessions: 2, p99_ns: 1500 };
        samples.0.lock().expect("whole").extend([figures(10), figures(60), figures(0)]);
        let shown: Vec<Vec<f64>> = samples.series().into_iter().map(|series| series.values).collect();
        assert_eq!(
            shown,
            [vec![5.0, 0.0], vec![0.0, 0.0], vec![300.0, 0.0], vec![0.0, 0.0], vec![2.0; 3], vec![1.5; 3]]
        );
    }
}
