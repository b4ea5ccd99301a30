//! A provider that signs whatever it is told, and what can be done to a response on its way.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use openssl::asn1::Asn1Time;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use openssl::x509::{X509, X509NameBuilder};
use samael::crypto::{Crypto, CryptoProvider as _};
use saml::{Assertion, Expected, Keys, Refused, verify};

/// 2027-01-15T08:00:00Z.
pub(crate) const NOW_S: u64 = 1_800_000_000;
pub(crate) const RSA: &str = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256";
pub(crate) const SHA256: &str = "http://www.w3.org/2001/04/xmlenc#sha256";

pub(crate) struct Idp {
    pub key: PKey<Private>,
    pub pem: Vec<u8>,
}

impl Idp {
    pub(crate) fn rsa(bits: u32) -> Idp {
        Idp::of(PKey::from_rsa(Rsa::generate(bits).expect("a key")).expect("a key"))
    }

    pub(crate) fn ec() -> Idp {
        let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).expect("P-256");
        Idp::of(PKey::from_ec_key(EcKey::generate(&group).expect("a key")).expect("a key"))
    }

    fn of(key: PKey<Private>) -> Idp {
        let mut name = X509NameBuilder::new().expect("a name");
        name.append_entry_by_text("CN", "idp.example").expect("a name");
        let name = name.build();
        let mut certificate = X509::builder().expect("a certificate");
        certificate.set_version(2).expect("set");
        certificate.set_subject_name(&name).expect("set");
        certificate.set_issuer_name(&name).expect("set");
        certificate.set_pubkey(&key).expect("set");
        // Long expired: the configured key counts, whatever its certificate says of time.
        certificate.set_not_before(&Asn1Time::from_unix(0).expect("a time")).expect("set");
        certificate.set_not_after(&Asn1Time::from_unix(86_400).expect("a time")).expect("set");
        certificate.sign(&key, MessageDigest::sha256()).expect("signed");
        let pem = certificate.build().to_pem().expect("PEM");
        Idp { key, pem }
    }

    pub(crate) fn keys(&self) -> Keys {
        Keys::parse(&self.pem).expect("fit")
    }

    /// Signs where the first empty signature is.
    pub(crate) fn signed(&self, text: &str) -> String {
        let der = self.key.private_key_to_der().expect("DER");
        let signed = Crypto::sign_xml(text, &der).expect("signed");
        signed.split_once("?>").map_or(signed.as_str(), |(_, rest)| rest).trim().to_owned()
    }

    /// The assertion, signed, in a response.
    pub(crate) fn response(&self, assertion: &str) -> String {
        response(&self.signed(assertion))
    }

    pub(crate) fn certificate(&self) -> String {
        String::from_utf8(self.pem.clone()).expect("PEM").lines().filter(|line| !line.starts_with('-')).collect()
    }
}

/// A signature to be made, of the element with this id.
pub(crate) fn template(id: &str, method: &str, digest: &str) -> String {
    format!(
        r##"<ds:Signature xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:SignedInfo><ds:CanonicalizationMethod Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"/><ds:SignatureMethod Algorithm="{method}"/><ds:Reference URI="#{id}"><ds:Transforms><ds:Transform Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature"/><ds:Transform Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"/></ds:Transforms><ds:DigestMethod Algorithm="{digest}"/><ds:DigestValue/></ds:Reference></ds:SignedInfo><ds:SignatureValue/></ds:Signature>"##
    )
}

/// A good assertion of `ann`, with a signature to be made.
pub(crate) fn assertion() -> String {
    let signature = template("_a1", RSA, SHA256);
    format!(
        r#"<saml:Assertion xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="_a1" Version="2.0" IssueInstant="2027-01-15T08:00:00Z"><saml:Issuer>https://idp.example</saml:Issuer>{signature}<saml:Subject><saml:NameID Format="urn:oasis:names:tc:SAML:2.0:nameid-format:persistent">ann@example.com</saml:NameID><saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer"><saml:SubjectConfirmationData Recipient="https://us.example/login/saml/acs" InResponseTo="_r1" NotOnOrAfter="2027-01-15T08:05:00Z"/></saml:SubjectConfirmation></saml:Subject><saml:Conditions NotBefore="2027-01-15T07:59:00Z" NotOnOrAfter="2027-01-15T08:05:00.000Z"><saml:AudienceRestriction><saml:Audience>https://us.example</saml:Audience></saml:AudienceRestriction></saml:Conditions><saml:AuthnStatement AuthnInstant="2027-01-15T07:30:00Z" SessionIndex="s1"><saml:AuthnContext><saml:AuthnContextClassRef>urn:oasis:names:tc:SAML:2.0:ac:classes:Password</saml:AuthnContextClassRef></saml:AuthnContext></saml:AuthnStatement><saml:AttributeStatement><saml:Attribute Name="groups"><saml:AttributeValue>leads</saml:AttributeValue><saml:AttributeValue>staff</saml:AttributeValue></saml:Attribute><saml:Attribute Name="mail"><saml:AttributeValue>Ann &amp; Co</saml:AttributeValue></saml:Attribute></saml:AttributeStatement></saml:Assertion>"#
    )
}

/// Around an assertion, unsigned.
pub(crate) fn response(inside: &str) -> String {
    format!(
        r#"<samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" ID="_p1" Version="2.0" IssueInstant="2027-01-15T08:00:00Z" Destination="https://us.example/login/saml/acs" InResponseTo="_r1"><saml:Issuer xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion">https://idp.example</saml:Issuer><samlp:Status><samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success"/></samlp:Status>{inside}</samlp:Response>"#
    )
}

/// A response that is to be signed itself.
pub(crate) fn outer(inside: &str) -> String {
    response(inside).replacen("<samlp:Status>", &format!("{}<samlp:Status>", template("_p1", RSA, SHA256)), 1)
}

pub(crate) const EXPECTED: Expected<'static> = Expected {
    issuer: "https://idp.example",
    audience: "https://us.example",
    recipient: "https://us.example/login/saml/acs",
    request: "_r1",
    max_age_s: None,
    now_s: NOW_S,
};

pub(crate) fn outcome(text: &str, keys: &Keys) -> Result<Assertion, Refused> {
    verify(&BASE64_STANDARD.encode(text), keys, &EXPECTED)
}

/// The first element of this name with all that is in it.
pub(crate) fn element<'a>(text: &'a str, name: &str) -> &'a str {
    let start = text.find(&format!("<{name}")).expect("it begins");
    let end = format!("</{name}>");
    let length = text[start..].rfind(&end).expect("it ends") + end.len();
    &text[start..start + length]
}
