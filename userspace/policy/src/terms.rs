//! What an allow says beside yes.

use sql::{Name, Object, Pair};

use crate::judge::{candidates, candidates_or_none, concerns, covers, holds_by};
use crate::patterns::Named;
use crate::{Action, Policy, Question, Rule};

/// May this agent ask whether a sensitive column of this table, whose schema is named, equals a value: by itself, or because a person
/// is asked about the statement for just that?
pub fn may_match(policy: &Policy, question: &Question<'_>, table: &Name) -> bool {
    let object = Object::Table(table.clone());
    let mut kinds = question.statement.pairs.iter().map(|pair| pair.kind);
    // What a hold by an estimate comes to is not known yet.
    let held = |rule: &&Rule| rule.conditions.estimated_rows_over.is_none() && holds_by(rule, question);
    let held: Vec<&Rule> = policy.rules.iter().filter(|rule| rule.may_match).filter(held).collect();
    kinds.any(|kind| {
        let pair = Pair { kind, object: object.clone() };
        let mut rules = allows(policy, question).filter(|rule| rule.may_match).chain(held.iter().copied());
        rules.any(|rule| covers(rule, &pair, Some(table.into())))
    })
}

/// So many rows may leave, where the statement is allowed; `None`: any number.
pub fn rows_over(policy: &Policy, question: &Question<'_>) -> Option<u64> {
    if policy.rules.iter().all(|rule| rule.rows_over.is_none()) {
        return None;
    }
    let of_pair = |pair: &Pair| {
        let loosest = |name| {
            let covering = allows(policy, question).filter(|rule| covers(rule, pair, name));
            covering.map(|rule| rule.rows_over.unwrap_or(u64::MAX)).max().unwrap_or(u64::MAX)
        };
        candidates_or_none(&pair.object, question.schemas).map(loosest).min().unwrap_or(u64::MAX)
    };
    question.statement.pairs.iter().map(of_pair).min().filter(|rows| *rows != u64::MAX)
}

/// Is what comes back kept in the record? If any rule that lets some of the statement go on asks for it, yes; if some only ask for statements, no;
/// `None`: its database says.
pub fn results(policy: &Policy, question: &Question<'_>) -> Option<bool> {
    if policy.rules.iter().all(|rule| rule.results.is_none()) {
        return None;
    }
    let about = |rule: &&Rule| {
        let covered = |pair: &Pair| {
            let mut names = candidates(&pair.object, question.schemas);
            covers(rule, pair, None) || names.any(|name| covers(rule, pair, Some(name)))
        };
        rule.action != Action::Block
            && concerns(rule, question)
            && rule.window.is_open(question.wall_s)
            && question.statement.pairs.iter().any(covered)
    };
    policy.rules.iter().filter(|rule| rule.results.is_some()).filter(about).filter_map(|rule| rule.results).max()
}

/// Does an allow spell this object out? A name without schema is it under every schema that it may be in.
pub fn vouches(policy: &Policy, question: &Question<'_>, object: &Object) -> bool {
    let mut names = candidates(object, question.schemas).peekable();
    let spelt = |name: Named<'_>| {
        allows(policy, question).any(|rule| match object {
            Object::None => false,
            Object::Table(_) => rule.tables.as_ref().is_some_and(|tables| tables.spells(name)),
            Object::Function(_) => rule.functions.as_ref().is_some_and(|functions| functions.spells(name)),
        })
    };
    names.peek().is_some() && names.all(spelt)
}

/// The allows that hold for this question now.
fn allows<'a>(policy: &'a Policy, question: &'a Question<'a>) -> impl Iterator<Item = &'a Rule> {
    policy.rules.iter().filter(move |rule| {
        rule.action == Action::Allow && concerns(rule, question) && rule.window.is_open(question.wall_s)
    })
}
