//! The page: held statements in a browser, on loopback. It works without its script; there is no inline script or style.
//!
//! Whoever has an account that a `[[reviewer]]` names gets a login link over the admin socket, and whoever the identity provider knows logs in
//! there; the cookie that it ends in is `HttpOnly` and `SameSite=Strict`. Every change wants the session's own token besides, and a `Host`
//! and an `Origin` that are this page's.

mod ending;
mod limited;
mod login;
mod operate;
mod pages;
mod received;
mod rest;
mod saml;
pub(crate) mod sessions;
mod standing;
mod views;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{DefaultBodyLimit, Form, Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use maud::Markup;
use serde::Deserialize;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::WatchStream;

use crate::api::{decide, now_s};
use crate::approvals::{Answer, Rejected, Reviewer};
use crate::oidc::Oidc;
use crate::saml::Saml;
use crate::samples::Samples;
use crate::secrets::same;
use crate::server::Source;
use crate::tokens::Tokens;
use pages::Viewer;
use sessions::{Login, Sessions, Who};

pub(crate) use limited::Limited;
pub(crate) use login::is_id;

/// No form is longer.
const BODY_MAX: usize = 8 << 10;
const COOKIE: &str = "interceptor";
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";
const PING: Duration = Duration::from_secs(15);

/// The identity provider at which people log in besides. There is one at most: a subject is its own, and two might mean two people by the same.
pub(crate) enum Way {
    Oidc(Box<Oidc>),
    Saml(Box<Saml>),
}

impl Way {
    /// The provider, for people.
    fn issuer(&self) -> &str {
        match self {
            Way::Oidc(oidc) => oidc.issuer(),
            Way::Saml(saml) => saml.issuer(),
        }
    }

    /// Where a login begins.
    fn path(&self) -> &'static str {
        match self {
            Way::Oidc(_) => "/login/oidc",
            Way::Saml(_) => "/login/saml",
        }
    }
}

/// What every route works with.
#[derive(Clone)]
pub(crate) struct Web {
    source: Arc<dyn Source>,
    sessions: Arc<Sessions>,
    samples: Arc<Samples>,
    way: Option<Arc<Way>>,
    tokens: Arc<Tokens>,
    /// The origins that are this page's, such as `http://127.0.0.1:7443`.
    origins: Arc<[String]>,
}

/// The page's routes. It is also found at `url`, where a proxy with a certificate stands in front.
pub(crate) fn routes(
    (source, sessions, samples): (Arc<dyn Source>, Arc<Sessions>, Arc<Samples>),
    (way, tokens): (Option<Arc<Way>>, Arc<Tokens>),
    (address, url): (SocketAddr, Option<&str>),
) -> axum::Router {
    let port = address.port();
    let own = [address.to_string(), format!("localhost:{port}"), format!("127.0.0.1:{port}"), format!("[::1]:{port}")];
    let origins = own.iter().map(|host| format!("http://{host}")).chain(url.map(str::to_owned)).collect();
    let web = Web { source, sessions, samples, way, tokens, origins };
    axum::Router::new()
        .route("/", get(list))
        .route("/approvals/{id}", get(one).post(decided))
        .merge(login::routes())
        .merge(saml::routes())
        .merge(operate::routes())
        .merge(standing::routes())
        .route("/events", get(events))
        .route("/style.css", get(style))
        .route("/live.js", get(script))
        .nest("/api/v1", rest::routes())
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
        let Some(own) = self.origin(request.headers()) else { return false };
        if matches!(*request.method(), Method::GET | Method::HEAD) {
            return true;
        }
        if request.uri().path() == saml::ACS {
            return true;
        }
        let site = request.headers().get("sec-fetch-site").is_none_or(|site| site == "same-origin");
        let origin = !request.headers().contains_key(header::ORIGIN) || text(header::ORIGIN) == Some(own);
        site && origin
    }

    /// The origin of ours that the request's `Host` is.
    fn origin(&self, headers: &HeaderMap) -> Option<&str> {
        let host = headers.get(header::HOST)?.to_str().ok()?;
        let is = |origin: &&String| origin.split_once("://").is_some_and(|(_, own)| own == host);
        self.origins.iter().find(is).map(String::as_str)
    }

    /// Behind a cookie: where the browser came over TLS it goes back over TLS alone.
    fn secure(&self, headers: &HeaderMap) -> &'static str {
        if self.origin(headers).is_some_and(|origin| origin.starts_with("https:")) { "; Secure" } else { "" }
    }

    /// Who is logged in; a person that the configuration no longer names is not.
    fn person(&self, headers: &HeaderMap) -> Option<(Reviewer, Login, String)> {
        let name = cookie(headers, COOKIE)?;
        let login = self.sessions.of(name, now_s())?;
        let approvals = self.source.approvals();
        let reviewer = match &login.who {
            Who::Account(uid) => approvals.reviewer(*uid).ok()?.clone(),
            Who::Person(person) => approvals.person(person.by.prefix(), &person.subject, &person.groups),
        };
        Some((reviewer, login, name.to_owned()))
    }

    /// A person's word, once the form is known to be this page's.
    async fn say(
        &self,
        reviewer: &Reviewer,
        login: &Login,
        id: &str,
        answer: Answer,
        reason: &str,
    ) -> Result<crate::api::Answer, Rejected> {
        decide(&*self.source, reviewer, &self.how(login), id, answer, reason).await
    }
}

/// The value of a cookie.
fn cookie<'a>(headers: &'a HeaderMap, wanted: &str) -> Option<&'a str> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|cookies| cookies.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == wanted).map(|(_, value)| value)
}

fn page(status: StatusCode, markup: &Markup) -> Response {
    (status, [(header::CONTENT_TYPE, "text/html; charset=utf-8")], markup.0.clone()).into_response()
}

fn stranger(web: &Web) -> Response {
    page(StatusCode::UNAUTHORIZED, &pages::stranger(web.way.as_deref().map(|way| (way.issuer(), way.path()))))
}

/// The token that came with the form is not the session's.
fn foreign_form(viewer: &Viewer<'_>) -> Response {
    let words = "the form is of another session: load the page again";
    page(StatusCode::FORBIDDEN, &pages::problem(Some(viewer), words))
}

async fn style() -> Response {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], include_str!("style.css")).into_response()
}

async fn script() -> Response {
    ([(header::CONTENT_TYPE, "text/javascript; charset=utf-8")], include_str!("live.js")).into_response()
}

async fn list(State(web): State<Web>, headers: HeaderMap) -> Response {
    let Some((reviewer, login, _)) = web.person(&headers) else { return stranger(&web) };
    let now_s = now_s();
    let viewer = Viewer { reviewer: &reviewer, login: &login };
    page(StatusCode::OK, &pages::list(&viewer, &web.source.approvals().list(now_s), now_s))
}

async fn one(State(web): State<Web>, headers: HeaderMap, Path(id): Path<String>) -> Response {
    let Some((reviewer, login, _)) = web.person(&headers) else { return stranger(&web) };
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
    let Some((reviewer, login, _)) = web.person(&headers) else { return stranger(&web) };
    let viewer = Viewer { reviewer: &reviewer, login: &login };
    if !same(&form.csrf, &login.csrf) {
        return foreign_form(&viewer);
    }
    let Some(answer) = Answer::of(&form.decision) else {
        return page(StatusCode::BAD_REQUEST, &pages::problem(Some(&viewer), "approve, deny or break-glass"));
    };
    match web.say(&reviewer, &login, &id, answer, &form.reason).await {
        Ok(answer) => Redirect::to(&format!("/approvals/{}", answer.approval.ask.id)).into_response(),
        Err(why @ Rejected::Stale(_)) => {
            let again = web.way.as_deref().map(|way| format!("{}?fresh=true&approval={id}", way.path()));
            page(status(&why), &pages::stale(&viewer, &why.to_string(), again.as_deref()))
        }
        Err(why) => page(status(&why), &pages::problem(Some(&viewer), &why.to_string())),
    }
}

fn status(why: &Rejected) -> StatusCode {
    StatusCode::from_u16(why.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
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
