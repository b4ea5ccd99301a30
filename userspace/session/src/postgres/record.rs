//! What the session writes down: its start and end, one decision per statement that goes to the server, one outcome per statement
//! that ran, its own questions, cancel requests. A Query message is one decision, however many statements it has, because that is
//! how the server's own log counts (`exec_simple_query` logs the whole string, `exec_execute_message` each Execute).

use audit::token::CardTokens;
use audit::{
    Actor, ActorPart, Decided, Event, LoginTls, Outcome, RecordId, SessionTotals, SqlState, Statement, StatementPart,
    Text, VerdictFacts, VerdictPart,
};
use pan::Masked;

use super::judge::Verdict;
use super::queue::Run;
use super::room::Room;
use super::{Connection, Cx};
use crate::Ended;
use crate::verdicts::{Refusal, Why};

/// What the statement at hand has come to so far.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Rows that passed.
    pub(super) rows_seen: u64,
    /// Rows that command tags counted.
    rows: u64,
    pub(super) bytes: u64,
    pub(super) cards: u32,
    pub(super) sensitive: u32,
    statements: usize,
    sqlstate: Option<[u8; 5]>,
    copies_begun: u32,
}

impl Tally {
    /// One statement of the request is complete.
    pub(super) fn completed(&mut self, rows: Option<u64>) {
        self.statements += 1;
        self.rows = self.rows.saturating_add(rows.unwrap_or(0));
    }

    pub(super) fn failed(&mut self, code: [u8; 5]) {
        self.sqlstate = Some(code);
    }

    /// Statements of a Query that are complete.
    pub(super) fn statements_done(&self) -> usize {
        self.statements
    }

    pub(super) fn copy_in_begins(&mut self) {
        self.copies_begun += 1;
    }

    /// COPYs from the agent that the statement has begun; none goes on after an error.
    pub(super) fn copies_begun(&self) -> u32 {
        if self.sqlstate.is_some() { 0 } else { self.copies_begun }
    }
}

/// Why the session ended.
#[derive(Debug)]
pub(super) struct Ending {
    pub(super) cause: Masked,
    /// The last error that we or the database closed it with.
    pub(super) code: Option<[u8; 5]>,
    pub(super) orderly: bool,
    /// Its record is written.
    pub(super) told: bool,
}

impl Default for Ending {
    fn default() -> Ending {
        Ending { cause: Masked::literal("the connection was lost"), code: None, orderly: false, told: false }
    }
}

/// What all records of the session share.
#[derive(Debug, Default)]
pub(super) struct Journal {
    actor: ActorPart,
    number: u64,
    totals: SessionTotals,
    /// Verdicts other than a plain allow are encoded here.
    verdict: VerdictPart,
    pub(super) login_told: bool,
}

impl Journal {
    /// How many bytes the actor adds to a record.
    pub(super) fn actor_len(&self) -> usize {
        self.actor.len()
    }

    /// A statement that did not go on.
    /// What the records share.
    pub(super) fn actor(&self) -> &ActorPart {
        &self.actor
    }

    /// Encodes a verdict other than a plain allow.
    pub(super) fn set_verdict(&mut self, facts: &VerdictFacts<'_>) -> &VerdictPart {
        self.verdict.set(facts);
        &self.verdict
    }

    /// The actor, and the verdict that was encoded last.
    pub(super) fn parts(&self) -> (&ActorPart, &VerdictPart) {
        (&self.actor, &self.verdict)
    }

    pub(super) fn count_refused(&mut self) {
        self.totals.statements += 1;
        self.totals.refused += 1;
    }
}

/// The bytes of [`unseen`], and some.
pub(super) const UNSEEN_MAX: usize = 128;

/// A statement that no text is known of.
fn unseen() -> StatementPart {
    StatementPart::of(&Statement {
        kinds: &["unknown"],
        tables: &[],
        text: Text::Literal("[a portal that was opened inside the server]"),
        text_bytes: 0,
        redacted: true,
        tokens: &CardTokens::default(),
    })
}

impl Cx<'_, '_> {
    /// Writes one record; says which id it gets.
    pub(super) fn record(&mut self, event: &Event<'_>) -> RecordId {
        let RecordId { shard, seq } = self.shared.next_record;
        let id = RecordId { shard, seq: seq + self.out.records.len() as u64 };
        self.out.records.push(event);
        id
    }
}

impl Connection {
    /// The actor as it is known now: its end of the socket and executable at first, user and database once they are named.
    pub(super) fn name_actor(&mut self) {
        let subject = &self.open.subject;
        let (agent, exe) = (Masked::of(&subject.policy.agent), Masked::of(&subject.exe_name));
        let endpoint = Masked::of(&self.open.database.name);
        let named = |text: &str| (!text.is_empty()).then(|| Masked::of(text));
        let (dbname, user) = (named(&self.startup.dbname), named(&self.startup.user));
        let application = named(&self.startup.application);
        let user = self.login.database_user.clone().or(user);
        let certificate = self.tls.certificate().map(|shown| Masked::of(&shown.subject));
        let signed = self.who.signed().map(|signed| {
            (signed.token, [&signed.issuer, &signed.subject, &signed.principal].map(|text| Masked::of(text)))
        });
        let signed = signed.as_ref().map(|(token, [issuer, subject, principal])| audit::Principal {
            issuer: issuer.into(),
            subject: subject.into(),
            principal: principal.into(),
            token: *token,
        });
        self.journal.actor.set(&Actor {
            agent: (&agent).into(),
            cgroup: subject.cgroup,
            pid: subject.pid,
            uid: subject.uid,
            exe_device: subject.exe_device,
            exe_inode: subject.exe_inode,
            exe_name: (&exe).into(),
            agent_address: self.open.agent_address,
            database: (&endpoint).into(),
            database_address: self.open.origin,
            dbname: dbname.as_ref().map(Into::into),
            database_user: user.as_ref().map(Into::into),
            application: application.as_ref().map(Into::into),
            certificate: certificate.as_ref().map(Into::into),
            signed,
        });
        self.journal.actor.fit();
    }

    pub(super) fn number(&mut self) -> u64 {
        self.journal.number += 1;
        self.journal.number
    }

    pub(super) fn record_start(&mut self, cx: &mut Cx<'_, '_>) {
        self.name_actor();
        self.enters(cx);
        if self.turned_away {
            return;
        }
        let number = self.number();
        cx.record(&Event::SessionStart { actor: &self.journal.actor, number });
    }

    /// The login is over: with success, with the database's refusal, or with ours.
    pub(super) fn record_login(&mut self, code: Option<[u8; 5]>, cause: Option<&Masked>, cx: &mut Cx<'_, '_>) {
        if std::mem::replace(&mut self.journal.login_told, true) {
            return;
        }
        self.name_actor();
        let (agent_tls, database_tls, peer) = self.tls.told();
        let certificate = self.tls.certificate();
        let (serial, sha256) =
            (certificate.map(|shown| Masked::of(&shown.serial)), certificate.map(|shown| shown.sha256));
        let number = self.number();
        cx.record(&Event::Login {
            actor: &self.journal.actor,
            success: code.is_none(),
            sqlstate: code.map(|code| SqlState::of(&code)),
            cause: cause.map(Into::into),
            way: Some(self.login.way).filter(|way| !way.is_empty()),
            tls: LoginTls {
                agent: agent_tls.as_ref().map(Into::into),
                database: database_tls.as_ref().map(Into::into),
                peer: peer.as_ref().map(Into::into),
                serial: serial.as_ref().map(Into::into),
                sha256,
            },
            number,
        });
    }

    pub(super) fn record_end(&mut self, cx: &mut Cx<'_, '_>) {
        if self.turned_away {
            return;
        }
        self.ended.told = true;
        let number = self.number();
        let began_ns = self.began.map_or(cx.now.mono_ns, |began| began.mono_ns);
        cx.record(&Event::SessionEnd {
            actor: &self.journal.actor,
            success: self.ended.orderly,
            cause: (&self.ended.cause).into(),
            sqlstate: self.ended.code.map(|code| SqlState::of(&code)),
            totals: SessionTotals { duration_ns: cx.now.mono_ns.saturating_sub(began_ns), ..self.journal.totals },
            number,
        });
    }

    /// The decision on a text, before any of it goes on.
    pub(super) fn record_decision(
        &mut self,
        request: &'static str,
        verdict: &Verdict,
        cx: &mut Cx<'_, '_>,
    ) -> RecordId {
        let judged = &verdict.judged;
        if let Some(refusal) = &verdict.refusal {
            self.encode_refusal(refusal, verdict.forwarded, judged.rule.as_ref(), cx);
        } else if verdict.approval.is_some() {
            self.encode_approved(judged.rule.as_ref(), cx);
        }
        let plain = verdict.refusal.is_none() && verdict.approval.is_none();
        let part = if plain { &judged.allowed } else { &self.journal.verdict };
        let answered = verdict.refusal.as_ref().and_then(|refusal| refusal.answer.as_ref()).map(|answer| answer.ask);
        let approval = verdict.approval.or(answered).map(|ask| Masked::of(ask.as_str()));
        let under = verdict.under.map(|ask| Masked::of(ask.as_str()));
        self.journal.number += 1;
        let number = self.journal.number;
        if request != "parse" || verdict.refuses() {
            self.journal.totals.statements += 1;
            self.journal.totals.refused += u64::from(verdict.refuses());
            cx.out.blocked += u32::from(verdict.refuses());
            if let Some(place) = judged.rule_at {
                cx.shared.statements.hit(cx.shared.policy, place);
            }
        }
        cx.record(&Event::Decision(Decided {
            actor: &self.journal.actor,
            statement: &judged.part,
            verdict: part,
            parameters: verdict.bound.as_deref(),
            request,
            approval: approval.as_ref().map(Into::into),
            reveal: under.as_ref().map(Into::into),
            number,
        }))
    }

    /// The decision on a text that does not go on; `None`: there is no room for it, and that is why.
    pub(super) fn record_refused(
        &mut self,
        request: &'static str,
        verdict: &Verdict,
        cx: &mut Cx<'_, '_>,
    ) -> Option<RecordId> {
        let unrecorded = verdict.refusal.as_ref().is_some_and(|refusal| refusal.why == Why::Unrecorded);
        (!unrecorded).then(|| self.record_decision(request, verdict, cx))
    }

    fn encode_refusal(&mut self, refusal: &Refusal, forwarded: bool, rule: Option<&Masked>, cx: &Cx<'_, '_>) {
        let verdict = match (forwarded, refusal.why) {
            (true, Why::Unjudged) => audit::Verdict::Unjudged,
            (true, _) => audit::Verdict::WouldBlock,
            (false, Why::Held) => audit::Verdict::Hold,
            (false, _) => audit::Verdict::Block,
        };
        let version = Masked::of(cx.shared.policy.version());
        let detailed = refusal
            .detail
            .as_ref()
            .map(|detail| Masked::of(&format!("{}: {}", refusal.message.as_str(), detail.as_str())));
        let reason = detailed.as_ref().unwrap_or(&refusal.message);
        self.journal.verdict.set(&VerdictFacts {
            verdict,
            rule: rule.map(Into::into),
            reason: Some(reason.into()),
            policy: (&version).into(),
        });
    }

    /// It was held, and a person let it go on.
    fn encode_approved(&mut self, rule: Option<&Masked>, cx: &Cx<'_, '_>) {
        let version = Masked::of(cx.shared.policy.version());
        self.journal.verdict.set(&VerdictFacts {
            verdict: audit::Verdict::Allow,
            rule: rule.map(Into::into),
            reason: Some(Text::Literal("approved by a person")),
            policy: (&version).into(),
        });
    }

    /// A refusal of something whose text was not read, or does not exist. What is said of it, and its record if it has one;
    /// `None`: its frame waits for room.
    pub(super) fn record_refusal(
        &mut self,
        request: &'static str,
        refusal: Refusal,
        cx: &mut Cx<'_, '_>,
    ) -> Option<(Refusal, Option<RecordId>)> {
        match self.statement_room(UNSEEN_MAX, (false, false), false, cx) {
            Room::Here => {
                self.encode_refusal(&refusal, false, None, cx);
                let record = self.record_unread(request, cx);
                Some((refusal, Some(record)))
            }
            Room::Later => None,
            Room::Nowhere => {
                self.count_unrecorded(cx);
                Some((Refusal::unrecorded(), None))
            }
        }
    }

    /// `observe`: a portal that was opened inside the server runs.
    pub(super) fn record_unseen(&mut self, cx: &mut Cx<'_, '_>) -> RecordId {
        let refusal = Refusal::new(Why::Unjudged, "a portal that was opened inside the server", "");
        self.encode_refusal(&refusal, true, None, cx);
        self.record_unread("execute", cx)
    }

    fn record_unread(&mut self, request: &'static str, cx: &mut Cx<'_, '_>) -> RecordId {
        let number = self.number();
        self.journal.totals.statements += 1;
        cx.record(&Event::Decision(Decided {
            actor: &self.journal.actor,
            statement: &unseen(),
            verdict: &self.journal.verdict,
            parameters: None,
            request,
            approval: None,
            reveal: None,
            number,
        }))
    }

    /// Columns that are plainly cards and that no rule names: each once, where the record has room for it.
    pub(super) fn record_findings(&mut self, cx: &mut Cx<'_, '_>) {
        let crossed = cx.shared.catalogs.seen.evidence().crossed();
        let most = (0..crossed).take_while(|_| self.finding_has_room(cx)).count() as u32;
        for found in cx.shared.catalogs.seen.evidence().take_crossed(most) {
            let number = self.number();
            let object = Masked::of(&found.to_string());
            cx.record(&Event::Finding {
                actor: &self.journal.actor,
                object: (&object).into(),
                counters: &[("values", found.values), ("hits", found.hits)],
                number,
            });
        }
    }

    /// A statement of ours.
    pub(super) fn record_own(&mut self, text: &str, cx: &mut Cx<'_, '_>) {
        let number = self.number();
        let text = Masked::of(text);
        cx.record(&Event::Own { actor: &self.journal.actor, purpose: "catalog", text: (&text).into(), number });
    }

    pub(super) fn record_cancel(&mut self, target: Option<u64>, cx: &mut Cx<'_, '_>) {
        let cause = if target.is_some() { None } else { Some("no session of this agent has this key") };
        cx.record(&Event::Cancel { actor: &self.journal.actor, target, success: target.is_some(), cause });
    }

    /// The statement is done: its outcome, and what it leaves behind.
    pub(super) fn finish_run(&mut self, seq: u64, run: &Run, cx: &mut Cx<'_, '_>) {
        if let Some(judged) = &run.judged
            && judged.has_effects
        {
            let failed = self.tally.sqlstate.is_some();
            self.names_changed(judged, seq, if failed { self.tally.statements } else { usize::MAX });
        }
        self.tainted |= run.is_sensitive();
        let cut = self.cut.as_ref().is_some_and(|cut| cut.drops());
        let cause = cut.then(|| super::cut::cause(run));
        self.record_shown(run, cx);
        self.record_outcome(run, cause, run.is_kept, cx);
        self.result_ends(run, run.is_kept);
        self.reveal_begins(seq, cut || self.tally.sqlstate.is_some(), cx);
        self.tally = Tally::default();
    }

    /// The server dropped it behind an error.
    pub(super) fn skipped_run(&mut self, seq: u64, run: &Run, cx: &mut Cx<'_, '_>) {
        if let Some(judged) = &run.judged
            && judged.has_effects
        {
            self.names_changed(judged, seq, 0);
        }
        self.tally = Tally::default();
        self.record_outcome(run, Some("skipped after an error"), false, cx);
        self.reveal_begins(seq, true, cx);
    }

    fn record_outcome(&mut self, run: &Run, cause: Option<&'static str>, result_follows: bool, cx: &mut Cx<'_, '_>) {
        self.kept_no_more(run);
        let number = self.number();
        let duration_ns = cx.now.mono_ns.saturating_sub(run.started_ns);
        cx.out.ended.push(Ended { decision: run.record, duration_ns });
        let tally = &self.tally;
        let totals = &mut self.journal.totals;
        totals.rows += tally.rows_seen;
        totals.bytes += tally.bytes;
        totals.masked += u64::from(tally.cards);
        cx.out.masked += u64::from(tally.cards) + u64::from(tally.sensitive);
        totals.sensitive += u64::from(tally.sensitive);
        cx.record(&Event::Outcome(Outcome {
            actor: &self.journal.actor,
            decision: run.record,
            success: tally.sqlstate.is_none() && cause.is_none(),
            sqlstate: tally.sqlstate.map(|code| SqlState::of(&code)),
            cause,
            rows: tally.rows.max(tally.rows_seen),
            bytes: tally.bytes,
            masked: u64::from(tally.cards),
            sensitive: u64::from(tally.sensitive),
            duration_ns,
            result_follows,
            number,
        }));
    }

    /// The session ends while statements run: each gets its outcome.
    pub(super) fn abandon_runs(&mut self, cx: &mut Cx<'_, '_>) {
        while let Some(entry) = self.queue.pop() {
            if let Some(run) = entry.request.run() {
                self.record_shown(run, cx);
                let result_follows = run.is_kept && self.has_received(cx);
                self.record_outcome(run, Some("the connection ended"), result_follows, cx);
                self.result_ends(run, result_follows);
                self.cut_result(cx);
                self.tally = Tally::default();
            }
        }
        self.receive(&[], cx);
    }
}
