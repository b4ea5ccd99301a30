//! What a person ends, with a reason: a form that names it, and what came of the form when it is sent.

use axum::extract::Form;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use serde::Deserialize;

use super::pages::Viewer;
use super::{Web, foreign_form, page, pages, status, stranger};
use crate::approvals::{Login, Rejected, Reviewer};
use crate::secrets::same;

/// The form that is sent.
#[derive(Deserialize)]
pub(super) struct Ending {
    csrf: String,
    reason: String,
}

/// The form. Only a look: a link ends nothing.
pub(super) fn form(viewer: &Viewer<'_>, to: &str, button: &str) -> Markup {
    html! {
        form method="post" action=(to) {
            input type="hidden" name="csrf" value=(viewer.login.csrf);
            p { label for="reason" { "Reason, kept in the record" } }
            textarea id="reason" name="reason" required maxlength="1000" {}
            p { button { (button) } }
        }
    }
}

/// The form was sent: who does it, how that is known, and why go to `end`; what came of it leads `to`, or is told.
pub(super) fn sent(
    (web, headers): (&Web, &HeaderMap),
    Form(form): Form<Ending>,
    to: &str,
    end: impl FnOnce(&Reviewer, &Login, &str) -> Result<(), Rejected>,
) -> Response {
    let Some((reviewer, login, _)) = web.person(headers) else { return stranger(web) };
    let viewer = Viewer { reviewer: &reviewer, login: &login };
    if !same(&form.csrf, &login.csrf) {
        return foreign_form(&viewer);
    }
    match end(&reviewer, &web.how(&login), &form.reason) {
        Ok(()) => Redirect::to(to).into_response(),
        Err(why) => page(status(&why), &pages::problem(Some(&viewer), &why.to_string())),
    }
}
