//! What people say of a held statement, and whether it is enough.

use super::{Approvals, Waiting};
use crate::approvals::{Answer, Approval, Login, Rejected, Reviewer, Rule, State, Vote, Word, reason};

impl Waiting {
    fn is_approved_with(&self, reviewer: &Reviewer, answer: Answer) -> bool {
        let words = self.approval.words.iter().filter(|word| word.approve && word.under.is_none());
        let said = words.map(|word| (word.reviewer.as_str(), word.groups.as_slice(), word.break_glass));
        let says = (reviewer.name.as_str(), reviewer.groups.as_slice(), answer == Answer::BreakGlass);
        let all: Vec<(&str, &[String], bool)> =
            said.filter(|(name, ..)| *name != reviewer.name).chain(std::iter::once(says)).collect();
        let people: Vec<policy::Person<'_>> = all.iter().map(|(name, groups, _)| (*name, *groups)).collect();
        self.approval.ask.rules.iter().all(|rule| {
            let breaks =
                |(name, groups, breaks): &(&str, &[String], bool)| *breaks && rule.terms.lets_break_glass(name, groups);
            rule.terms.is_satisfied_by(&people) || all.iter().any(breaks)
        })
    }
}

impl Approvals {
    /// A person's word. What is to be sent to the session; it counts from then on.
    pub fn decide(
        &self,
        id: &str,
        reviewer: &Reviewer,
        login: &Login,
        answer: Answer,
        why: &str,
        now_s: u64,
    ) -> Result<Vote, Rejected> {
        let why = reason(why)?;
        let mut table = self.table();
        if let Some(over) = table.over.iter().find(|approval| approval.ask.id == id) {
            let why = over.why.clone().unwrap_or_default();
            return Err(Rejected::Over { state: over.state, why });
        }
        let waiting = table.pending.get_mut(id).ok_or(Rejected::Unknown)?;
        if let Some(who) = &waiting.decided_by {
            return Err(Rejected::Decided(who.clone()));
        }
        let ask = &waiting.approval.ask;
        if ask.expires_s <= now_s {
            return Err(Rejected::Over { state: State::Expired, why: "nobody decided in time".to_owned() });
        }
        if reviewer.uid == Some(ask.uid) {
            return Err(Rejected::Own);
        }
        let breaks_glass = answer == Answer::BreakGlass;
        let takes = |rule: &&Rule| match breaks_glass {
            true => rule.terms.lets_break_glass(&reviewer.name, &reviewer.groups),
            false => rule.terms.admits(&reviewer.name, &reviewer.groups),
        };
        let mut asked = ask.rules.iter().filter(takes).peekable();
        if asked.peek().is_none() {
            return Err(if breaks_glass { Rejected::NoBreakGlass } else { Rejected::NoApprover });
        }
        let max_age_s = asked.filter_map(|rule| rule.terms.max_age_s).min();
        if let Some(max_age_s) = max_age_s.filter(|age| login.proved_s.saturating_add(u64::from(*age)) < now_s) {
            return Err(Rejected::Stale(max_age_s));
        }
        let approve = answer.approves();
        let said = |word: &Word| {
            word.reviewer == reviewer.name && word.approve && word.under.is_none() && word.break_glass == breaks_glass
        };
        if approve && waiting.approval.words.iter().any(said) {
            return Err(Rejected::Again);
        }
        if !approve || waiting.is_approved_with(reviewer, answer) {
            waiting.decided_by = Some(reviewer.name.clone());
        }
        let session = ask.session;
        waiting.approval.words.push(Word {
            approve,
            reviewer: reviewer.name.clone(),
            groups: reviewer.groups.clone(),
            login: login.words.clone(),
            reason: why.clone(),
            at_s: now_s,
            break_glass: breaks_glass,
            under: None,
        });
        Ok(Vote {
            id: id.to_owned(),
            session,
            approve,
            reviewer: reviewer.name.clone(),
            groups: reviewer.groups.clone(),
            login: login.words.clone(),
            reason: why,
            standing: None,
            break_glass: breaks_glass,
        })
    }

    /// The word did not reach the session: it is as if it had not been said.
    pub fn take_back(&self, vote: &Vote) {
        if let Some(waiting) = self.table().pending.get_mut(&vote.id) {
            waiting.decided_by = None;
            let words = &mut waiting.approval.words;
            if let Some(at) =
                words.iter().rposition(|word| word.reviewer == vote.reviewer && word.approve == vote.approve)
            {
                words.remove(at);
            }
        }
        self.has_changed();
    }

    /// What the session made of a word: it is over, or counted and others must approve too. `None`: no answer yet.
    pub fn heard(&self, id: &str) -> Option<Approval> {
        let table = self.table();
        match table.pending.get(id) {
            Some(waiting) => {
                let said = waiting.approval.words.iter().filter(|word| word.approve && word.under.is_none());
                let counted = waiting.decided_by.is_none() && waiting.counted as usize >= said.count();
                counted.then(|| waiting.approval.clone())
            }
            None => table.over.iter().find(|approval| approval.ask.id == id).cloned(),
        }
    }

    /// The session has counted so many approvals, and wants more.
    pub fn counted(&self, id: &str, count: u32) {
        if let Some(waiting) = self.table().pending.get_mut(id) {
            waiting.counted = count;
        }
        self.has_changed();
    }
}
