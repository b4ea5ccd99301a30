//! Who must agree to what a rule holds.

use std::fmt;

use crate::Terms;

/// A person who has agreed: the name, and the groups that the person is in.
pub type Person<'a> = (&'a str, &'a [String]);

impl Terms {
    /// Whether the rule takes this reviewer's word.
    pub fn admits(&self, reviewer: &str, groups: &[String]) -> bool {
        self.approvers.is_empty() || self.approvers.iter().any(|approver| is(approver, (reviewer, groups)))
    }

    /// Whether this reviewer alone may let go on what the rule holds, in an emergency.
    pub fn lets_break_glass(&self, reviewer: &str, groups: &[String]) -> bool {
        self.break_glass.iter().any(|named| is(named, (reviewer, groups)))
    }

    /// Whether these people, each of them once, are as many and of such groups as the rule asks for.
    pub fn is_satisfied_by(&self, people: &[Person<'_>]) -> bool {
        let admitted: Vec<Person<'_>> =
            people.iter().copied().filter(|(name, groups)| self.admits(name, groups)).collect();
        admitted.len() >= self.approvals as usize && (!self.all_groups || each_has_one(&self.approvers, &admitted))
    }
}

/// `NAME` or `group:NAME`.
fn is(named: &str, (reviewer, groups): Person<'_>) -> bool {
    match named.strip_prefix("group:") {
        Some(group) => groups.iter().any(|of| of == group),
        None => named == reviewer,
    }
}

/// Whether each group can have a person of its own: who is in several speaks for one. A matching, found by moving people to other groups of
/// theirs (Kuhn, 1955).
fn each_has_one(groups: &[String], people: &[Person<'_>]) -> bool {
    let mut speaks_for = vec![None; people.len()];
    (0..groups.len()).all(|group| seat(group, (groups, people), &mut speaks_for, &mut vec![false; people.len()]))
}

fn seat(group: usize, all: (&[String], &[Person<'_>]), speaks_for: &mut [Option<usize>], asked: &mut [bool]) -> bool {
    for at in 0..all.1.len() {
        if asked[at] || !is(&all.0[group], all.1[at]) {
            continue;
        }
        asked[at] = true;
        if speaks_for[at].is_none_or(|other| seat(other, all, speaks_for, asked)) {
            speaks_for[at] = Some(group);
            return true;
        }
    }
    false
}

impl fmt::Display for Terms {
    /// All that the rule asks for, in one line for people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let who = if self.approvers.is_empty() { "any reviewer".to_owned() } else { self.approvers.join(", ") };
        match (self.all_groups, self.approvals) {
            (true, _) => write!(f, "one person of each of {who}")?,
            (false, 1) => write!(f, "one person of {who}")?,
            (false, count) => write!(f, "{count} people of {who}")?,
        }
        write!(f, ", within {} s", self.expires_s)?;
        if let Some(age_s) = self.max_age_s {
            write!(f, ", with a login of the last {age_s} s")?;
        }
        if let Some(covers_s) = self.covers_s {
            write!(f, "; covers the same statement for {covers_s} s")?;
        }
        if let Some(grant_s) = self.grant_s {
            write!(f, "; may be granted for {grant_s} s")?;
        }
        if self.rows {
            f.write_str("; for about as many rows as the planner expects")?;
        }
        match self.break_glass.as_slice() {
            [] => Ok(()),
            named => write!(f, "; {} may BREAK GLASS", named.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owned(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn every_group_wants_a_person_of_its_own() {
        let terms = |approvers: &[&str]| Terms {
            approvers: owned(approvers),
            approvals: approvers.len() as u32,
            all_groups: true,
            ..Terms::default()
        };
        let both = &["group:leads", "group:security"];
        let three = &["group:a", "group:b", "group:c"];
        for (approvers, people, expected) in [
            (both.as_slice(), [("ann", "leads"), ("eve", "security")].as_slice(), true),
            (both, &[("ann", "leads"), ("bob", "leads")], false),
            (both, &[("ann", "leads security")], false),
            (both, &[("ann", "leads security"), ("bob", "leads")], true),
            (both, &[("bob", "leads"), ("ann", "leads security")], true),
            (both, &[("ann", "leads"), ("eve", "other")], false),
            // Each group has somebody, and only one person has more than one.
            (three, &[("ann", "a b c"), ("bob", "a"), ("cyd", "a")], false),
            (three, &[("ann", "a b c"), ("bob", "a"), ("cyd", "a b")], true),
            (three, &[], false),
        ] {
            let groups: Vec<Vec<String>> =
                people.iter().map(|(_, groups)| owned(&groups.split(' ').collect::<Vec<_>>())).collect();
            let people: Vec<Person<'_>> =
                people.iter().zip(&groups).map(|((name, _), groups)| (*name, groups.as_slice())).collect();
            assert_eq!(terms(approvers).is_satisfied_by(&people), expected, "{approvers:?} {people:?}");
        }
    }

    #[test]
    fn a_rule_says_all_that_it_asks_for() {
        let terms = Terms { approvals: 1, expires_s: 600, ..Terms::default() };
        assert_eq!(terms.to_string(), "one person of any reviewer, within 600 s");
        let terms = Terms {
            approvers: owned(&["group:a", "group:b"]),
            approvals: 2,
            all_groups: true,
            expires_s: 60,
            max_age_s: Some(300),
            covers_s: Some(900),
            grant_s: Some(3600),
            rows: true,
            break_glass: owned(&["group:oncall"]),
            ..Terms::default()
        };
        assert_eq!(
            terms.to_string(),
            "one person of each of group:a, group:b, within 60 s, with a login of the last 300 s; covers the same statement for 900 s; \
             may be granted for 3600 s; for about as many rows as the planner expects; group:oncall may BREAK GLASS"
        );
    }
}
