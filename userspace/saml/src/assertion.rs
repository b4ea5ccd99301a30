//! What was signed, read and checked (saml-core-2.0-os, 2; saml-profiles-2.0-os, 4.1.4.2 and 4.1.4.3).

use chrono::DateTime;
use roxmltree::{Document, Node};

use crate::{ASSERTION, Refused};

/// Clocks differ by so much.
const LEEWAY_S: u64 = 60;
/// A login may take so long, from our request to its answer.
const LOGIN_S: u64 = 600;
/// A name of a person has 1 to 255 characters of ASCII.
const SUBJECT_MAX: usize = 255;
/// Values of all attributes that are looked at.
const VALUES_MAX: usize = 2048;
const BEARER: &str = "urn:oasis:names:tc:SAML:2.0:cm:bearer";
const TRANSIENT: &str = "urn:oasis:names:tc:SAML:2.0:nameid-format:transient";
/// Attributes that are only shown: as LDAP, ADFS, Entra and Keycloak call them.
const SHOWN: [&str; 8] = [
    "email",
    "mail",
    "urn:oid:0.9.2342.19200300.100.1.3",
    "urn:oid:1.2.840.113549.1.9.1",
    "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress",
    "displayName",
    "urn:oid:2.16.840.1.113730.3.1.241",
    "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/name",
];

/// What a login expects of its answer.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// The provider's entity id.
    pub issuer: &'a str,
    /// Ours.
    pub audience: &'a str,
    /// Where answers come in.
    pub recipient: &'a str,
    /// The id of the request that it answers.
    pub request: &'a str,
    /// The person must have proved who it is so lately, in seconds.
    pub max_age_s: Option<u64>,
    /// Now, in seconds since 1970.
    pub now_s: u64,
}

/// What the provider says of a person: signed, to us, now, about this login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assertion {
    /// When the person proved who it is, in seconds since 1970.
    pub proved_s: u64,
    /// Until when a session that follows from it may last, if the provider says.
    pub until_s: Option<u64>,
    /// `NameID`, unless it is one that changes with every login.
    name_id: Option<String>,
    attributes: Vec<(String, Vec<String>)>,
}

impl Assertion {
    /// From the bytes that were signed, which are of the assertion with this id.
    pub(crate) fn parse(signed: &str, id: &str, expected: &Expected<'_>) -> Result<Assertion, Refused> {
        let document = Document::parse(signed).map_err(|_| Refused::Malformed("it is no XML"))?;
        let root = document.root_element();
        let is_it = root.has_tag_name((ASSERTION, "Assertion")) && root.attribute("ID") == Some(id);
        if !is_it || root.attribute("Version") != Some("2.0") {
            return Err(Refused::Malformed("it is not the assertion"));
        }
        if text(one(root, "Issuer")?)? != expected.issuer {
            return Err(Refused::Issuer);
        }
        let issued_s = time(root, "IssueInstant")?.ok_or(Refused::Malformed("when it was issued"))?;
        begins(issued_s, expected)?;
        ends(issued_s.saturating_add(LOGIN_S), expected)?;
        conditions(one(root, "Conditions")?, expected)?;
        let subject = one(root, "Subject")?;
        confirmed(subject, expected)?;
        let (proved_s, until_s) = authenticated(root, expected)?;
        let name_id = optional(subject, "NameID")?.filter(|name| name.attribute("Format") != Some(TRANSIENT));
        Ok(Assertion { proved_s, until_s, name_id: name_id.map(text).transpose()?, attributes: attributes(root)? })
    }

    /// What names the person for good: the `NameID`, or the one value of this attribute.
    pub fn subject(&self, attribute: Option<&str>) -> Result<&str, Refused> {
        let found = match attribute {
            None => self.name_id.as_deref(),
            Some(name) => match self.values(name).collect::<Vec<_>>().as_slice() {
                [one] => Some(*one),
                _ => None,
            },
        };
        let fits =
            |name: &&str| (1..=SUBJECT_MAX).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_graphic());
        found.filter(fits).ok_or(Refused::Subject)
    }

    /// All values of the attribute.
    pub fn values(&self, name: &str) -> impl Iterator<Item = &str> {
        self.attributes
            .iter()
            .filter(move |(known, _)| known == name)
            .flat_map(|(_, values)| values)
            .map(String::as_str)
    }

    /// What to call the person, where something is said that a person reads; nothing is decided by it.
    pub fn shown(&self) -> Option<&str> {
        SHOWN.iter().find_map(|name| self.values(name).next())
    }
}

/// It is for us, and now; what else it holds under must be known.
fn conditions(conditions: Node<'_, '_>, expected: &Expected<'_>) -> Result<(), Refused> {
    within(conditions, expected)?;
    let mut is_for_us = false;
    for condition in conditions.children().filter(Node::is_element) {
        match (condition.tag_name().namespace(), condition.tag_name().name()) {
            (Some(ASSERTION), "AudienceRestriction") => {
                let audiences = children(condition, "Audience").map(text).collect::<Result<Vec<_>, _>>()?;
                if !audiences.iter().any(|audience| audience == expected.audience) {
                    return Err(Refused::Audience);
                }
                is_for_us = true;
            }
            // Each login uses it once; and nobody is told of it who could pass it on.
            (Some(ASSERTION), "OneTimeUse" | "ProxyRestriction") => {}
            _ => return Err(Refused::Condition),
        }
    }
    if is_for_us { Ok(()) } else { Err(Refused::Audience) }
}

/// Whoever hands it in is the person: here, in time, as the answer to this request.
fn confirmed(subject: Node<'_, '_>, expected: &Expected<'_>) -> Result<(), Refused> {
    let bearer = |node: &Node<'_, '_>| node.attribute("Method") == Some(BEARER);
    let mut outcome = Err(Refused::Malformed("who may hand it in"));
    for confirmation in children(subject, "SubjectConfirmation").filter(bearer) {
        outcome = one(confirmation, "SubjectConfirmationData").and_then(|data| {
            if data.attribute("Recipient") != Some(expected.recipient) {
                return Err(Refused::Recipient);
            }
            if data.attribute("InResponseTo") != Some(expected.request) {
                return Err(Refused::Request);
            }
            within(data, expected)?;
            data.attribute("NotOnOrAfter").map(|_| ()).ok_or(Refused::Malformed("until when it may be handed in"))
        });
        if outcome.is_ok() {
            break;
        }
    }
    outcome
}

/// When the person proved who it is, and until when that is good.
fn authenticated(root: Node<'_, '_>, expected: &Expected<'_>) -> Result<(u64, Option<u64>), Refused> {
    let (mut proved_s, mut until_s) = (None, None::<u64>);
    for statement in children(root, "AuthnStatement") {
        let at = time(statement, "AuthnInstant")?.ok_or(Refused::Malformed("when the person was asked"))?;
        begins(at, expected)?;
        proved_s = proved_s.max(Some(at));
        if let Some(until) = time(statement, "SessionNotOnOrAfter")? {
            ends(until, expected)?;
            until_s = Some(until_s.map_or(until, |known| known.min(until)));
        }
    }
    let proved_s = proved_s.ok_or(Refused::Malformed("when the person was asked"))?;
    let is_fresh = |age: u64| proved_s.saturating_add(age).saturating_add(LEEWAY_S) >= expected.now_s;
    if expected.max_age_s.is_none_or(is_fresh) { Ok((proved_s, until_s)) } else { Err(Refused::Stale) }
}

fn attributes(root: Node<'_, '_>) -> Result<Vec<(String, Vec<String>)>, Refused> {
    let mut left = VALUES_MAX;
    let mut found = Vec::new();
    for attribute in children(root, "AttributeStatement").flat_map(|statement| children(statement, "Attribute")) {
        let name = attribute.attribute("Name").ok_or(Refused::Malformed("an attribute has no name"))?;
        let values = children(attribute, "AttributeValue").map(text).collect::<Result<Vec<_>, _>>()?;
        left = left.checked_sub(values.len()).ok_or(Refused::TooMuch)?;
        found.push((name.to_owned(), values));
    }
    Ok(found)
}

fn within(node: Node<'_, '_>, expected: &Expected<'_>) -> Result<(), Refused> {
    time(node, "NotBefore")?.map_or(Ok(()), |from| begins(from, expected))?;
    time(node, "NotOnOrAfter")?.map_or(Ok(()), |until| ends(until, expected))
}

fn begins(from_s: u64, expected: &Expected<'_>) -> Result<(), Refused> {
    if from_s > expected.now_s.saturating_add(LEEWAY_S) { Err(Refused::NotYet) } else { Ok(()) }
}

fn ends(until_s: u64, expected: &Expected<'_>) -> Result<(), Refused> {
    if until_s.saturating_add(LEEWAY_S) <= expected.now_s { Err(Refused::Expired) } else { Ok(()) }
}

/// A time that is there and cannot be read is a refusal, never as if it were absent.
fn time(node: Node<'_, '_>, name: &str) -> Result<Option<u64>, Refused> {
    let read = |text: &str| DateTime::parse_from_rfc3339(text).ok().and_then(|at| u64::try_from(at.timestamp()).ok());
    node.attribute(name).map(|text| read(text).ok_or(Refused::Malformed("a time"))).transpose()
}

fn children<'a, 'input: 'a>(of: Node<'a, 'input>, name: &'static str) -> impl Iterator<Item = Node<'a, 'input>> {
    of.children().filter(move |node| node.has_tag_name((ASSERTION, name)))
}

/// There is one at most.
fn optional<'a, 'input>(of: Node<'a, 'input>, name: &'static str) -> Result<Option<Node<'a, 'input>>, Refused> {
    let mut found = children(of, name);
    match (found.next(), found.next()) {
        (one, None) => Ok(one),
        _ => Err(Refused::Malformed(name)),
    }
}

fn one<'a, 'input>(of: Node<'a, 'input>, name: &'static str) -> Result<Node<'a, 'input>, Refused> {
    optional(of, name)?.ok_or(Refused::Malformed(name))
}

/// The whole text, which nothing interrupts.
fn text(node: Node<'_, '_>) -> Result<String, Refused> {
    if node.children().any(|child| !child.is_text()) {
        return Err(Refused::Malformed("a text with something in it"));
    }
    Ok(node.children().filter_map(|child| child.text()).collect())
}
