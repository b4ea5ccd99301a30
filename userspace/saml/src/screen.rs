//! What may come near xmlsec at all: it reads references, runs transforms and follows URIs before it knows whether anybody signed them.
//!
//! Nothing is believed of what is seen here; it is only refused.

use std::collections::HashSet;
use std::ops::Range;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use roxmltree::{Document, Node};

use crate::assertion::Expected;
use crate::{ASSERTION, PROTOCOL, RESPONSE_BYTES_MAX, Refused};

const SIGNATURE: &str = "http://www.w3.org/2000/09/xmldsig#";
const ENVELOPED: &str = "http://www.w3.org/2000/09/xmldsig#enveloped-signature";
const EXCLUSIVE: &str = "http://www.w3.org/2001/10/xml-exc-c14n#";
/// RFC 4051, RFC 9231: what may sign.
const METHODS: [&str; 6] = [
    "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256",
    "http://www.w3.org/2001/04/xmldsig-more#rsa-sha384",
    "http://www.w3.org/2001/04/xmldsig-more#rsa-sha512",
    "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256",
    "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384",
    "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha512",
];
/// What may digest.
const DIGESTS: [&str; 3] = [
    "http://www.w3.org/2001/04/xmlenc#sha256",
    "http://www.w3.org/2001/04/xmldsig-more#sha384",
    "http://www.w3.org/2001/04/xmlenc#sha512",
];
const SUCCESS: &str = "urn:oasis:names:tc:SAML:2.0:status:Success";
/// Tags, opening and closing.
const TAGS_MAX: usize = 8192;
/// Quotes: two for every attribute and namespace.
const QUOTES_MAX: usize = 8192;
/// Elements within each other.
const DEPTH_MAX: usize = 32;
/// Of a status' words so many letters are shown.
const WORDS_MAX: usize = 200;

/// The text of a response.
pub(crate) fn decode(encoded: &str) -> Result<String, Refused> {
    if encoded.len() > RESPONSE_BYTES_MAX {
        return Err(Refused::TooLong);
    }
    // Some providers break its lines.
    let one_line: String = encoded.split_ascii_whitespace().collect();
    let bytes = BASE64_STANDARD.decode(one_line).map_err(|_| Refused::Encoding)?;
    String::from_utf8(bytes).map_err(|_| Refused::Encoding)
}

/// A response that xmlsec may see.
pub(crate) struct Screened<'a> {
    text: &'a str,
    document: Document<'a>,
    /// Where the response's own signature is, if it has one.
    outer: Option<Range<usize>>,
    assertion_id: String,
}

/// One response with one assertion, or why it is none.
pub(crate) fn screen(text: &str) -> Result<Screened<'_>, Refused> {
    let text = bare(text)?;
    let document = Document::parse(text).map_err(|_| Refused::NotXml)?;
    let root = document.root_element();
    let elements = || root.descendants().filter(Node::is_element);
    if !root.has_tag_name((PROTOCOL, "Response")) || root.attribute("Version") != Some("2.0") {
        return Err(Refused::Shape("its root is no Response of SAML 2.0"));
    }
    if elements().any(|element| element.ancestors().count() > DEPTH_MAX) {
        return Err(Refused::TooMuch);
    }
    status(root)?;
    if elements().any(|element| element.tag_name().name().starts_with("Encrypted")) {
        return Err(Refused::Encrypted);
    }
    let mut assertions = elements().filter(|element| element.tag_name().name() == "Assertion");
    let assertion = match (assertions.next(), assertions.next()) {
        (Some(one), None) if one.has_tag_name((ASSERTION, "Assertion")) && one.parent() == Some(root) => one,
        (None, _) => return Err(Refused::Shape("there is no assertion")),
        _ => return Err(Refused::Shape("there are several assertions, or one elsewhere than below the response")),
    };
    let outer = signatures(root, assertion)?;
    let assertion_id = id(assertion)?.to_owned();
    Ok(Screened { text, outer, assertion_id, document })
}

/// Without the declaration in front, and with nothing that begins with `<!` or `<?`: no document type and so no entity, no comment, no CDATA, no
/// processing instruction. That needs no parser, and so none can be led astray about it.
fn bare(text: &str) -> Result<&str, Refused> {
    let text = text.trim_start_matches('\u{feff}').trim();
    let rest = match text.strip_prefix("<?xml ") {
        Some(rest) => {
            let (declaration, rest) = rest.split_once("?>").ok_or(Refused::NotXml)?;
            let declaration = declaration.to_ascii_lowercase();
            if declaration.contains("encoding") && !declaration.contains("utf-8") {
                return Err(Refused::Encoding);
            }
            rest.trim_start()
        }
        None => text,
    };
    if rest.contains("<!") || rest.contains("<?") {
        return Err(Refused::Markup);
    }
    if !rest.starts_with('<') || rest.chars().any(|letter| letter.is_control() && !"\t\r\n".contains(letter)) {
        return Err(Refused::NotXml);
    }
    let count = |wanted: &[u8]| rest.bytes().filter(|byte| wanted.contains(byte)).count();
    if count(b"<") > TAGS_MAX || count(b"\"'") > QUOTES_MAX {
        return Err(Refused::TooMuch);
    }
    Ok(rest)
}

/// The provider's own word on whether it logged somebody in.
fn status(root: Node<'_, '_>) -> Result<(), Refused> {
    let status = root.children().find(|node| node.has_tag_name((PROTOCOL, "Status")));
    let found = status.ok_or(Refused::Shape("it has no status"))?;
    let codes: Vec<&str> = found
        .descendants()
        .filter(|node| node.has_tag_name((PROTOCOL, "StatusCode")))
        .filter_map(|node| node.attribute("Value"))
        .collect();
    if codes.first() == Some(&SUCCESS) {
        return Ok(());
    }
    let message =
        found.descendants().find(|node| node.has_tag_name((PROTOCOL, "StatusMessage"))).and_then(|node| node.text());
    let names = codes.iter().map(|code| code.rsplit(':').next().unwrap_or_default());
    let words: Vec<&str> = names.chain(message).collect();
    Err(Refused::Status(words.join(", ").chars().take(WORDS_MAX).collect()))
}

/// Every signature there is stands in the response or in its assertion, and is of what it stands in: where the response's own is.
fn signatures(root: Node<'_, '_>, assertion: Node<'_, '_>) -> Result<Option<Range<usize>>, Refused> {
    ids(root)?;
    let (mut outer, mut inner) = (None, None);
    for signature in root.descendants().filter(|node| node.tag_name().name() == "Signature") {
        let place = match signature.parent() {
            Some(parent) if parent == root => &mut outer,
            Some(parent) if parent == assertion => &mut inner,
            _ => return Err(Refused::Shape("a signature is neither the response's nor the assertion's")),
        };
        if place.replace(signature).is_some() {
            return Err(Refused::Shape("it is signed twice"));
        }
    }
    let inner = inner.ok_or(Refused::Unsigned)?;
    for (signature, of) in [(Some(inner), assertion), (outer, root)] {
        signature.map_or(Ok(()), |signature| is_of(signature, id(of)?))?;
    }
    Ok(outer.map(|signature| signature.range()))
}

/// No name is there twice, whoever spells it how: a reference leads to one place.
fn ids(root: Node<'_, '_>) -> Result<(), Refused> {
    let mut seen = HashSet::new();
    for attribute in root.descendants().flat_map(|node| node.attributes()) {
        if attribute.name().eq_ignore_ascii_case("id")
            && (attribute.namespace().is_some() || !seen.insert(attribute.value()))
        {
            return Err(Refused::Reference);
        }
    }
    Ok(())
}

fn id<'a>(of: Node<'a, '_>) -> Result<&'a str, Refused> {
    let fits = |id: &&str| {
        id.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
            && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
    };
    of.attribute("ID").filter(fits).ok_or(Refused::Reference)
}

/// The signature is of the element with this id, whole, and of nothing else (saml-core-2.0-os, 5.4).
fn is_of(signature: Node<'_, '_>, id: &str) -> Result<(), Refused> {
    let parts = parts(signature, &["SignedInfo", "SignatureValue", "KeyInfo"])?;
    let [canonical, method, reference] = parts_of(
        *parts.first().ok_or(Refused::Reference)?,
        &["CanonicalizationMethod", "SignatureMethod", "Reference"],
    )?;
    let [transforms, digest, _] = parts_of(reference, &["Transforms", "DigestMethod", "DigestValue"])?;
    let [enveloped, exclusive] = parts_of(transforms, &["Transform", "Transform"])?;
    let is =
        |node: Node<'_, '_>, wanted: &[&str]| node.attribute("Algorithm").is_some_and(|name| wanted.contains(&name));
    // Of these one alone may say more: whose namespaces count.
    let is_plain = |node: Node<'_, '_>| !node.children().any(|child| child.is_element());
    let names_alone = |node: Node<'_, '_>| {
        node.children()
            .filter(Node::is_element)
            .all(|child| child.has_tag_name((EXCLUSIVE, "InclusiveNamespaces")) && is_plain(child))
    };
    if !is(method, &METHODS) || !is(digest, &DIGESTS) {
        return Err(Refused::Algorithm);
    }
    let of_it = reference.attribute("URI").and_then(|uri| uri.strip_prefix('#')) == Some(id);
    let algorithms = is(canonical, &[EXCLUSIVE]) && is(enveloped, &[ENVELOPED]) && is(exclusive, &[EXCLUSIVE]);
    let plain =
        is_plain(method) && is_plain(digest) && is_plain(enveloped) && names_alone(exclusive) && names_alone(canonical);
    if of_it && algorithms && plain { Ok(()) } else { Err(Refused::Reference) }
}

fn parts_of<'a, 'input, const N: usize>(
    of: Node<'a, 'input>,
    names: &[&str; N],
) -> Result<[Node<'a, 'input>; N], Refused> {
    parts(of, names)?.try_into().map_err(|_| Refused::Reference)
}

/// The children, which are these in this order; the last may be absent.
fn parts<'a, 'input>(of: Node<'a, 'input>, names: &[&str]) -> Result<Vec<Node<'a, 'input>>, Refused> {
    let found: Vec<Node<'a, 'input>> = of.children().filter(Node::is_element).collect();
    let fits = found.len() <= names.len()
        && found.len() + 1 >= names.len()
        && found.iter().zip(names).all(|(node, name)| node.has_tag_name((SIGNATURE, *name)));
    if fits { Ok(found) } else { Err(Refused::Reference) }
}

impl<'a> Screened<'a> {
    pub(crate) fn text(&self) -> &'a str {
        self.text
    }

    pub(crate) fn assertion_id(&self) -> &str {
        &self.assertion_id
    }

    /// The same without the response's own signature, if it has one.
    pub(crate) fn without_outer(&self) -> Option<String> {
        let Range { start, end } = self.outer.clone()?;
        Some(format!("{}{}", self.text.get(..start)?, self.text.get(end..)?))
    }

    /// What the response says around the assertion must not be of another login either, though nobody may have signed it.
    pub(crate) fn about(&self, expected: &Expected<'_>) -> Result<(), Refused> {
        let root = self.document.root_element();
        let issuer = root.children().find(|node| node.has_tag_name((ASSERTION, "Issuer"))).and_then(|node| node.text());
        let differs = |found: Option<&str>, wanted: &str| found.is_some_and(|found| found != wanted);
        if differs(issuer, expected.issuer) {
            Err(Refused::Issuer)
        } else if differs(root.attribute("Destination"), expected.recipient) {
            Err(Refused::Recipient)
        } else if differs(root.attribute("InResponseTo"), expected.request) {
            Err(Refused::Request)
        } else {
            Ok(())
        }
    }
}
