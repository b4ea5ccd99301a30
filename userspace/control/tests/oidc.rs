//! Logins at an identity provider: one that says whatever it is told here, and a real one (`oidc-provider`, which `cargo xtask test` installs).
#![allow(clippy::expect_used, clippy::print_stdout)] // helpers of tests count as no tests

mod stand;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as B64;
use control::approvals::State;
use control::{Source, oidc};
use serde_json::{Value, json};
use stand::provider::Provider;
use stand::web::{Answer, Page};
use stand::{ask, own_uid};

const ID: &str = "AAAAA-AAAAA";

/// A browser on its way to the provider.
struct Trip {
    location: String,
    cookie: String,
}

impl Trip {
    fn begin(page: &Page, query: &str) -> Trip {
        let answer = page.get(&format!("/login/oidc{query}"), "");
        assert_eq!(answer.code, 303, "{}", answer.body);
        let cookie = answer.header("set-cookie");
        assert!(cookie.contains("HttpOnly; SameSite=Lax") && cookie.contains("Path=/login/oidc;"), "{cookie}");
        Trip { location: answer.header("location").to_owned(), cookie: first(cookie) }
    }

    /// A parameter of the address that leads to the provider.
    fn sent(&self, name: &str) -> String {
        let query = self.location.split_once('?').expect("a query").1;
        let found = form_urlencoded::parse(query.as_bytes()).find(|(known, _)| known == name);
        found.map(|(_, value)| value.into_owned()).unwrap_or_default()
    }

    fn back(&self, page: &Page, query: &str) -> Answer {
        page.get(&format!("/login/oidc/callback?{query}&state={}", self.sent("state")), &self.cookie)
    }
}

fn first(cookie: &str) -> String {
    cookie.split(';').next().unwrap_or_default().to_owned()
}

fn page(provider: &Provider) -> Page {
    Page::with(None, |_| Some(provider.settings()))
}

/// The cookie of somebody who has logged in.
fn login(page: &Page, provider: &Provider) -> String {
    let trip = Trip::begin(page, "");
    provider.gives(provider.good(&trip.sent("nonce")));
    let answer = trip.back(page, "code=c");
    assert_eq!(answer.code, 200, "{}", answer.body);
    first(answer.header("set-cookie"))
}

#[test]
fn a_person_logs_in_and_decides() {
    let provider = Provider::start();
    let page = page(&provider);
    page.holds(ID);
    let offered = page.get("/", "");
    assert!(offered.code == 401 && offered.body.contains("href=\"/login/oidc\""), "{}", offered.body);
    let trip = Trip::begin(&page, &format!("?approval={ID}"));
    assert!(trip.location.starts_with(&format!("{}/auth?", provider.issuer)));
    for (name, value) in [
        ("response_type", "code"),
        ("client_id", "interceptor"),
        ("scope", "openid profile"),
        ("code_challenge_method", "S256"),
        ("max_age", ""),
    ] {
        assert_eq!(trip.sent(name), value);
    }
    let callback = format!("http://{}/login/oidc/callback", page.address);
    assert_eq!(trip.sent("redirect_uri"), callback);
    provider.gives(provider.good(&trip.sent("nonce")));
    let answer = trip.back(&page, &format!("code=c0de&iss={}", provider.issuer));
    assert!(answer.code == 200 && answer.body.contains("ann@example.com"), "{}", answer.body);
    assert!(answer.body.contains(&format!("content=\"0; url=/approvals/{ID}\"")), "{}", answer.body);
    let session = answer.header("set-cookie").to_owned();
    assert!(session.contains("HttpOnly; SameSite=Strict") && !session.contains("Secure"), "{session}");
    let (head, form) = provider.asked();
    let form: Vec<(String, String)> = form_urlencoded::parse(form.as_bytes()).into_owned().collect();
    let field = |name: &str| form.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value);
    let challenge = B64.encode(ring::digest::digest(&ring::digest::SHA256, field("code_verifier").as_bytes()));
    assert_eq!((challenge, field("code"), field("redirect_uri")), (trip.sent("code_challenge"), "c0de", &*callback));
    let basic = base64::prelude::BASE64_STANDARD.encode("interceptor:s3cret%3A%2B%26");
    assert!(head.to_lowercase().contains("authorization: basic") && head.contains(&basic));

    let cookie = first(&session);
    let one = page.get(&format!("/approvals/{ID}"), &cookie);
    let csrf = one.between("name=\"csrf\" value=\"");
    let form = format!("csrf={csrf}&reason=ticket+7&decision=approve");
    assert_eq!(page.post(&format!("/approvals/{ID}"), &format!("Cookie: {cookie}\r\n"), &form).code, 303);
    let word = page.service.approvals().get(ID).expect("known").words[0].clone();
    assert_eq!(word.reviewer, "oidc:u-17");
    assert_eq!(word.login, format!("web page, OIDC {}, subject u-17, ann@example.com", provider.issuer));
    let left = page.post("/logout", &format!("Cookie: {cookie}\r\n"), &format!("csrf={csrf}"));
    let there = format!("href=\"{}/leave?client_id=interceptor\"", provider.issuer);
    assert!(
        left.code == 200 && left.body.contains(&there) && left.header("set-cookie").contains("Max-Age=0"),
        "{}",
        left.body
    );
    assert_eq!(page.get("/", &cookie).code, 401);
}

#[test]
fn a_token_that_is_not_of_this_login_does_not_count() {
    let provider = Provider::start();
    let page = page(&provider);
    let header = json!({ "alg": "EdDSA", "kid": "k1" });
    type Forge<'a> = Box<dyn Fn(&str) -> String + 'a>;
    let with = |claim: &'static str, value: Value| -> Forge<'_> {
        let (provider, header) = (&provider, header.clone());
        Box::new(move |nonce| {
            let mut claims = provider.claims(nonce);
            claims[claim] = value.clone();
            provider.signed(&header, &claims)
        })
    };
    let headed = |header: Value| -> Forge<'_> {
        let provider = &provider;
        Box::new(move |nonce| provider.signed(&header, &provider.claims(nonce)))
    };
    let parts = |header: &str, nonce: &str| {
        format!("{}.{}", B64.encode(header), B64.encode(provider.claims(nonce).to_string()))
    };
    let hmac = |key: &[u8], text: &str| {
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, key);
        format!("{text}.{}", B64.encode(ring::hmac::sign(&key, text.as_bytes())))
    };
    let other = Provider::start();
    let forged: Vec<(&str, Forge<'_>)> = vec![
        ("algorithm is none of", Box::new(|nonce| parts(r#"{"alg":"none"}"#, nonce) + ".")),
        ("algorithm is none of", headed(json!({ "alg": "none" }))),
        ("algorithm is none of", headed(json!({ "alg": "None" }))),
        (
            "algorithm is none of",
            Box::new(|nonce| hmac(provider.public_key(), &parts(r#"{"alg":"HS256","kid":"k1"}"#, nonce))),
        ),
        ("no key of the provider", headed(json!({ "alg": "RS256", "kid": "k1" }))),
        ("no key of the provider", headed(json!({ "alg": "ES256" }))),
        ("no key of the provider", headed(json!({ "alg": "EdDSA", "kid": "k2" }))),
        ("signature is wrong", Box::new(|nonce| other.signed(&header, &provider.claims(nonce)))),
        (
            "signature is wrong",
            Box::new(|nonce| {
                let (good, fat) = (provider.good(nonce), provider.signed(&header, &json!({ "groups": ["oncall"] })));
                let (good, fat): (Vec<&str>, Vec<&str>) = (good.split('.').collect(), fat.split('.').collect());
                format!("{}.{}.{}", good[0], fat[1], good[2])
            }),
        ),
        ("no signed token", Box::new(|nonce| provider.good(nonce) + ".x")),
        ("no signed token", headed(json!({ "alg": "EdDSA", "crit": ["b64"], "b64": false }))),
        ("no signed token", Box::new(|_| String::new())),
        ("no signed token", Box::new(|_| "a.b.c".repeat(20_000))),
        ("another provider", with("iss", json!(other.issuer))),
        ("another client", with("aud", json!("other"))),
        ("has expired", with("exp", json!(1_000))),
        ("of the future", with("iat", json!(u32::MAX))),
        ("of another login", with("nonce", json!("0"))),
        ("of another login", with("nonce", Value::Null)),
        ("none of your groups", with("groups", json!(["staff"]))),
    ];
    for (words, forge) in forged {
        let trip = Trip::begin(&page, "");
        provider.gives(forge(&trip.sent("nonce")));
        let answer = trip.back(&page, "code=c");
        assert!(answer.code >= 400 && answer.body.contains(words), "{words}: {}", answer.body);
        assert!(!answer.head.contains("interceptor="), "{words}: no session");
    }
    login(&page, &provider);
}

#[test]
fn the_provider_ends_a_session_and_nobody_else_does() {
    let provider = Provider::start();
    let page = page(&provider);
    let (cookie, host) = (login(&page, &provider), page.login());
    let event = "http://schemas.openid.net/event/backchannel-logout";
    let mut claims = provider.claims("");
    claims.as_object_mut().expect("claims").remove("nonce");
    (claims["jti"], claims["events"]) = ("j1".into(), json!({ event: {} }));
    let header = json!({ "alg": "EdDSA", "kid": "k1", "typ": "logout+jwt" });
    let with = |claim: &str, value: Value| {
        let mut claims = claims.clone();
        claims[claim] = value;
        provider.signed(&header, &claims)
    };
    let other = Provider::start();
    let good = provider.signed(&header, &claims);
    let unsigned = format!("{}.{}.", B64.encode(r#"{"alg":"none"}"#), B64.encode(claims.to_string()));
    for (token, words) in [
        (unsigned, "algorithm is none of"),
        (other.signed(&header, &claims), "signature is wrong"),
        (provider.good("n"), "claims cannot be read"),
        (with("nonce", "n".into()), "not of a logout"),
        (with("events", json!({})), "not of a logout"),
        (with("aud", "other".into()), "another client"),
        (with("iss", "https://evil.example".into()), "another provider"),
        (with("exp", 1_000.into()), "has expired"),
        (String::new(), "no signed token"),
    ] {
        let answer = page.post("/login/oidc/logout", "", &format!("logout_token={token}"));
        assert!(answer.code == 400 && answer.body.contains(words), "{words}: {}", answer.body);
    }
    assert_eq!(page.post("/login/oidc/logout", "", &format!("logout_token={}", with("sub", "u-18".into()))).code, 200);
    let foreign = "Origin: http://evil.example\r\n";
    assert_eq!(page.post("/login/oidc/logout", foreign, &format!("logout_token={good}")).code, 403, "a browser's");
    assert_eq!((page.get("/", &cookie).code, page.get("/", &host).code), (200, 200), "nobody was put out yet");
    assert_eq!(page.post("/login/oidc/logout", "", &format!("logout_token={good}")).code, 200);
    assert_eq!((page.get("/", &cookie).code, page.get("/", &host).code), (401, 200), "the host's own login goes on");
    assert_eq!(Page::open().post("/login/oidc/logout", "", &format!("logout_token={good}")).code, 404);
}

#[test]
fn a_way_back_is_good_once_and_in_its_own_browser() {
    let provider = Provider::start();
    let page = page(&provider);
    let trip = Trip::begin(&page, "");
    provider.gives(provider.good(&trip.sent("nonce")));
    let state = trip.sent("state");
    for (what, path, cookie) in [
        ("no browser's", format!("?code=c&state={state}"), String::new()),
        ("another browser's", format!("?code=c&state={state}"), Trip::begin(&page, "").cookie),
        ("another state", format!("?code=c&state={}", "0".repeat(64)), trip.cookie.clone()),
        ("no state", "?code=c".to_owned(), trip.cookie.clone()),
        ("nothing", "?".to_owned(), trip.cookie.clone()),
    ] {
        let answer = page.get(&format!("/login/oidc/callback{path}"), &cookie);
        assert!(answer.code == 403 && answer.body.contains("no login that began in this browser"), "{what}");
    }
    assert_eq!(provider.exchanges(), 0, "a code of somebody else is not even exchanged");
    assert_eq!(trip.back(&page, "code=c").code, 200);
    assert_eq!(trip.back(&page, "code=c").code, 403, "replayed");
    assert_eq!(provider.exchanges(), 1);
    let trip = Trip::begin(&page, "");
    let answer = trip.back(&page, "code=c&iss=https://evil.example");
    assert!(answer.code == 502 && answer.body.contains("not the configured one"), "{}", answer.body);
    let trip = Trip::begin(&page, "");
    let answer = trip.back(&page, "error=access_denied&error_description=%3Cscript%3E%1b%5B2J");
    assert!(answer.code == 403 && answer.body.contains("access_denied: &lt;script&gt;\\u{1b}[2J"), "{}", answer.body);
}

#[test]
fn a_login_leads_nowhere_but_to_the_page() {
    let provider = Provider::start();
    let page = page(&provider);
    for elsewhere in
        ["//evil.example", "https://evil.example", "../../x", "%0d%0aLocation:%20x", "x%22%3E%3Cscript%3E", "/x"]
    {
        let trip = Trip::begin(&page, &format!("?approval={elsewhere}&to={elsewhere}&redirect_uri={elsewhere}"));
        assert_eq!(trip.sent("redirect_uri"), format!("http://{}/login/oidc/callback", page.address));
        provider.gives(provider.good(&trip.sent("nonce")));
        let answer = trip.back(&page, "code=c");
        assert!(answer.code == 200 && answer.body.contains("content=\"0; url=/\""), "{elsewhere}: {}", answer.body);
    }
}

#[test]
fn groups_may_be_told_beside_the_token() {
    let provider = Provider::start();
    let page = page(&provider);
    for (said, code) in [
        (json!({ "sub": "u-17", "groups": ["oncall"] }), 200),
        (json!({ "sub": "u-18", "groups": ["oncall"] }), 502),
        (json!({ "groups": ["oncall"] }), 502),
        (json!({ "sub": "u-17", "iss": "x" }), 403),
    ] {
        let trip = Trip::begin(&page, "");
        let mut claims = provider.claims(&trip.sent("nonce"));
        claims.as_object_mut().expect("claims").remove("groups");
        provider.gives(provider.signed(&json!({ "alg": "EdDSA" }), &claims));
        provider.says(said.clone());
        assert_eq!(trip.back(&page, "code=c").code, code, "{said}");
    }
}

#[test]
fn a_dead_provider_ends_no_session() {
    let provider = Provider::start();
    let page = page(&provider);
    let cookie = login(&page, &provider);
    // Another page, whose provider is not there.
    let dead =
        Page::with(None, |_| Some(oidc::Settings { issuer: "http://127.0.0.1:1".into(), ..provider.settings() }));
    let answer = dead.get("/login/oidc", "");
    assert!(answer.code == 502 && answer.body.contains("it cannot be reached"), "{}", answer.body);
    assert_eq!(dead.get("/", &dead.login()).code, 200, "the host's own login goes on");
    // One that is another than it is configured as.
    let foreign = Page::with(None, |_| {
        Some(oidc::Settings { issuer: provider.issuer.replace("127.0.0.1", "localhost"), ..provider.settings() })
    });
    let answer = foreign.get("/login/oidc", "");
    assert!(answer.code == 502 && answer.body.contains("its issuer differs"), "{}", answer.body);
    assert_eq!(page.get("/", &cookie).code, 200);
}

#[test]
fn behind_a_certificate_cookies_go_over_tls_alone() {
    let provider = Provider::start();
    let page = Page::with(Some("https://reviews.example"), |_| Some(provider.settings()));
    page.holds(ID);
    let host = "Host: reviews.example\r\n";
    let at = |path: &str, cookie: &str| {
        page.send(&format!("GET {path} HTTP/1.1\r\n{host}Cookie: {cookie}\r\nConnection: close\r\n\r\n"))
    };
    let away = at("/login/oidc", "");
    assert!(away.header("set-cookie").ends_with("; Secure"), "{}", away.head);
    let trip = Trip { location: away.header("location").to_owned(), cookie: first(away.header("set-cookie")) };
    assert_eq!(trip.sent("redirect_uri"), "https://reviews.example/login/oidc/callback");
    provider.gives(provider.good(&trip.sent("nonce")));
    let back = at(&format!("/login/oidc/callback?code=c&state={}", trip.sent("state")), &trip.cookie);
    assert!(back.code == 200 && back.header("set-cookie").ends_with("; Secure"), "{}", back.head);
    let cookie = first(back.header("set-cookie"));
    let csrf = at(&format!("/approvals/{ID}"), &cookie).between("name=\"csrf\" value=\"");
    let form = format!("csrf={csrf}&reason=x&decision=approve");
    for (origin, code) in
        [("http://reviews.example", 403), ("https://evil.example", 403), ("https://reviews.example", 303)]
    {
        let length = form.len();
        let sent = page.send(&format!(
            "POST /approvals/{ID} HTTP/1.1\r\n{host}Cookie: {cookie}\r\nOrigin: {origin}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{form}"
        ));
        assert_eq!(sent.code, code, "{origin}");
    }
    assert_eq!(page.state(ID), Some(State::Approved));
}

#[test]
fn nobody_decides_about_their_own_by_another_login() {
    let provider = Provider::start();
    let page = page(&provider);
    // `me` of the stand is the provider's `me-1`, whose account runs the tests.
    assert!(page.service.approvals().asked(ask(ID, own_uid())));
    let trip = Trip::begin(&page, "");
    let mut claims = provider.claims(&trip.sent("nonce"));
    claims["sub"] = json!("me-1");
    provider.gives(provider.signed(&json!({ "alg": "EdDSA" }), &claims));
    let cookie = first(trip.back(&page, "code=c").header("set-cookie"));
    let csrf = page.get(&format!("/approvals/{ID}"), &cookie).between("name=\"csrf\" value=\"");
    let form = format!("csrf={csrf}&reason=x&decision=approve");
    let sent = page.post(&format!("/approvals/{ID}"), &format!("Cookie: {cookie}\r\n"), &form);
    assert!(sent.code == 403 && sent.body.contains("their own account"), "{}", sent.body);
}

#[test]
fn a_rule_may_want_a_fresh_login() {
    let provider = Provider::start();
    let page = page(&provider);
    let mut held = ask(ID, own_uid() + 1);
    let terms = policy::Terms { max_age_s: Some(300), ..(*held.rules[0].terms).clone() };
    held.rules[0].terms = std::sync::Arc::new(terms);
    assert!(page.service.approvals().asked(held));
    let now = provider.claims("")["iat"].as_u64().expect("now");
    let enter = |query: &str, proved: Value| {
        let trip = Trip::begin(&page, query);
        let mut claims = provider.claims(&trip.sent("nonce"));
        claims["auth_time"] = proved;
        provider.gives(provider.signed(&json!({ "alg": "EdDSA" }), &claims));
        (trip.sent("max_age"), trip.back(&page, "code=c"))
    };
    let decide = |cookie: &str| {
        let csrf = page.get(&format!("/approvals/{ID}"), cookie).between("name=\"csrf\" value=\"");
        let form = format!("csrf={csrf}&reason=x&decision=approve");
        page.post(&format!("/approvals/{ID}"), &format!("Cookie: {cookie}\r\n"), &form)
    };
    for old in [json!(now - 400), Value::Null] {
        let (asked, answer) = enter("", old);
        assert_eq!((asked.as_str(), answer.code), ("", 200));
        let said = decide(&first(answer.header("set-cookie")));
        assert_eq!((said.code, page.state(ID)), (403, Some(State::Pending)));
        assert!(said.body.contains(&format!("/login/oidc?fresh=true&amp;approval={ID}")), "{}", said.body);
    }
    let fresh = format!("?fresh=true&approval={ID}");
    for old in [json!(now - 400), Value::Null] {
        let (asked, answer) = enter(&fresh, old);
        assert_eq!((asked.as_str(), answer.code), ("0", 403), "the provider asked nobody");
    }
    let (_, answer) = enter(&fresh, json!(now));
    assert_eq!(decide(&first(answer.header("set-cookie"))).code, 303);
}

/// A certified provider on node; it ends with its standard input.
struct Certified {
    child: Child,
    issuer: String,
}

impl Drop for Certified {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Certified {
    /// `None`, said loudly, where it is not installed.
    fn start(page: SocketAddr) -> Option<Certified> {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("the target folder").join("clients");
        let folders = [target, PathBuf::from("/var/tmp/interceptor-clients")].map(|folder| folder.join("provider"));
        let Some(packages) = folders.into_iter().find(|folder| folder.join("stamp").exists()) else {
            assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "the provider is missing, and CI needs it");
            println!(
                "SKIPPED: `oidc-provider` is not installed (`cargo xtask test` does), so nobody logged in at a real one"
            );
            return None;
        };
        let mut node = Command::new("node");
        node.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/provider/provider.mjs"));
        node.arg(packages).arg(format!("http://{page}/login/oidc/callback"));
        let child = node.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let mut provider = Certified { child: child.expect("node starts"), issuer: String::new() };
        let mut line = String::new();
        let out = provider.child.stdout.take().expect("piped");
        BufReader::new(out).read_line(&mut line).expect("its address");
        assert!(line.starts_with("http://127.0.0.1:"), "the provider does not start: {line:?}");
        provider.issuer = line.trim_end().to_owned();
        Some(provider)
    }

    fn address(&self) -> SocketAddr {
        self.issuer.trim_start_matches("http://").parse().expect("an address")
    }
}

/// Cookies of the provider's.
type Jar = BTreeMap<String, String>;

/// A person in front of the provider's own pages: follows it until it leads back to us or to its last page, and says who it is on the way.
fn walk(provider: &Certified, jar: &mut Jar, from: &str, name: &str) -> String {
    let (mut url, mut form) = (from.to_owned(), None::<String>);
    for _ in 0..12 {
        let path = url.strip_prefix(&provider.issuer).unwrap_or(&url).to_owned();
        if !path.starts_with('/') {
            return path;
        }
        let cookies = jar.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ");
        let (method, body) = form.take().map_or(("GET", String::new()), |body| ("POST", body));
        let (host, length) = (provider.address(), body.len());
        let answer = stand::web::send(
            host,
            &format!(
                "{method} {path} HTTP/1.1\r\nHost: {host}\r\nCookie: {cookies}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
            ),
        );
        for line in answer
            .head
            .lines()
            .filter_map(|line| line.strip_prefix("Set-Cookie: ").or(line.strip_prefix("set-cookie: ")))
        {
            let (name, value) = line.split(';').next().and_then(|pair| pair.split_once('=')).expect("a cookie");
            jar.insert(name.to_owned(), value.to_owned());
        }
        match answer.code {
            302 | 303 => url = answer.header("location").to_owned(),
            200 if answer.body.contains("value=\"login\"") => {
                form = Some(format!("prompt=login&login={name}&password=x"))
            }
            200 if answer.body.contains("value=\"consent\"") => form = Some("prompt=consent".to_owned()),
            200 if answer.body.contains("name=\"xsrf\"") => {
                form = Some(format!("xsrf={}&logout=yes", answer.between("name=\"xsrf\" value=\"")));
                url = format!("{}/session/end/confirm", provider.issuer);
            }
            200 if path.starts_with("/session/end/success") => return path,
            code => panic!("the provider says {code} at {path}: {}", answer.body),
        }
    }
    panic!("the provider leads nowhere");
}

#[test]
fn people_log_in_at_a_certified_provider() {
    for (client_id, name, code, words) in [
        ("rs", "ann", 200, "ann@example.com"),
        ("es", "ann", 200, "ann@example.com"),
        ("ed", "ann", 200, "ann@example.com"),
        ("rs", "eve", 403, "none of your groups"),
    ] {
        let mut provider = None;
        let page = Page::with(None, |address| {
            provider = Certified::start(address);
            Some(oidc::Settings {
                issuer: provider.as_ref()?.issuer.clone(),
                client_id: client_id.into(),
                client_secret: Some("s3cret".into()),
                scopes: vec!["profile".into(), "email".into()],
                groups_claim: "groups".into(),
                groups: vec!["leads".into()],
                roots: Vec::new(),
            })
        });
        let Some(provider) = provider else { return };
        for query in ["", "?fresh=true"] {
            let trip = Trip::begin(&page, query);
            let mut jar = Jar::new();
            let back = walk(&provider, &mut jar, &trip.location, name);
            let (_, path) = back.split_once("/login/oidc/callback").expect("the callback");
            let answer = page.get(&format!("/login/oidc/callback{path}"), &trip.cookie);
            assert!(answer.code == code && answer.body.contains(words), "{client_id} {name}: {}", answer.body);
            assert_eq!(page.get(&format!("/login/oidc/callback{path}"), &trip.cookie).code, 403, "replayed");
            let session = first(answer.header("set-cookie"));
            if code == 200 {
                assert_eq!(page.get("/", &session).code, 200);
                walk(&provider, &mut jar, &format!("{}/session/end", provider.issuer), name);
                assert_eq!(page.get("/", &session).code, 401, "{client_id}: logged out there, and so here");
            }
        }
    }
}

#[test]
fn a_certified_provider_is_an_issuer_by_discovery() {
    use base64::Engine as _;
    use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
    let page: SocketAddr = "127.0.0.1:9".parse().expect("an address");
    let Some(provider) = Certified::start(page) else { return };
    for client in ["rs", "es", "ed"] {
        let verifier = "v".repeat(43);
        let digest = ring::digest::digest(&ring::digest::SHA256, verifier.as_bytes());
        let (challenge, callback) =
            (BASE64_URL_SAFE_NO_PAD.encode(digest), format!("http://{page}/login/oidc/callback"));
        let from = format!(
            "{}/auth?response_type=code&client_id={client}&redirect_uri={callback}&scope=openid&state=s&code_challenge={challenge}&code_challenge_method=S256",
            provider.issuer
        );
        let back = walk(&provider, &mut Jar::new(), &from, "ann");
        let code = back.split(['?', '&']).find_map(|pair| pair.strip_prefix("code=")).expect("a code");
        let form =
            format!("grant_type=authorization_code&code={code}&redirect_uri={callback}&code_verifier={verifier}");
        let (host, length, pair) = (provider.address(), form.len(), BASE64_STANDARD.encode(format!("{client}:s3cret")));
        let answer = stand::web::send(
            host,
            &format!(
                "POST /token HTTP/1.1\r\nHost: {host}\r\nAuthorization: Basic {pair}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{form}"
            ),
        );
        let body: Value = serde_json::from_str(&answer.body).expect("JSON");
        let token = body["id_token"].as_str().unwrap_or_else(|| panic!("no token: {}", answer.body));
        let mut rules = identity::Issuer::new("idp", identity::Preset::Any, &provider.issuer);
        rules.audience = vec![client.to_owned()];
        let (source, life) = (control::KeySource::Discovery, identity::Life::default());
        let settings = control::IssuerSettings { rules, source, life, roots: Vec::new() };
        let keys = control::keys_now(&settings).expect("its keys");
        let now_s = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_secs();
        let verified = |rules: &identity::Issuer| {
            identity::verify(token.as_bytes(), identity::Known { issuer: rules, keys: Some(&keys) }, now_s)
        };
        assert_eq!(verified(&settings.rules).expect("it counts").principal, "idp:ann");
        let other = identity::Issuer { audience: vec!["another".into()], ..settings.rules.clone() };
        assert_eq!(verified(&other), Err(identity::Refused::Audience));
    }
}
