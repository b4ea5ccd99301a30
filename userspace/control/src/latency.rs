//! Where the time goes.
use std::fmt::Write;

use serde::Serialize;

/// How long one stage took, all shards together, since their start.
#[derive(Clone, Debug, Serialize)]
pub struct Latency {
    /// Its name.
    pub stage: &'static str,
    /// From where to where, in words.
    pub what: &'static str,
    /// How often it was measured.
    pub count: u64,
    /// Of all of them.
    pub sum_ns: u64,
    /// Half of them took no longer.
    pub p50_ns: u64,
    /// 90 % took no longer.
    pub p90_ns: u64,
    /// 99 % took no longer.
    pub p99_ns: u64,
    /// 99.9 % took no longer.
    pub p999_ns: u64,
    /// The longest.
    pub max_ns: u64,
    /// For the metrics page: bounds in nanoseconds, rising, and how many took less.
    #[serde(skip)]
    pub below: Vec<(u64, u64)>,
}

/// One Prometheus histogram with a label for the stage.
pub(crate) fn page(latencies: &[Latency]) -> String {
    let mut page = String::new();
    if latencies.is_empty() {
        return page;
    }
    // Writing to a String cannot fail.
    let _ = writeln!(page, "# HELP interceptor_stage_seconds where the time of connections and statements goes");
    let _ = writeln!(page, "# TYPE interceptor_stage_seconds histogram");
    for latency in latencies {
        let stage = latency.stage;
        for (bound_ns, count) in &latency.below {
            let le = *bound_ns as f64 / 1e9;
            let _ = writeln!(page, "interceptor_stage_seconds_bucket{{stage=\"{stage}\",le=\"{le}\"}} {count}");
        }
        let (count, sum) = (latency.count, latency.sum_ns as f64 / 1e9);
        let _ = writeln!(page, "interceptor_stage_seconds_bucket{{stage=\"{stage}\",le=\"+Inf\"}} {count}");
        let _ = writeln!(page, "interceptor_stage_seconds_sum{{stage=\"{stage}\"}} {sum}");
        let _ = writeln!(page, "interceptor_stage_seconds_count{{stage=\"{stage}\"}} {count}");
    }
    page
}
