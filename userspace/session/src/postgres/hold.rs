//! A held statement: it stays in front of the agent's inbox until a person has decided, and is then judged again from the same bytes.
//!
//! So what goes on is what was asked about, it goes on once, and under the policy of that moment. A Query is held at itself. Of the
//! extended protocol Parse goes on, since it runs nothing, and Bind is held, with its values: the server plans at Bind, and planning may
//! already run functions. What the portal runs then is covered by its Bind.
//!
//! A person is asked once all that was sent before is answered: then the transaction's state is known, nothing in front can
//! make the server skip the statement, and the notice has a place between two messages.

use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use audit::{Event, NAME_MAX, ParametersPart, Text, VerdictFacts};
use pan::Masked;
use policy::{Question, Terms};
use sql::Prepared;
use wire::postgres::backend::{TransactionStatus, report};
use wire::postgres::frontend::Bind;
use wire::postgres::{BackendTag, encode};

use self::binding::Binding;
use self::voters::Voters;
use self::words::{approvers, ascii, denial, shown, time, unbound};
use super::frontend::Sent;
use super::judge::{Verdict, prepares};
use super::parameters::{self, values};
use super::room::Room;
use super::{Connection, Cx};
use crate::verdicts::{Answer, Judged, Refusal, Why};
use crate::{Ask, AskEnd, AskId, Asking, RecordId, Vote};

mod binding;
mod voters;
mod words;

/// A statement that waits for a person.
#[derive(Debug)]
pub(super) struct Hold {
    ask: AskId,
    /// The record that asks.
    record: RecordId,
    /// Bytes of its frame.
    len: usize,
    until_ns: u64,
    expires_s: u64,
    need: Masked,
    terms: Vec<Arc<Terms>>,
    /// Of those who approve.
    voters: Voters,
    /// So many rows may leave once it is approved.
    rows_bound: Option<NonZeroU64>,
    /// How it ended; its frame is not worked off yet.
    end: Option<AskEnd>,
    /// Who denied it, and why.
    denied: Option<(Masked, Masked)>,
    /// Of a question for clear values, what people are told would be shown.
    shows: Option<Masked>,
    /// Something has changed: its frame is to be looked at.
    look: bool,
}

impl Hold {
    /// Nothing is to be done but wait.
    pub(super) fn waits(&self) -> bool {
        !self.look
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// When nobody may decide any more.
    pub(super) fn due_ns(&self) -> Option<u64> {
        self.end.is_none().then_some(self.until_ns)
    }

    /// Every rule has as many people as it asks for.
    fn is_approved(&self) -> bool {
        !self.terms.is_empty() && self.terms.iter().all(|terms| self.voters.satisfy(terms))
    }
}

/// The request that is held.
pub(super) struct Held<'a> {
    request: &'static str,
    len: usize,
    values: Option<&'a Bind<'a>>,
    /// Formats and values as they came.
    bound: &'a [u8],
}

impl<'a> Held<'a> {
    pub(super) fn query(sent: &Sent<'_>) -> Held<'a> {
        Held { request: "query", len: sent.bytes.len(), values: None, bound: b"" }
    }

    pub(super) fn bind(sent: &Sent<'a>, bind: &'a Bind<'a>) -> Held<'a> {
        let bound = sent.body().get(bind.portal.len() + bind.statement.len() + 2..).unwrap_or_default();
        Held { request: "bind", len: sent.bytes.len(), values: Some(bind), bound }
    }
}

/// A statement that is approved by the planner's word may have twice as many rows as it said, and this many in any case.
const ROWS_AT_LEAST: u64 = 100;

/// The frame that is looked at.
impl Connection {
    /// The usual statement is not.
    pub(super) fn is_about_a_hold(&self, verdict: &Verdict) -> bool {
        self.hold.is_some() || verdict.is_held()
    }

    /// True: its frame stays where it is. False: the verdict says what becomes of it now.
    pub(super) fn waits_for_a_person(&mut self, held: Held<'_>, verdict: &mut Verdict, cx: &mut Cx<'_, '_>) -> bool {
        if !verdict.is_held() {
            return false; // the policy says otherwise by now
        }
        let waits = match self.hold.take() {
            Some(mut hold) => {
                let waits = self.look_again(&mut hold, verdict, cx);
                self.hold = Some(hold);
                waits
            }
            None => self.ask(&held, verdict, cx),
        };
        self.agent.waiting |= waits;
        waits
    }

    fn look_again(&self, hold: &mut Hold, verdict: &mut Verdict, cx: &mut Cx<'_, '_>) -> bool {
        let terms = self.terms_of(&self.texts_of(&verdict.judged, cx), cx);
        let shows = self.plan_of_reveal(&verdict.judged, cx).and_then(Result::ok).map(|plan| plan.words());
        if hold.end.is_none() && (hold.terms != terms || hold.shows != shows) {
            hold.end = Some(AskEnd::PolicyChanged);
        }
        match hold.end {
            Some(end) => {
                let answer = Answer { end, ask: hold.ask, by: hold.denied.clone() };
                verdict.refuse(denial(verdict, Some(answer), end));
                false
            }
            None if hold.is_approved() => {
                verdict.refusal = None;
                verdict.approval = Some(hold.ask);
                verdict.rows_bound = hold.rows_bound;
                false
            }
            None => {
                hold.look = false;
                true
            }
        }
    }

    /// Asks a person, once it is time to.
    fn ask(&mut self, held: &Held<'_>, verdict: &mut Verdict, cx: &mut Cx<'_, '_>) -> bool {
        if !self.queue.is_idle() || !self.database.at_boundary() {
            self.flush(cx);
            return true;
        }
        if self.status == TransactionStatus::Failed {
            let message = "current transaction is aborted, commands ignored until end of transaction block";
            verdict.refuse(Refusal::new(Why::Denied, message, "").with_code(*b"25P02"));
            return false;
        }
        let end = if self.agent.closed {
            Some(AskEnd::Closed)
        } else if self.stopping {
            Some(AskEnd::Stopping)
        } else {
            None
        };
        let (Some(id), None) = (cx.shared.next_ask, end) else {
            let end = end.unwrap_or(AskEnd::Unheard);
            verdict.refuse(denial(verdict, None, end));
            return false;
        };
        let plan = match self.plan_of_reveal(&verdict.judged, cx) {
            None => None,
            Some(Ok(plan)) => Some(plan),
            Some(Err(refusal)) => {
                verdict.refuse(refusal);
                return false;
            }
        };
        let (mut hold, mut ask) = self.question(id, held, verdict, cx);
        if let Some(plan) = plan {
            let words = plan.words();
            ask.text = Masked::of(&format!("{}\n-- would show {words}", ask.text.as_str()));
            hold.shows = Some(words);
        }
        if hold.terms.iter().any(|terms| terms.rows) && hold.rows_bound.is_none() {
            verdict.refuse(unbound());
            return false;
        }
        let bound =
            held.values.map(|bind| parameters::part(bind.written(), &ask.parameters, ask.redacted, cx.shared.card_key));
        let lists = bound.as_ref().map_or(0, ParametersPart::len) + approvers(&hold.terms).len() * (NAME_MAX + 3);
        match self.ask_room(verdict.judged.part.len(), lists, cx) {
            Room::Here => self.asked((hold, ask), bound.as_ref(), verdict, cx),
            Room::Later => return true,
            Room::Nowhere => {
                self.count_unrecorded(cx);
                verdict.refuse(Refusal::unrecorded());
                return false;
            }
        }
        true
    }

    /// The server keeps its answers to the extended protocol until it is asked for them.
    fn flush(&mut self, cx: &mut Cx<'_, '_>) {
        let next = self.queue.next_seq();
        if self.queue.is_idle() || self.flushed == next {
            return;
        }
        self.flushed = next;
        let mark = cx.out.mark();
        encode::flush(&mut cx.out.own);
        cx.out.database_own(mark);
    }

    fn question(&self, id: AskId, held: &Held<'_>, verdict: &Verdict, cx: &mut Cx<'_, '_>) -> (Hold, Ask) {
        let judged = &verdict.judged;
        let texts = self.texts_of(judged, cx);
        let terms = self.terms_of(&texts, cx);
        let wall_s = cx.now.wall_ns / 1_000_000_000;
        let expires_in_s = terms.iter().map(|terms| terms.expires_s).min().unwrap_or(policy::EXPIRES_S);
        let redacted = texts.iter().any(|text| text.secret);
        let record = RecordId { seq: cx.shared.next_record.seq + cx.out.records.len() as u64, ..cx.shared.next_record };
        let statements = || texts.iter().flat_map(|text| &text.statements);
        let rows_bound = self.rows_bound(&terms, judged);
        let in_transaction = self.status != TransactionStatus::Idle || self.transaction_since_ns.is_some();
        let ask = Ask {
            id,
            session: self.open.id,
            subject: Arc::clone(&self.open.subject),
            agent_address: self.open.agent_address,
            database: self.open.database.name.clone(),
            dbname: Masked::of(&self.startup.dbname),
            database_user: self.login.database_user.clone().unwrap_or_else(|| Masked::of(&self.startup.user)),
            application: Masked::of(&self.startup.application),
            request: held.request,
            text: shown(&texts),
            redacted,
            kinds: crate::verdicts::kinds(statements()),
            tables: crate::verdicts::tables(statements()),
            sensitive: crate::verdicts::sensitive_columns(
                cx.shared.policy,
                &self.open.database.name,
                &statements().collect::<Vec<_>>(),
            ),
            parameters: held
                .values
                .map(|bind| values(bind.written(), redacted, cx.shared.limits.told_parameters))
                .unwrap_or_default(),
            in_transaction,
            transaction_since_s: self
                .transaction_open_ns(cx)
                .map(|open_ns| wall_s.saturating_sub(open_ns / 1_000_000_000)),
            rows_bound: rows_bound.map(NonZeroU64::get),
            binding: self.binding(&texts, held, in_transaction, cx),
            terms: terms.clone(),
            policy: cx.shared.policy.version().to_owned(),
            record,
            estimate: self.estimate(),
            asked_s: wall_s,
            expires_s: wall_s + u64::from(expires_in_s),
        };
        let need = verdict.refusal.as_ref().map_or_else(|| Masked::literal(""), |refusal| refusal.message.clone());
        let hold = Hold {
            ask: id,
            record,
            len: held.len,
            until_ns: cx.now.mono_ns.saturating_add(u64::from(expires_in_s) * 1_000_000_000),
            expires_s: ask.expires_s,
            need,
            terms,
            voters: Voters::default(),
            rows_bound,
            end: None,
            denied: None,
            shows: None,
            look: false,
        };
        (hold, ask)
    }

    /// How many rows an approval is for, where a rule binds it to the planner's estimate. A cursor's rows come by statements of their own.
    fn rows_bound(&self, terms: &[Arc<Terms>], judged: &Judged) -> Option<NonZeroU64> {
        let declares = |statement: &sql::Statement| {
            statement.prepared.iter().any(|prepared| matches!(prepared, Prepared::Declare { .. }))
        };
        if !terms.iter().any(|terms| terms.rows) || judged.statements.iter().any(declares) {
            return None;
        }
        self.estimate().and_then(|estimate| NonZeroU64::new(estimate.rows.saturating_mul(2).max(ROWS_AT_LEAST)))
    }

    /// How long the open transaction has been.
    fn transaction_open_ns(&self, cx: &Cx<'_, '_>) -> Option<u64> {
        self.transaction_since_ns.map(|since| cx.now.mono_ns.saturating_sub(since.get()))
    }

    /// See [`Ask::binding`].
    fn binding(&self, texts: &[Arc<Judged>], held: &Held<'_>, in_transaction: bool, cx: &Cx<'_, '_>) -> [u8; 32] {
        let mut binding = Binding::of(texts);
        binding.bytes(held.request.as_bytes());
        binding.bytes(held.bound);
        let subject = &self.open.subject;
        let user = self.login.database_user.as_ref().map_or(&*self.startup.user, |user| user.as_str());
        let principal = self.who.signed().map_or("", |signed| &signed.principal);
        let names = [&subject.policy.agent, &self.open.database.name, &*self.startup.dbname, user, principal];
        names.into_iter().for_each(|name| binding.bytes(name.as_bytes()));
        binding.number(subject.uid.into());
        binding.bytes(self.open.origin.to_string().as_bytes());
        binding.bytes(cx.shared.policy.version().as_bytes());
        binding.number(u64::from(in_transaction));
        let searched = self.schemas.current();
        binding.number(searched.len() as u64);
        searched.iter().for_each(|schema| binding.bytes(schema.as_bytes()));
        binding.number(self.schemas.temporary_at() as u64);
        binding.number(u64::from(self.schemas.is_sure()));
        binding.digest()
    }

    fn asked(
        &mut self,
        (hold, ask): (Hold, Ask),
        bound: Option<&ParametersPart>,
        verdict: &Verdict,
        cx: &mut Cx<'_, '_>,
    ) {
        let (id, policy) = (Masked::of(hold.ask.as_str()), Masked::of(&ask.policy));
        self.journal.set_verdict(&VerdictFacts {
            verdict: audit::Verdict::Hold,
            rule: verdict.judged.rule.as_ref().map(Into::into),
            reason: None,
            policy: (&policy).into(),
        });
        let number = self.number();
        let (actor, part) = self.journal.parts();
        cx.record(&Event::Ask(audit::Asked {
            actor,
            statement: &verdict.judged.part,
            verdict: part,
            request: ask.request,
            approval: (&id).into(),
            expires_s: hold.expires_s,
            need: (&hold.need).into(),
            approvers: &approvers(&hold.terms),
            approvals: hold.terms.iter().map(|terms| terms.approvals).max().unwrap_or(1),
            parameters: bound,
            estimate: ask.estimate.map(|estimate| (estimate.rows, estimate.cost)),
            transaction: if ask.in_transaction { "open" } else { "none" },
            transaction_ns: self.transaction_open_ns(cx),
            rows_bound: ask.rows_bound,
            number,
        }));
        self.notice(&hold, cx);
        cx.out.asking.push(Asking::Ask(Box::new(ask)));
        self.held.store(true, Ordering::Relaxed);
        self.hold = Some(Box::new(hold));
    }

    /// The agent is told at once that it waits, and for what.
    fn notice(&self, hold: &Hold, cx: &mut Cx<'_, '_>) {
        let message = ascii(&format!("held for approval {}: {}", hold.ask, hold.need));
        let detail =
            format!("{{\"interceptor\":\"pending\",\"id\":\"{}\",\"expires\":\"{}\"}}", hold.ask, time(hold.expires_s));
        let hint = format!(
            "a reviewer decides: interceptor approvals approve {} --reason ...; cancelling the statement withdraws it",
            hold.ask
        );
        let fields: [(u8, &[u8]); 6] = [
            (report::SEVERITY, b"NOTICE"),
            (report::SEVERITY_UNTRANSLATED, b"NOTICE"),
            (report::CODE, b"00000"),
            (report::MESSAGE, message.as_bytes()),
            (report::DETAIL, detail.as_bytes()),
            (report::HINT, hint.as_bytes()),
        ];
        let mark = cx.out.mark();
        // Our own words fit a notice; should they ever not, the agent is told by the error alone.
        if encode::report_fields(&mut cx.out.own, BackendTag::NoticeResponse, fields).is_ok() {
            cx.out.agent_own(mark);
        }
    }

    /// The frame goes on, or is refused, in this very call: the hold is over.
    pub(super) fn hold_ends(&mut self, verdict: &Verdict, cx: &mut Cx<'_, '_>) {
        let Some(hold) = self.hold.take() else { return };
        let unrecorded = verdict.refusal.as_ref().is_some_and(|refusal| refusal.why == Why::Unrecorded);
        let end = match (hold.end, verdict.approval) {
            _ if unrecorded => AskEnd::Unrecorded,
            (Some(end), _) => end,
            (None, Some(_)) => AskEnd::Approved,
            (None, None) => AskEnd::PolicyChanged,
        };
        self.over(&hold, end, cx);
    }

    fn over(&mut self, hold: &Hold, end: AskEnd, cx: &mut Cx<'_, '_>) {
        self.held.store(false, Ordering::Relaxed);
        if !matches!(end, AskEnd::Approved | AskEnd::Denied) {
            let number = self.number();
            let id = Masked::of(hold.ask.as_str());
            let actor = self.journal.actor();
            cx.record(&Event::AskOver(audit::AskOver {
                actor,
                approval: (&id).into(),
                ask: hold.record,
                cause: end.as_str(),
                number,
            }));
        }
        cx.out.asking.push(Asking::Over(hold.ask, end));
    }

    /// Execute: a person agreed when its values were bound. Nobody was asked where the policy holds it only since.
    /// Clear values were agreed to under the policy and the names of that moment.
    pub(super) fn covered_by_its_bind(&self, slot: u32, verdict: &mut Verdict, cx: &Cx<'_, '_>) {
        let known = self.portals.get(slot);
        let stands = known.is_some_and(|known| {
            known.stamp.is(cx.shared.policy, self.schemas.epoch(), self.catalog.version, self.who.epoch)
                || self.plan_of_reveal(&verdict.judged, cx).is_none()
        });
        match known.filter(|_| stands).and_then(|known| known.approval) {
            Some(approval) => {
                verdict.refusal = None;
                verdict.approval = Some(approval);
                verdict.rows_bound = self.portals.get(slot).and_then(|known| known.rows_bound);
            }
            None => verdict.refuse(denial(verdict, None, AskEnd::PolicyChanged)),
        }
    }
}

/// What happens to it from outside.
impl Connection {
    pub(super) fn voted(&mut self, vote: Vote, cx: &mut Cx<'_, '_>) {
        let Some(mut hold) = self.hold.take() else {
            cx.out.asking.push(Asking::Over(vote.ask, AskEnd::Gone));
            return;
        };
        if hold.ask != vote.ask {
            cx.out.asking.push(Asking::Over(vote.ask, AskEnd::Gone));
        } else if hold.end.is_none() {
            self.count(&mut hold, vote, cx);
        }
        self.hold = Some(hold);
    }

    fn count(&mut self, hold: &mut Hold, vote: Vote, cx: &mut Cx<'_, '_>) {
        hold.look = true;
        if cx.now.mono_ns >= hold.until_ns {
            hold.end = Some(AskEnd::Expired);
            return;
        }
        let rules = hold.voters.takes(&vote, hold.terms.iter().map(|terms| &**terms), cx.now.wall_ns / 1_000_000_000);
        let admitted = hold.terms.iter().any(|terms| vote.is_taken_by(terms));
        if !admitted || (rules.is_none() && (vote.approve || vote.standing.is_some())) {
            return;
        }
        if !self.vote_has_room(cx) {
            self.count_unrecorded(cx);
            hold.end = Some(AskEnd::Unrecorded);
            return;
        }
        let (by, reason) = (Masked::of(&vote.reviewer), Masked::of(&vote.reason));
        let (id, login) = (Masked::of(hold.ask.as_str()), Masked::of(&vote.login));
        let under = vote.standing.as_ref().map(|standing| Masked::of(standing.approval.as_str()));
        let number = self.number();
        cx.record(&Event::Approval(audit::Approval {
            actor: self.journal.actor(),
            approval: (&id).into(),
            ask: hold.record,
            under: under.as_ref().map(Into::into),
            approved: vote.approve,
            break_glass: vote.approve && vote.break_glass,
            reviewer: (&by).into(),
            login: (&login).into(),
            justification: (&reason).into(),
            need: Text::Masked(&hold.need),
            expires_s: hold.expires_s,
            number,
        }));
        if !vote.approve {
            (hold.end, hold.denied) = (Some(AskEnd::Denied), Some((by, reason)));
            return;
        }
        hold.voters.add(vote, rules.unwrap_or_default());
        if !hold.is_approved() {
            cx.out.asking.push(Asking::Counted(hold.ask, hold.voters.len() as u32));
        }
    }

    pub(super) fn unheard(&mut self, ask: AskId, _cx: &mut Cx<'_, '_>) {
        if self.hold.as_ref().is_some_and(|hold| hold.ask == ask) {
            self.hold_is_over(AskEnd::Unheard);
        }
    }

    /// The first end counts.
    pub(super) fn hold_is_over(&mut self, end: AskEnd) {
        if let Some(hold) = &mut self.hold
            && hold.end.is_none()
        {
            hold.end = Some(end);
            hold.look = true;
        }
    }

    /// The agent has left: nobody wants the statement any more, nor what is behind it.
    pub(super) fn abandon_held(&mut self, cx: &mut Cx<'_, '_>) {
        self.forget_inbox();
        self.hold_closes(cx);
    }

    /// The connection ends while it waits.
    pub(super) fn hold_closes(&mut self, cx: &mut Cx<'_, '_>) {
        if let Some(hold) = self.hold.take() {
            let end = hold.end.filter(|end| *end != AskEnd::Denied).unwrap_or(AskEnd::Closed);
            self.over(&hold, end, cx);
        }
    }
}

/// What a reviewer is shown, and who may be one.
impl Connection {
    /// The text, and those that its EXECUTEs run.
    pub(super) fn texts_of(&self, judged: &Arc<Judged>, cx: &mut Cx<'_, '_>) -> Vec<Arc<Judged>> {
        let mut texts = vec![Arc::clone(judged)];
        for (at, statement) in judged.statements.iter().enumerate() {
            for prepared in &statement.prepared {
                let Prepared::Execute { name } = prepared else { continue };
                for version in self.statements.find(name.as_bytes()) {
                    texts.push(self.judge_version(version, cx));
                }
                for (_, _, inner) in prepares(judged, at).filter(|(_, known, _)| known == name) {
                    texts.push(self.judge_words(inner, cx));
                }
            }
        }
        texts
    }

    /// The terms of every rule that holds one of them, each once.
    fn terms_of(&self, texts: &[Arc<Judged>], cx: &Cx<'_, '_>) -> Vec<Arc<Terms>> {
        let mut all: Vec<Arc<Terms>> = Vec::new();
        for (text, statement) in texts.iter().flat_map(|text| text.statements.iter().map(move |one| (text, one))) {
            let question = Question {
                subject: self.who.subject(),
                database: &self.open.database.name,
                statement,
                schemas: self.schemas.current(),
                schema: self.catalog.schema.as_deref(),
                estimated_rows: text.estimated_rows,
                wall_s: cx.wall_s(),
            };
            for terms in policy::holds(cx.shared.policy, question) {
                if !all.contains(&terms) {
                    all.push(terms);
                }
            }
        }
        all
    }
}
