//! What EXPLAIN says in JSON, read for two numbers.

use serde_json::Value;
use session::Estimate;

/// Steps that take all that is below them before they give their first row: a LIMIT above does not shorten what is below.
const WHOLE: &[&str] =
    &["Sort", "Incremental Sort", "Aggregate", "WindowAgg", "Hash", "Materialize", "ModifyTable", "SetOp", "LockRows"];

/// The most rows of any step, and the cost of the whole. `None`: it is no plan.
pub(super) fn estimate(json: &[u8]) -> Option<Estimate> {
    let plans: Value = serde_json::from_slice(json).ok()?;
    let top = plans.get(0)?.get("Plan")?;
    let mut most = 0.0_f64;
    let mut open = vec![(top, f64::INFINITY)];
    while let Some((step, limit)) = open.pop() {
        let kind = step.get("Node Type")?.as_str()?;
        let rows = step.get("Plan Rows")?.as_f64()?;
        most = most.max(rows.min(limit));
        let below = match kind {
            "Limit" => limit.min(rows),
            _ if WHOLE.contains(&kind) => f64::INFINITY,
            _ => limit,
        };
        for inner in step.get("Plans").and_then(Value::as_array).into_iter().flatten() {
            let apart =
                matches!(inner.get("Parent Relationship").and_then(Value::as_str), Some("InitPlan" | "SubPlan"));
            open.push((inner, if apart { f64::INFINITY } else { below }));
        }
    }
    // Beyond the number's end is its end.
    let number = |value: f64| value.ceil() as u64;
    Some(Estimate { rows: number(most), cost: number(top.get("Total Cost")?.as_f64()?) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(plan: &str) -> Option<(u64, u64)> {
        let plan = plan.replace('\'', "\"");
        estimate(format!("[{{\"Plan\": {plan}}}]").as_bytes()).map(|estimate| (estimate.rows, estimate.cost))
    }

    fn step(kind: &str, rows: &str, inner: &str) -> String {
        format!("{{'Node Type': '{kind}', 'Plan Rows': {rows}, 'Total Cost': 12.5, 'Plans': [{inner}]}}")
    }

    #[test]
    fn the_widest_step_counts() {
        let scan = |rows| step("Seq Scan", rows, "");
        for (plan, expected) in [
            (scan("7"), 7),
            (step("Aggregate", "1", &scan("900000")), 900_000),
            (
                step("Aggregate", "1", &step("Nested Loop", "900000", &format!("{}, {}", scan("3000"), scan("300")))),
                900_000,
            ),
            // A limit ends what streams, and not what has to be whole first.
            (step("Limit", "10", &scan("1000000")), 10),
            (step("Limit", "10", &step("Sort", "1000000", &scan("1000000"))), 1_000_000),
            (step("Aggregate", "1", &step("Limit", "5", &scan("70"))), 5),
            (scan("100000000000000000000000"), u64::MAX),
        ] {
            assert_eq!(rows(&plan), Some((expected, 13)), "{plan}");
        }
        let sub = scan("50").replace("'Plans'", "'Parent Relationship': 'SubPlan', 'Plans'");
        assert_eq!(rows(&step("Limit", "1", &format!("{}, {sub}", scan("9")))), Some((50, 13)));
    }

    #[test]
    fn what_is_no_plan_is_none() {
        for json in ["", "[]", "{}", "[{\"Plan\": {}}]", "[{\"Plan\": {\"Node Type\": \"Result\"}}]"] {
            assert_eq!(estimate(json.as_bytes()), None, "{json}");
        }
    }
}
