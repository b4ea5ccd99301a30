//! Events to payloads: fields appended to the caller's buffer, and parts that are encoded once and copied after.
use std::cell::RefCell;
use std::fmt;
use std::net::{IpAddr, SocketAddr};

use pan::Masked;

use crate::event::{
    Actor, Approval, AskOver, Asked, Event, Grant, GrantOver, Head, Operator, Outcome, Parameters, SessionTotals,
    SignedOff, SqlState, Stage, Statement, Text, VerdictFacts,
};
use crate::id::RecordId;
use crate::{JUSTIFICATION_MAX, LIST_MAX, NAME_MAX, TEXT_MAX, field};

mod credential;
mod identity;
mod kept;
mod reveal;
mod statement;

thread_local! {
    /// Where parts are encoded: each takes just the memory that it needs.
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

macro_rules! part {
    ($(#[$doc:meta])* $name:ident of $facts:ident) => {
        $(#[$doc])*
        #[derive(Clone, Default, PartialEq, Eq)]
        pub struct $name(Vec<u8>);

        impl $name {
            /// Encodes the facts once.
            pub fn of(facts: &$facts<'_>) -> $name {
                SCRATCH.with_borrow_mut(|scratch| {
                    scratch.clear();
                    facts.append(scratch);
                    $name(scratch.to_vec())
                })
            }

            /// Encodes other facts into the same memory.
            pub fn set(&mut self, facts: &$facts<'_>) {
                self.0.clear();
                facts.append(&mut self.0);
            }

            /// Gives back the memory that it grew into and does not need: for one that is kept long.
            pub fn fit(&mut self) {
                self.0.shrink_to_fit();
            }

            /// How many bytes it adds to a record.
            pub fn len(&self) -> usize {
                self.0.len()
            }

            /// Nothing is encoded yet.
            pub fn is_empty(&self) -> bool {
                self.0.is_empty()
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({} bytes)"), self.0.len())
            }
        }
    };
}

part! {
    /// An [`Actor`], encoded: made once per session (and again when the startup packet names user and database).
    ActorPart of Actor
}
part! {
    /// A [`Statement`], encoded: kept with a cached statement.
    StatementPart of Statement
}
part! {
    /// [`Parameters`], encoded: kept with what they are bound to.
    ParametersPart of Parameters
}
part! {
    /// A [`VerdictFacts`], encoded: kept with a cached verdict.
    VerdictPart of VerdictFacts
}

/// Appends one event's fields. Allocates nothing but what `out` needs to grow.
pub fn encode(event: &Event<'_>, out: &mut Vec<u8>) {
    match event {
        Event::SessionStart { actor, number: count } => {
            session(out, actor, true, *count);
        }
        Event::Login { actor, success, sqlstate, cause, way, tls, number: count } => {
            session(out, actor, *success, *count);
            state(out, *sqlstate);
            name_if(out, field::CAUSE, *cause);
            name_if(out, field::AUTHENTICATION, way.map(Text::Literal));
            name_if(out, field::AGENT_TLS, tls.agent);
            name_if(out, field::DATABASE_TLS, tls.database);
            name_if(out, field::DATABASE_PEER, tls.peer);
            name_if(out, field::CERTIFICATE_SERIAL, tls.serial);
            if let Some(sha256) = &tls.sha256 {
                bytes(out, field::CERTIFICATE_SHA256, sha256);
            }
        }
        Event::SessionEnd { actor, success, cause, sqlstate, totals, number: count } => {
            session(out, actor, *success, *count);
            name(out, field::CAUSE, *cause);
            state(out, *sqlstate);
            totals.append(out);
        }
        Event::Decision(decided) => decided.append(out),
        Event::Outcome(outcome) => outcome.append(out),
        Event::Result(received) => received.append(out),
        Event::Own { actor, purpose, text, number: count } => {
            session(out, actor, true, *count);
            name(out, field::REQUEST, Text::Literal("own"));
            name(out, field::CAUSE, Text::Literal(purpose));
            long_text(out, *text);
        }
        Event::Finding { actor, object, counters, number: count } => {
            session(out, actor, true, *count);
            name(out, field::OBJECT, *object);
            for (counter, value) in counters.iter().take(LIST_MAX) {
                counted(out, counter, *value);
            }
            omitted(out, counters.len().saturating_sub(LIST_MAX));
        }
        Event::Identity(identified) => identified.append(out),
        Event::Ask(asked) => asked.append(out),
        Event::Approval(approval) => approval.append(out),
        Event::AskOver(over) => over.append(out),
        Event::Reveal(reveal) => reveal.append(out),
        Event::Revealed(revealed) => revealed.append(out),
        Event::RevealOver(over) => over.append(out),
        Event::Cancel { actor, target, success, cause } => {
            number(out, field::SUCCESS, u64::from(*success));
            out.extend_from_slice(&actor.0);
            if let Some(target) = target {
                number(out, field::TARGET, *target);
            }
            name_if(out, field::CAUSE, cause.map(Text::Literal));
        }
        _ => service(event, out),
    }
}

/// The events of the service itself.
fn service(event: &Event<'_>, out: &mut Vec<u8>) {
    match event {
        Event::Admission { operator, agent, unit, stage, message } => {
            deed(out, operator, *stage);
            name(out, field::AGENT, *agent);
            name(out, field::UNIT, *unit);
            name_if(out, field::MESSAGE, *message);
        }
        Event::PolicyLoad { operator, policy, previous, rules, approved, success, message } => {
            operator.append(out, *success);
            name(out, field::POLICY, *policy);
            name_if(out, field::PREVIOUS_POLICY, *previous);
            number(out, field::RULES, u64::from(*rules));
            signed_off(out, *approved);
            name_if(out, field::MESSAGE, *message);
        }
        Event::Attach { operator, object, stage, message } | Event::Detach { operator, object, stage, message } => {
            deed(out, operator, *stage);
            name(out, field::OBJECT, *object);
            name_if(out, field::MESSAGE, *message);
        }
        Event::Canary { operator, object, success, message }
        | Event::Reading { operator, object, success, message } => {
            operator.append(out, *success);
            name(out, field::OBJECT, *object);
            name_if(out, field::MESSAGE, *message);
        }
        Event::Alert { operator, object, about, message } => {
            operator.append(out, false);
            name(out, field::OBJECT, *object);
            if let Some(record) = about {
                id(out, field::DECISION, *record);
            }
            name(out, field::MESSAGE, *message);
        }
        Event::Tombstone { operator, removed, cause, signature } => {
            operator.append(out, true);
            name(out, field::OBJECT, Text::Literal("record"));
            name(out, field::CAUSE, *cause);
            removed.append(out);
            if let Some(signature) = signature {
                bytes(out, field::SIGNATURE, signature.as_slice());
            }
        }
        Event::Retention { operator, object, success, message } => {
            operator.append(out, *success);
            name(out, field::OBJECT, *object);
            name(out, field::MESSAGE, *message);
        }
        Event::Key { operator, told } => {
            operator.append(out, true);
            name(out, field::OBJECT, Text::Literal("record"));
            told.append(out);
        }
        Event::ServiceStart { operator, version, kernel, policy, approved, success, message } => {
            operator.append(out, *success);
            name(out, field::OBJECT, Text::Literal("service"));
            name(out, field::VERSION, Text::Literal(version));
            name(out, field::KERNEL, *kernel);
            name(out, field::POLICY, *policy);
            signed_off(out, *approved);
            name_if(out, field::MESSAGE, *message);
        }
        Event::ServiceStop { operator, cause, success } => {
            operator.append(out, *success);
            name(out, field::OBJECT, Text::Literal("service"));
            name(out, field::CAUSE, *cause);
        }
        Event::Checkpoint { operator, policy, program, objects, clock, next_within_s, heads } => {
            operator.append(out, true);
            name(out, field::POLICY, *policy);
            if let Some(program) = program {
                bytes(out, field::PROGRAM_HASH, program.as_slice());
            }
            bytes(out, field::OBJECTS_HASH, objects.as_slice());
            if let Some(clock) = clock {
                number(out, field::CLOCK_SYNCED, u64::from(clock.synced));
                number(out, field::CLOCK_OFFSET_US, clock.offset_us);
                number(out, field::CLOCK_ERROR_US, clock.error_us);
            }
            number(out, field::NEXT_WITHIN_S, u64::from(*next_within_s));
            heads.iter().for_each(|head| head.append_as(field::HEADS, out));
        }
        Event::AskLeft { operator, agent, approval, ask, cause } => {
            operator.append(out, false);
            name(out, field::AGENT, *agent);
            name(out, field::APPROVAL, *approval);
            id(out, field::DECISION, *ask);
            name(out, field::CAUSE, Text::Literal(cause));
        }
        Event::Token(seen) => seen.append(out),
        Event::Credential(seen) => seen.append(out),
        Event::Grant(grant) => grant.append(out),
        Event::GrantOver(over) => over.append(out),
        Event::Counters { operator, object, success, counters } => {
            operator.append(out, *success);
            name(out, field::OBJECT, Text::Literal(object));
            for (counter, value) in counters.iter().take(LIST_MAX) {
                counted(out, counter, *value);
            }
            omitted(out, counters.len().saturating_sub(LIST_MAX));
        }
        Event::SessionStart { .. }
        | Event::SessionEnd { .. }
        | Event::Login { .. }
        | Event::Decision(_)
        | Event::Outcome(_)
        | Event::Result(_)
        | Event::Own { .. }
        | Event::Finding { .. }
        | Event::Identity(_)
        | Event::Ask(_)
        | Event::Approval(_)
        | Event::AskOver(_)
        | Event::Reveal(_)
        | Event::Revealed(_)
        | Event::RevealOver(_)
        | Event::Cancel { .. } => {}
    }
}

impl Actor<'_> {
    fn append(&self, out: &mut Vec<u8>) {
        name(out, field::AGENT, self.agent);
        number(out, field::CGROUP, self.cgroup);
        number(out, field::PID, u64::from(self.pid));
        number(out, field::UID, u64::from(self.uid));
        number(out, field::EXE_DEVICE, self.exe_device);
        number(out, field::EXE_INODE, self.exe_inode);
        name(out, field::EXE_NAME, self.exe_name);
        address(out, field::AGENT_ADDRESS, self.agent_address);
        name(out, field::DATABASE, self.database);
        address(out, field::DATABASE_ADDRESS, self.database_address);
        name_if(out, field::DBNAME, self.dbname);
        name_if(out, field::DATABASE_USER, self.database_user);
        name_if(out, field::APPLICATION, self.application);
        name_if(out, field::CERTIFICATE, self.certificate);
        if let Some(signed) = &self.signed {
            signed.append(out);
        }
    }
}

impl Asked<'_> {
    fn append(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.verdict.0);
        out.extend_from_slice(&self.actor.0);
        name(out, field::REQUEST, Text::Literal(self.request));
        name(out, field::APPROVAL, self.approval);
        number(out, field::EXPIRES, self.expires_s);
        name(out, field::NEED, self.need);
        list(out, field::APPROVERS, self.approvers);
        number(out, field::APPROVALS, u64::from(self.approvals));
        out.extend_from_slice(self.parameters.map_or(&[], |part| &part.0));
        name(out, field::TRANSACTION, Text::Literal(self.transaction));
        number_if(out, field::TRANSACTION_NS, self.transaction_ns);
        number_if(out, field::ROWS_BOUND, self.rows_bound);
        if let Some((rows, cost)) = self.estimate {
            number(out, field::ESTIMATED_ROWS, rows);
            number(out, field::ESTIMATED_COST, cost);
        }
        number(out, field::NUMBER, self.number);
        out.extend_from_slice(&self.statement.0);
    }
}

impl Approval<'_> {
    /// Its success is that a person with the right to it has spoken, whatever the answer.
    fn append(&self, out: &mut Vec<u8>) {
        session(out, self.actor, true, self.number);
        id(out, field::DECISION, self.ask);
        name(out, field::APPROVAL, self.approval);
        name_if(out, field::UNDER, self.under);
        number(out, field::APPROVED, u64::from(self.approved));
        name(out, field::REVIEWER, self.reviewer);
        name(out, field::REVIEWER_LOGIN, self.login);
        text(out, field::JUSTIFICATION, self.justification, JUSTIFICATION_MAX);
        name(out, field::NEED, self.need);
        number(out, field::EXPIRES, self.expires_s);
        if self.break_glass {
            number(out, field::BREAK_GLASS, 1);
        }
    }
}

impl AskOver<'_> {
    fn append(&self, out: &mut Vec<u8>) {
        session(out, self.actor, false, self.number);
        id(out, field::DECISION, self.ask);
        name(out, field::APPROVAL, self.approval);
        name(out, field::CAUSE, Text::Literal(self.cause));
    }
}

impl Grant<'_> {
    fn append(&self, out: &mut Vec<u8>) {
        self.operator.append(out, true);
        name(out, field::AGENT, self.agent);
        name(out, field::DATABASE, self.database);
        name(out, field::APPROVAL, self.approval);
        self.rules.iter().take(LIST_MAX).for_each(|rule| name(out, field::HELD_BY, Text::Masked(rule)));
        name(out, field::POLICY, self.policy);
        name(out, field::REVIEWER, self.reviewer);
        name(out, field::REVIEWER_LOGIN, self.login);
        text(out, field::JUSTIFICATION, self.justification, JUSTIFICATION_MAX);
        number(out, field::GIVEN, self.given_s);
        number(out, field::UNTIL, self.until_s);
        if let Some(binding) = &self.binding {
            bytes(out, field::BINDING, binding);
        }
    }
}

impl GrantOver<'_> {
    fn append(&self, out: &mut Vec<u8>) {
        self.operator.append(out, true);
        name(out, field::AGENT, self.agent);
        name(out, field::APPROVAL, self.approval);
        name(out, field::REVIEWER, self.reviewer);
        name(out, field::REVIEWER_LOGIN, self.login);
        text(out, field::JUSTIFICATION, self.justification, JUSTIFICATION_MAX);
    }
}

impl Outcome<'_> {
    fn append(&self, out: &mut Vec<u8>) {
        session(out, self.actor, self.success, self.number);
        id(out, field::DECISION, self.decision);
        if self.result_follows {
            number(out, field::RESULT_FOLLOWS, 1);
        }
        state(out, self.sqlstate);
        name_if(out, field::CAUSE, self.cause.map(Text::Literal));
        number(out, field::ROWS, self.rows);
        number(out, field::BYTES, self.bytes);
        number(out, field::MASKED, self.masked);
        number(out, field::SENSITIVE, self.sensitive);
        number(out, field::DURATION_NS, self.duration_ns);
    }
}

impl SessionTotals {
    fn append(&self, out: &mut Vec<u8>) {
        number(out, field::STATEMENTS, self.statements);
        number(out, field::REFUSED, self.refused);
        number(out, field::ROWS, self.rows);
        number(out, field::BYTES, self.bytes);
        number(out, field::SENT, self.sent);
        number(out, field::MASKED, self.masked);
        number(out, field::SENSITIVE, self.sensitive);
        number(out, field::DURATION_NS, self.duration_ns);
    }
}

impl Head {
    pub(crate) fn append_as(&self, field: u8, out: &mut Vec<u8>) {
        let length = 8 - self.size.leading_zeros() as usize / 8;
        out.push(field);
        out.push(2 + 32 + length as u8);
        out.extend_from_slice(&self.shard.to_le_bytes());
        out.extend_from_slice(&self.root);
        out.extend_from_slice(self.size.to_le_bytes().get(..length).unwrap_or_default());
    }
}

impl Operator<'_> {
    fn append(&self, out: &mut Vec<u8>, success: bool) {
        number(out, field::SUCCESS, u64::from(success));
        self.append_names(out);
    }

    fn append_names(&self, out: &mut Vec<u8>) {
        name(out, field::OPERATOR, self.name);
        number(out, field::UID, u64::from(self.uid));
        number(out, field::PID, u64::from(self.pid));
    }
}

fn signed_off(out: &mut Vec<u8>, approved: Option<SignedOff<'_>>) {
    if let Some(approved) = approved {
        name(out, field::REVIEWER, approved.by);
        name(out, field::JUSTIFICATION, approved.reason);
    }
}

/// What every record of something that root does begins with. What only begins has no success.
fn deed(out: &mut Vec<u8>, operator: &Operator<'_>, stage: Stage) {
    if let Some(success) = stage.success() {
        number(out, field::SUCCESS, u64::from(success));
    }
    number(out, field::STAGE, u64::from(stage.code()));
    operator.append_names(out);
}

/// What every record of a session begins with.
fn session(out: &mut Vec<u8>, actor: &ActorPart, success: bool, count: u64) {
    number(out, field::SUCCESS, u64::from(success));
    out.extend_from_slice(&actor.0);
    number(out, field::NUMBER, count);
}

/// A number without its high zero bytes.
pub(crate) fn number(out: &mut Vec<u8>, field: u8, value: u64) {
    let length = 8 - value.leading_zeros() as usize / 8;
    // As long as the longest, and cut: so many bytes are stored at once, and a number of them that is not known takes a call each.
    let mut whole = [0; 10];
    (whole[0], whole[1]) = (field, length as u8);
    whole[2..].copy_from_slice(&value.to_le_bytes());
    out.extend_from_slice(&whole);
    out.truncate(out.len() - (8 - length));
}

fn number_if(out: &mut Vec<u8>, field: u8, value: Option<u64>) {
    if let Some(value) = value {
        number(out, field, value);
    }
}

fn name(out: &mut Vec<u8>, field: u8, words: Text<'_>) {
    text(out, field, words, NAME_MAX);
}

fn name_if(out: &mut Vec<u8>, field: u8, text: Option<Text<'_>>) {
    if let Some(text) = text {
        name(out, field, text);
    }
}

fn list(out: &mut Vec<u8>, field: u8, entries: &[Masked]) {
    for entry in entries.iter().take(LIST_MAX) {
        name(out, field, Text::Masked(entry));
    }
    omitted(out, entries.len().saturating_sub(LIST_MAX));
}

fn long_text(out: &mut Vec<u8>, words: Text<'_>) {
    text(out, field::TEXT, words, TEXT_MAX);
}

/// Text without zero bytes. Every frame has some, so no agent can write a text that reads like a frame: in the remains of an
/// unfinished record it would pass for a later one, and the service would not start.
fn text(out: &mut Vec<u8>, field: u8, words: Text<'_>, max: usize) {
    bytes(out, field, cut(words.as_str(), max).as_bytes());
    let start = out.len() - words.as_str().floor_char_boundary(max);
    let written = out.get_mut(start..).unwrap_or_default();
    // The least of them all: without an end before the last, so that sixteen are looked at at once.
    if written.iter().fold(u8::MAX, |least, byte| least.min(*byte)) == 0 {
        written.iter_mut().filter(|byte| **byte == 0).for_each(|byte| *byte = b'?');
    }
}

fn state(out: &mut Vec<u8>, state: Option<SqlState>) {
    if let Some(state) = state {
        bytes(out, field::SQLSTATE, state.bytes());
    }
}

fn id(out: &mut Vec<u8>, field: u8, id: RecordId) {
    let length = 8 - id.seq.leading_zeros() as usize / 8;
    let mut whole = [0; 12];
    (whole[0], whole[1]) = (field, 2 + length as u8);
    whole[2..4].copy_from_slice(&id.shard.to_le_bytes());
    whole[4..].copy_from_slice(&id.seq.to_le_bytes());
    out.extend_from_slice(&whole);
    out.truncate(out.len() - (8 - length));
}

fn address(out: &mut Vec<u8>, field: u8, address: SocketAddr) {
    out.push(field);
    match address.ip() {
        IpAddr::V4(ip) => {
            out.push(6);
            out.extend_from_slice(&ip.octets());
        }
        IpAddr::V6(ip) => {
            out.push(18);
            out.extend_from_slice(&ip.octets());
        }
    }
    out.extend_from_slice(&address.port().to_le_bytes());
}

fn omitted(out: &mut Vec<u8>, count: usize) {
    if count > 0 {
        number(out, field::OMITTED, count as u64);
    }
}

/// One counter as `name=value`.
fn counted(out: &mut Vec<u8>, counter: &'static str, value: u64) {
    let counter = cut(counter, NAME_MAX);
    let digits = value.checked_ilog10().unwrap_or(0) as usize + 1;
    out.push(field::COUNTER);
    length(out, counter.len() + 1 + digits);
    out.extend_from_slice(counter.as_bytes());
    out.push(b'=');
    for place in (0..digits as u32).rev() {
        out.push(b'0' + (value / 10u64.pow(place) % 10) as u8);
    }
}

pub(crate) fn bytes(out: &mut Vec<u8>, field: u8, bytes: &[u8]) {
    out.push(field);
    length(out, bytes.len());
    out.extend_from_slice(bytes);
}

/// LEB128: seven bits a byte, low ones first.
fn length(out: &mut Vec<u8>, mut length: usize) {
    while length >= 0x80 {
        out.push(length as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
}

/// The longest beginning of at most `max` bytes that ends with a whole character.
fn cut(text: &str, max: usize) -> &str {
    text.get(..text.floor_char_boundary(max)).unwrap_or_default()
}
