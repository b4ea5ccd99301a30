//! What the provider is told: the request in the address that leads there, and who we are.
#![allow(clippy::expect_used)] // helpers of tests count as no tests

use std::io::Read;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use roxmltree::Document;
use saml::{Party, metadata, request};

const PROTOCOL: &str = "urn:oasis:names:tc:SAML:2.0:protocol";

fn party() -> Party {
    Party::new("https://us.example/?a=1", "https://us.example/login/saml/acs").expect("fits")
}

#[test]
fn the_request_is_in_the_address() {
    for (sso, anew) in [("https://idp.example/sso", false), ("https://idp.example/sso?tenant=a&b", true)] {
        let address = request(&party(), sso, ("_r1", "st4te"), anew, 1_800_000_000).unwrap();
        assert!(address.starts_with(sso), "{address}");
        let query = address.split_once('?').unwrap().1;
        let sent = |name: &str| {
            form_urlencoded::parse(query.as_bytes()).find(|(known, _)| known == name).unwrap().1.into_owned()
        };
        assert_eq!(sent("RelayState"), "st4te");
        let packed = BASE64_STANDARD.decode(sent("SAMLRequest")).unwrap();
        let mut text = String::new();
        flate2::read::DeflateDecoder::new(&packed[..]).read_to_string(&mut text).unwrap();
        let document = Document::parse(&text).unwrap();
        let root = document.root_element();
        assert!(root.has_tag_name((PROTOCOL, "AuthnRequest")), "{text}");
        for (name, value) in [
            ("ID", Some("_r1")),
            ("Version", Some("2.0")),
            ("IssueInstant", Some("2027-01-15T08:00:00.000Z")),
            ("Destination", Some(sso)),
            ("AssertionConsumerServiceURL", Some("https://us.example/login/saml/acs")),
            ("ProtocolBinding", Some("urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST")),
            ("ForceAuthn", anew.then_some("true")),
        ] {
            assert_eq!(root.attribute(name), value, "{text}");
        }
        let issuer = root.children().find(|node| node.tag_name().name() == "Issuer").unwrap();
        assert_eq!(issuer.text(), Some(party().entity_id()), "{text}");
    }
    for entity_id in ["", "a&b", "<a>", "a\"", "a b", "\u{e9}"] {
        assert!(Party::new(entity_id, "https://us.example/").is_none(), "{entity_id}");
    }
    assert_eq!(request(&party(), "no address", ("_r1", "s"), false, 0), None);
}

#[test]
fn the_metadata_says_where_and_how() {
    let text = metadata(&party()).unwrap();
    let document = Document::parse(&text).unwrap();
    let root = document.root_element();
    assert_eq!(root.attribute("entityID"), Some(party().entity_id()), "{text}");
    let ours = root.children().find(|node| node.tag_name().name() == "SPSSODescriptor").unwrap();
    assert_eq!(
        (ours.attribute("WantAssertionsSigned"), ours.attribute("protocolSupportEnumeration")),
        (Some("true"), Some(PROTOCOL)),
        "{text}"
    );
    let place = ours.children().find(|node| node.tag_name().name() == "AssertionConsumerService").unwrap();
    assert_eq!(
        (place.attribute("Location"), place.attribute("Binding")),
        (Some(party().acs()), Some("urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST")),
        "{text}"
    );
    assert!(!text.contains("KeyDescriptor"), "{text}");
}
