//! Held statements over the admin socket. Who speaks is what the kernel says of the other end of the socket.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::extract::connect_info::Connected;
use axum::extract::{ConnectInfo, DefaultBodyLimit, Extension, Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};
use axum::serve::IncomingStream;
use serde::{Deserialize, Serialize};
use tokio::net::UnixListener;

use crate::approvals::{self, Approval, Login, Rejected, Reviewer, Vote, reason};
use crate::server::Source;
use crate::tokens::{Tokens, Wanted};
use crate::web::is_id;
use crate::web::sessions::Sessions;

/// No request has a longer body.
const BODY_MAX: usize = 8 << 10;
/// How long the answer of the session is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// The account at the other end; `None`: the kernel does not say.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) Option<u32>);

impl Connected<IncomingStream<'_, UnixListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, UnixListener>) -> Peer {
        Peer(stream.io().peer_cred().ok().map(|peer| peer.uid()))
    }
}

pub(crate) fn routes() -> axum::Router<Arc<dyn Source>> {
    axum::Router::new()
        .route("/approvals", get(list))
        .route("/approvals/{id}", get(show))
        .route("/approvals/{id}/{answer}", post(decided))
        .route("/sessions", get(sessions))
        .route("/sessions/{id}/kill", post(kill))
        .layer(DefaultBodyLimit::max(BODY_MAX))
}

/// Where login links come from, and lead to.
#[derive(Clone)]
pub(crate) struct Links {
    pub(crate) sessions: Arc<Sessions>,
    /// Where the page is, if there is one, and who issues its tokens.
    pub(crate) page: Option<(String, Arc<Tokens>)>,
}

/// Where a login link leads.
#[derive(Deserialize)]
pub(crate) struct Destination {
    /// To this approval; else to all of them.
    approval: Option<String>,
}

/// A login link for the account at the other end.
pub(crate) async fn login(
    state: State<Arc<dyn Source>>,
    peer: ConnectInfo<Peer>,
    links: Extension<Links>,
    Query(to): Query<Destination>,
) -> Response {
    let Some((page, _)) = &links.page else { return no_page() };
    let uid = peer.0.0.unwrap_or(u32::MAX);
    if let Err(why) = state.approvals().reviewer(uid) {
        return rejected(&why);
    }
    match links.sessions.link(uid, now_s()) {
        Some(token) => {
            let approval = to.approval.filter(|id| is_id(id)).map(|id| format!("&approval={id}"));
            format!("{page}/login?token={token}{}", approval.unwrap_or_default()).into_response()
        }
        None => (StatusCode::SERVICE_UNAVAILABLE, "there is no randomness").into_response(),
    }
}

/// A token of the API for the account at the other end, which must be a reviewer's.
pub(crate) async fn token(
    state: State<Arc<dyn Source>>,
    peer: ConnectInfo<Peer>,
    links: Extension<Links>,
    wanted: Json<Wanted>,
) -> Response {
    let Some((_, tokens)) = &links.page else { return no_page() };
    let uid = peer.0.0.unwrap_or(u32::MAX);
    if let Err(why) = state.approvals().reviewer(uid) {
        return rejected(&why);
    }
    if let Some(doubt) = wanted.0.doubt() {
        return (StatusCode::BAD_REQUEST, doubt).into_response();
    }
    match tokens.issue(uid, wanted.0, now_s()) {
        Some(token) => token.into_response(),
        None => (StatusCode::SERVICE_UNAVAILABLE, "there is no randomness").into_response(),
    }
}

fn no_page() -> Response {
    (StatusCode::NOT_FOUND, "there is no page: the configuration has no [admin] listen").into_response()
}

/// Seconds since 1970.
pub(crate) fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

async fn list(State(source): State<Arc<dyn Source>>) -> Response {
    Json(source.approvals().list(now_s())).into_response()
}

async fn show(State(source): State<Arc<dyn Source>>, Path(id): Path<String>) -> Response {
    match source.approvals().get(&id) {
        Some(approval) => Json(approval).into_response(),
        None => rejected(&Rejected::Unknown),
    }
}

/// What stands in the body of a decision.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Said {
    pub(crate) reason: String,
}

async fn decided(
    State(source): State<Arc<dyn Source>>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Path((id, answer)): Path<(String, String)>,
    Json(said): Json<Said>,
) -> Response {
    let Some(answer) = approvals::Answer::of(&answer) else {
        return (StatusCode::NOT_FOUND, "approve, deny or break-glass").into_response();
    };
    let reviewer = match peer.0 {
        Some(uid) => source.approvals().reviewer(uid).cloned(),
        None => Err(Rejected::NoReviewer(u32::MAX)),
    };
    // The kernel confirms the account with every word: it is never old.
    let login =
        Login { words: peer.0.map(|uid| format!("admin socket, uid {uid}")).unwrap_or_default(), proved_s: now_s() };
    let outcome = match reviewer {
        Ok(reviewer) => decide(&*source, &reviewer, &login, &id, answer, &said.reason).await,
        Err(why) => Err(why),
    };
    match outcome {
        Ok(answer) => Json(answer).into_response(),
        Err(why) => rejected(&why),
    }
}

async fn sessions(State(source): State<Arc<dyn Source>>) -> Response {
    Json(source.sessions()).into_response()
}

async fn kill(state: State<Arc<dyn Source>>, peer: ConnectInfo<Peer>, id: Path<String>, said: Json<Said>) -> Response {
    let outcome = match state.approvals().reviewer(peer.0.0.unwrap_or(u32::MAX)) {
        Ok(reviewer) => end(&*state.0, &reviewer.name, &id.0, &said.0.reason),
        Err(why) => Err(why),
    };
    match outcome {
        Ok(()) => "ended".into_response(),
        Err(why) => rejected(&why),
    }
}

/// A reviewer ends a session. Its record, and its agent, are told who and why.
pub(crate) fn end(source: &dyn Source, reviewer: &str, id: &str, why: &str) -> Result<(), Rejected> {
    let why = reason(why)?;
    if source.end_session(id, &format!("by {reviewer}: {why}")) { Ok(()) } else { Err(Rejected::NoSession) }
}

pub(crate) fn rejected(why: &Rejected) -> Response {
    let status = StatusCode::from_u16(why.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, why.to_string()).into_response()
}

/// What came of a word.
#[derive(Debug, Serialize)]
pub(crate) struct Answer {
    /// The session has answered.
    pub(crate) heard: bool,
    /// The statement as it is now.
    #[serde(flatten)]
    pub(crate) approval: Approval,
}

/// Takes a person's word to the session, and waits for what becomes of it.
pub(crate) async fn decide(
    source: &dyn Source,
    reviewer: &Reviewer,
    login: &Login,
    id: &str,
    answer: approvals::Answer,
    reason: &str,
) -> Result<Answer, Rejected> {
    let approvals = source.approvals();
    let mut changes = approvals.changes();
    let vote: Vote = approvals.decide(id, reviewer, login, answer, reason, now_s())?;
    if !source.vote(&vote) {
        approvals.take_back(&vote);
        return Err(Rejected::Unheard);
    }
    let heard = async {
        loop {
            if let Some(approval) = approvals.heard(id) {
                return Some(approval);
            }
            if changes.changed().await.is_err() {
                return None;
            }
        }
    };
    match tokio::time::timeout(PATIENCE, heard).await {
        Ok(Some(approval)) => Ok(Answer { heard: true, approval }),
        Ok(None) | Err(_) => {
            let approval = approvals.get(id).ok_or(Rejected::Unknown)?;
            Ok(Answer { heard: false, approval })
        }
    }
}
