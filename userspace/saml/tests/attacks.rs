//! What is done to a response on its way, and what a provider might sign that is not a login here: each is refused by name.
#![allow(clippy::expect_used)] // helpers of tests count as no tests

mod forge;

use std::sync::LazyLock;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use forge::{EXPECTED, Idp, RSA, SHA256, assertion, element, outcome, outer, response, template};
use samael::crypto::{CertificateDer, Crypto, CryptoProvider as _, ReduceMode};
use saml::{Expected, Refused, verify};

/// One key for all: making it takes longer than the rest.
static IDP: LazyLock<Idp> = LazyLock::new(|| Idp::rsa(2048));

fn refused(what: &str, text: &str, why: &Refused) {
    assert_eq!(outcome(text, &IDP.keys()).expect_err(what), *why, "{what}");
}

/// The good assertion after this, signed.
fn changed(from: &str, to: &str) -> String {
    let text = assertion();
    assert!(text.contains(from), "{from}");
    IDP.response(&text.replace(from, to))
}

#[test]
fn a_signed_assertion_names_the_person() {
    let signed = IDP.signed(&assertion());
    let both = IDP.signed(&outer(&signed));
    let declared = format!("\u{feff}<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{}", response(&signed));
    for (what, text) in [("the assertion", response(&signed)), ("both", both), ("a declaration", declared)] {
        let person = outcome(&text, &IDP.keys()).expect(what);
        assert_eq!((person.subject(None), person.shown()), (Ok("ann@example.com"), Some("Ann & Co")), "{what}");
        assert_eq!(person.values("groups").collect::<Vec<_>>(), ["leads", "staff"], "{what}");
        assert_eq!((person.proved_s, person.until_s), (forge::NOW_S - 1800, None), "{what}");
        assert_eq!(person.subject(Some("mail")), Err(Refused::Subject), "no name has a space in it");
        assert_eq!(person.subject(Some("groups")), Err(Refused::Subject), "two values name nobody");
    }
    for (method, digest) in [
        ("rsa-sha384", "http://www.w3.org/2001/04/xmldsig-more#sha384"),
        ("rsa-sha512", "http://www.w3.org/2001/04/xmlenc#sha512"),
    ] {
        let text = assertion().replace("rsa-sha256", method).replace(SHA256, digest);
        outcome(&IDP.response(&text), &IDP.keys()).expect(method);
    }
    let ec = Idp::ec();
    let text = ec.response(&assertion().replace("rsa-sha256", "ecdsa-sha256"));
    outcome(&text, &ec.keys()).expect("ECDSA");
    // Of several keys the one that signed is found, whatever kind the others are of.
    let several = [ec.pem.clone(), Idp::rsa(2048).pem, IDP.pem.clone()].concat();
    let keys = saml::Keys::parse(&several).expect("fit");
    outcome(&response(&signed), &keys).expect("the third key");
    let prefixed = changed(
        "<ds:Transform Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\"/>",
        "<ds:Transform Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\"><ec:InclusiveNamespaces xmlns:ec=\"http://www.w3.org/2001/10/xml-exc-c14n#\" PrefixList=\"xs\"/></ds:Transform>",
    );
    outcome(&prefixed, &IDP.keys()).expect("as Keycloak and Shibboleth do it");
}

/// The eight of SAML Raider (XSWHelpers.java), each with the forged element under a name of its own and under the signed one's.
fn wrapped() -> Vec<(String, String)> {
    let signed = IDP.signed(&assertion());
    let whole = IDP.signed(&outer(&assertion().replace(&template("_a1", RSA, SHA256), "")));
    let bare = signed.replace(element(&signed, "ds:Signature"), "");
    let signature = element(&signed, "ds:Signature");
    let outer_signature = element(&whole, "ds:Signature");
    let whole_bare = whole.replace(outer_signature, "");
    let mut all = Vec::new();
    for id in ["_evil", "_a1", "_p1"] {
        let evil_of = |text: &str| text.replace("ann@example.com", "root@example.com").replace("leads", "admins");
        let evil = evil_of(&bare).replace("\"_a1\"", &format!("\"{id}\""));
        let evil_whole = evil_of(&whole_bare).replace("\"_p1\"", &format!("\"{id}\""));
        let into = |text: &str, tag: &str, inside: &str| text.replacen(tag, &format!("{inside}{tag}"), 1);
        let in_signature = |original: &str, around: &str| {
            into(signature, "</ds:Signature>", &format!("<{around}>{original}</{around}>"))
        };
        let with = |evil: &str, signature: &str| into(evil, "<saml:Subject>", signature);
        all.extend(
            [
                ("1", into(&evil_whole, "<samlp:Status>", &into(outer_signature, "</ds:Signature>", &whole_bare))),
                ("2", into(&evil_whole, "<samlp:Status>", &format!("{whole_bare}{outer_signature}"))),
                ("3", response(&format!("{evil}{signed}"))),
                ("3, the other way", response(&format!("{signed}{evil}"))),
                ("4", response(&into(&evil, "</saml:Assertion>", &signed))),
                ("5", response(&format!("{}{bare}", with(&evil, signature)))),
                ("6", response(&with(&evil, &into(signature, "</ds:Signature>", &bare)))),
                ("7", response(&format!("<samlp:Extensions>{evil}</samlp:Extensions>{signed}"))),
                ("7, the other way", response(&format!("{evil}<samlp:Extensions>{signed}</samlp:Extensions>"))),
                ("8", response(&with(&evil, &in_signature(&bare, "ds:Object")))),
                ("8, in KeyInfo", response(&with(&evil, &in_signature(&bare, "ds:KeyInfo")))),
                ("8, the signed one", response(&with(&evil, &in_signature(&signed, "ds:Object")))),
            ]
            .map(|(name, text)| (format!("XSW {name}, {id}"), text)),
        );
    }
    all
}

#[test]
fn a_wrapped_signature_signs_nothing_else() {
    for (name, text) in wrapped() {
        assert!(text.contains("root@example.com") && text.contains("ann@example.com"), "{name}");
        let why = outcome(&text, &IDP.keys()).expect_err(&name);
        assert!(
            matches!(why, Refused::Shape(_) | Refused::Reference | Refused::Unsigned | Refused::NotXml),
            "{name}: {why}"
        );
        // Nor would it without our screen: what is read is what was digested.
        let der: CertificateDer = openssl::x509::X509::from_pem(&IDP.pem).expect("PEM").to_der().expect("DER").into();
        let digested = Crypto::reduce_xml_to_signed(&text, &[der], ReduceMode::PreDigest);
        assert!(!digested.is_ok_and(|text| text.contains("root@example.com")), "{name}");
    }
}

#[test]
fn a_signature_is_of_what_it_stands_in() {
    let signed = IDP.response(&assertion());
    for (what, from, to) in [
        ("nothing named", "URI=\"#_a1\"", "URI=\"\""),
        ("the response", "URI=\"#_a1\"", "URI=\"#_p1\""),
        ("a file", "URI=\"#_a1\"", "URI=\"file:///etc/passwd\""),
        ("another host", "URI=\"#_a1\"", "URI=\"http://127.0.0.1:9/\""),
        ("a pointer", "URI=\"#_a1\"", "URI=\"#xpointer(id('_a1'))\""),
        ("a second reference", "</ds:SignedInfo>", "<ds:Reference URI=\"#_a1\"/></ds:SignedInfo>"),
        (
            "no transform",
            "<ds:Transform Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\"/></ds:Transforms>",
            "</ds:Transforms>",
        ),
        (
            "a stylesheet",
            "http://www.w3.org/2000/09/xmldsig#enveloped-signature",
            "http://www.w3.org/TR/1999/REC-xslt-19991116",
        ),
        (
            "a path",
            "http://www.w3.org/2000/09/xmldsig#enveloped-signature",
            "http://www.w3.org/TR/1999/REC-xpath-19991116",
        ),
        ("a manifest", "</ds:Signature>", "<ds:Object><ds:Manifest/></ds:Object></ds:Signature>"),
        (
            "comments count",
            "Transform Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\"",
            "Transform Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#WithComments\"",
        ),
        ("a name twice", "<saml:Subject>", "<saml:Subject ID=\"_a1\">"),
        ("a name twice, spelled otherwise", "<saml:Subject>", "<saml:Subject Id=\"_a1\">"),
        ("XML's own name", "<saml:Subject>", "<saml:Subject xml:id=\"_a2\">"),
        ("no name", "ID=\"_a1\"", ""),
    ] {
        assert!(signed.contains(from), "{what}");
        refused(what, &signed.replacen(from, to, 1), &Refused::Reference);
    }
    let signature = element(&signed, "ds:Signature").to_owned();
    refused(
        "elsewhere",
        &signed.replace(&signature, "").replace("</saml:Subject>", &format!("{signature}</saml:Subject>")),
        &Refused::Shape("a signature is neither the response's nor the assertion's"),
    );
    refused(
        "twice",
        &signed.replace(&signature, &format!("{signature}{signature}")),
        &Refused::Shape("it is signed twice"),
    );
    let other = signature.replace("http://www.w3.org/2000/09/xmldsig#\"", "urn:other\"");
    refused("another namespace", &signed.replace(&signature, &other), &Refused::Reference);
}

#[test]
fn a_response_that_nobody_signed_so_is_refused() {
    let bare = assertion().replace(&template("_a1", RSA, SHA256), "");
    refused("unsigned", &response(&bare), &Refused::Unsigned);
    refused("the response alone", &IDP.signed(&outer(&bare)), &Refused::Unsigned);
    let other = Idp::rsa(2048);
    refused("another key", &other.response(&assertion()), &Refused::Signature);
    let info = format!(
        "<ds:KeyInfo><ds:X509Data><ds:X509Certificate>{}</ds:X509Certificate></ds:X509Data></ds:KeyInfo></ds:Signature>",
        other.certificate()
    );
    let embedded = other.response(&assertion().replacen("</ds:Signature>", &info, 1));
    assert!(outcome(&embedded, &other.keys()).is_ok(), "a key that stands in it does no harm");
    refused("a key that it brings along", &embedded, &Refused::Signature);
    let value = r#"<ds:KeyInfo><ds:KeyValue><ds:RSAKeyValue><ds:Modulus>AQAB</ds:Modulus><ds:Exponent>AQAB</ds:Exponent></ds:RSAKeyValue></ds:KeyValue><ds:RetrievalMethod URI="http://127.0.0.1:9/"/></ds:KeyInfo></ds:Signature>"#;
    refused(
        "a bare key that it brings along",
        &other.response(&assertion().replacen("</ds:Signature>", value, 1)),
        &Refused::Signature,
    );
    let signed = IDP.response(&assertion());
    refused("a letter", &signed.replace("ann@example.com", "bob@example.com"), &Refused::Signature);
    refused("an attribute", &signed.replace("SessionIndex=\"s1\"", "SessionIndex=\"s2\""), &Refused::Signature);
    refused("a group", &signed.replace("staff", "admins"), &Refused::Signature);
    refused(
        "no value",
        &signed.replace(element(&signed, "ds:SignatureValue"), "<ds:SignatureValue/>"),
        &Refused::Signature,
    );
    // Where both are signed, both must be right.
    let both = IDP.signed(&outer(&IDP.signed(&assertion())));
    refused(
        "the outer one is wrong",
        &both.replace(
            "ID=\"_p1\" Version=\"2.0\" IssueInstant=\"2027-01-15T08:00:00Z\"",
            "ID=\"_p1\" Version=\"2.0\" IssueInstant=\"2027-01-15T08:00:01Z\"",
        ),
        &Refused::Signature,
    );
    let inner_other = IDP.signed(&outer(&other.signed(&assertion())));
    refused("the inner one is another's", &inner_other, &Refused::Signature);
}

#[test]
fn an_algorithm_is_one_of_the_allowed() {
    let sha1 = "http://www.w3.org/2000/09/xmldsig#";
    refused("RSA with SHA-1", &changed(RSA, &format!("{sha1}rsa-sha1")), &Refused::Algorithm);
    refused("a digest of SHA-1", &changed(SHA256, &format!("{sha1}sha1")), &Refused::Algorithm);
    let signed = IDP.response(&assertion());
    // The public key as the secret of an HMAC, and what else a name may say.
    for method in [
        "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256",
        "http://www.w3.org/2000/09/xmldsig#hmac-sha1",
        "http://www.w3.org/2001/04/xmldsig-more#rsa-md5",
        "http://www.w3.org/2009/xmldsig11#dsa-sha256",
        "none",
        "",
    ] {
        refused(method, &signed.replace(RSA, method), &Refused::Algorithm);
    }
    refused("a part of a signature", &signed.replace(&format!("<ds:SignatureMethod Algorithm=\"{RSA}\"/>"), &format!("<ds:SignatureMethod Algorithm=\"{RSA}\"><ds:HMACOutputLength>8</ds:HMACOutputLength></ds:SignatureMethod>")), &Refused::Reference);
    refused("another kind of key", &signed.replace("rsa-sha256", "ecdsa-sha256"), &Refused::Signature);
}

#[test]
fn markup_that_changes_what_is_read_never_reaches_a_parser() {
    let signed = IDP.response(&assertion());
    let in_name = |markup: &str| signed.replace("ann@example.com<", &format!("ann@example.com{markup}.evil.example<"));
    let with_type = |kind: &str| format!("<?xml version=\"1.0\"?>{kind}{signed}");
    let laughs: String = (1..9).map(|n| format!("<!ENTITY l{n} \"{}\">", format!("&l{};", n - 1).repeat(10))).collect();
    for (what, text) in [
        ("a comment in a name", in_name("<!---->")),
        ("a comment in a group", signed.replace("leads", "le<!-- -->ads")),
        ("an instruction in a name", in_name("<?x?>")),
        ("CDATA in a name", in_name("<![CDATA[]]>")),
        ("a comment behind", format!("{signed}<!-- -->")),
        ("an instruction in front", format!("<?x?>{signed}")),
        (
            "a file",
            with_type("<!DOCTYPE r [<!ENTITY x SYSTEM \"file:///etc/passwd\">]>").replace("ann@example.com", "&x;"),
        ),
        ("another host", with_type("<!DOCTYPE r SYSTEM \"http://127.0.0.1:9/x.dtd\">")),
        ("a parameter", with_type("<!DOCTYPE r [<!ENTITY % x SYSTEM \"http://127.0.0.1:9/\"> %x;]>")),
        (
            "laughs",
            with_type(&format!("<!DOCTYPE r [<!ENTITY l0 \"ha\">{laughs}]>")).replace("ann@example.com", "&l8;"),
        ),
        ("a default", with_type("<!DOCTYPE r [<!ATTLIST saml:Subject ID ID \"_a1\">]>")),
    ] {
        refused(what, &text, &Refused::Markup);
    }
    refused("an entity of nobody", &signed.replace("ann@example.com", "&x;"), &Refused::NotXml);
    refused(
        "an encoding that hides it",
        &format!("<?xml version=\"1.0\" encoding=\"UTF-7\"?>{signed}"),
        &Refused::Encoding,
    );
    refused("cut off", &signed[..signed.len() - 20], &Refused::NotXml);
    refused("nothing", "", &Refused::NotXml);
    refused("a zero", &signed.replace("ann@", "ann\0@"), &Refused::NotXml);
}

#[test]
fn what_is_too_much_is_refused_before_it_is_read() {
    let signed = IDP.response(&assertion());
    refused(
        "elements",
        &signed.replace("</saml:Assertion>", &format!("{}</saml:Assertion>", "<x/>".repeat(9000))),
        &Refused::TooMuch,
    );
    let many: String = (0..5000).map(|n| format!(" a{n}=''")).collect();
    refused("attributes", &signed.replace("<saml:Subject>", &format!("<saml:Subject{many}>")), &Refused::TooMuch);
    refused(
        "depth",
        &signed.replace("<saml:Subject>", &format!("{}{}<saml:Subject>", "<x>".repeat(40), "</x>".repeat(40))),
        &Refused::TooMuch,
    );
    let long = BASE64_STANDARD.encode("<".repeat(saml::RESPONSE_BYTES_MAX));
    assert_eq!(verify(&long, &IDP.keys(), &EXPECTED), Err(Refused::TooLong));
    for broken in ["%", "PHg=PHg=", "/w=="] {
        assert_eq!(verify(broken, &IDP.keys(), &EXPECTED), Err(Refused::Encoding), "{broken}");
    }
}

#[test]
fn a_response_is_one_with_one_assertion() {
    let signed = IDP.signed(&assertion());
    refused("the assertion alone", &signed, &Refused::Shape("its root is no Response of SAML 2.0"));
    refused("none", &response(""), &Refused::Shape("there is no assertion"));
    let other = signed.replace("urn:oasis:names:tc:SAML:2.0:assertion", "urn:oasis:names:tc:SAML:1.0:assertion");
    refused(
        "SAML 1",
        &response(&other),
        &Refused::Shape("there are several assertions, or one elsewhere than below the response"),
    );
    let encrypted = "<saml:EncryptedAssertion xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\"><xenc:EncryptedData xmlns:xenc=\"http://www.w3.org/2001/04/xmlenc#\"/></saml:EncryptedAssertion>";
    refused("encrypted", &response(encrypted), &Refused::Encrypted);
    refused("one of two encrypted", &response(&format!("{signed}{encrypted}")), &Refused::Encrypted);
    refused(
        "an encrypted name",
        &changed("</saml:Subject>", "<saml:EncryptedID/></saml:Subject>"),
        &Refused::Encrypted,
    );
    let status = "<samlp:StatusCode Value=\"urn:oasis:names:tc:SAML:2.0:status:Responder\"><samlp:StatusCode Value=\"urn:oasis:names:tc:SAML:2.0:status:AuthnFailed\"/></samlp:StatusCode><samlp:StatusMessage>not today</samlp:StatusMessage>";
    let failed =
        response("").replace("<samlp:StatusCode Value=\"urn:oasis:names:tc:SAML:2.0:status:Success\"/>", status);
    refused("no login", &failed, &Refused::Status("Responder, AuthnFailed, not today".into()));
    let inside = failed.replace("</samlp:Response>", &format!("{signed}</samlp:Response>"));
    refused("no login, and one yet", &inside, &Refused::Status("Responder, AuthnFailed, not today".into()));
    let around = response(&signed);
    for (what, from, to, why) in [
        (
            "handed in elsewhere",
            "Destination=\"https://us.example",
            "Destination=\"https://other.example",
            Refused::Recipient,
        ),
        (
            "of another request",
            "InResponseTo=\"_r1\"><saml:Issuer",
            "InResponseTo=\"_r2\"><saml:Issuer",
            Refused::Request,
        ),
        (
            "of another provider",
            ">https://idp.example</saml:Issuer><samlp",
            ">https://evil.example</saml:Issuer><samlp",
            Refused::Issuer,
        ),
    ] {
        assert!(around.contains(from), "{what}");
        refused(what, &around.replace(from, to), &why);
    }
}

#[test]
fn each_thing_that_was_signed_is_looked_at() {
    let recipient =
        "Recipient=\"https://us.example/login/saml/acs\" InResponseTo=\"_r1\" NotOnOrAfter=\"2027-01-15T08:05:00Z\"";
    let audience =
        "<saml:AudienceRestriction><saml:Audience>https://us.example</saml:Audience></saml:AudienceRestriction>";
    let bearer = "urn:oasis:names:tc:SAML:2.0:cm:bearer";
    for (from, to, why) in [
        (">https://idp.example<", ">https://idp.example/<", Refused::Issuer),
        (">https://us.example<", ">https://us.example/<", Refused::Audience),
        (audience, "", Refused::Audience),
        (audience, "<saml:AudienceRestriction/>", Refused::Audience),
        (
            audience,
            &format!("{audience}<saml:AudienceRestriction><saml:Audience>x</saml:Audience></saml:AudienceRestriction>"),
            Refused::Audience,
        ),
        (audience, &format!("{audience}<saml:Condition/>"), Refused::Condition),
        (audience, &format!("{audience}<x:Y xmlns:x=\"urn:x\"/>"), Refused::Condition),
        (
            "Recipient=\"https://us.example/login/saml/acs\"",
            "Recipient=\"https://us.example/login/saml/acs2\"",
            Refused::Recipient,
        ),
        ("Recipient=\"https://us.example/login/saml/acs\"", "", Refused::Recipient),
        ("InResponseTo=\"_r1\"", "InResponseTo=\"_r2\"", Refused::Request),
        ("InResponseTo=\"_r1\"", "", Refused::Request),
        (recipient, "", Refused::Recipient),
        (bearer, "urn:oasis:names:tc:SAML:2.0:cm:holder-of-key", Refused::Malformed("who may hand it in")),
        (
            "InResponseTo=\"_r1\" NotOnOrAfter=\"2027-01-15T08:05:00Z\"",
            "InResponseTo=\"_r1\"",
            Refused::Malformed("until when it may be handed in"),
        ),
        (
            "InResponseTo=\"_r1\" NotOnOrAfter=\"2027-01-15T08:05:00Z\"",
            "InResponseTo=\"_r1\" NotOnOrAfter=\"2027-01-15T07:59:00Z\"",
            Refused::Expired,
        ),
        ("InResponseTo=\"_r1\"", "InResponseTo=\"_r1\" NotBefore=\"2027-01-15T08:01:01Z\"", Refused::NotYet),
        ("NotOnOrAfter=\"2027-01-15T08:05:00.000Z\"", "NotOnOrAfter=\"2027-01-15T07:59:00Z\"", Refused::Expired),
        ("NotBefore=\"2027-01-15T07:59:00Z\"", "NotBefore=\"2027-01-15T08:01:01Z\"", Refused::NotYet),
        ("NotBefore=\"2027-01-15T07:59:00Z\"", "NotBefore=\"today\"", Refused::Malformed("a time")),
        ("NotOnOrAfter=\"2027-01-15T08:05:00.000Z\"", "NotOnOrAfter=\"\"", Refused::Malformed("a time")),
        ("IssueInstant=\"2027-01-15T08:00:00Z\"", "IssueInstant=\"2027-01-15T08:01:01Z\"", Refused::NotYet),
        ("IssueInstant=\"2027-01-15T08:00:00Z\"", "IssueInstant=\"2027-01-15T07:49:00Z\"", Refused::Expired),
        ("IssueInstant=\"2027-01-15T08:00:00Z\"", "", Refused::Malformed("when it was issued")),
        ("AuthnInstant=\"2027-01-15T07:30:00Z\"", "AuthnInstant=\"2027-01-15T08:01:01Z\"", Refused::NotYet),
        ("AuthnInstant=\"2027-01-15T07:30:00Z\"", "", Refused::Malformed("when the person was asked")),
        ("SessionIndex=\"s1\"", "SessionNotOnOrAfter=\"2027-01-15T07:59:00Z\"", Refused::Expired),
        ("<saml:Conditions", "<saml:Conditions/><saml:Conditions", Refused::Malformed("Conditions")),
        ("</saml:NameID>", "</saml:NameID><saml:NameID>root</saml:NameID>", Refused::Malformed("NameID")),
        ("ann@example.com", "ann@example.com<x/>.evil.example", Refused::Malformed("a text with something in it")),
        (">leads<", "><x/>leads<", Refused::Malformed("a text with something in it")),
        ("Attribute Name=\"groups\"", "Attribute", Refused::Malformed("an attribute has no name")),
    ] {
        refused(&format!("{from} -> {to}"), &changed(from, to), &why);
    }
    let lasting = outcome(&changed("SessionIndex=\"s1\"", "SessionNotOnOrAfter=\"2027-01-15T09:00:00Z\""), &IDP.keys());
    assert_eq!(lasting.expect("good").until_s, Some(forge::NOW_S + 3600));
    for (from, to) in [
        ("persistent", "transient"),
        ("ann@example.com", ""),
        ("ann@example.com", "ann b"),
        ("ann@example.com", "ann&#xFEFF;"),
    ] {
        let person = outcome(&changed(from, to), &IDP.keys()).expect("signed");
        assert_eq!(person.subject(None), Err(Refused::Subject), "{to}");
    }
    let named = outcome(
        &changed("Name=\"mail\"><saml:AttributeValue>Ann &amp; Co", "Name=\"oid\"><saml:AttributeValue>5f3c"),
        &IDP.keys(),
    )
    .expect("good");
    assert_eq!(named.subject(Some("oid")), Ok("5f3c"));
}

#[test]
fn an_answer_is_to_one_request_and_fresh_where_that_was_asked() {
    let text = BASE64_STANDARD.encode(IDP.response(&assertion()));
    let with = |expected: &Expected<'_>| verify(&text, &IDP.keys(), expected).map(|_| ());
    assert_eq!(with(&EXPECTED), Ok(()));
    assert_eq!(with(&Expected { request: "_r2", ..EXPECTED }), Err(Refused::Request), "replayed to another login");
    assert_eq!(with(&Expected { request: "", ..EXPECTED }), Err(Refused::Request));
    for (age, outcome) in [(1800, Ok(())), (1739, Err(Refused::Stale)), (0, Err(Refused::Stale))] {
        assert_eq!(with(&Expected { max_age_s: Some(age), ..EXPECTED }), outcome, "{age}");
    }
    assert_eq!(with(&Expected { now_s: forge::NOW_S + 359, ..EXPECTED }), Ok(()));
    assert_eq!(with(&Expected { now_s: forge::NOW_S + 360, ..EXPECTED }), Err(Refused::Expired));
    assert_eq!(with(&Expected { now_s: forge::NOW_S - 61, ..EXPECTED }), Err(Refused::NotYet));
}

#[test]
fn keys_are_certificates_of_a_size() {
    use saml::{Keys, Unfit};
    let outcome = |pem: &[u8]| Keys::parse(pem).map(|_| ()).err();
    assert_eq!(outcome(&IDP.pem), None);
    assert_eq!(outcome(b""), Some(Unfit::None));
    assert_eq!(outcome(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), Some(Unfit::None));
    assert_eq!(outcome(&IDP.key.private_key_to_pem_pkcs8().expect("PEM")), Some(Unfit::None));
    assert_eq!(outcome(&Idp::rsa(1024).pem), Some(Unfit::Key));
    assert_eq!(outcome(&IDP.pem.repeat(9)), Some(Unfit::TooMany));
}
