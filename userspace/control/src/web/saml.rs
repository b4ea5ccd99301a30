//! The ways in by SAML: to the provider, its answer, the browser that comes back, and who we are.

use axum::extract::rejection::FormRejection;
use axum::extract::{DefaultBodyLimit, Form, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use serde::Deserialize;

use super::login::{BROWSER, FRESH_S, Wanted, arrived, departed, is_id, no_provider};
use super::{Way, Web, cookie, page, pages};
use crate::api::now_s;
use crate::saml::{FORM_BYTES_MAX, Failed, Saml};

/// Where the provider's answers come in: from its site, as the binding wants it. What is signed counts, and no cookie.
pub(super) const ACS: &str = "/login/saml/acs";

pub(super) fn routes() -> axum::Router<Web> {
    axum::Router::new()
        .route("/login/saml", get(depart))
        .route(ACS, post(answered).layer(DefaultBodyLimit::max(FORM_BYTES_MAX)))
        .route("/login/saml/finish", get(finish))
        .route("/login/saml/metadata", get(metadata))
}

fn saml(web: &Web) -> Option<&Saml> {
    match web.way.as_deref() {
        Some(Way::Saml(saml)) => Some(saml),
        _ => None,
    }
}

async fn depart(State(web): State<Web>, headers: HeaderMap, Query(wanted): Query<Wanted>) -> Response {
    let Some(saml) = saml(&web) else { return no_provider("saml") };
    let approval = wanted.approval.filter(|id| is_id(id));
    match saml.begin(wanted.fresh.then_some(FRESH_S), approval, now_s()) {
        Ok(departure) => departed(&web, &headers, "/login/saml", &departure),
        Err(why) => failed(&why),
    }
}

/// What the provider's page posts.
#[derive(Deserialize)]
struct Answer {
    #[serde(rename = "SAMLResponse")]
    response: String,
    #[serde(rename = "RelayState", default)]
    state: String,
}

/// A redirect, so that the browser comes back by a GET, which brings the cookie along; a POST from another site does not.
async fn answered(State(web): State<Web>, form: Result<Form<Answer>, FormRejection>) -> Response {
    let Some(saml) = saml(&web) else { return no_provider("saml") };
    let Ok(Form(Answer { response, state })) = form else {
        let words = "this is no answer of an identity provider, or one that is too long";
        return page(StatusCode::BAD_REQUEST, &pages::problem(None, words));
    };
    match saml.answered(&state, &response, now_s()) {
        // It is the name of a login of ours, 64 hex digits.
        Ok(()) => Redirect::to(&format!("/login/saml/finish?state={state}")).into_response(),
        Err(why) => failed(&why),
    }
}

#[derive(Deserialize)]
struct Back {
    state: String,
}

async fn finish(State(web): State<Web>, headers: HeaderMap, Query(Back { state }): Query<Back>) -> Response {
    let Some(saml) = saml(&web) else { return no_provider("saml") };
    let browser = cookie(&headers, BROWSER).unwrap_or_default();
    match saml.finish(&state, browser, now_s()) {
        Ok(arrival) => arrived(&web, &headers, "/login/saml", arrival).unwrap_or_else(|| failed(&Failed::NoRandomness)),
        Err(why) => failed(&why),
    }
}

async fn metadata(State(web): State<Web>) -> Response {
    let Some(saml) = saml(&web) else { return no_provider("saml") };
    match saml.metadata() {
        Some(text) => ([(header::CONTENT_TYPE, "application/samlmetadata+xml")], text).into_response(),
        None => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

fn failed(why: &Failed) -> Response {
    page(StatusCode::FORBIDDEN, &pages::problem(None, &why.to_string()))
}
