//! A reviewer logs in at a SAML identity provider and approves what is held: the whole service, confined as it always is.
#![cfg_attr(not(feature = "saml"), allow(dead_code, unused_imports))]

use std::path::Path;

use crate::holds::{HOLD, browse, end, held, psql};
use crate::stage::{POLICY, Stage};
use crate::stand::{Folder, free_port};

#[path = "../../../userspace/control/tests/stand/idp.rs"]
mod idp;

#[cfg(not(feature = "saml"))]
#[test]
fn this_build_has_no_saml() {
    assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "CI tests with `--features saml`");
    println!("SKIPPED: built without the feature `saml`, so nobody logged in by it");
}

/// What a header of an answer says.
fn header<'a>(answer: &'a str, name: &str) -> &'a str {
    let (_, rest) = answer.split_once(&format!("\r\n{name}: ")).unwrap_or_else(|| panic!("no {name}: {answer}"));
    rest.split(['\r', ';']).next().unwrap_or_default()
}

/// Base64 in a form.
fn escaped(text: &str) -> String {
    text.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D")
}

#[cfg(feature = "saml")]
#[test]
fn a_reviewer_who_logged_in_by_saml_approves() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../userspace/control/tests/saml_provider/provider.mjs");
    let Some(idp) = idp::Idp::start(&script) else { return };
    let folder = Folder::new("saml").expect("a folder");
    let (certificates, issuer) = (folder.path().join("idp.pem"), &idp.issuer);
    std::fs::write(&certificates, &idp.certificate).expect("written");
    let address = format!("127.0.0.1:{}", free_port().expect("a port"));
    let tables = format!(
        "[admin]\nlisten = \"{address}\"\n[admin.saml]\nissuer = \"{issuer}\"\nsso = \"{issuer}/both\"\ncertificates = {certificates:?}\ngroups = [\"leads\"]\n"
    );
    let Some(stage) = Stage::set_beside("", &tables, &(POLICY.to_owned() + &HOLD.replace("3s", "10m"))) else { return };
    let get = |path: &str, cookie: &str| {
        browse(
            &address,
            &format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nCookie: {cookie}\r\nConnection: close\r\n\r\n"),
        )
    };
    let post = |path: &str, cookie: &str, body: &str| {
        let length = body.len();
        browse(
            &address,
            &format!(
                "POST {path} HTTP/1.1\r\nHost: {address}\r\nCookie: {cookie}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
            ),
        )
    };
    let child = psql(&stage, "DELETE FROM plain /* saml */;\n");
    let id = held(&stage.service, "saml");
    let begun = get(&format!("/login/saml?approval={id}"), "");
    let (response, state) = idp.log_in(header(&begun, "location"), "ann");
    let form = format!("SAMLResponse={}&RelayState={state}", escaped(&response));
    let answered = post("/login/saml/acs", "", &form);
    assert!(answered.starts_with("HTTP/1.1 303"), "{answered}\n{}", stage.service.log());
    let arrived = get(header(&answered, "location"), header(&begun, "set-cookie"));
    assert!(arrived.starts_with("HTTP/1.1 200") && arrived.contains("ann@example.com"), "{arrived}");
    let cookie = header(&arrived, "set-cookie");
    let one = get(&format!("/approvals/{id}"), cookie);
    let (_, csrf) = one.rsplit_once("name=\"csrf\" value=\"").expect("a token");
    let csrf = csrf.split('"').next().unwrap_or_default();
    let sent = post(&format!("/approvals/{id}"), cookie, &format!("csrf={csrf}&reason=seen&decision=approve"));
    assert!(sent.starts_with("HTTP/1.1 303"), "{sent}");
    assert_eq!(end(child).out.trim_end(), "DELETE 0");
    let words = format!("web page, SAML {issuer}, subject id-ann, ann@example.com");
    assert!(stage.record().iter().any(|line| line.contains(&words) && line.contains("saml:id-ann")), "{words}");
    // An answer that does not count is refused by the confined service too, and by name.
    let begun = get("/login/saml", "");
    let (response, state) = idp.log_in(&header(&begun, "location").replace("/both?", "/outer?"), "ann");
    let refused = post("/login/saml/acs", "", &format!("SAMLResponse={}&RelayState={state}", escaped(&response)));
    assert!(refused.starts_with("HTTP/1.1 403") && refused.contains("its assertion is not signed"), "{refused}");
    let check = stage.service.verb("check").output().expect("the verb starts");
    let said = String::from_utf8_lossy(&check.stdout);
    assert!(said.contains(&format!("its answers go to http://{address}/login/saml/acs")), "{said}");
}
