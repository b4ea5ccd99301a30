//! Any bytes: as a token, as a set of keys, as a SPIFFE agent's answers, and, signed, as claims. An identity is bounded, and what is accepted holds now.
#![no_main]

use std::sync::LazyLock;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as B64;
use identity::jws::KeySet;
use identity::{ATTRIBUTES_MAX, GroupRule, Issuer, Known, Matches, Preset, issuer_of, verify};
use libfuzzer_sys::fuzz_target;
use ring::signature::{Ed25519KeyPair, KeyPair};

const NOW_S: u64 = 1_700_000_000;

static KEY: LazyLock<(Ed25519KeyPair, KeySet)> = LazyLock::new(|| {
    let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).expect("a seed");
    let shown = format!(r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","x":"{}"}}]}}"#, B64.encode(pair.public_key()));
    let keys = KeySet::parse(shown.as_bytes()).expect("a set of keys");
    (pair, keys)
});

static ISSUERS: LazyLock<Vec<Issuer>> = LazyLock::new(|| {
    let one = |(name, preset): &(&str, Preset)| {
        let mut issuer = Issuer::new(name, *preset, if *preset == Preset::Spiffe { "d" } else { "i" });
        issuer.audience = vec!["a".into()];
        issuer.attributes = vec!["x".into(), "x/y".into()];
        let claims = Matches(vec![("x".into(), "*y*".into())]);
        issuer.groups = vec![GroupRule { group: "g".into(), claims }];
        issuer
    };
    Preset::ALL.iter().map(one).collect()
});

fuzz_target!(|bytes: &[u8]| {
    let (pair, keys) = &*KEY;
    let _ = KeySet::parse(bytes);
    let _ = identity::svid::svids(bytes);
    let _ = identity::svid::delegated_svids(bytes);
    let _ = identity::svid::bundles(bytes);
    let _ = issuer_of(bytes, ISSUERS.iter());
    let signed = format!("{}.{}", B64.encode(r#"{"alg":"EdDSA"}"#), B64.encode(bytes));
    let token = format!("{signed}.{}", B64.encode(pair.sign(signed.as_bytes())));
    for issuer in ISSUERS.iter() {
        let known = Known { issuer, keys: Some(keys) };
        assert!(verify(bytes, known, NOW_S).is_err(), "nobody has signed it");
        let Ok(identity) = verify(token.as_bytes(), known, NOW_S) else { continue };
        assert!(identity.expires_s > NOW_S && identity.attributes.len() <= ATTRIBUTES_MAX);
        assert!(!identity.subject.is_empty() && identity.principal.starts_with(&issuer.name));
        let text = [&identity.subject, &identity.principal]
            .into_iter()
            .chain(identity.attributes.iter().map(|(_, value)| value));
        assert!(text.into_iter().all(|text| !text.chars().any(char::is_control)));
        assert!(issuer_of(token.as_bytes(), ISSUERS.iter()).is_ok());
    }
});
