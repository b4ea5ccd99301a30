//! The pack's index for people: one HTML file without scripts and without anything from elsewhere.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use serde_json::Value;

use super::Shown;
use super::failures::Failure;
use super::policies::Version;
use crate::record::figures::Tally;

/// Bars of a chart.
const BARS_MAX: usize = 16;

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;color:#1b1f24}\
h1{font-size:1.6rem}h2{font-size:1.15rem;margin-top:2rem;border-bottom:1px solid #d0d7de}\
code{font:12px ui-monospace,monospace;color:#57606a;overflow-wrap:anywhere}td,th{text-align:left;vertical-align:top;padding:.3rem .8rem .3rem 0}\
td.n{text-align:right;font-variant-numeric:tabular-nums;font-weight:600}svg text{font:12px system-ui,sans-serif;fill:#1b1f24}";

/// What the page tells.
pub(super) struct Told<'a> {
    pub(super) populations: &'a Value,
    pub(super) figures: &'a [Shown],
    pub(super) versions: &'a [Version],
    pub(super) failures: &'a [Failure],
}

/// The page.
pub(super) fn html(manifest: &Value, config: &Path, told: &Told<'_>) -> String {
    let Told { populations, figures, versions, failures } = *told;
    let word = |key: &str| escaped(manifest[key].as_str().unwrap_or_default());
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\"><title>Evidence of {0}</title><style>{STYLE}</style></head><body>\n<h1>Evidence of {0}</h1>\n<p>{1} to {2}, made {3}. By requirement of {4}. Each number stands beside the command that prints it; without its <code>--count</code> the command prints the records.</p>\n",
        word("host"),
        word("from"),
        word("to"),
        word("made"),
        word("standard")
    );
    out += &self::populations(populations);
    let mut by_requirement: BTreeMap<Vec<u32>, (&str, Vec<&Shown>)> = BTreeMap::new();
    for shown in figures {
        let order = shown.requirement.split('.').map(|part| part.parse().unwrap_or(0)).collect();
        by_requirement.entry(order).or_insert((shown.requirement, Vec::new())).1.push(shown);
    }
    for (requirement, shown) in by_requirement.values() {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "<h2 id=\"r{requirement}\">{requirement}</h2>\n<table>");
        for shown in shown {
            let (title, command) = (escaped(&shown.title), escaped(&shown.command));
            let value = match &shown.tally {
                Tally::Number(number) => {
                    format!("<td class=\"n\">{number}</td><td>{title}<br><code>{command}</code></td>")
                }
                Tally::Each(each) => format!("<td></td><td>{title}{}<br><code>{command}</code></td>", bars(each)),
            };
            let _ = writeln!(out, "<tr>{value}</tr>");
        }
        out += "</table>\n";
    }
    out += &self::failures(failures, config);
    out += &policies(versions);
    out += "<h2>Files</h2>\n<table><tr><th>requirement</th><th>file</th><th>SHA-256</th><th>made by</th></tr>\n";
    for (requirement, files) in manifest["files"].as_object().into_iter().flatten() {
        for file in files.as_array().into_iter().flatten() {
            let word = |key: &str| escaped(file[key].as_str().unwrap_or_default());
            let _ = writeln!(
                out,
                "<tr><td>{}</td><td><a href=\"{1}\">{1}</a></td><td><code>{2}</code></td><td><code>{3}</code></td></tr>",
                escaped(requirement),
                word("file"),
                word("sha256"),
                word("command")
            );
        }
    }
    out + "</table>\n</body></html>\n"
}

/// Who and what there is, before what they did.
fn populations(of: &Value) -> String {
    let mut out = "<h2 id=\"populations\">Populations</h2>\n<table>\n".to_owned();
    for (name, list) in of.as_object().into_iter().flatten() {
        let Some(list) = list.as_array() else { continue };
        let names: Vec<String> = list.iter().filter_map(|name| name.as_str()).map(escaped).collect();
        let _ = writeln!(
            out,
            "<tr><td class=\"n\">{}</td><td>{}: {}</td></tr>",
            list.len(),
            escaped(name),
            names.join(", ")
        );
    }
    out + "</table>\n<p>From the configuration and the policy of today: <a href=\"populations.json\">populations.json</a>, <a href=\"policy.toml\">policy.toml</a>.</p>\n"
}

/// Failures that the page shows; the file has all.
const FAILURES_MAX: usize = 200;

/// What did not work, from when to when and why, the newest first.
fn failures(failures: &[Failure], config: &Path) -> String {
    let mut out = "<h2 id=\"failures\">Failures of controls</h2>\n<p>10.7.2, 10.7.3. What the record tells of, and no more: a control that nobody watched failed unseen.</p>\n<table><tr><th>start</th><th>end</th><th>control</th><th>cause</th></tr>\n".to_owned();
    for failure in failures.iter().rev().take(FAILURES_MAX) {
        let lasted = failure.seconds().map(|seconds| format!(" ({seconds} s)")).unwrap_or_default();
        let end = failure.end.as_ref().map_or("none is recorded", |end| end.time.as_str());
        let _ = writeln!(
            out,
            "<tr><td>{}</td><td>{}{lasted}</td><td>{}</td><td>{}<br><code>{}</code></td></tr>",
            escaped(&failure.start.time),
            escaped(end),
            escaped(&failure.control),
            escaped(&failure.cause),
            escaped(&failure.command(config))
        );
    }
    out += "</table>\n<p>All of them, with the records that say so: <a href=\"control-failures.json\">control-failures.json</a>.</p>\n";
    out
}

/// Policies that the page shows; the file has all.
const POLICIES_MAX: usize = 50;

/// Which policy held when, the newest first.
fn policies(versions: &[Version]) -> String {
    let mut out = "<h2 id=\"policies\">Policies and who approved them</h2>\n<table><tr><th>time</th><th>policy</th><th>put in force by</th><th>approved by, as its file says</th><th>reason</th><th>record</th></tr>\n".to_owned();
    for version in versions.iter().rev().take(POLICIES_MAX) {
        let policy = if version.is_in_force {
            escaped(&version.policy)
        } else {
            format!("refused; {} stayed", escaped(&version.policy))
        };
        let _ = writeln!(
            out,
            "<tr><td>{}</td><td><code>{policy}</code></td><td>{}</td><td>{}</td><td>{}</td><td><code>{}</code></td></tr>",
            escaped(&version.time),
            escaped(&version.by),
            escaped(&version.approved_by),
            escaped(&version.reason),
            escaped(&version.record)
        );
    }
    out += "</table>\n";
    if versions.len() > POLICIES_MAX {
        let _ = writeln!(
            out,
            "<p>and {} before, in <a href=\"policy-approvers.json\">policy-approvers.json</a></p>",
            versions.len() - POLICIES_MAX
        );
    }
    out
}

/// The most frequent values as bars.
fn bars(each: &BTreeMap<String, u64>) -> String {
    let mut rows: Vec<(&String, &u64)> = each.iter().collect();
    // Days stay in their order.
    let days = rows.iter().all(|(value, _)| value.len() == 10 && value.as_bytes()[4] == b'-');
    if !days {
        rows.sort_by(|a, b| b.1.cmp(a.1));
    }
    let more = rows.len().saturating_sub(BARS_MAX);
    rows.truncate(BARS_MAX);
    let most = rows.iter().map(|(_, count)| **count).max().unwrap_or(1).max(1);
    let height = rows.len() * 20 + 4;
    let mut out =
        format!("<br><svg width=\"640\" height=\"{height}\" role=\"img\" aria-label=\"bars, one for each value\">");
    for (index, (value, count)) in rows.iter().enumerate() {
        let (y, width) = (index * 20, 1 + **count * 300 / most);
        let short: String = value.chars().take(36).collect();
        let _ = write!(
            out,
            "<text x=\"0\" y=\"{}\">{}</text><rect x=\"250\" y=\"{}\" width=\"{width}\" height=\"14\" fill=\"#4f7cac\"/><text x=\"{}\" y=\"{}\">{count}</text>",
            y + 14,
            escaped(&short),
            y + 3,
            256 + width,
            y + 14
        );
    }
    out += "</svg>";
    if more > 0 {
        let _ = write!(out, "<br>and {more} more");
    }
    out
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_name_is_markup() {
        let each = BTreeMap::from([("<script>\"&'".to_owned(), 3)]);
        let chart = bars(&each);
        assert!(chart.contains("&lt;script&gt;&quot;&amp;&#39;") && !chart.contains("<script"), "{chart}");
    }
}
