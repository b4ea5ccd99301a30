//! Words that stand, in the record: each is written down before it counts, and a service that starts finds there those that still do.

use std::path::Path;

use anyhow::{Context, Result};
use audit::decode::{Fields, number};
use audit::segment::Frame;
use audit::{Event, Grant, Masked, Operator, RecordType, Text, field};
use control::approvals::Standing;
use ring::hkdf::{HKDF_SHA256, Salt};
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};
use session::AskId;

use super::left::youngest;

/// What a binding leaves the process under: of a plain hash, a card number in a statement could be found by trying all of them.
pub struct BindingKey(hmac::Key);

impl BindingKey {
    /// Derived from the key of this host's record (RFC 5869), so that what stands still stands after a restart.
    pub fn derived(record_key: &[u8]) -> Result<BindingKey> {
        let mut key = [0; 32];
        let secret = Salt::new(HKDF_SHA256, b"interceptor").extract(record_key);
        let purpose = [b"binding of an approval".as_slice()];
        let derived = secret.expand(&purpose, HKDF_SHA256).and_then(|derived| derived.fill(&mut key));
        derived.ok().context("the key of approvals cannot be derived")?;
        Ok(BindingKey(hmac::Key::new(hmac::HMAC_SHA256, &key)))
    }

    pub(super) fn of(&self, binding: &[u8; 32]) -> [u8; 32] {
        let mut keyed = [0; 32];
        keyed.copy_from_slice(hmac::sign(&self.0, binding).as_ref());
        keyed
    }
}

/// The id of a grant; `None`: there is no randomness.
pub fn fresh_id() -> Option<String> {
    let mut random = [0; 8];
    SystemRandom::new().fill(&mut random).ok()?;
    Some(AskId::of(u64::from_le_bytes(random)).to_string())
}

/// The record of one, as `write` takes it.
pub fn recorded(operator: Operator<'_>, one: &Standing, write: impl FnOnce(&Event<'_>)) {
    let rules: Vec<Masked> = one.rules.iter().map(|rule| Masked::of(rule)).collect();
    let of = Masked::of;
    let (id, agent, database, policy) = (of(&one.id), of(&one.agent), of(&one.database), of(&one.policy));
    let (reviewer, login, reason) = (of(&one.reviewer), of(&one.login), of(&one.reason));
    write(&Event::Grant(Grant {
        operator,
        approval: Text::Masked(&id),
        rules: &rules,
        agent: Text::Masked(&agent),
        database: Text::Masked(&database),
        policy: Text::Masked(&policy),
        reviewer: Text::Masked(&reviewer),
        login: Text::Masked(&login),
        justification: Text::Masked(&reason),
        given_s: one.given_s,
        until_s: one.until_s,
        binding: one.binding,
    }));
}

/// Those that stand still, of the youngest segments of every shard.
pub fn standing(state_dir: &Path, now_s: u64) -> Vec<Standing> {
    let (mut found, mut over) = (Vec::new(), Vec::new());
    youngest(state_dir, |_, frame| match RecordType::of(frame.kind) {
        Some(RecordType::Grant) => found.extend(read(frame)),
        Some(RecordType::GrantOver) => over.extend(text(frame, field::APPROVAL)),
        _ => {}
    });
    found.retain(|one: &Standing| now_s < one.until_s && !over.contains(&one.id));
    found.sort_by_key(|one| one.given_s);
    found
}

fn values<'a>(frame: &'a Frame<'_>, wanted: u8) -> impl Iterator<Item = &'a [u8]> {
    Fields::of(frame.payload()).flatten().filter(move |(number, _)| *number == wanted).map(|(_, value)| value)
}

fn text(frame: &Frame<'_>, wanted: u8) -> Option<String> {
    values(frame, wanted).next().map(|value| Masked::of_bytes(value).as_str().to_owned())
}

/// `None`: a field is missing, so it does not stand.
fn read(frame: &Frame<'_>) -> Option<Standing> {
    let count = |wanted| values(frame, wanted).next().and_then(number);
    Some(Standing {
        id: text(frame, field::APPROVAL)?,
        rules: values(frame, field::HELD_BY).map(|rule| Masked::of_bytes(rule).as_str().to_owned()).collect(),
        agent: text(frame, field::AGENT)?,
        database: text(frame, field::DATABASE)?,
        policy: text(frame, field::POLICY)?,
        text: String::new(),
        reviewer: text(frame, field::REVIEWER)?,
        groups: Vec::new(),
        login: text(frame, field::REVIEWER_LOGIN)?,
        reason: text(frame, field::JUSTIFICATION)?,
        given_s: count(field::GIVEN)?,
        until_s: count(field::UNTIL)?,
        used: 0,
        binding: match values(frame, field::BINDING).next() {
            None => None,
            Some(bytes) => Some(bytes.try_into().ok()?),
        },
    })
}
