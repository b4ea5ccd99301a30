//! The JSON API, `/api/v1`: the page's own session with its token in a header, or a bearer token (docs/API.md).

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};
use serde::{Deserialize, Serialize};

use super::{Web, status};
use crate::api::{Answer, decide, end, now_s};
use crate::approvals::{self, Approval, Listing, Login, Rejected, Reviewer};
use crate::rules::RuleBook;
use crate::secrets::same;
use crate::status::{LiveSession, Status};
use crate::timeline::Timeline;
use crate::tokens::Scope;

pub(super) fn routes() -> axum::Router<Web> {
    axum::Router::new()
        .route("/me", get(me))
        .route("/status", get(status_now))
        .route("/approvals", get(list))
        .route("/approvals/{id}", get(one))
        .route("/approvals/{id}/{verb}", post(decided))
        .route("/policy", get(rules))
        .route("/standing/{id}/revoke", post(revoke))
        .route("/sessions", get(sessions))
        .route("/sessions/{id}", get(timeline))
        .route("/sessions/{id}/kill", post(kill))
}

/// Who calls, and how that is known.
struct Caller {
    reviewer: Reviewer,
    login: Login,
    scopes: Vec<Scope>,
    /// Of a page's session: what must come back with every change.
    csrf: Option<String>,
}

/// Why a request is not answered; JSON for its caller.
struct Refused {
    status: StatusCode,
    why: String,
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        #[derive(Serialize)]
        struct Problem {
            error: String,
        }
        let mut response = (self.status, Json(Problem { error: self.why })).into_response();
        if self.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, header::HeaderValue::from_static("Bearer"));
        }
        response
    }
}

fn refused(status: StatusCode, why: impl Into<String>) -> Refused {
    Refused { status, why: why.into() }
}

fn nobody(words: &str) -> Refused {
    refused(StatusCode::UNAUTHORIZED, words)
}

impl Web {
    /// A request with a token is its bearer's, whatever cookie comes along.
    fn caller(&self, headers: &HeaderMap, scope: Scope) -> Result<Caller, Refused> {
        let caller = match headers.get(header::AUTHORIZATION) {
            Some(value) => self.bearer(value.to_str().unwrap_or_default())?,
            None => {
                let (reviewer, session, _) = self.person(headers).ok_or_else(|| nobody("log in, or bring a token"))?;
                let login = self.how(&session);
                let scopes = vec![Scope::Read, Scope::Decide];
                Caller { reviewer, login, scopes, csrf: Some(session.csrf) }
            }
        };
        if !caller.scopes.contains(&scope) {
            return Err(refused(StatusCode::FORBIDDEN, "the token's scopes do not have this"));
        }
        Ok(caller)
    }

    /// Whoever may change something: a page's session must bring its token.
    fn changer(&self, headers: &HeaderMap) -> Result<Caller, Refused> {
        let caller = self.caller(headers, Scope::Decide)?;
        if let Some(own) = &caller.csrf {
            let brought = headers.get("x-csrf-token").and_then(|value| value.to_str().ok()).unwrap_or_default();
            if !same(brought, own) {
                return Err(refused(StatusCode::FORBIDDEN, "x-csrf-token is missing or of another session"));
            }
        }
        Ok(caller)
    }

    fn bearer(&self, value: &str) -> Result<Caller, Refused> {
        let token = value.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        let (_, token) = token.ok_or_else(|| nobody("only bearer tokens are known"))?;
        let bearer = self.tokens.verify(token.trim(), now_s()).map_err(|why| nobody(&why.to_string()))?;
        // A person that the configuration no longer names has no token any more.
        let reviewer = self.source.approvals().reviewer(bearer.uid).map_err(|why| nobody(&why.to_string()))?.clone();
        let words = format!("API token {} for {} of uid {}", bearer.jti, bearer.purpose, bearer.uid);
        Ok(Caller { reviewer, login: Login { words, proved_s: bearer.iat }, scopes: bearer.scopes, csrf: None })
    }
}

#[derive(Serialize)]
struct Me {
    reviewer: String,
    groups: Vec<String>,
    login: String,
    scopes: Vec<Scope>,
    #[serde(skip_serializing_if = "Option::is_none")]
    csrf: Option<String>,
}

async fn me(State(web): State<Web>, headers: HeaderMap) -> Result<Json<Me>, Refused> {
    let Caller { reviewer, login, scopes, csrf } = web.caller(&headers, Scope::Read)?;
    Ok(Json(Me { reviewer: reviewer.name, groups: reviewer.groups, login: login.words, scopes, csrf }))
}

async fn status_now(State(web): State<Web>, headers: HeaderMap) -> Result<Json<Status>, Refused> {
    web.caller(&headers, Scope::Read)?;
    Ok(Json(web.source.status()))
}

async fn list(State(web): State<Web>, headers: HeaderMap) -> Result<Json<Listing>, Refused> {
    web.caller(&headers, Scope::Read)?;
    Ok(Json(web.source.approvals().list(now_s())))
}

async fn one(State(web): State<Web>, headers: HeaderMap, Path(id): Path<String>) -> Result<Json<Approval>, Refused> {
    web.caller(&headers, Scope::Read)?;
    let unknown = || refused(StatusCode::NOT_FOUND, Rejected::Unknown.to_string());
    web.source.approvals().get(&id).map(Json).ok_or_else(unknown)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Said {
    reason: String,
}

async fn decided(
    State(web): State<Web>,
    headers: HeaderMap,
    Path((id, verb)): Path<(String, String)>,
    Json(said): Json<Said>,
) -> Result<Json<Answer>, Refused> {
    let caller = web.changer(&headers)?;
    let unknown = || refused(StatusCode::NOT_FOUND, "approve, deny or break-glass");
    let answer = approvals::Answer::of(&verb).ok_or_else(unknown)?;
    let answer = decide(&*web.source, &caller.reviewer, &caller.login, &id, answer, &said.reason).await;
    answer.map(Json).map_err(|why| refused(status(&why), why.to_string()))
}

async fn sessions(State(web): State<Web>, headers: HeaderMap) -> Result<Json<Vec<LiveSession>>, Refused> {
    web.caller(&headers, Scope::Read)?;
    Ok(Json(web.source.sessions()))
}

async fn rules(State(web): State<Web>, headers: HeaderMap) -> Result<Json<RuleBook>, Refused> {
    web.caller(&headers, Scope::Read)?;
    Ok(Json(web.source.rules()))
}

async fn timeline(
    State(web): State<Web>,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<Json<Timeline>, Refused> {
    let caller = web.caller(&headers, Scope::Read)?;
    let timeline = web.source.timeline(&id, &caller.reviewer, &caller.login);
    timeline.map(Json).map_err(|why| refused(status(&why), why.to_string()))
}

/// What stands no more.
#[derive(Serialize)]
struct Revoked {
    revoked: String,
}

async fn revoke(
    State(web): State<Web>,
    headers: HeaderMap,
    Path(id): Path<String>,
    Json(said): Json<Said>,
) -> Result<Json<Revoked>, Refused> {
    let caller = web.changer(&headers)?;
    let done = web.source.take_back(&id, &caller.reviewer, &caller.login, &said.reason);
    done.map(|()| Json(Revoked { revoked: id.clone() })).map_err(|why| refused(status(&why), why.to_string()))
}

/// The session that was ended.
#[derive(Serialize)]
struct Ended {
    ended: String,
}

async fn kill(
    State(web): State<Web>,
    headers: HeaderMap,
    Path(id): Path<String>,
    Json(said): Json<Said>,
) -> Result<Json<Ended>, Refused> {
    let caller = web.changer(&headers)?;
    let ended = end(&*web.source, &caller.reviewer.name, &id, &said.reason);
    ended.map(|()| Json(Ended { ended: id.clone() })).map_err(|why| refused(status(&why), why.to_string()))
}
