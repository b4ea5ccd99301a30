//! A large text stays in front of the agent's inbox until it has been judged aside, and then goes on as any other. What it waits for is
//! bounded: without an answer it is refused.

use std::sync::Arc;

use super::judge::Verdict;
use super::settings::Encoding;
use super::{Connection, Cx};
use crate::JudgeAsk;
use crate::large::{LARGE, LargeVerdict};
use crate::verdicts::{Judged, Refusal, Why};

/// What was asked of the text in front of the inbox.
#[derive(Debug)]
pub(super) struct Judging {
    number: u64,
    due_ns: u64,
    /// Of one that was answered, or that nobody waits for any more: what was said, if anything was.
    answer: Option<Option<LargeVerdict>>,
}

impl Judging {
    /// Nothing is to be done but wait.
    pub(super) fn waits(&self) -> bool {
        self.answer.is_none()
    }

    pub(super) fn due_ns(&self) -> Option<u64> {
        self.answer.is_none().then_some(self.due_ns)
    }
}

impl Connection {
    /// The verdict on what the agent has just sent; `None`: it is waited for, and the frame stays where it is.
    pub(super) fn judge_or_wait(&mut self, bytes: &[u8], cx: &mut Cx<'_, '_>) -> Option<Verdict> {
        if bytes.len() <= LARGE {
            return Some(self.judge(bytes, cx));
        }
        let latin1 = self.login.encoding == Encoding::Latin1;
        if let Some(known) = cx.shared.statements.known(cx.shared.policy, &self.asked_of(bytes, latin1, None, cx)) {
            return Some(self.judge_sent(known, bytes, cx));
        }
        match self.judging.take().map(|judging| *judging) {
            Some(Judging { answer: Some(Some(verdict)), .. }) if self.holds_now(&verdict, bytes, latin1, cx) => {
                let asked = self.asked_of(bytes, latin1, None, cx);
                cx.shared.statements.learn(cx.shared.policy, &asked, &verdict.judged);
                return Some(self.judge_sent(verdict.judged, bytes, cx));
            }
            Some(Judging { answer: Some(None), .. }) => {
                let asked = self.asked_of(bytes, latin1, None, cx);
                let judged = Judged::unread(cx.shared.policy, &asked, unanswered());
                return Some(self.judge_sent(Arc::new(judged), bytes, cx));
            }
            Some(judging @ Judging { answer: None, .. }) => self.judging = Some(Box::new(judging)),
            // Nobody was asked yet, or what the verdict depends on has changed since.
            None | Some(Judging { answer: Some(Some(_)), .. }) => self.ask_aside(bytes, latin1, cx),
        }
        self.agent.waiting = true;
        None
    }

    fn holds_now(&self, verdict: &LargeVerdict, bytes: &[u8], latin1: bool, cx: &Cx<'_, '_>) -> bool {
        let LargeVerdict { judged, policy } = verdict;
        Arc::ptr_eq(policy, cx.shared.policy) && judged.is_for(&self.asked_of(bytes, latin1, None, cx))
    }

    fn ask_aside(&mut self, bytes: &[u8], latin1: bool, cx: &mut Cx<'_, '_>) {
        self.served += 1;
        let due_ns = cx.now.mono_ns.saturating_add(cx.shared.limits.large_ms.saturating_mul(1_000_000));
        cx.out.judge = Some(Box::new(JudgeAsk {
            number: self.served,
            session: self.open.id,
            bytes: bytes.into(),
            latin1,
            subject: Arc::clone(self.who.subject()),
            database: Arc::clone(&self.open.database),
            schemas: Arc::clone(self.schemas.current()),
            sure: self.schemas.is_sure(),
            temporary_at: self.schemas.temporary_at(),
            catalog: Arc::clone(&self.catalog),
            policy: Arc::clone(cx.shared.policy),
            wall_s: cx.wall_s(),
            limit: cx.shared.limits.statement,
            card_key: Arc::clone(cx.shared.card_key),
        }));
        self.judging = Some(Box::new(Judging { number: self.served, due_ns, answer: None }));
    }

    /// `None`: nobody could judge it.
    pub(super) fn was_judged(&mut self, number: u64, verdict: Option<LargeVerdict>) {
        if let Some(judging) = &mut self.judging
            && judging.number == number
            && judging.waits()
        {
            judging.answer = Some(verdict);
        }
    }

    /// Nobody has answered in time.
    pub(super) fn judgement_is_late(&mut self) {
        if let Some(judging) = &mut self.judging
            && judging.waits()
        {
            judging.answer = Some(None);
        }
    }
}

fn unanswered() -> Refusal {
    let message = "a statement of more than 16 KiB could not be judged: too many of them wait";
    Refusal::new(Why::Unjudged, message, "try again, send fewer at a time, or bind values as parameters")
        .with_code(*b"53000")
}

/// Of a text that would have to be judged where nobody can wait for it.
pub(super) fn stale() -> Refusal {
    let message = "a prepared statement of more than 16 KiB has to be judged anew, and is not where it is only named";
    Refusal::new(Why::Unjudged, message, "send it as a statement of its own, or prepare it anew by the protocol")
        .with_code(*b"54000")
}
