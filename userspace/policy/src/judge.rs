//! The verdict: pairs against rules.

use std::sync::Arc;

use sql::{Group, Kind, Object, Pair, RelationKind};

use crate::patterns::Named;
use crate::{Action, Doubt, Policy, Question, Rule, Subject, Terms, Verdict, conditions, reveal};

/// Judges one statement. Of several rules that say the same, the first by name is named.
pub fn judge<'a>(policy: &'a Policy, question: Question<'a>) -> Verdict<'a> {
    let mut valid_until: Option<i64> = None;
    let mut open: Vec<&Rule> = Vec::with_capacity(policy.rules.len());
    for rule in policy.rules.iter().filter(|rule| concerns(rule, &question)) {
        valid_until = valid_until.into_iter().chain(rule.window.next_change(question.wall_s)).min();
        open.extend(Some(rule).filter(|rule| rule.window.is_open(question.wall_s)));
    }
    let wants_estimate = wants_estimate(policy, &question);
    let mut verdict =
        Verdict { action: Action::Allow, rule: None, message: None, pair: None, valid_until, wants_estimate };
    if question.statement.pairs.is_empty() {
        verdict.action = Action::Block;
    }
    for pair in &question.statement.pairs {
        let (action, rule) = judge_pair(&open, pair, &question);
        let first_allow = action == Action::Allow && verdict.action == Action::Allow && verdict.rule.is_none();
        if action > verdict.action || first_allow {
            verdict.action = action;
            verdict.rule = rule.map(|rule| rule.name.as_str());
            verdict.message = rule.and_then(|rule| rule.message.as_deref()).filter(|_| action != Action::Allow);
            verdict.pair = (action != Action::Allow).then_some(pair);
        }
    }
    for rule in open {
        if rule.action > verdict.action && calls(rule, &question) {
            verdict.action = rule.action;
            verdict.rule = Some(&rule.name);
            verdict.message = rule.message.as_deref();
            verdict.pair = question.statement.pairs.first();
        }
    }
    match reveal(policy, &question) {
        None => verdict,
        Some(asked) => with_reveal(policy, &question, asked.is_ok(), verdict),
    }
}

/// SET of `interceptor.reveal`: held for people where a `[[reveal]]` is meant, else refused.
fn with_reveal<'a>(policy: &'a Policy, question: &Question<'a>, fit: bool, mut verdict: Verdict<'a>) -> Verdict<'a> {
    let changes = policy.reveals(question.database).filter_map(|reveal| reveal.next_change(question.wall_s));
    verdict.valid_until = changes.chain(verdict.valid_until).min();
    let action = if fit { Action::Hold } else { Action::Block };
    if action > verdict.action {
        let asked = reveal(policy, question).and_then(Result::ok).map(|(reveal, _)| &*reveal.terms);
        verdict.action = action;
        verdict.rule = asked.map(|terms| terms.rule.as_str());
        verdict.message = asked.and_then(|terms| terms.message.as_deref());
        verdict.pair = question.statement.pairs.first();
    }
    verdict
}

/// A block or hold that names functions is also about those of the server's own that reach nothing, and so have no pair.
fn calls(rule: &Rule, question: &Question<'_>) -> bool {
    let kinds = rule.kinds.as_ref().is_none_or(|kinds| kinds.contains(Kind::FUNCTION_CALL));
    let Some(functions) = rule.functions.as_ref().filter(|_| kinds && rule.action != Action::Allow) else {
        return false;
    };
    question
        .statement
        .harmless_calls
        .iter()
        .any(|name| names(name.into(), false, question.schemas).any(|name| functions.matches(name)))
}

/// Would an estimate of its rows matter to some rule?
fn wants_estimate(policy: &Policy, question: &Question<'_>) -> bool {
    let estimated = Question { estimated_rows: Some(u64::MAX), ..*question };
    question.estimated_rows.is_none()
        && policy.rules.iter().any(|rule| {
            rule.conditions.estimated_rows_over.is_some()
                && rule.window.is_open(question.wall_s)
                && concerns(rule, &estimated)
        })
}

/// The terms of every rule that holds the statement, and of the `[[reveal]]` that it asks for: a person's word must satisfy each.
pub fn holds(policy: &Policy, question: Question<'_>) -> Vec<Arc<Terms>> {
    let revealed = reveal(policy, &question).and_then(Result::ok).map(|(reveal, _)| Arc::clone(&reveal.terms));
    let held = policy.rules.iter().filter(|rule| holds_by(rule, &question));
    held.filter_map(|rule| rule.terms.clone()).chain(revealed).collect()
}

/// Does this rule hold the statement, unless another blocks it?
pub(crate) fn holds_by(rule: &Rule, question: &Question<'_>) -> bool {
    let about = |pair: &Pair| {
        covers(rule, pair, None)
            || candidates(&pair.object, question.schemas)
                .any(|name| covers(rule, pair, Some(name)) || covers_through(rule, pair, Some(name), question))
    };
    rule.terms.is_some()
        && concerns(rule, question)
        && rule.window.is_open(question.wall_s)
        && (calls(rule, question) || question.statement.pairs.iter().any(about))
}

/// Is it for this agent, on this database, about a kind that the statement has?
pub(crate) fn concerns(rule: &Rule, question: &Question<'_>) -> bool {
    is_about(rule, question.subject)
        && rule.databases.matches(question.database)
        && (question.statement.pairs.iter().any(|pair| has_kind(rule, pair)) || calls(rule, question))
        && conditions::hold(rule, question)
}

/// Is it for this agent, by its name, its groups and what a token says?
fn is_about(rule: &Rule, subject: &Subject) -> bool {
    let doubt = match rule.action {
        Action::Allow => Doubt::CountsNot,
        Action::Hold | Action::Block => Doubt::Counts,
    };
    rule.agents.covers(subject, doubt) && rule.claims.iter().all(|claim| subject.claims(claim, doubt))
}

fn has_kind(rule: &Rule, pair: &Pair) -> bool {
    rule.kinds.as_ref().is_none_or(|kinds| kinds.contains(pair.kind))
}

/// A block or hold decides if it matches any name that the object's may resolve to. Allows must match all of them, but each
/// name may have its own.
fn judge_pair<'a>(rules: &[&'a Rule], pair: &Pair, question: &Question<'_>) -> (Action, Option<&'a Rule>) {
    let of = |action: Action| rules.iter().copied().filter(move |rule| rule.action == action && has_kind(rule, pair));
    for action in [Action::Block, Action::Hold] {
        let hits = |rule: &&Rule| {
            let mut names = candidates_or_none(&pair.object, question.schemas);
            names.any(|name| covers(rule, pair, name) || covers_through(rule, pair, name, question))
        };
        if let Some(rule) = of(action).find(hits) {
            return (action, Some(rule));
        }
    }
    let allow = |name: Option<Named<'_>>| of(Action::Allow).find(|rule| covers(rule, pair, name));
    // The rule that allows the first of its names, as long as one allows each of the others.
    let (mut decided, mut is_nowhere) = (None, true);
    let all = candidates(&pair.object, question.schemas).all(|name| {
        is_nowhere = false;
        let rule = allow(Some(name));
        decided = decided.or(rule);
        rule.is_some()
    });
    let decided = if is_nowhere { allow(None) } else { decided.filter(|_| all) };
    decided.map_or((Action::Block, None), |rule| (Action::Allow, Some(rule)))
}

/// Does the rule match the pair, if its object is the one of that name? `None`: it is none, or can be nowhere.
pub(crate) fn covers(rule: &Rule, pair: &Pair, name: Option<Named<'_>>) -> bool {
    if !has_kind(rule, pair) {
        return false;
    }
    let objects = match &pair.object {
        _ if rule.tables.is_none() && rule.functions.is_none() => return true,
        Object::None => {
            let reaches_nothing = Group::Read.contains(pair.kind) || Group::Session.contains(pair.kind);
            return rule.action == Action::Allow && reaches_nothing;
        }
        Object::Table(_) => &rule.tables,
        Object::Function(_) => &rule.functions,
    };
    matches!((objects, name), (Some(objects), Some(name)) if objects.matches(name))
}

/// A block or hold about columns or rows of its `tables`, whose conditions hold for the statement: does the pair's object stand for
/// other tables, so that they may be meant?
fn covers_through(rule: &Rule, pair: &Pair, name: Option<Named<'_>>, question: &Question<'_>) -> bool {
    let is_through = rule.action != Action::Allow && rule.tables.is_some() && rule.conditions.are_traced();
    let (true, Some(schema)) = (is_through && has_kind(rule, pair), question.schema) else { return false };
    let is_users = |pair: &Pair| match &pair.object {
        Object::Function(name) => !schema.functions(&name.name).is_empty(),
        Object::None | Object::Table(_) => false,
    };
    let stands = match &pair.object {
        Object::None => false,
        Object::Function(_) => true,
        Object::Table(_) => match name.and_then(|name| schema.relation(&name.to_name(), &[])) {
            Some(relation) => matches!(relation.kind, RelationKind::View { .. }),
            // One of several names that a bare one might be; where none is there the statement is unknown.
            None => question.statement.lineage.as_ref().is_none_or(|lineage| !lineage.unknown.is_empty()),
        },
    };
    // What a function reads is read by the statement that calls it.
    stands || question.statement.pairs.iter().any(is_users)
}

/// Every name that the object's may resolve to.
///
/// A relation of the server's own is found in `pg_catalog`, which is searched first unless `search_path` names it later; a
/// call may mean the server's function or, by its arguments, one of any schema, but no temporary one (PostgreSQL 18, 5.10.5,
/// 10.3, and `search_path` in 19.11.1). Sessions list the schemas as `current_schemas(true)` does: `pg_temp_7`, which is
/// `pg_temp` to rules, and `pg_catalog` are among them for every name.
pub(crate) fn candidates<'a>(object: &'a Object, schemas: &'a [String]) -> impl Iterator<Item = Named<'a>> {
    let named = match object {
        Object::None => None,
        Object::Table(name) => Some((name, true)),
        Object::Function(name) => Some((name, false)),
    };
    named.into_iter().flat_map(|(name, is_relation)| names(name.into(), is_relation, schemas))
}

/// The same with one more where there is none: an object that is none, or can be nowhere.
pub(crate) fn candidates_or_none<'a>(
    object: &'a Object,
    schemas: &'a [String],
) -> impl Iterator<Item = Option<Named<'a>>> {
    let mut all = candidates(object, schemas);
    let first = all.next();
    std::iter::once(first).chain(all.map(Some))
}

fn names<'a>(name: Named<'a>, is_relation: bool, schemas: &'a [String]) -> impl Iterator<Item = Named<'a>> {
    let is_bare = name.schema.is_none();
    let is_servers = is_bare
        && if is_relation {
            name.name.bytes().starts_with(b"pg_") // as all of `pg_catalog` are called
        } else {
            sql::is_catalog_function(name.name)
        };
    // Where a relation is known to be in pg_catalog, the search ends there.
    let ends_there = is_servers && is_relation && sql::is_catalog_relation(name.name);
    let catalog_at = schemas.iter().position(|schema| schema == "pg_catalog");
    let searched = match (ends_there, catalog_at) {
        _ if !is_bare => &[],
        (true, at) => schemas.get(..at.unwrap_or_default()).unwrap_or_default(),
        (false, _) => schemas,
    };
    let searched = searched
        .iter()
        .map(|schema| if schema.starts_with("pg_temp_") { "pg_temp" } else { schema.as_str() })
        .filter(move |schema| is_servers || *schema != "pg_catalog")
        .filter(move |schema| is_relation || *schema != "pg_temp");
    let catalog = (is_servers && (ends_there || catalog_at.is_none())).then_some("pg_catalog");
    name.schema.into_iter().chain(searched).chain(catalog).map(move |schema| Named { schema: Some(schema), ..name })
}

/// A pair in words, with the schema if there is but one that it can be in.
pub(crate) fn said(pair: &Pair, question: &Question<'_>) -> String {
    let mut candidates = candidates(&pair.object, question.schemas);
    let name = match (candidates.next(), candidates.next()) {
        (Some(only), None) => only.to_name().to_string(),
        _ => match &pair.object {
            Object::None => return format!("`{}`", pair.kind),
            Object::Table(name) | Object::Function(name) => name.to_string(),
        },
    };
    match &pair.object {
        Object::Function(_) => format!("`{}` of {name}", pair.kind),
        _ => format!("`{}` on {name}", pair.kind),
    }
}
