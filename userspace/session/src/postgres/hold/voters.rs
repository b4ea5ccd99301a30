//! Whose words count for which rule.

use policy::{Person, Terms};

use crate::{Standing, Vote};

/// Of those who approve.
#[derive(Debug, Default)]
pub(super) struct Voters(Vec<Voter>);

#[derive(Debug)]
struct Voter {
    name: String,
    groups: Vec<String>,
    /// The rules that take a word which was said before; `None`: it was said about this statement, and counts for each.
    rules: Option<Vec<String>>,
    /// The person breaks glass: alone enough for each rule that says so.
    breaks_glass: bool,
}

impl Vote {
    /// Does the rule take this person's word?
    pub(super) fn is_taken_by(&self, terms: &Terms) -> bool {
        terms.admits(&self.reviewer, &self.groups) || self.is_broken_glass_of(terms)
    }

    fn is_broken_glass_of(&self, terms: &Terms) -> bool {
        self.approve && self.break_glass && terms.lets_break_glass(&self.reviewer, &self.groups)
    }
}

impl Standing {
    /// Does the rule take it now?
    fn counts_for(&self, terms: &Terms, wall_s: u64) -> bool {
        let longest_s = match &self.rule {
            Some(rule) => terms.grant_s.filter(|_| *rule == terms.rule),
            None => terms.covers_s,
        };
        longest_s.is_some_and(|longest_s| wall_s < self.given_s.saturating_add(longest_s.into()))
    }
}

impl Voters {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The rules, of those that hold it, for which the word counts beyond what the person has said already; `None`: for none.
    pub(super) fn takes<'a>(
        &self,
        vote: &Vote,
        terms: impl Iterator<Item = &'a Terms>,
        wall_s: u64,
    ) -> Option<Vec<String>> {
        let known = self.0.iter().find(|voter| voter.name == vote.reviewer);
        let again = |voter: &Voter, terms: &Terms| vote.is_broken_glass_of(terms) && !voter.breaks_glass;
        let counted = |terms: &Terms| known.is_some_and(|voter| voter.counts_for(terms) && !again(voter, terms));
        let stands = |terms: &Terms| vote.standing.as_ref().is_none_or(|standing| standing.counts_for(terms, wall_s));
        let admitted = |terms: &&Terms| vote.is_taken_by(terms) && stands(terms) && !counted(terms);
        let rules: Vec<String> = terms.filter(admitted).map(|terms| terms.rule.clone()).collect();
        (!rules.is_empty()).then_some(rules)
    }

    /// The person approves, for these rules.
    pub(super) fn add(&mut self, vote: Vote, rules: Vec<String>) {
        let rules = vote.standing.is_some().then_some(rules);
        let breaks_glass = vote.break_glass;
        match (self.0.iter_mut().find(|voter| voter.name == vote.reviewer), rules) {
            (Some(known), Some(more)) => {
                if let Some(rules) = &mut known.rules {
                    rules.extend(more);
                }
            }
            (Some(known), None) => {
                known.rules = None;
                known.breaks_glass |= breaks_glass;
            }
            (None, rules) => {
                self.0.push(Voter { name: vote.reviewer, groups: vote.groups, rules, breaks_glass });
            }
        }
    }

    /// Such people as the rule asks for have approved, or one has broken glass who may.
    pub(super) fn satisfy(&self, terms: &Terms) -> bool {
        let breaks = |voter: &Voter| voter.breaks_glass && terms.lets_break_glass(&voter.name, &voter.groups);
        let counting = self.0.iter().filter(|voter| voter.counts_for(terms));
        let people: Vec<Person<'_>> = counting.map(|voter| (voter.name.as_str(), voter.groups.as_slice())).collect();
        terms.is_satisfied_by(&people) || self.0.iter().any(breaks)
    }
}

impl Voter {
    fn counts_for(&self, terms: &Terms) -> bool {
        self.rules.as_ref().is_none_or(|rules| rules.contains(&terms.rule))
    }
}
