//! The ways in and out: a one-time link of the host's, the identity provider, and the end of a session.

use axum::extract::{Form, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use serde::Deserialize;

use super::sessions::{Login, SESSION_S, Who};
use super::{COOKIE, Way, Web, cookie, page, pages};
use crate::api::now_s;
use crate::approvals;
use crate::flows::{Arrival, Departure};
use crate::oidc::{Back, Failed, Oidc};
use crate::secrets::same;

/// Names the browser in which a login at the provider began.
pub(super) const BROWSER: &str = "interceptor-login";
/// How long that is kept; the login itself is forgotten as soon.
const BROWSER_S: u64 = 600;
/// A fresh login is one within so many seconds.
pub(super) const FRESH_S: u64 = 0;

pub(super) fn routes() -> axum::Router<Web> {
    axum::Router::new()
        .route("/login", get(entrance).post(enter))
        .route("/login/oidc", get(depart))
        .route("/login/oidc/callback", get(arrive))
        .route("/login/oidc/logout", post(ended))
        .route("/logout", post(leave))
}

#[derive(Deserialize)]
struct Link {
    token: String,
    /// The approval that it leads to. Never an address, as in [`Wanted`].
    approval: Option<String>,
}

/// Only looking at a link does not use it up: previews of links do that.
async fn entrance(Query(Link { token, approval }): Query<Link>) -> Response {
    page(StatusCode::OK, &pages::entrance(&token, approval.filter(|id| is_id(id)).as_deref()))
}

async fn enter(State(web): State<Web>, headers: HeaderMap, Form(Link { token, approval }): Form<Link>) -> Response {
    match web.sessions.enter(&token, now_s()) {
        Some(name) => {
            let cookie = [(header::SET_COOKIE, session_cookie(&web, &headers, &name))];
            (cookie, Redirect::to(&place(approval.filter(|id| is_id(id))))).into_response()
        }
        None => {
            let words = "this login link is used up or too old: ask for another with `interceptor approvals login`";
            page(StatusCode::FORBIDDEN, &pages::problem(None, words))
        }
    }
}

fn session_cookie(web: &Web, headers: &HeaderMap, name: &str) -> String {
    format!("{COOKIE}={name}; Path=/; HttpOnly; SameSite=Strict; Max-Age={SESSION_S}{}", web.secure(headers))
}

/// Where a login at the provider begins.
#[derive(Deserialize)]
pub(super) struct Wanted {
    /// The approval to come back to. Never an address: a link from elsewhere could lead on to anywhere.
    pub(super) approval: Option<String>,
    /// The person must prove anew who it is.
    #[serde(default)]
    pub(super) fresh: bool,
}

async fn depart(State(web): State<Web>, headers: HeaderMap, Query(wanted): Query<Wanted>) -> Response {
    let Some(oidc) = oidc(&web) else { return no_provider("oidc") };
    let approval = wanted.approval.filter(|id| is_id(id));
    match oidc.begin(wanted.fresh.then_some(FRESH_S), approval, now_s()).await {
        Ok(departure) => departed(&web, &headers, "/login/oidc", &departure),
        Err(why) => failed(&why),
    }
}

async fn arrive(State(web): State<Web>, headers: HeaderMap, Query(back): Query<Back>) -> Response {
    let Some(oidc) = oidc(&web) else { return no_provider("oidc") };
    let browser = cookie(&headers, BROWSER).unwrap_or_default();
    match oidc.finish(back, browser, now_s()).await {
        Ok(arrival) => arrived(&web, &headers, "/login/oidc", arrival).unwrap_or_else(|| failed(&Failed::NoRandomness)),
        Err(why) => failed(&why),
    }
}

/// To the provider, with the cookie that must come back; it is for the places below `path` alone.
pub(super) fn departed(web: &Web, headers: &HeaderMap, path: &str, departure: &Departure) -> Response {
    let Departure { location, browser } = departure;
    // Lax: the provider leads back from another site.
    let cookie =
        format!("{BROWSER}={browser}; Path={path}; HttpOnly; SameSite=Lax; Max-Age={BROWSER_S}{}", web.secure(headers));
    ([(header::SET_COOKIE, cookie)], Redirect::to(location)).into_response()
}

/// The person's session begins. `None`: there is no randomness.
pub(super) fn arrived(web: &Web, headers: &HeaderMap, path: &str, arrival: Arrival) -> Option<Response> {
    let Arrival { person, approval } = arrival;
    let shown = person.shown.clone().unwrap_or_else(|| person.subject.clone());
    let name = web.sessions.begin(Who::Person(person), now_s())?;
    let mut response = page(StatusCode::OK, &pages::arrived(&shown, &place(approval)));
    let gone = format!("{BROWSER}=; Path={path}; HttpOnly; SameSite=Lax; Max-Age=0{}", web.secure(headers));
    for cookie in [session_cookie(web, headers, &name), gone] {
        if let Ok(value) = cookie.parse() {
            response.headers_mut().append(header::SET_COOKIE, value);
        }
    }
    Some(response)
}

fn oidc(web: &Web) -> Option<&Oidc> {
    match web.way.as_deref() {
        Some(Way::Oidc(oidc)) => Some(oidc),
        _ => None,
    }
}

#[derive(Deserialize)]
struct Logout {
    logout_token: String,
}

/// The provider itself speaks, not a browser: what counts is its signature.
async fn ended(State(web): State<Web>, Form(Logout { logout_token }): Form<Logout>) -> Response {
    let Some(oidc) = oidc(&web) else { return no_provider("oidc") };
    match oidc.ended(&logout_token, now_s()).await {
        Ok(ended) => {
            web.sessions.end(&ended);
            StatusCode::OK.into_response()
        }
        Err(why) => (StatusCode::BAD_REQUEST, why.to_string()).into_response(),
    }
}

fn failed(why: &Failed) -> Response {
    let status = if why.is_of_provider() { StatusCode::BAD_GATEWAY } else { StatusCode::FORBIDDEN };
    page(status, &pages::problem(None, &why.to_string()))
}

pub(super) fn no_provider(table: &str) -> Response {
    page(StatusCode::NOT_FOUND, &pages::problem(None, &format!("the configuration has no [admin.{table}]")))
}

/// Where a login leads: to this approval, or to all of them.
fn place(approval: Option<String>) -> String {
    approval.map_or_else(|| "/".to_owned(), |id| format!("/approvals/{id}"))
}

/// An approval's id, as it is shown.
pub(crate) fn is_id(text: &str) -> bool {
    (1..=16).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

#[derive(Deserialize)]
struct Leave {
    csrf: String,
}

async fn leave(State(web): State<Web>, headers: HeaderMap, Form(form): Form<Leave>) -> Response {
    let mut there = None;
    if let Some((_, login, name)) = web.person(&headers)
        && same(&form.csrf, &login.csrf)
    {
        web.sessions.leave(&name);
        there = oidc(&web).filter(|_| matches!(login.who, Who::Person(_))).and_then(Oidc::leave);
    }
    let gone = format!("{COOKIE}=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0{}", web.secure(&headers));
    let cookie = [(header::SET_COOKIE, gone)];
    match (there, oidc(&web)) {
        // Not a redirect: our own policy lets no form lead to another site.
        (Some(there), Some(oidc)) => {
            (cookie, page(StatusCode::OK, &pages::left(oidc.issuer(), &there))).into_response()
        }
        _ => (cookie, Redirect::to("/")).into_response(),
    }
}

impl Web {
    /// How it is known who somebody is, for the record.
    pub(super) fn how(&self, login: &Login) -> approvals::Login {
        let words = match &login.who {
            Who::Account(uid) => format!("web page, login link of uid {uid}"),
            Who::Person(person) => {
                let (protocol, issuer) = (person.by.name(), self.way.as_deref().map_or("", Way::issuer));
                let shown = person.shown.as_deref().unwrap_or("no name");
                format!("web page, {protocol} {issuer}, subject {}, {shown}", person.subject)
            }
        };
        approvals::Login { words, proved_s: login.proved_s() }
    }
}
