//! The page's HTML. Every text goes through maud's escaping, and before it through [`plain`]: nothing that an agent writes acts.

use maud::{DOCTYPE, Markup, html};

use super::sessions::Login;
use crate::approvals::{Approval, Listing, Reviewer, State, Word};
use crate::plain::{plain, plain_lines};

/// Who looks.
pub(crate) struct Viewer<'a> {
    pub(crate) reviewer: &'a Reviewer,
    pub(crate) login: &'a Login,
}

/// Where the pages are, by their titles.
const PLACES: [(&str, &str); 7] = [
    ("Approvals", "/"),
    ("Standing", "/standing"),
    ("History", "/history"),
    ("Sessions", "/sessions"),
    ("Overview", "/overview"),
    ("Policy", "/policy"),
    ("Findings", "/findings"),
];

pub(crate) fn frame(title: &str, viewer: Option<&Viewer<'_>>, main: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) " \u{b7} interceptor" }
                link rel="stylesheet" href="/style.css";
                @if viewer.is_some() { script src="/live.js" defer {} }
            }
            body {
                header {
                    h1 { a href="/" { "interceptor" } }
                    @if let Some(viewer) = viewer {
                        nav aria-label="Pages" {
                            @for (name, to) in PLACES { a href=(to) aria-current=[(name == title).then_some("page")] { (name) } " " }
                        }
                        span { (plain(&viewer.reviewer.name)) }
                        form method="post" action="/logout" {
                            input type="hidden" name="csrf" value=(viewer.login.csrf);
                            button { "Log out" }
                        }
                    }
                }
                main { (main) }
            }
        }
    }
}

/// Whoever is not logged in; with an identity provider its name.
pub(crate) fn stranger(provider: Option<(&str, &str)>) -> Markup {
    let main = html! {
        h2 { "Not logged in" }
        @if let Some((issuer, path)) = provider {
            p { a .button href=(path) { "Log in at " (plain(issuer)) } }
        }
        p { "Ask for a login link on this host, as yourself: " code { "interceptor approvals login" } }
    };
    frame("Log in", None, &main)
}

/// The link was followed: a click logs in, so that whoever only looks at links uses none up.
pub(crate) fn entrance(token: &str, approval: Option<&str>) -> Markup {
    let main = html! {
        h2 { "Log in" }
        form method="post" action="/login" {
            input type="hidden" name="token" value=(token);
            @if let Some(id) = approval { input type="hidden" name="approval" value=(id); }
            button autofocus { "Log in on this browser" }
        }
    };
    frame("Log in", None, &main)
}

/// The identity provider has led back. The browser would not send the new cookie along in an answer to another site's page, so this page is
/// in between.
pub(crate) fn arrived(shown: &str, to: &str) -> Markup {
    let main = html! {
        meta http-equiv="refresh" content=(format!("0; url={to}"));
        h2 { "Logged in" }
        p { "As " (plain(shown)) ". " a href=(to) { "Go on" } }
    };
    frame("Logged in", None, &main)
}

/// The session here is over; at the provider the person is logged in still.
pub(crate) fn left(issuer: &str, there: &str) -> Markup {
    let main = html! {
        h2 { "Logged out" }
        p { "Here. At " (plain(issuer)) " you are logged in still, and whoever has this browser may come back by it." }
        p { a .button href=(there) { "Log out at " (plain(issuer)) " too" } " " a href="/" { "Back" } }
    };
    frame("Logged out", None, &main)
}

/// Something went wrong; it says what.
pub(crate) fn problem(viewer: Option<&Viewer<'_>>, words: &str) -> Markup {
    frame(
        "Not done",
        viewer,
        &html! { h2 { "Not done" } p .problem role="alert" { (plain(words)) } p { a href="/" { "Back" } } },
    )
}

/// The rule wants a fresher login; with an identity provider, where to get one.
pub(crate) fn stale(viewer: &Viewer<'_>, words: &str, again: Option<&str>) -> Markup {
    let main = html! {
        h2 { "Not done" }
        p .problem role="alert" { (plain(words)) }
        p {
            @match again {
                Some(again) => a .button href=(again) { "Prove again who you are" },
                None => { "Ask for another login link: " code { "interceptor approvals login" } }
            }
        }
        p { a href="/" { "Back" } }
    };
    frame("Not done", Some(viewer), &main)
}

/// What waits, and what is over.
pub(crate) fn list(viewer: &Viewer<'_>, listing: &Listing, now_s: u64) -> Markup {
    let main = html! {
        h2 { "Waiting (" (listing.pending.len()) ")" }
        @if listing.pending.is_empty() { p { "Nothing waits for a person." } } @else {
            table {
                thead { tr { th scope="col" { "Id" } th scope="col" { "Age" } th scope="col" { "Left" } th scope="col" { "Agent" } th scope="col" { "Database" } th scope="col" { "Rule" } th scope="col" { "Statement" } } }
                tbody { @for one in &listing.pending { (row(one, now_s)) } }
            }
        }
        h2 { "Over" }
        (over(&listing.over, OVER_SHOWN, now_s))
        @if listing.over.len() > OVER_SHOWN { p { a href="/history" { "All " (listing.over.len()) } } }
    };
    frame("Approvals", Some(viewer), &main)
}

/// All that is over and remembered.
pub(crate) fn history(viewer: &Viewer<'_>, listing: &Listing, now_s: u64) -> Markup {
    let main = html! {
        h2 { "Over (" (listing.over.len()) ")" }
        p { "What is remembered since the service started, the youngest first. All of it is in the record: " code { "interceptor sessions search type:approval" } }
        (over(&listing.over, usize::MAX, now_s))
    };
    frame("History", Some(viewer), &main)
}

/// Of what is over the first page shows so many.
const OVER_SHOWN: usize = 10;

fn over(past_ones: &[Approval], shown: usize, now_s: u64) -> Markup {
    html! {
        @if past_ones.is_empty() { p { "Nothing yet." } } @else {
            table {
                thead { tr { th scope="col" { "Id" } th scope="col" { "Ended" } th scope="col" { "State" } th scope="col" { "Agent" } th scope="col" { "Database" } th scope="col" { "Why" } th scope="col" { "Statement" } } }
                tbody { @for one in past_ones.iter().take(shown) { (past(one, now_s)) } }
            }
        }
    }
}

fn row(one: &Approval, now_s: u64) -> Markup {
    let ask = &one.ask;
    let rules: Vec<&str> = ask.rules.iter().map(|rule| rule.name.as_str()).collect();
    html! {
        tr data-to=(to(one)) data-asks="yes" {
            td { a href=(to(one)) { (ask.id) } }
            td { (duration(now_s.saturating_sub(ask.asked_s))) }
            td { (duration(ask.expires_s.saturating_sub(now_s))) }
            td { (plain(&ask.agent)) }
            td { (plain(&ask.database)) }
            td { (plain(&rules.join(", "))) }
            td .statement { (short(&ask.text)) }
        }
    }
}

fn past(one: &Approval, now_s: u64) -> Markup {
    html! {
        tr data-to=(to(one)) {
            td { a href=(to(one)) { (one.ask.id) } }
            td { (duration(now_s.saturating_sub(one.ended_s.unwrap_or(now_s)))) " ago" }
            td class=(one.state.as_str()) { (one.state.as_str()) }
            td { (plain(&one.ask.agent)) }
            td { (plain(&one.ask.database)) }
            td { (plain(one.why.as_deref().unwrap_or_default())) }
            td .statement { (short(&one.ask.text)) }
        }
    }
}

fn to(one: &Approval) -> String {
    format!("/approvals/{}", one.ask.id)
}

/// One in full, and the form while it waits.
pub(crate) fn one(viewer: &Viewer<'_>, one: &Approval, now_s: u64) -> Markup {
    let ask = &one.ask;
    let left = ask.expires_s.saturating_sub(now_s);
    let main = html! {
        h2 { "Approval " (ask.id) }
        dl {
            dt { "State" }
            dd class=(one.state.as_str()) {
                (one.state.as_str())
                @if one.state == State::Pending { ", denied in " (duration(left)) }
                @if let Some(why) = &one.why { ": " (plain(why)) }
            }
            dt { "Who" }
            dd { (plain(&ask.agent)) " (" (plain(&ask.groups.join(", "))) "), " (plain(&ask.agent_by)) ", pid " (ask.pid) ", uid " (ask.uid) ", " (plain(&ask.executable)) ", on " (plain(&ask.host)) " from " (ask.agent_address) }
            dt { "Where" }
            dd { (plain(&ask.database)) ", " (plain(&ask.dbname)) " as " (plain(&ask.database_user)) ", application " (plain(&ask.application)) }
            @for rule in &ask.rules {
                dt { "Why held" }
                dd {
                    (plain(&rule.name)) ": " (plain(rule.message.as_deref().unwrap_or_default())) " ("
                    (plain(&rule.terms.to_string())) ")"
                }
            }
            dt { "Effects" }
            dd { (ask.kinds.join(", ")) "; " (plain(&ask.tables.join(", "))) }
            @if !ask.sensitive.is_empty() { dt { "Sensitive" } dd { (plain(&ask.sensitive.join(", "))) } }
            dt { "Estimate" }
            dd {
                @match ask.estimate {
                    Some(estimate) => { "at most " (estimate.rows) " rows in a step, cost " (estimate.cost) ", says the planner" }
                    None => { "none: the planner was not asked, or did not say" }
                }
            }
            @if let Some(rows) = ask.rows_bound { dt { "Rows" } dd { "at most " (rows) " may leave if it is approved" } }
            @if ask.in_transaction {
                dt { "Transaction" }
                dd {
                    "open"
                    @if let Some(since_s) = ask.transaction_since_s { " for " (duration(now_s.saturating_sub(since_s))) }
                    ": locks of earlier statements are held while it waits"
                }
            }
            @if ask.redacted { dt { "Redacted" } dd { "it touches a column whose values nobody may see" } }
            dt { "Record" }
            dd { (ask.record) }
        }
        h3 { "Statement" }
        pre { (plain_lines(&ask.text)) }
        @if !ask.parameters.is_empty() {
            h3 { "Parameters" }
            ol { @for value in &ask.parameters { li { code { (plain(value)) } } } }
        }
        @for word in &one.words {
            p { (plain(&word.reviewer)) (said(word)) (plain(&word.reason)) " (" (plain(&word.login)) ")" }
        }
        @if one.state == State::Pending {
            form method="post" action=(to(one)) {
                input type="hidden" name="csrf" value=(viewer.login.csrf);
                p { label for="reason" { "Reason, kept in the record" } }
                textarea id="reason" name="reason" required maxlength="1000" {}
                p .keys { "Keys: " kbd { "a" } " or " kbd { "d" } " to give a reason, then " kbd { "Ctrl" } "+" kbd { "Enter" } }
                p { button name="decision" value="approve" { "Approve" } " " button name="decision" value="deny" { "Deny" } }
                @if may_break_glass(viewer, one) {
                    p .problem { "In an emergency you may let it go on alone. It is an alert. " button name="decision" value="break-glass" { "Break glass" } }
                }
            }
        }
    };
    frame(&ask.id, Some(viewer), &main)
}

fn said(word: &Word) -> &'static str {
    match (word.approve, word.break_glass) {
        (true, true) => " BROKE GLASS: ",
        (true, false) => " approved: ",
        (false, _) => " denied: ",
    }
}

fn may_break_glass(viewer: &Viewer<'_>, one: &Approval) -> bool {
    let Reviewer { name, groups, .. } = viewer.reviewer;
    one.ask.rules.iter().any(|rule| rule.terms.lets_break_glass(name, groups))
}

/// Letters of a statement in a list.
const SHORT: usize = 160;

pub(super) fn short(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().take(SHORT).collect();
    let line = plain(&words.join(" "));
    match line.char_indices().nth(SHORT) {
        Some((at, _)) => format!("{}\u{2026}", line.get(..at).unwrap_or_default()),
        None => line,
    }
}

pub(crate) fn duration(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        _ => format!("{} h", seconds / 3600),
    }
}
