//! The HTML of what is seen beside approvals. As in [`super::pages`], every text goes through [`plain`] and maud's escaping.

use maud::{Markup, html};

use super::ending;
use super::pages::{Viewer, duration, frame, short};
use super::received::received;
use crate::columns::{Columns, Looks};
use crate::plain::plain;
use crate::rules::{RuleBook, RuleUse};
use crate::samples::Series;
use crate::status::{LiveSession, Status};
use crate::timeline::Timeline;

pub(crate) fn sessions(viewer: &Viewer<'_>, sessions: &[LiveSession]) -> Markup {
    let main = html! {
        h2 { "Open sessions (" (sessions.len()) ")" }
        @if sessions.is_empty() { p { "No agent is connected." } } @else {
            table {
                thead { tr { th scope="col" { "Session" } th scope="col" { "Agent" } th scope="col" { "Database" } th scope="col" { "Process" } th scope="col" { "From" } th scope="col" { "Open for" } th scope="col" { "Now" } th scope="col" { "End" } } }
                tbody {
                    @for one in sessions {
                        tr data-to={ "/sessions/" (one.id) } {
                            td { a href={ "/sessions/" (one.id) } { (one.id) } }
                            td { (plain(&one.agent)) (signed(one)) }
                            td { (plain(&one.database)) }
                            td { (plain(&one.executable)) " (pid " (one.pid) ", uid " (one.uid) ")" }
                            td { (one.agent_address) }
                            td { (duration(one.age_s)) }
                            td { @if one.waits { "waits for a person" } @else { "open" } }
                            td { a href=(to(one)) aria-label={ "End session " (one.id) } { "End\u{2026}" } }
                        }
                    }
                }
            }
        }
    };
    frame("Sessions", Some(viewer), &main)
}

/// What a token says beside the kernel's word, and whether both agree.
fn signed(one: &LiveSession) -> Markup {
    html! {
        @if let Some(principal) = &one.principal {
            " " @if one.disagrees { strong { "disagrees with its token " (plain(principal)) } } @else { "as " (plain(principal)) }
        }
    }
}

fn to(one: &LiveSession) -> String {
    format!("/sessions/{}/kill", one.id)
}

/// Before a session is ended: which, and why.
pub(crate) fn confirm(viewer: &Viewer<'_>, one: &LiveSession) -> Markup {
    let main = html! {
        h2 { "End session " (one.id) }
        p { (plain(&one.agent)) (signed(one)) " on " (plain(&one.database)) ", " (plain(&one.executable)) " (pid " (one.pid) ", uid " (one.uid) "), open for " (duration(one.age_s)) "." }
        p { "Its agent is told that you ended it, and why (FATAL 57P01). What it runs in the database is cancelled." }
        (ending::form(viewer, &to(one), "End the session"))
    };
    frame(&one.id, Some(viewer), &main)
}

/// One session, record by record.
pub(crate) fn timeline(viewer: &Viewer<'_>, one: &Timeline, is_open: bool) -> Markup {
    let main = html! {
        h2 { "Session " (plain(&one.id)) }
        p { (plain(&one.agent)) " on " (plain(&one.database)) ", " @if is_open { "open" } @else { "over" } "." }
        @if is_open { p { a .button href={ "/sessions/" (one.id) "/kill" } { "End this session\u{2026}" } } }
        @if one.left_off > 0 { p { (one.left_off) " earlier records are left off; all are in " code { "interceptor sessions show" } "." } }
        table data-still="yes" {
            thead { tr { th scope="col" { "After" } th scope="col" { "What" } th scope="col" { "Why" } th scope="col" { "Statement" } th scope="col" { "Record" } } }
            tbody {
                @for moment in &one.moments {
                    tr .denied[moment.failed] {
                        td title=(plain(&moment.time)) { (offset(moment.since_us)) }
                        td { (plain(&moment.what)) }
                        td { (plain(&moment.words)) }
                        td .statement { (short(&moment.text)) }
                        td { (plain(&moment.record)) }
                    }
                    @if let Some(one) = &moment.received { tr { td colspan="5" { (received(one, &moment.record)) } } }
                }
            }
        }
    };
    frame(&one.id, Some(viewer), &main)
}

/// Milliseconds up to ten seconds, then seconds.
fn offset(us: u64) -> String {
    if us < 10_000_000 { format!("{:.1} ms", us as f64 / 1e3) } else { format!("{:.1} s", us as f64 / 1e6) }
}

/// The rules in force, those that decided most first, and those that never did.
pub(crate) fn rules(viewer: &Viewer<'_>, book: &RuleBook) -> Markup {
    let mut used: Vec<&RuleUse> = book.rules.iter().filter(|rule| rule.hits > 0).collect();
    used.sort_by_key(|rule| std::cmp::Reverse(rule.hits));
    let never: Vec<&RuleUse> = book.rules.iter().filter(|rule| rule.hits == 0).collect();
    let main = html! {
        h2 { "Policy " (plain(&book.version)) }
        p { "In force for " (duration(book.in_force_s)) " in this run of the service. A decision counts for the rule that it names; of several that match, that is the first by name." }
        h3 { "Rules that decided (" (used.len()) ")" }
        @if used.is_empty() { p { "None yet." } } @else { (rule_table(&used)) }
        h3 { "Rules that never did (" (never.len()) ")" }
        @if never.is_empty() { p .approved { "None." } } @else { (rule_table(&never)) }
    };
    frame("Policy", Some(viewer), &main)
}

fn rule_table(rules: &[&RuleUse]) -> Markup {
    html! {
        table {
            thead { tr { th scope="col" { "Rule" } th scope="col" { "Action" } th scope="col" { "Decisions" } th scope="col" { "Asks" } th scope="col" { "Says" } } }
            tbody {
                @for rule in rules {
                    tr {
                        td { (plain(&rule.name)) }
                        td { (rule.action) }
                        td { (rule.hits) }
                        td { (plain(rule.asks.as_deref().unwrap_or_default())) }
                        td { (plain(rule.message.as_deref().unwrap_or_default())) }
                    }
                }
            }
        }
    }
}

pub(crate) fn overview(viewer: &Viewer<'_>, status: &Status, charts: &[Series]) -> Markup {
    let warnings = status.warnings();
    let main = html! {
        h2 { "Overview" }
        @if warnings.is_empty() { p .approved { "Nothing to warn of." } } @else {
            ul role="alert" { @for warning in &warnings { li .problem { (plain(warning)) } } }
        }
        div .charts { @for series in charts { (chart(series)) } }
        h3 { "Where the time goes" }
        table {
            thead { tr { th scope="col" { "Stage" } th scope="col" { "Times" } th scope="col" { "50 %" } th scope="col" { "99 %" } th scope="col" { "99.9 %" } th scope="col" { "Most" } } }
            tbody {
                @for stage in &status.latency {
                    tr {
                        td { (stage.stage) ": " (stage.what) }
                        td { (stage.count) }
                        @for ns in [stage.p50_ns, stage.p99_ns, stage.p999_ns, stage.max_ns] { td { (micros(ns)) } }
                    }
                }
            }
        }
        h3 { "Service" }
        dl {
            dt { "Version" } dd { (status.version) ", up for " (duration(status.uptime_s)) }
            dt { "Policy" } dd { (status.policy.version) }
            dt { "Sessions" } dd { (status.sessions) " open" }
            @for database in &status.databases {
                dt { (plain(&database.name)) }
                dd { (database.sessions) " sessions, " (if database.mask { "masked" } else { "NOT MASKED" }) ", " (database.masking) }
            }
        }
    };
    frame("Overview", Some(viewer), &main)
}

fn micros(ns: u64) -> String {
    format!("{:.1} \u{b5}s", ns as f64 / 1e3)
}

/// A chart's place is so wide and so high, in units of its own.
const WIDTH: f64 = 360.0;
const HEIGHT: f64 = 80.0;

/// A line over the last hour. Its figures are said in words besides.
fn chart(series: &Series) -> Markup {
    let most = series.values.iter().copied().fold(0.0, f64::max);
    let last = series.values.last().copied().unwrap_or_default();
    let words = format!("{}: {last:.1} {} now, {most:.1} at most", series.name, series.unit);
    html! {
        figure {
            figcaption { (words) }
            svg viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) role="img" aria-label=(words) {
                polyline points=(points(&series.values, most)) {}
            }
        }
    }
}

fn points(values: &[f64], most: f64) -> String {
    let step = WIDTH / (values.len().max(2) - 1) as f64;
    let scale = if most > 0.0 { (HEIGHT - 4.0) / most } else { 0.0 };
    let point = |(at, value): (usize, &f64)| format!("{:.1},{:.1}", at as f64 * step, HEIGHT - 2.0 - value * scale);
    values.iter().enumerate().map(point).collect::<Vec<_>>().join(" ")
}

pub(crate) fn findings(viewer: &Viewer<'_>, seen: &Columns, sessions: &[LiveSession]) -> Markup {
    let with = |looks: Looks| seen.columns.iter().filter(move |column| column.looks == looks);
    let main = html! {
        h2 { "Findings" }
        p { "Columns that hold card numbers plainly and that no rule names (PCI DSS 12.10.7). Their values are masked by content; declare them in policy.toml." }
        @if with(Looks::Cards).next().is_none() { p .approved { "None." } } @else {
            table {
                thead { tr { th scope="col" { "Database" } th scope="col" { "Column" } th scope="col" { "Values" } th scope="col" { "Cards" } } }
                tbody {
                    @for column in with(Looks::Cards) {
                        tr .denied { td { (plain(&column.database)) "/" (plain(&column.dbname)) } td { (plain(&column.column)) } td { (column.values) } td { (column.hits) } }
                    }
                }
            }
        }
        h3 { "Sessions whose token is not one that their agent may have" }
        (disagreeing(sessions))
        h3 { "Numbers of which some only pass for cards" }
        @if with(Looks::Chance).next().is_none() { p { "None." } } @else {
            table {
                thead { tr { th scope="col" { "Database" } th scope="col" { "Column" } th scope="col" { "Values" } th scope="col" { "Hits" } th scope="col" { "So that they are not masked" } } }
                tbody {
                    @for column in with(Looks::Chance) {
                        tr {
                            td { (plain(&column.database)) "/" (plain(&column.dbname)) } td { (plain(&column.column)) } td { (column.values) } td { (column.hits) }
                            td { pre { (plain(column.clear.as_deref().unwrap_or_default())) } }
                        }
                    }
                }
            }
        }
    };
    frame("Findings", Some(viewer), &main)
}

/// The kernel's word and the token's, where they do not go together; those of the past are in the record and among the alerts.
fn disagreeing(sessions: &[LiveSession]) -> Markup {
    let all = || sessions.iter().filter(|one| one.disagrees);
    html! {
        @if all().next().is_none() { p .approved { "None is open." } } @else {
            table {
                thead { tr { th scope="col" { "Session" } th scope="col" { "The kernel says" } th scope="col" { "Its token says" } th scope="col" { "Database" } } }
                tbody {
                    @for one in all() {
                        tr .denied {
                            td { a href={ "/sessions/" (one.id) } { (one.id) } }
                            td { (plain(&one.agent)) ", " (plain(&one.executable)) " (pid " (one.pid) ", uid " (one.uid) ")" }
                            td { (plain(one.principal.as_deref().unwrap_or_default())) }
                            td { (plain(&one.database)) }
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_fits_its_chart() {
        for (values, expected) in [
            (vec![], ""),
            (vec![0.0, 0.0], "0.0,78.0 360.0,78.0"),
            (vec![1.0, 4.0, 2.0], "0.0,59.0 180.0,2.0 360.0,40.0"),
        ] {
            let most = values.iter().copied().fold(0.0, f64::max);
            assert_eq!(points(&values, most), expected);
        }
    }
}
