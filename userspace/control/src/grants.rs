//! Approvals in advance, over the admin socket: given, and taken back.

use std::sync::Arc;

use axum::extract::{ConnectInfo, DefaultBodyLimit, Path, State};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::post;
use serde::Deserialize;

use crate::api::{Peer, Said, now_s, rejected};
use crate::approvals::{Login, Rejected, Reviewer};
use crate::server::Source;

/// No request has a longer body.
const BODY_MAX: usize = 8 << 10;

/// What a person grants: whatever this rule holds of this agent on this database, for so long.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    /// The rule's name, or `reveal NAME`.
    pub rule: String,
    /// The agent's configured name.
    pub agent: String,
    /// The database's configured name.
    pub database: String,
    /// How long it stands.
    pub seconds: u64,
    /// Why.
    pub reason: String,
}

pub(crate) fn routes() -> axum::Router<Arc<dyn Source>> {
    axum::Router::new()
        .route("/grants", post(grant))
        .route("/standing/{id}/revoke", post(revoke))
        .layer(DefaultBodyLimit::max(BODY_MAX))
}

async fn grant(source: State<Arc<dyn Source>>, peer: ConnectInfo<Peer>, wanted: Json<Wanted>) -> Response {
    let given = who(&source, peer.0).and_then(|(reviewer, login)| source.grant(&wanted, &reviewer, &login));
    match given {
        Ok(standing) => Json(standing).into_response(),
        Err(why) => rejected(&why),
    }
}

async fn revoke(
    source: State<Arc<dyn Source>>,
    peer: ConnectInfo<Peer>,
    id: Path<String>,
    said: Json<Said>,
) -> Response {
    let done = who(&source, peer.0).and_then(|(reviewer, login)| {
        source.take_back(&id, &reviewer, &login, &said.reason)?;
        Ok("taken back")
    });
    match done {
        Ok(words) => words.into_response(),
        Err(why) => rejected(&why),
    }
}

/// The reviewer at the other end, and how that is known.
fn who(source: &State<Arc<dyn Source>>, peer: Peer) -> Result<(Reviewer, Login), Rejected> {
    let uid = peer.0.ok_or(Rejected::NoReviewer(u32::MAX))?;
    let reviewer = source.approvals().reviewer(uid).cloned()?;
    // The kernel confirms the account with every word: it is never old.
    Ok((reviewer, Login { words: format!("admin socket, uid {uid}"), proved_s: now_s() }))
}
