//! Tokens, good and bad: what each becomes.

#![allow(unreachable_pub, clippy::unwrap_used, clippy::expect_used)] // its one room is a file; a test fails by a panic

mod signer;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as B64;
use identity::jws::KeySet;
use identity::{Algorithm, GroupRule, Identity, Issuer, Known, Matches, Preset, Refused, issuer_of, verify};
use serde_json::{Value, json};
use signer::Signer;

const NOW_S: u64 = 1_700_000_100;

fn issuer() -> Issuer {
    let mut issuer = Issuer::new("ci", Preset::Any, "https://issuer.example");
    issuer.audience = vec!["interceptor".into()];
    issuer
}

/// Claims that are accepted, with these in their place.
fn claims(other: Value) -> Value {
    let mut claims = json!({
        "iss": "https://issuer.example", "sub": "job-1", "aud": "interceptor",
        "iat": NOW_S - 10, "nbf": NOW_S - 10, "exp": NOW_S + 600, "jti": "j1",
    });
    for (name, value) in other.as_object().unwrap() {
        match value {
            Value::Null => claims.as_object_mut().unwrap().remove(name),
            value => claims.as_object_mut().unwrap().insert(name.clone(), value.clone()),
        };
    }
    claims
}

fn verified(signer: &Signer, issuer: &Issuer, token: &str) -> Result<Identity, Refused> {
    verify(token.as_bytes(), Known { issuer, keys: Some(&signer.keys()) }, NOW_S)
}

fn with(issuer: &Issuer, other: Value) -> Result<Identity, Refused> {
    let signer = Signer::new();
    verified(&signer, issuer, &signer.eddsa(&claims(other).to_string()))
}

fn claim(name: &str) -> Refused {
    Refused::Claim(name.to_owned())
}

#[test]
fn three_algorithms_sign() {
    let signer = Signer::new();
    let text = claims(json!({})).to_string();
    for token in [signer.eddsa(&text), signer.es256(&text), format!("{}\n", signer.eddsa(&text))] {
        let identity = verified(&signer, &issuer(), &token).unwrap();
        assert_eq!((identity.issuer.as_str(), identity.subject.as_str()), ("ci", "job-1"));
        assert_eq!((identity.principal.as_str(), identity.expires_s), ("ci:job-1", NOW_S + 600));
        assert_eq!((identity.groups, identity.attributes), (vec![], vec![]));
    }
    let keys = KeySet::parse(include_bytes!("rs256/keys.json")).unwrap();
    let (token, issuer) = (include_bytes!("rs256/token"), issuer());
    let identity = verify(token, Known { issuer: &issuer, keys: Some(&keys) }, NOW_S).unwrap();
    assert_eq!(identity.subject, "job-1");
    let other = Known { issuer: &issuer, keys: Some(&signer.keys()) };
    assert_eq!(verify(token, other, NOW_S), Err(Refused::UnknownKey));
}

#[test]
fn an_algorithm_off_the_list_is_refused() {
    let signer = Signer::new();
    let text = claims(json!({})).to_string();
    let mut issuer = issuer();
    issuer.algorithms = vec![Algorithm::Es256];
    assert!(verified(&signer, &issuer, &signer.es256(&text)).is_ok());
    assert!(matches!(verified(&signer, &issuer, &signer.eddsa(&text)), Err(Refused::Algorithm(_))));
}

#[test]
fn no_signature_and_a_shared_secret_are_no_algorithms() {
    let signer = Signer::new();
    let payload = B64.encode(claims(json!({})).to_string());
    for name in ["none", "None", "NONE", ""] {
        let head = B64.encode(json!({ "alg": name }).to_string());
        for signature in ["", "AAAA"] {
            let token = format!("{head}.{payload}.{signature}");
            assert!(matches!(verified(&signer, &issuer(), &token), Err(Refused::Algorithm(_))), "{name} {signature}");
        }
    }
    // The public key as the secret of an HMAC: what a library does that takes the algorithm from the token.
    let secret = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, signer.public());
    let signed = format!("{}.{payload}", B64.encode(r#"{"alg":"HS256","kid":"ed-1"}"#));
    let token = format!("{signed}.{}", B64.encode(ring::hmac::sign(&secret, signed.as_bytes())));
    assert!(matches!(verified(&signer, &issuer(), &token), Err(Refused::Algorithm(_))));
    // The key's own type says what it signs: an Edwards key under the name of another algorithm signs nothing.
    let text = claims(json!({})).to_string();
    let token = signer.eddsa_with(r#"{"alg":"ES256","kid":"ed-1"}"#, &text);
    assert_eq!(verified(&signer, &issuer(), &token), Err(Refused::UnknownKey));
}

#[test]
fn a_header_leads_nowhere() {
    let signer = Signer::new();
    let text = claims(json!({})).to_string();
    let under = |header: &str| verified(&signer, &issuer(), &signer.eddsa_with(header, &text));
    for kid in ["../../../../dev/null", "/etc/passwd", "ed-1\\u0000", "' OR '1'='1", "http://127.0.0.1/keys"] {
        assert_eq!(under(&format!(r#"{{"alg":"EdDSA","kid":"{kid}"}}"#)), Err(Refused::UnknownKey), "{kid}");
    }
    assert!(under(r#"{"alg":"EdDSA"}"#).is_ok(), "without a name every key is tried");
    assert_eq!(under(r#"{"alg":"EdDSA","kid":7}"#), Err(Refused::NoToken));
    assert_eq!(under(r#"{"alg":"EdDSA","crit":["b64"],"b64":false}"#), Err(Refused::NoToken));
    assert_eq!(under(r#"{"alg":"none","alg":"EdDSA"}"#), Err(Refused::NoToken));
    // The token brings its own key, and places to fetch it from.
    let stranger = Signer::new();
    let key = &stranger.document()["keys"][0];
    let header = json!({ "alg": "EdDSA", "jwk": key, "jku": "http://127.0.0.1:1/", "x5u": "http://127.0.0.1:1/" });
    let token = stranger.eddsa_with(&header.to_string(), &text);
    assert_eq!(verified(&signer, &issuer(), &token), Err(Refused::Signature));
}

#[test]
fn wrong_claims_are_refused_by_name() {
    let issuer = issuer();
    let refused = |other: Value| with(&issuer, other).expect_err("is refused");
    assert_eq!(
        refused(json!({ "iss": "https://issuer.example/" })),
        Refused::UnknownIssuer("https://issuer.example/".into())
    );
    assert_eq!(refused(json!({ "iss": null })), claim("iss"));
    assert_eq!(refused(json!({ "aud": "another" })), Refused::Audience);
    assert_eq!(refused(json!({ "aud": ["another", "interceptor2"] })), Refused::Audience);
    assert_eq!(refused(json!({ "aud": null })), claim("aud"));
    assert_eq!(refused(json!({ "aud": ["interceptor", 1] })), claim("aud"));
    assert_eq!(refused(json!({ "exp": NOW_S })), Refused::Expired(0));
    assert_eq!(refused(json!({ "exp": NOW_S - 30 })), Refused::Expired(30));
    assert_eq!(refused(json!({ "exp": null })), claim("exp"));
    assert_eq!(refused(json!({ "exp": (NOW_S + 600).to_string() })), claim("exp"));
    assert_eq!(refused(json!({ "exp": -1 })), claim("exp"));
    assert_eq!(refused(json!({ "exp": NOW_S + 86_401 })), Refused::LongLived(86_400));
    assert_eq!(refused(json!({ "nbf": NOW_S + 61 })), Refused::NotYet(61));
    assert_eq!(refused(json!({ "nbf": "soon" })), claim("nbf"));
    assert_eq!(refused(json!({ "iat": NOW_S + 61 })), Refused::NotYet(61));
    assert_eq!(refused(json!({ "sub": null })), claim("sub"));
    assert_eq!(refused(json!({ "sub": "" })), claim("sub"));
    assert_eq!(refused(json!({ "sub": "a\nb" })), claim("sub"));
    assert_eq!(refused(json!({ "sub": "a".repeat(513) })), claim("sub"));
    assert_eq!(refused(json!({ "jti": 7 })), claim("jti"));
    let good = |other: Value| assert!(with(&issuer, other).is_ok());
    good(json!({ "nbf": NOW_S + 60 }));
    good(json!({ "exp": NOW_S + 1 }));
    good(json!({ "exp": (NOW_S + 5) as f64 + 0.5 }));
    good(json!({ "nbf": null, "iat": null, "jti": null }));
    good(json!({ "aud": ["another", "interceptor"] }));
}

#[test]
fn a_clock_that_is_an_hour_off_is_said() {
    let signer = Signer::new();
    let token = signer.eddsa(&claims(json!({})).to_string());
    let at = |now_s: u64| verify(token.as_bytes(), Known { issuer: &issuer(), keys: Some(&signer.keys()) }, now_s);
    let (late, early) = (at(NOW_S + 3600).expect_err("late"), at(NOW_S - 3600).expect_err("early"));
    assert_eq!((&late, &early), (&Refused::Expired(3000), &Refused::NotYet(3590)));
    assert!(late.to_string().contains("this host's clock") && early.to_string().contains("this host's clock"));
    assert!(at(0).is_err() && at(u64::MAX).is_err());
}

#[test]
fn a_claim_is_there_once() {
    let signer = Signer::new();
    let text = claims(json!({})).to_string();
    for (more, name) in [(r#""sub":"root""#, "sub"), (r#""x":{"y":1,"y":2}"#, "y"), (r#""\u0061ud":"other""#, "aud")] {
        let doubled = format!("{},{more}}}", text.strip_suffix('}').unwrap());
        let refused = verified(&signer, &issuer(), &signer.eddsa(&doubled));
        assert_eq!(refused, Err(Refused::Twice(name.into())), "{more}");
    }
}

#[test]
fn what_is_no_token() {
    let signer = Signer::new();
    let good = signer.eddsa(&claims(json!({})).to_string());
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let (head, payload) = signed.split_once('.').unwrap();
    for bad in [
        String::new(),
        ".".into(),
        "..".into(),
        head.to_owned(),
        signed.to_owned(),
        format!("{head}..{signature}"),
        format!("{head}.{payload}.{signature}="),
        format!("{head}.{payload}. {signature}"),
        format!("{head}.{payload}.{signature}.{signature}"),
        format!("{}.{payload}.{signature}", B64.encode("[]")),
        "\u{fffd}".repeat(20),
    ] {
        let refused = verified(&signer, &issuer(), &bad).expect_err("is refused");
        assert!(matches!(refused, Refused::NoToken | Refused::Signature), "{bad}: {refused}");
    }
    assert_eq!(
        verify(b"\xff.\xff.\xff", Known { issuer: &issuer(), keys: Some(&signer.keys()) }, NOW_S),
        Err(Refused::NoToken)
    );
    assert_eq!(verified(&signer, &issuer(), &"a".repeat(1 << 20)), Err(Refused::TooLong));
    assert_eq!(verified(&signer, &issuer(), &signer.eddsa("[1]")), Err(Refused::Malformed));
    // Every cut and every changed byte.
    for at in 0..good.len() {
        let mut changed = good.clone().into_bytes();
        assert!(verified(&signer, &issuer(), &good[..at]).is_err(), "cut at {at}");
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        assert!(verified(&signer, &issuer(), &String::from_utf8(changed).unwrap()).is_err(), "changed at {at}");
    }
}

#[test]
fn keys_are_bounded_and_must_be_there() {
    let signer = Signer::new();
    let (issuer, token) = (issuer(), signer.eddsa(&claims(json!({})).to_string()));
    assert_eq!(verify(token.as_bytes(), Known { issuer: &issuer, keys: None }, NOW_S), Err(Refused::NoKeys));
    let mut document = signer.document();
    document["padding"] = json!("x".repeat(50 << 20));
    assert!(KeySet::parse(document.to_string().as_bytes()).is_none(), "50 MB are no set of keys");
    let many = json!({ "keys": vec![signer.document()["keys"][0].clone(); 1000] });
    assert_eq!(KeySet::parse(many.to_string().as_bytes()).unwrap().len(), 64);
    // Rotated: another key under the same name.
    let rotated = Signer::new();
    assert_eq!(verified(&rotated, &issuer, &token), Err(Refused::Signature));
    assert!(Refused::Signature.may_be_rotation() && !Refused::Audience.may_be_rotation());
}

#[test]
fn a_token_is_itself_in_every_form() {
    let signer = Signer::new();
    let text = |other: Value| claims(other).to_string();
    let token = |token: &str| verified(&signer, &issuer(), token).unwrap().token;
    // ECDSA signs anew each time: another signature, the same token.
    let without = text(json!({ "jti": null }));
    assert_eq!(token(&signer.es256(&without)), token(&signer.es256(&without)));
    assert_ne!(token(&signer.es256(&without)), token(&signer.es256(&text(json!({ "jti": null, "sub": "job-2" })))));
    // `jti` names it, whatever else it says.
    assert_eq!(token(&signer.eddsa(&text(json!({})))), token(&signer.es256(&text(json!({ "exp": NOW_S + 9 })))));
    assert_ne!(token(&signer.eddsa(&text(json!({})))), token(&signer.eddsa(&text(json!({ "jti": "j2" })))));
}

#[test]
fn claims_become_groups_and_attributes() {
    let group = |group: &str, claims: &[(&str, &str)]| GroupRule {
        group: group.into(),
        claims: Matches(claims.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()),
    };
    let mut issuer = issuer();
    issuer.groups = vec![
        group("leads", &[("roles", "lead")]),
        group("releases", &[("ref", "refs/tags/*"), ("protected", "true")]),
        group("main", &[("ref", "refs/heads/main")]),
    ];
    issuer.attributes = vec!["ref".into(), "roles".into(), "deep/er".into(), "absent".into()];
    let identity = with(
        &issuer,
        json!({
            "ref": "refs/tags/v1", "protected": true, "roles": ["dev", "lead"], "deep": { "er": 7 },
        }),
    )
    .unwrap();
    assert_eq!(identity.groups, ["leads", "releases"]);
    let shown: Vec<String> = identity.attributes.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(shown, ["deep/er=7", "ref=refs/tags/v1", "roles=dev", "roles=lead"]);
    assert_eq!(with(&issuer, json!({ "ref": { "x": 1 } })), Err(claim("ref")));
    assert_eq!(with(&issuer, json!({ "ref": "x".repeat(513) })), Err(Refused::TooMuch("ref".into())));
    assert_eq!(with(&issuer, json!({ "roles": vec!["x"; 257] })), Err(Refused::TooMuch("roles".into())));
    let many: Vec<String> = (0..60).map(|number| number.to_string()).collect();
    assert_eq!(with(&issuer, json!({ "roles": many })), Err(Refused::TooMuch("roles".into())));
    issuer.require = Matches(vec![("ref".into(), "refs/heads/*".into())]);
    assert_eq!(with(&issuer, json!({ "ref": "refs/tags/v1" })), Err(Refused::Required("ref".into())));
    assert_eq!(with(&issuer, json!({})), Err(Refused::Required("ref".into())));
}

/// As the documentation of each shows them.
#[test]
fn presets_name_one_principal_for_each_run() {
    let preset = |preset: Preset, url: &str, require: &[(&str, &str)], other: Value| {
        let mut issuer = Issuer::new("it", preset, url);
        issuer.audience = vec!["interceptor".into()];
        issuer.require = Matches(require.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect());
        issuer.check().unwrap();
        with(&issuer, other)
    };
    let github = json!({
        "iss": "https://token.actions.githubusercontent.com", "sub": "repo:octo-org/octo-repo:ref:refs/heads/main",
        "repository": "octo-org/octo-repo", "repository_id": "74", "repository_owner": "octo-org",
        "repository_owner_id": "65", "ref": "refs/heads/main", "ref_protected": "true", "run_id": "1001",
        "run_attempt": "2", "actor": "octocat", "actor_id": "12", "runner_environment": "self-hosted",
    });
    let url = "https://token.actions.githubusercontent.com";
    let identity = preset(Preset::GithubActions, url, &[("repository_owner_id", "65")], github.clone()).unwrap();
    assert_eq!(identity.principal, "it:74/1001/2");
    assert!(identity.attributes.contains(&("ref".into(), "refs/heads/main".into())));
    let stranger = preset(Preset::GithubActions, url, &[("repository_owner_id", "66")], github);
    assert_eq!(stranger, Err(Refused::Required("repository_owner_id".into())));

    let gitlab = json!({
        "iss": "https://gitlab.example", "sub": "project_path:g/p:ref_type:branch:ref:main", "namespace_id": "72",
        "project_id": "20", "project_path": "g/p", "pipeline_id": "574", "job_id": "302", "ref": "main",
        "ref_protected": "false", "user_login": "sally",
    });
    let identity = preset(Preset::Gitlab, "https://gitlab.example", &[("project_id", "20")], gitlab).unwrap();
    assert_eq!(identity.principal, "it:20/574/302");

    let pod = json!({
        "iss": "https://kubernetes.default.svc", "sub": "system:serviceaccount:pay:recon",
        "kubernetes.io": { "namespace": "pay", "serviceaccount": { "name": "recon", "uid": "s-1" },
            "pod": { "name": "recon-x", "uid": "p-1" }, "node": { "name": "n", "uid": "n-1" } },
    });
    let url = "https://kubernetes.default.svc";
    let identity = preset(Preset::Kubernetes, url, &[], pod).unwrap();
    assert_eq!(identity.principal, "it:s-1/p-1");
    assert!(identity.attributes.contains(&("kubernetes.io/namespace".into(), "pay".into())));
    let unbound = json!({ "iss": url, "sub": "system:serviceaccount:pay:recon",
        "kubernetes.io": { "namespace": "pay", "serviceaccount": { "name": "recon", "uid": "s-1" } } });
    assert_eq!(preset(Preset::Kubernetes, url, &[], unbound), Err(claim("kubernetes.io/pod/uid")));

    let svid = json!({ "iss": null, "sub": "spiffe://pay.example/recon", "jti": null, "iat": null, "nbf": null });
    let identity = preset(Preset::Spiffe, "pay.example", &[], svid).unwrap();
    assert_eq!(identity.principal, "it:spiffe://pay.example/recon");
    for sub in ["spiffe://pay.example", "spiffe://pay.example/", "spiffe://pay.example.evil/x", "https://pay.example/x"]
    {
        let refused = preset(Preset::Spiffe, "pay.example", &[], json!({ "iss": null, "sub": sub }));
        assert!(matches!(refused, Err(Refused::UnknownIssuer(_))), "{sub}");
    }
}

#[test]
fn the_issuer_is_found_by_what_the_token_claims() {
    let signer = Signer::new();
    let issuers = [
        Issuer::new("one", Preset::Any, "https://one.example"),
        Issuer::new("spiffe", Preset::Spiffe, "pay.example"),
        Issuer::new("two", Preset::Any, "https://issuer.example"),
    ];
    let found = |other: Value| issuer_of(signer.eddsa(&claims(other).to_string()).as_bytes(), &issuers);
    assert_eq!(found(json!({})), Ok(2));
    assert_eq!(found(json!({ "sub": "spiffe://pay.example/x" })), Ok(1));
    assert_eq!(found(json!({ "iss": "https://x\u{7}" })), Err(Refused::UnknownIssuer("https://x".into())));
    assert_eq!(found(json!({ "iss": null, "sub": null })), Err(Refused::UnknownIssuer(String::new())));
    assert_eq!(issuer_of(b"x", &issuers), Err(Refused::NoToken));
}
