//! What a reviewer sees of the service beside approvals: open sessions and the end of one, what is over, charts, findings.

use axum::extract::{Form, Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::get;

use super::ending::{self, Ending};
use super::pages::Viewer;
use super::{Web, page, pages, status, stranger, views};
use crate::api::{end, now_s};

pub(super) fn routes() -> axum::Router<Web> {
    axum::Router::new()
        .route("/history", get(history))
        .route("/sessions", get(sessions))
        .route("/sessions/{id}", get(timeline))
        .route("/policy", get(rules))
        .route("/sessions/{id}/kill", get(confirm).post(kill))
        .route("/overview", get(overview))
        .route("/findings", get(findings))
}

async fn history(State(web): State<Web>, headers: HeaderMap) -> Response {
    let Some((reviewer, login, _)) = web.person(&headers) else { return stranger(&web) };
    let viewer = Viewer { reviewer: &reviewer, login: &login };
    let now_s = now_s();
    page(StatusCode::OK, &pages::history(&viewer, &web.source.approvals().list(now_s), now_s))
}

async fn sessions(State(web): State<Web>, headers: HeaderMap) -> Response {
    let Some((reviewer, login, _)) = web.person(&headers) else { return stranger(&web) };
    let viewer = Viewer { reviewer: &reviewer, login: &login };
    page(StatusCode::OK, &views::sessions(&viewer, &web.source.sessions()))
}

async fn overview(State(web): State<Web>, headers: HeaderMap) -> Response {
    let Some((reviewer, login, _)) = web.person(&headers) else { return stranger(&web) };
    let viewer = Viewer { reviewer: &reviewer, login: &login };
    page(StatusCode::OK, &views::overview(&viewer, &web.source.status(), &web.samples.series()))
}

async fn findings(State(web): State<Web>, headers: HeaderMap) -> Response {
    let Some((reviewer, login, _)) = web.person(&headers) else { return stranger(&web) };
    let viewer = Viewer { reviewer: &reviewer, login: &login };
    page(StatusCode::OK, &views::findings(&viewer, &web.source.columns(), &web.source.sessions()))
}

async fn rules(State(web): State<Web>, headers: HeaderMap) -> Response {
    let Some((reviewer, login, _)) = web.person(&headers) else { return stranger(&web) };
    let viewer = Viewer { reviewer: &reviewer, login: &login };
    page(StatusCode::OK, &views::rules(&viewer, &web.source.rules()))
}

async fn timeline(State(web): State<Web>, headers: HeaderMap, Path(id): Path<String>) -> Response {
    let Some((reviewer, login, _)) = web.person(&headers) else { return stranger(&web) };
    let viewer = Viewer { reviewer: &reviewer, login: &login };
    match web.source.timeline(&id, &reviewer, &web.how(&login)) {
        Ok(timeline) => {
            let is_open = web.source.sessions().iter().any(|open| open.id == id);
            page(StatusCode::OK, &views::timeline(&viewer, &timeline, is_open))
        }
        Err(why) => page(status(&why), &pages::problem(Some(&viewer), &why.to_string())),
    }
}

/// Only a look: a link ends nothing.
async fn confirm(State(web): State<Web>, headers: HeaderMap, Path(id): Path<String>) -> Response {
    let Some((reviewer, login, _)) = web.person(&headers) else { return stranger(&web) };
    let viewer = Viewer { reviewer: &reviewer, login: &login };
    match web.source.sessions().into_iter().find(|session| session.id == id) {
        Some(session) => page(StatusCode::OK, &views::confirm(&viewer, &session)),
        None => page(StatusCode::NOT_FOUND, &pages::problem(Some(&viewer), "no open session has this name")),
    }
}

async fn kill(State(web): State<Web>, headers: HeaderMap, Path(id): Path<String>, form: Form<Ending>) -> Response {
    ending::sent((&web, &headers), form, "/sessions", |reviewer, _, reason| {
        end(&*web.source, &reviewer.name, &id, reason)
    })
}
