//! Words that stand for a while: an approval that covers further runs of its statement, and a grant of what a rule holds. They are taken to a
//! session as soon as it asks; whether they count is for the session to say, by the rule.

use std::collections::HashMap;

use serde::Serialize;

use super::{Approval, Ask, Login, Rejected, Reviewer, Vote, Word, reason};

/// Words that may stand at a time.
const STANDING_MAX: usize = 1024;

/// A word that stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Standing {
    /// Of the approval that it was given to, or of the grant.
    pub id: String,
    /// The rules that take it.
    pub rules: Vec<String>,
    /// For which agent.
    pub agent: String,
    /// On which database.
    pub database: String,
    /// The version of the policy that it is for.
    pub policy: String,
    /// Of an approval that covers further runs, its statement, masked; of a grant nothing.
    pub text: String,
    /// The person.
    pub reviewer: String,
    /// Groups that the person was in, where the identity provider said so.
    #[serde(skip)]
    pub groups: Vec<String>,
    /// How that is known.
    pub login: String,
    /// Why, masked.
    pub reason: String,
    /// When it was given, seconds since 1970.
    pub given_s: u64,
    /// It is over then.
    pub until_s: u64,
    /// How often it was taken to a session.
    pub used: u64,
    /// Of an approval that covers further runs: what it is bound to.
    #[serde(skip)]
    pub binding: Option<[u8; 32]>,
}

impl Standing {
    /// Is it about this statement?
    fn is_for(&self, ask: &Ask, now_s: u64) -> bool {
        let about = match self.binding {
            Some(binding) => ask.binding == binding && ask.rules.iter().all(|rule| rule.terms.covers_s.is_some()),
            None => ask.rules.iter().any(|rule| self.rules.contains(&rule.name) && rule.terms.grant_s.is_some()),
        };
        let same = (&self.agent, &self.database, &self.policy) == (&ask.agent, &ask.database, &ask.policy);
        about && same && now_s < self.until_s
    }

    fn word(&self) -> Word {
        Word {
            approve: true,
            reviewer: self.reviewer.clone(),
            groups: self.groups.clone(),
            login: self.login.clone(),
            reason: self.reason.clone(),
            at_s: self.given_s,
            break_glass: false,
            under: Some(self.id.clone()),
        }
    }
}

/// What a person grants.
#[derive(Clone, Debug)]
pub struct Granting {
    /// The id that it gets.
    pub id: String,
    /// What the rule holds.
    pub terms: std::sync::Arc<policy::Terms>,
    /// For this agent alone.
    pub agent: String,
    /// On this database alone.
    pub database: String,
    /// The version of the policy in force.
    pub policy: String,
    /// For so many seconds.
    pub for_s: u64,
}

impl Granting {
    /// As it stands once it is recorded.
    pub fn by(self, reviewer: &Reviewer, login: &Login, why: &str, now_s: u64) -> Result<Standing, Rejected> {
        let longest_s = self.terms.grant_s.ok_or(Rejected::NoGrant)?;
        if !self.terms.admits(&reviewer.name, &reviewer.groups) {
            return Err(Rejected::NoApprover);
        }
        if let Some(max_age_s) = self.terms.max_age_s
            && login.proved_s.saturating_add(max_age_s.into()) < now_s
        {
            return Err(Rejected::Stale(max_age_s));
        }
        if self.for_s == 0 || self.for_s > longest_s.into() {
            return Err(Rejected::TooLong(longest_s));
        }
        Ok(Standing {
            id: self.id,
            rules: vec![self.terms.rule.clone()],
            agent: self.agent,
            database: self.database,
            policy: self.policy,
            text: String::new(),
            reviewer: reviewer.name.clone(),
            groups: reviewer.groups.clone(),
            login: login.words.clone(),
            reason: reason(why)?,
            given_s: now_s,
            until_s: now_s.saturating_add(self.for_s),
            used: 0,
            binding: None,
        })
    }
}

/// All that stand, in the order in which they were given.
#[derive(Debug, Default)]
pub(super) struct Words(Vec<Standing>);

impl Words {
    pub(super) fn all(&self) -> &[Standing] {
        &self.0
    }

    pub(super) fn end_those_over(&mut self, now_s: u64) {
        self.0.retain(|one| now_s < one.until_s);
    }

    /// False: too many stand already.
    pub(super) fn add(&mut self, one: Standing, now_s: u64) -> bool {
        self.end_those_over(now_s);
        let fits = self.0.len() < STANDING_MAX;
        if fits {
            self.0.push(one);
        }
        fits
    }

    /// A person takes it back.
    pub(super) fn remove(&mut self, id: &str) -> Vec<Standing> {
        let (gone, left) = std::mem::take(&mut self.0).into_iter().partition(|one| one.id == id);
        self.0 = left;
        gone
    }

    /// What is taken to the session of a statement that has just been held. Nobody's word counts for a statement of their own account, and
    /// nobody's who is no reviewer any more.
    pub(super) fn for_ask(&mut self, ask: &Ask, reviewers: &[Reviewer], now_s: u64) -> Vec<(Word, Vote)> {
        self.end_those_over(now_s);
        let by_name: HashMap<&str, &Reviewer> = reviewers.iter().map(|one| (one.name.as_str(), one)).collect();
        let mut votes = Vec::new();
        for one in self.0.iter_mut().filter(|one| one.is_for(ask, now_s)) {
            let Some(groups) = groups_of(one, by_name.get(one.reviewer.as_str()).copied(), ask) else { continue };
            one.used += 1;
            let rules: Vec<Option<String>> = match one.binding {
                Some(_) => vec![None],
                None => one.rules.iter().cloned().map(Some).collect(),
            };
            for rule in rules {
                votes.push((one.word(), vote(ask, one, groups.clone(), rule)));
            }
        }
        votes
    }
}

/// The groups of the person, if the word may be used: nobody's for a statement of their own account, and nobody's who was a reviewer of the
/// configuration and is none any more.
fn groups_of(one: &Standing, known: Option<&Reviewer>, ask: &Ask) -> Option<Vec<String>> {
    match known {
        Some(reviewer) if reviewer.uid == Some(ask.uid) => None,
        Some(reviewer) => Some(reviewer.groups.iter().chain(&one.groups).cloned().collect()),
        // A colon is in no configured name.
        None => one.reviewer.contains(':').then(|| one.groups.clone()),
    }
}

fn vote(ask: &Ask, one: &Standing, groups: Vec<String>, rule: Option<String>) -> Vote {
    Vote {
        id: ask.id.clone(),
        session: ask.session,
        approve: true,
        reviewer: one.reviewer.clone(),
        groups,
        login: one.login.clone(),
        reason: one.reason.clone(),
        standing: Some(super::Given { approval: one.id.clone(), at_s: one.given_s, rule }),
        break_glass: false,
    }
}

/// What an approval covers from now on, where every rule that held its statement says so and people have said it about this very run.
pub(super) fn covered(approval: &Approval, now_s: u64) -> Vec<Standing> {
    let ask = &approval.ask;
    let longest_s = ask.rules.iter().map(|rule| rule.terms.covers_s).min().flatten();
    // An emergency is over with its statement.
    let not_about_this_run = |word: &Word| word.under.is_some() || word.break_glass;
    let (Some(longest_s), false) = (longest_s, approval.words.iter().any(not_about_this_run)) else {
        return Vec::new();
    };
    let mut text = ask.text.clone();
    text.truncate(text.floor_char_boundary(super::table::KEPT_TEXT));
    let standing = |word: &Word| Standing {
        id: ask.id.clone(),
        rules: ask.rules.iter().map(|rule| rule.name.clone()).collect(),
        agent: ask.agent.clone(),
        database: ask.database.clone(),
        policy: ask.policy.clone(),
        text: text.clone(),
        reviewer: word.reviewer.clone(),
        groups: word.groups.clone(),
        login: word.login.clone(),
        reason: word.reason.clone(),
        given_s: word.at_s,
        until_s: word.at_s.saturating_add(longest_s.into()),
        used: 0,
        binding: Some(ask.binding),
    };
    approval.words.iter().filter(|word| word.approve).map(standing).filter(|one| now_s < one.until_s).collect()
}
