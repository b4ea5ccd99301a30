//! Logins at a SAML 2.0 identity provider: a real one (Auth0's `samlp`, which `cargo xtask test` installs). What may be done to its answers on
//! their way is tried in the crate `saml`; here it is what the page makes of them.
#![allow(clippy::expect_used, clippy::print_stdout)] // helpers of tests count as no tests
#![cfg_attr(not(feature = "saml"), allow(dead_code, unused_imports))]

mod stand;

use std::path::Path;

use control::{Provider, Source, saml};
use stand::idp::Idp;
use stand::web::{Answer, Page};

const ID: &str = "AAAAA-AAAAA";
/// What the provider's page makes a browser say.
const FOREIGN: &str = "Origin: null\r\nSec-Fetch-Site: cross-site\r\n";

#[cfg(not(feature = "saml"))]
#[test]
fn this_build_has_no_saml() {
    assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "CI tests with `--features control/saml`");
    println!("SKIPPED: built without the feature `saml`, so nobody logged in by it");
}

fn provider() -> Option<Idp> {
    Idp::start(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/saml_provider/provider.mjs"))
}

/// The page of those who log in there, in one of the ways that its answers are made.
#[cfg(feature = "saml")]
fn page_of(idp: &Idp, way: &str) -> Page {
    Page::led(None, |address| {
        Some(Provider::Saml(saml::Settings {
            issuer: idp.issuer.clone(),
            sso: format!("{}/{way}", idp.issuer),
            keys: saml::Keys::parse(idp.certificate.as_bytes()).expect("a certificate"),
            party: saml::party(&format!("http://{address}"), None).expect("fits"),
            subject_attribute: None,
            groups_attribute: "groups".into(),
            groups: vec!["leads".into(), "oncall".into()],
        }))
    })
}

fn first(cookie: &str) -> String {
    cookie.split(';').next().unwrap_or_default().to_owned()
}

/// A browser on its way.
struct Trip {
    location: String,
    cookie: String,
}

impl Trip {
    fn begin(page: &Page, query: &str) -> Trip {
        let answer = page.get(&format!("/login/saml{query}"), "");
        assert_eq!(answer.code, 303, "{}", answer.body);
        let cookie = answer.header("set-cookie");
        assert!(cookie.contains("HttpOnly; SameSite=Lax") && cookie.contains("Path=/login/saml;"), "{cookie}");
        Trip { location: answer.header("location").to_owned(), cookie: first(cookie) }
    }
}

fn posted(page: &Page, more: &str, (response, state): &(String, String)) -> Answer {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("SAMLResponse", response).append_pair("RelayState", state);
    page.post("/login/saml/acs", more, &form.finish())
}

#[cfg(feature = "saml")]
#[test]
fn a_person_logs_in_and_decides() {
    let Some(idp) = provider() else { return };
    for way in ["sso", "both"] {
        let page = page_of(&idp, way);
        page.holds(ID);
        let offered = page.get("/", "");
        assert!(offered.code == 401 && offered.body.contains("href=\"/login/saml\""), "{}", offered.body);
        let trip = Trip::begin(&page, &format!("?approval={ID}"));
        let form = idp.log_in(&trip.location, "ann");
        let answer = posted(&page, FOREIGN, &form);
        assert_eq!(answer.code, 303, "{}", answer.body);
        assert!(!answer.head.contains("interceptor="), "no session before the browser is known");
        let back = answer.header("location").to_owned();
        assert_eq!(back, format!("/login/saml/finish?state={}", form.1));
        let replayed = posted(&page, FOREIGN, &form);
        assert!(replayed.code == 403 && replayed.body.contains("no login that began"), "{}", replayed.body);
        for (cookie, what) in [("", "no browser's"), (&*Trip::begin(&page, "").cookie, "another browser's")] {
            assert_eq!(page.get(&back, cookie).code, 403, "{what}");
        }
        let answer = page.get(&back, &trip.cookie);
        assert!(answer.code == 200 && answer.body.contains("ann@example.com"), "{}", answer.body);
        assert!(answer.body.contains(&format!("content=\"0; url=/approvals/{ID}\"")), "{}", answer.body);
        assert_eq!(page.get(&back, &trip.cookie).code, 403, "replayed");
        let session = answer.header("set-cookie").to_owned();
        assert!(session.contains("HttpOnly; SameSite=Strict"), "{session}");
        let cookie = first(&session);
        let csrf = page.get(&format!("/approvals/{ID}"), &cookie).between("name=\"csrf\" value=\"");
        let word = format!("csrf={csrf}&reason=ticket+7&decision=approve");
        assert_eq!(page.post(&format!("/approvals/{ID}"), &format!("Cookie: {cookie}\r\n"), &word).code, 303);
        let word = page.service.approvals().get(ID).expect("known").words[0].clone();
        assert_eq!(word.reviewer, "saml:id-ann");
        assert_eq!(word.login, format!("web page, SAML {}, subject id-ann, ann@example.com", idp.issuer));
        let left = page.post("/logout", &format!("Cookie: {cookie}\r\n"), &format!("csrf={csrf}"));
        assert_eq!((left.code, page.get("/", &cookie).code), (303, 401));
    }
}

#[cfg(feature = "saml")]
#[test]
fn an_answer_that_does_not_count_opens_nothing() {
    let Some(idp) = provider() else { return };
    let stranger = provider().expect("as the first");
    for (way, name, words) in [
        ("outer", "ann", "its assertion is not signed"),
        ("unsigned", "ann", "its assertion is not signed"),
        ("encrypted", "ann", "it is encrypted, which is not supported"),
        ("sha1", "ann", "algorithm is none of"),
        ("sso", "eve", "none of your groups"),
    ] {
        let page = page_of(&idp, way);
        let trip = Trip::begin(&page, "");
        let form = idp.log_in(&trip.location, name);
        let answer = posted(&page, FOREIGN, &form);
        assert!(answer.code == 403 && answer.body.contains(words), "{way}: {}", answer.body);
        assert_eq!(page.get(&format!("/login/saml/finish?state={}", form.1), &trip.cookie).code, 403, "{way}");
    }
    let page = page_of(&idp, "sso");
    let trip = Trip::begin(&page, "");
    let other = Trip::begin(&page, "");
    let (mine, theirs) = (idp.log_in(&trip.location, "ann"), idp.log_in(&other.location, "ann"));
    let forged = stranger.log_in(&trip.location.replace(&idp.issuer, &stranger.issuer), "ann");
    for (what, form, words) in [
        ("another provider", forged, "another provider issued it"),
        ("of another login", (theirs.0.clone(), mine.1.clone()), "answers no login that began here"),
        ("of no login", (mine.0.clone(), String::new()), "no login that began"),
        ("of a made up one", (mine.0.clone(), "0".repeat(64)), "no login that began"),
        ("no base64", ("%%%".into(), mine.1.clone()), "no base64"),
        ("nothing", (String::new(), mine.1.clone()), "no well-formed XML"),
    ] {
        let answer = posted(&page, FOREIGN, &form);
        assert!(answer.code == 403 && answer.body.contains(words), "{what}: {}", answer.body);
    }
    // None of that used the login up; the page of another address is for none of it.
    let foreign = page
        .send("POST /login/saml/acs HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    assert_eq!(foreign.code, 403);
    assert_eq!(posted(&page, FOREIGN, &mine).code, 303);
    let elsewhere = page_of(&idp, "sso");
    let answer = posted(&elsewhere, FOREIGN, &mine);
    assert!(answer.code == 403, "another page's: {}", answer.body);
    // Only there a form of another site's is looked at.
    assert_eq!(page.post("/login/saml", FOREIGN, "").code, 403);
}

#[cfg(feature = "saml")]
#[test]
fn forms_are_bounded_and_there_is_one_provider() {
    let Some(idp) = provider() else { return };
    let page = page_of(&idp, "sso");
    for (body, code) in [
        ("x=1".to_owned(), 400),
        (format!("SAMLResponse={}", "A".repeat((320 << 10) - 12)), 400),
        (format!("SAMLResponse={}&RelayState=x", "A".repeat(200 << 10)), 403),
    ] {
        assert_eq!(page.post("/login/saml/acs", FOREIGN, &body).code, code, "{} bytes", body.len());
    }
    assert_eq!(page.get("/login/oidc", "").code, 404);
    let metadata = page.get("/login/saml/metadata", "");
    assert_eq!((metadata.code, metadata.header("content-type")), (200, "application/samlmetadata+xml"));
    let place = format!("Location=\"http://{}/login/saml/acs\"", page.address);
    assert!(
        metadata.body.contains(&place) && metadata.body.contains("WantAssertionsSigned=\"true\""),
        "{}",
        metadata.body
    );
    let without = Page::open();
    for path in ["/login/saml", "/login/saml/metadata", "/login/saml/finish?state=x"] {
        assert_eq!(without.get(path, "").code, 404, "{path}");
    }
    assert_eq!(posted(&without, "", &(String::new(), String::new())).code, 404);
}

#[cfg(feature = "saml")]
#[test]
fn a_login_leads_nowhere_but_to_the_page_and_may_be_asked_anew() {
    let Some(idp) = provider() else { return };
    let page = page_of(&idp, "sso");
    for query in ["?approval=//evil.example&RelayState=x", "?fresh=true"] {
        let trip = Trip::begin(&page, query);
        let form = idp.log_in(&trip.location, "ann");
        let back = posted(&page, FOREIGN, &form).header("location").to_owned();
        let answer = page.get(&back, &trip.cookie);
        assert!(answer.code == 200 && answer.body.contains("content=\"0; url=/\""), "{query}: {}", answer.body);
    }
}
