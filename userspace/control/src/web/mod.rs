//! The page: held statements in a browser, on loopback. It works without its script; there is no inline script or style.
//!
//! Whoever has an account that a `[[reviewer]]` names gets a login link over the admin socket; the cookie that it ends in is `HttpOnly` and
//! `SameSite=Strict`. Every change wants the session's own token besides, and a `Host` and an `Origin` that are this page's.

mod limited;
mod pages;
pub(crate) mod sessions;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{DefaultBodyLimit, Form, Path, Query, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Json, Redirect, Response};
use axum::routing::{get, post};
use maud::Markup;
use serde::Deserialize;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::WatchStream;

use crate::api::{decide, now_s};
use crate::approvals::{Rejected, Reviewer};
use crate::server::Source;
use pages::Viewer;
use sessions::{Login, Sessions, same};

pub(crate) use limited::Limited;

/// No form is longer.
const BODY_MAX: usize = 8 << 10;
const COOKIE: &str = "interceptor";
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";
const PING: Duration = Duration::from_secs(15);

/// What every route works with.
#[derive(Clone)]
pub(crate) struct Web {
    source: Arc<dyn Source>,
    sessions: Arc<Sessions>,
    /// The values of `Host` that are this page's.
    hosts: Arc<[String]>,
}

/// The page's routes.
pub(crate) fn routes(source: Arc<dyn Source>, sessions: Arc<Sessions>, address: SocketAddr) -> axum::Router {
    let port = address.port();
    let hosts =
        [address.to_string(), format!("localhost:{port}"), format!("127.0.0.1:{port}"), format!("[::1]:{port}")];
    let web = Web { source, sessions, hosts: Arc::new(hosts) };
    axum::Router::new()
        .route("/", get(list))
        .route("/approvals/{id}", get(one).post(decided))
        .route("/login", get(entrance).post(enter))
        .route("/logout", post(leave))
        .route("/events", get(events))
        .route("/style.css", get(style))
        .route("/live.js", get(script))
        .route("/api/v1/me", get(api_me))
        .route("/api/v1/approvals", get(api_list))
        .route("/api/v1/approvals/{id}", get(api_one))
        .route("/api/v1/approvals/{id}/{verb}", post(api_decided))
        .layer(DefaultBodyLimit::max(BODY_MAX))
        .layer(from_fn_with_state(web.clone(), guard))
        .with_state(web)
}

/// In front of every route: requests that are not for this page, or not from it, end here; behind it, the headers.
async fn guard(State(web): State<Web>, request: Request, next: Next) -> Response {
    let mut response = if web.is_own(&request) {
        next.run(request).await
    } else {
        page(StatusCode::FORBIDDEN, &pages::problem(None, "this request does not come from this page"))
    };
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "same-origin"),
        (header::CACHE_CONTROL, "no-store"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

impl Web {
    fn is_own(&self, request: &Request) -> bool {
        let text = |name: header::HeaderName| request.headers().get(name).and_then(|value| value.to_str().ok());
        let Some(host) = text(header::HOST).filter(|host| self.hosts.iter().any(|own| own == host)) else {
            return false;
        };
        if matches!(*request.method(), Method::GET | Method::HEAD) {
            return true;
        }
        let site = request.headers().get("sec-fetch-site").is_none_or(|site| site == "same-origin");
        let origin = request
            .headers()
            .get(header::ORIGIN)
            .is_none_or(|_| text(header::ORIGIN).and_then(|origin| origin.strip_prefix("http://")) == Some(host));
        site && origin
    }

    /// Who is logged in; a person that the configuration no longer names is not.
    fn person(&self, headers: &HeaderMap) -> Option<(Reviewer, Login, String)> {
        let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
        let mut pairs = cookies.flat_map(|cookies| cookies.split(';')).filter_map(|pair| pair.trim().split_once('='));
        let (_, name) = pairs.find(|(name, _)| *name == COOKIE)?;
        let login = self.sessions.of(name, now_s())?;
        let reviewer = self.source.approvals().reviewer(login.uid).ok()?.clone();
        Some((reviewer, login, name.to_owned()))
    }

    /// A person's word, once the form is known to be this page's.
    async fn say(
        &self,
        reviewer: &Reviewer,
        login: &Login,
        id: &str,
        approve: bool,
        reason: &str,
    ) -> Result<crate::api::Answer, Rejected> {
        let how = format!("web page, login link of uid {}", login.uid);
        decide(&*self.source, reviewer, &how, id, approve, reason).await
    }
}

fn page(status: StatusCode, markup: &Markup) -> Response {
    (status, [(header::CONTENT_TYPE, "text/html; charset=utf-8")], markup.0.clone()).into_response()
}

fn stranger() -> Response {
    page(StatusCode::UNAUTHORIZED, &pages::stranger())
}

async fn style() -> Response {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], include_str!("style.css")).into_response()
}

async fn script() -> Response {
    ([(header::CONTENT_TYPE, "text/javascript; charset=utf-8")], include_str!("live.js")).into_response()
}

async fn list(State(web): State<Web>, headers: HeaderMap) -> Response {
    let Some((reviewer, login, _)) = web.person(&headers) else { return stranger() };
    let now_s = now_s();
    let viewer = Viewer { reviewer: &reviewer, login: &login };
    page(StatusCode::OK, &pages::list(&viewer, &web.source.approvals().list(now_s), now_s))
}

async fn one(State(web): State<Web>, headers: HeaderMap, Path(id): Path<String>) -> Response {
    let Some((reviewer, login, _)) = web.person(&headers) else { return stranger() };
    let viewer = Viewer { reviewer: &reviewer, login: &login };
    match web.source.approvals().get(&id) {
        Some(approval) => page(StatusCode::OK, &pages::one(&viewer, &approval, now_s())),
        None => page(StatusCode::NOT_FOUND, &pages::problem(Some(&viewer), &Rejected::Unknown.to_string())),
    }
}

/// The form below an approval.
#[derive(Deserialize)]
struct Decision {
    csrf: String,
    reason: String,
    decision: String,
}

async fn decided(
    State(web): State<Web>,
    headers: HeaderMap,
    Path(id): Path<String>,
    Form(form): Form<Decision>,
) -> Response {
    let Some((reviewer, login, _)) = web.person(&headers) else { return stranger() };
    let viewer = Viewer { reviewer: &reviewer, login: &login };
    if !same(&form.csrf, &login.csrf) {
        return page(
            StatusCode::FORBIDDEN,
            &pages::problem(Some(&viewer), "the form is of another session: load the page again"),
        );
    }
    let approve = match form.decision.as_str() {
        "approve" => true,
        "deny" => false,
        _ => return page(StatusCode::BAD_REQUEST, &pages::problem(Some(&viewer), "approve or deny")),
    };
    match web.say(&reviewer, &login, &id, approve, &form.reason).await {
        Ok(answer) => Redirect::to(&format!("/approvals/{}", answer.approval.ask.id)).into_response(),
        Err(why) => page(status(&why), &pages::problem(Some(&viewer), &why.to_string())),
    }
}

fn status(why: &Rejected) -> StatusCode {
    StatusCode::from_u16(why.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

#[derive(Deserialize)]
struct Token {
    token: String,
}

/// Only looking at a link does not use it up: previews of links do that.
async fn entrance(Query(Token { token }): Query<Token>) -> Response {
    page(StatusCode::OK, &pages::entrance(&token))
}

async fn enter(State(web): State<Web>, Form(Token { token }): Form<Token>) -> Response {
    match web.sessions.enter(&token, now_s()) {
        Some(name) => {
            let cookie = format!("{COOKIE}={name}; Path=/; HttpOnly; SameSite=Strict; Max-Age=28800");
            ([(header::SET_COOKIE, cookie)], Redirect::to("/")).into_response()
        }
        None => {
            let words = "this login link is used up or too old: ask for another with `interceptor approvals login`";
            page(StatusCode::FORBIDDEN, &pages::problem(None, words))
        }
    }
}

#[derive(Deserialize)]
struct Leave {
    csrf: String,
}

async fn leave(State(web): State<Web>, headers: HeaderMap, Form(form): Form<Leave>) -> Response {
    if let Some((_, login, name)) = web.person(&headers)
        && same(&form.csrf, &login.csrf)
    {
        web.sessions.leave(&name);
    }
    let gone = format!("{COOKIE}=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0");
    ([(header::SET_COOKIE, gone)], Redirect::to("/")).into_response()
}

/// Says that something has changed, and not what: the page asks for that as always.
async fn events(State(web): State<Web>, headers: HeaderMap) -> Response {
    if web.person(&headers).is_none() {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let changes = WatchStream::from_changes(web.source.approvals().changes());
    let told = changes.map(|_| Ok::<_, Infallible>(Event::default().event("changed").data("")));
    Sse::new(told).keep_alive(KeepAlive::new().interval(PING)).into_response()
}

async fn api_me(State(web): State<Web>, headers: HeaderMap) -> Response {
    let Some((reviewer, login, _)) = web.person(&headers) else { return StatusCode::UNAUTHORIZED.into_response() };
    let me = std::collections::BTreeMap::from([("reviewer", reviewer.name), ("csrf", login.csrf)]);
    Json(me).into_response()
}

async fn api_list(State(web): State<Web>, headers: HeaderMap) -> Response {
    if web.person(&headers).is_none() {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    Json(web.source.approvals().list(now_s())).into_response()
}

async fn api_one(State(web): State<Web>, headers: HeaderMap, Path(id): Path<String>) -> Response {
    if web.person(&headers).is_none() {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    match web.source.approvals().get(&id) {
        Some(approval) => Json(approval).into_response(),
        None => (StatusCode::NOT_FOUND, Rejected::Unknown.to_string()).into_response(),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Said {
    reason: String,
}

async fn api_decided(
    State(web): State<Web>,
    headers: HeaderMap,
    Path((id, verb)): Path<(String, String)>,
    Json(said): Json<Said>,
) -> Response {
    let Some((reviewer, login, _)) = web.person(&headers) else { return StatusCode::UNAUTHORIZED.into_response() };
    let csrf = headers.get("x-csrf-token").and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !same(csrf, &login.csrf) {
        return (StatusCode::FORBIDDEN, "x-csrf-token is missing or of another session").into_response();
    }
    let approve = match verb.as_str() {
        "approve" => true,
        "deny" => false,
        _ => return StatusCode::NOT_FOUND.into_response(),
    };
    match web.say(&reviewer, &login, &id, approve, &said.reason).await {
        Ok(answer) => Json(answer).into_response(),
        Err(why) => (status(&why), why.to_string()).into_response(),
    }
}
