//! Words that stand and clear values that are shown, with the end of either.

use axum::extract::{Form, Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::get;
use maud::{Markup, html};

use super::ending::{self, Ending};
use super::pages::{Viewer, duration, frame, short};
use super::{Web, page, pages, stranger};
use crate::api::now_s;
use crate::approvals::{Listing, Rejected};
use crate::plain::plain;

pub(super) fn routes() -> axum::Router<Web> {
    axum::Router::new().route("/standing", get(list)).route("/standing/{id}/revoke", get(confirm).post(revoke))
}

async fn list(State(web): State<Web>, headers: HeaderMap) -> Response {
    let Some((reviewer, login, _)) = web.person(&headers) else { return stranger(&web) };
    let viewer = Viewer { reviewer: &reviewer, login: &login };
    let now_s = now_s();
    page(StatusCode::OK, &all(&viewer, &web.source.approvals().list(now_s), now_s))
}

/// Only a look: a link ends nothing.
async fn confirm(State(web): State<Web>, headers: HeaderMap, Path(id): Path<String>) -> Response {
    let Some((reviewer, login, _)) = web.person(&headers) else { return stranger(&web) };
    let viewer = Viewer { reviewer: &reviewer, login: &login };
    let now_s = now_s();
    match one(&web.source.approvals().list(now_s), &id, now_s) {
        Some(words) => page(StatusCode::OK, &end_of(&viewer, &id, &words)),
        None => page(StatusCode::NOT_FOUND, &pages::problem(Some(&viewer), &Rejected::NothingStands.to_string())),
    }
}

async fn revoke(State(web): State<Web>, headers: HeaderMap, Path(id): Path<String>, form: Form<Ending>) -> Response {
    ending::sent((&web, &headers), form, "/standing", |reviewer, login, reason| {
        web.source.take_back(&id, reviewer, login, reason)
    })
}

fn to(id: &str) -> String {
    format!("/standing/{id}/revoke")
}

fn left(until_s: u64, now_s: u64) -> String {
    duration(until_s.saturating_sub(now_s))
}

fn all(viewer: &Viewer<'_>, listing: &Listing, now_s: u64) -> Markup {
    let main = html! {
        h2 { "Clear values that are shown (" (listing.reveals.len()) ")" }
        @if listing.reveals.is_empty() { p .approved { "None." } } @else {
            table {
                thead { tr { th scope="col" { "Id" } th scope="col" { "Left" } th scope="col" { "Agent" } th scope="col" { "Database" } th scope="col" { "Columns" } th scope="col" { "Why" } th scope="col" { "End" } } }
                tbody {
                    @for one in &listing.reveals {
                        tr .denied data-to=(to(&one.id)) {
                            td { (one.id) }
                            td { (left(one.until_s, now_s)) }
                            td { (plain(&one.agent)) }
                            td { (plain(&one.database)) }
                            td { (plain(&one.columns.join(", "))) }
                            td { (plain(&one.reason)) }
                            td { a href=(to(&one.id)) aria-label={ "End " (one.id) } { "End\u{2026}" } }
                        }
                    }
                }
            }
        }
        h2 { "Approvals that stand (" (listing.standing.len()) ")" }
        @if listing.standing.is_empty() { p { "None: whatever is held asks a person." } } @else {
            table {
                thead { tr { th scope="col" { "Id" } th scope="col" { "Left" } th scope="col" { "Agent" } th scope="col" { "Database" } th scope="col" { "Rules" } th scope="col" { "For" } th scope="col" { "By" } th scope="col" { "Used" } th scope="col" { "End" } } }
                tbody {
                    @for one in &listing.standing {
                        tr data-to=(to(&one.id)) {
                            td { (one.id) }
                            td { (left(one.until_s, now_s)) }
                            td { (plain(&one.agent)) }
                            td { (plain(&one.database)) }
                            td { (plain(&one.rules.join(", "))) }
                            td .statement { @if one.text.is_empty() { "whatever the rule holds" } @else { (short(&one.text)) } }
                            td { (plain(&one.reviewer)) ": " (plain(&one.reason)) }
                            td { (one.used) }
                            td { a href=(to(&one.id)) aria-label={ "Take back " (one.id) } { "Take back\u{2026}" } }
                        }
                    }
                }
            }
        }
    };
    frame("Standing", Some(viewer), &main)
}

/// What stands under this id, in words.
fn one(listing: &Listing, id: &str, now_s: u64) -> Option<String> {
    let shown = listing.reveals.iter().find(|one| one.id == id).map(|one| {
        format!(
            "agent {} is shown clear values of {} on {}, for another {}",
            one.agent,
            one.columns.join(", "),
            one.database,
            left(one.until_s, now_s)
        )
    });
    let stands = || {
        listing.standing.iter().find(|one| one.id == id).map(|one| {
            format!(
                "what {} holds of agent {} on {} goes on by the word of {}, for another {}",
                one.rules.join(", "),
                one.agent,
                one.database,
                one.reviewer,
                left(one.until_s, now_s)
            )
        })
    };
    shown.or_else(stands)
}

fn end_of(viewer: &Viewer<'_>, id: &str, words: &str) -> Markup {
    let main = html! {
        h2 { "End " (plain(id)) }
        p { (plain(words)) "." }
        (ending::form(viewer, &to(id), "End it now"))
    };
    frame(id, Some(viewer), &main)
}
