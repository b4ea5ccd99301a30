//! Bound tokens over the admin socket: listed, shown, revoked.

use std::sync::Arc;

use axum::Json;
use axum::extract::{ConnectInfo, Extension, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Binding, Revoked, Workloads};
use crate::api::{self, Peer, rejected};
use crate::approvals::reason;
use crate::issuers::IssuerState;
use crate::server::Source;

/// Where they are, if the configuration has issuers.
pub(crate) type Place = Option<Arc<Workloads>>;

pub(crate) fn routes() -> axum::Router<Arc<dyn Source>> {
    axum::Router::new().route("/identities", get(list)).route("/identities/revoke", post(revoke))
}

/// For `status`.
#[derive(serde::Serialize)]
pub(crate) struct Summary {
    /// Jobs whose token counts now.
    bound: usize,
    expired: usize,
    revoked: usize,
    issuers: Vec<IssuerState>,
}

impl Summary {
    pub(crate) fn of(workloads: &Workloads) -> Summary {
        let (now_s, all) = (api::now_s(), workloads.bindings());
        let revoked = all.iter().filter(|one| one.revoked.is_some()).count();
        let expired = all.iter().filter(|one| one.revoked.is_none() && one.identity.expires_s <= now_s).count();
        Summary { bound: all.len() - revoked - expired, expired, revoked, issuers: workloads.issuers() }
    }

    /// What must not be overlooked.
    pub(crate) fn warnings(&self) -> impl Iterator<Item = String> {
        self.issuers.iter().filter_map(|issuer| {
            let silent_s = issuer.silent_s?;
            let what = match issuer.keys {
                0 => "NO TOKEN OF IT COUNTS".to_owned(),
                keys => format!("its {keys} keys count until keys_hold is over"),
            };
            Some(format!("issuer {} has not shown its keys for {silent_s} s: {what}", issuer.name))
        })
    }
}

async fn list(place: Extension<Place>) -> Response {
    let Some(workloads) = &*place else { return none() };
    let now_s = api::now_s();
    let bindings: Vec<Value> = workloads.bindings().iter().map(|binding| shown(binding, now_s)).collect();
    Json(json!({ "identities": bindings, "issuers": workloads.issuers() })).into_response()
}

fn shown(binding: &Binding, now_s: u64) -> Value {
    let Binding { number, job, identity, bound_s, revoked } = binding;
    let state = match revoked {
        Some(_) => "revoked",
        None if identity.expires_s <= now_s => "expired",
        None => "bound",
    };
    json!({
        "number": number,
        "job": job.to_string(),
        "state": state,
        "issuer": identity.issuer,
        "subject": identity.subject,
        "principal": identity.principal,
        "token": hex(&identity.token),
        "groups": identity.groups,
        "claims": identity.attributes,
        "bound_s": bound_s,
        "expires_s": identity.expires_s,
        "revoked": revoked,
    })
}

fn hex(token: &[u8; 32]) -> String {
    token.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// `#7`, `cgroup 4711`, `agent x`, or a principal.
    name: String,
    reason: String,
}

/// A reviewer, or root, whose host it is.
async fn revoke(
    state: State<Arc<dyn Source>>,
    peer: ConnectInfo<Peer>,
    place: Extension<Place>,
    wanted: Json<Wanted>,
) -> Response {
    let Some(workloads) = &*place else { return none() };
    let by = match (peer.0.0, state.approvals().reviewer(peer.0.0.unwrap_or(u32::MAX))) {
        (_, Ok(reviewer)) => reviewer.name.clone(),
        (Some(0), Err(_)) => "root".to_owned(),
        (_, Err(why)) => return rejected(&why),
    };
    let why = match reason(&wanted.reason) {
        Ok(why) => why,
        Err(why) => return rejected(&why),
    };
    match workloads.revoke(&wanted.name, &Revoked { by, why }, &*state.0) {
        0 => (StatusCode::NOT_FOUND, "nothing of this name is bound, or it is revoked already").into_response(),
        count => Json(json!({ "revoked": count })).into_response(),
    }
}

fn none() -> Response {
    (StatusCode::NOT_FOUND, "the configuration has no [[issuer]]: no token is bound").into_response()
}
