//! What a rule asks of a statement beside its kinds and objects: the columns that it uses, the rows that it reaches.
//!
//! A fact that is not told counts against the agent: a block or hold then matches, an allow does not.

use sql::{Clause, ColumnId, Lineage, Name, Prepared, Sensitivity, Used, matches};

use crate::{Action, ColumnPattern, Question, Rule};

/// The conditions of a rule; all of them must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Conditions {
    /// `columns`: a block or hold is about statements that use one of them, an allow about those that use no other.
    pub(crate) columns: Option<Vec<ColumnPattern>>,
    /// `where`: a predicate asks about one of them.
    pub(crate) asked: Option<Vec<ColumnPattern>>,
    /// `unbounded`: a relation is read without a limit and without a key.
    pub(crate) unbounded: Option<bool>,
    /// `without_where`: an UPDATE or DELETE has no condition.
    pub(crate) without_where: Option<bool>,
    /// `database_wide`: it falls on all of a database or schema.
    pub(crate) database_wide: Option<bool>,
    /// `estimated_rows_over`: the planner expects more rows than that of some step of it.
    pub(crate) estimated_rows_over: Option<u64>,
    /// `match` of a hold: a sensitive column is compared for equality with a whole value. Where that is not told the statement is refused.
    pub(crate) matched: bool,
}

impl Conditions {
    /// Do they ask what only a traced statement tells?
    pub(crate) fn are_traced(&self) -> bool {
        self.columns.is_some() || self.asked.is_some() || self.unbounded.is_some() || self.matched
    }
}

/// Do the rule's conditions hold for the statement?
pub(crate) fn hold(rule: &Rule, question: &Question<'_>) -> bool {
    let (statement, estimated_rows) = (question.statement, question.estimated_rows);
    let lineage = statement.lineage.as_ref();
    let conditions = &rule.conditions;
    let is = |wanted: Option<bool>, fact: Option<bool>| match (wanted, fact) {
        (Some(wanted), Some(fact)) => wanted == fact,
        (Some(_), None) => rule.action != Action::Allow,
        (None, _) => true,
    };
    is(conditions.columns.as_ref().map(|_| true), columns(rule, lineage))
        && is(conditions.asked.as_ref().map(|_| true), asked(rule, lineage))
        && is(conditions.unbounded, unbounded(rule, lineage))
        && is(conditions.without_where, Some(statement.without_where.iter().any(|name| concerns(rule, name))))
        && is(conditions.database_wide, Some(statement.is_database_wide))
        && conditions.estimated_rows_over.is_none_or(|most| is(Some(true), estimated_rows.map(|rows| rows > most)))
        && (!conditions.matched || matched(rule, question))
}

/// The columns whose use must be told for the rule to be judged. An allow that names columns is about all the others as well.
pub(crate) fn watched(rule: &Rule) -> Vec<ColumnPattern> {
    let conditions = &rule.conditions;
    if rule.action == Action::Allow && conditions.columns.is_some() {
        let any = || "*".to_owned();
        return vec![ColumnPattern { schema: any(), table: any(), column: any() }];
    }
    [&conditions.columns, &conditions.asked].into_iter().flatten().flatten().cloned().collect()
}

fn columns(rule: &Rule, lineage: Option<&Lineage>) -> Option<bool> {
    let patterns = rule.conditions.columns.as_ref()?;
    let lineage = lineage.filter(|lineage| lineage.unknown.is_empty())?;
    let mut used = lineage.used.as_ref()?.iter().filter(|used| concerns(rule, &used.relation));
    Some(match rule.action {
        Action::Allow => used.all(|used| is_one(patterns, used)),
        Action::Hold | Action::Block => used.any(|used| is_one(patterns, used)),
    })
}

fn asked(rule: &Rule, lineage: Option<&Lineage>) -> Option<bool> {
    let patterns = rule.conditions.asked.as_ref()?;
    let lineage = lineage.filter(|lineage| lineage.unknown.is_empty())?;
    let mut asked = lineage.asked.as_ref()?.iter().filter(|asked| concerns(rule, &asked.relation));
    Some(asked.any(|asked| is_one(patterns, asked)))
}

fn unbounded(rule: &Rule, lineage: Option<&Lineage>) -> Option<bool> {
    let lineage = lineage.filter(|lineage| lineage.unknown.is_empty())?;
    Some(lineage.unbounded.iter().any(|name| concerns(rule, name)))
}

/// What the planner expects of one value is no answer, and a cursor asks when it is read, not when it is declared.
fn matched(rule: &Rule, question: &Question<'_>) -> bool {
    let declares = |prepared: &Prepared| matches!(prepared, Prepared::Declare { .. });
    let lineage = question.statement.lineage.as_ref().filter(|lineage| !lineage.is_plan);
    let (Some(lineage), Some(schema)) = (lineage, question.schema) else { return false };
    if question.statement.prepared.iter().any(declares) {
        return false;
    }
    lineage.probes.iter().filter(|probe| probe.clause == Clause::Match).any(|probe| {
        let ColumnId { relation, number } = probe.column;
        schema.relation_of(relation).filter(|relation| concerns(rule, &relation.name)).is_some_and(|relation| {
            let sensitive = |column: &sql::Column| column.sensitivity == Sensitivity::Sensitive;
            relation.columns.iter().any(|column| column.number == number && sensitive(column))
        })
    })
}

/// Is a relation of that name among the rule's tables? One without a schema may be.
fn concerns(rule: &Rule, name: &Name) -> bool {
    match (&rule.tables, &name.schema) {
        (Some(tables), Some(_)) => tables.matches(name.into()),
        _ => true,
    }
}

fn is_one(patterns: &[ColumnPattern], used: &Used) -> bool {
    patterns.iter().any(|pattern| {
        used.relation.schema.as_deref().is_none_or(|schema| matches(&pattern.schema, schema))
            && matches(&pattern.table, &used.relation.name)
            && matches(&pattern.column, &used.column)
    })
}
