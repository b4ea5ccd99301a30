//! The conditions of a rule.

use toml::Spanned;
use toml::de::DeTable;

use super::{File, Word};
use crate::conditions::Conditions;
use crate::patterns::dotted;
use crate::{Action, ColumnPattern, Error};

/// The keys that are read here.
pub(super) const KEYS: [&str; 6] =
    ["columns", "where", "unbounded", "without_where", "database_wide", "estimated_rows_over"];

pub(super) fn read_conditions(file: &File<'_>, table: &DeTable<'_>, action: Action) -> Result<Conditions, Error> {
    let asked = columns(file, table, "where")?;
    if let (Some(key), Action::Allow, Some(_)) = (table.get("where"), action, &asked) {
        let message = "`where` is for rules that hold or block: an agent can add a predicate that changes nothing";
        return Err(file.error(key.span(), message));
    }
    Ok(Conditions {
        columns: columns(file, table, "columns")?,
        asked,
        unbounded: flag(file, table, "unbounded")?,
        without_where: flag(file, table, "without_where")?,
        database_wide: flag(file, table, "database_wide")?,
        estimated_rows_over: rows(file, table, "estimated_rows_over")?,
        matched: action == Action::Hold && flag(file, table, "match")? == Some(true),
    })
}

pub(super) fn flag(file: &File<'_>, table: &DeTable<'_>, key: &str) -> Result<Option<bool>, Error> {
    let Some(value) = table.get(key) else { return Ok(None) };
    let flag = value.get_ref().as_bool();
    flag.map(Some).ok_or_else(|| file.error(value.span(), format!("`{key}` is true or false")))
}

/// A count of rows.
pub(super) fn rows(file: &File<'_>, table: &DeTable<'_>, key: &str) -> Result<Option<u64>, Error> {
    let Some(value) = table.get(key) else { return Ok(None) };
    let number = value.get_ref().as_integer().filter(|number| number.radix() == 10);
    let rows = number.and_then(|number| number.as_str().replace('_', "").parse().ok());
    rows.map(Some).ok_or_else(|| file.error(value.span(), format!("`{key}` is a count of rows")))
}

fn columns(file: &File<'_>, table: &DeTable<'_>, key: &str) -> Result<Option<Vec<ColumnPattern>>, Error> {
    let Some(words) = file.list(table, key)? else { return Ok(None) };
    let mut patterns = Vec::with_capacity(words.len());
    for word in &words {
        let pattern = column(file, word)?;
        if patterns.contains(&pattern) {
            let span = table.get(key).map(Spanned::span).unwrap_or_default();
            return Err(file.error(span, format!("`{}` stands twice in `{key}`", word.text)));
        }
        patterns.push(pattern);
    }
    Ok(Some(patterns))
}

/// `column`, which is one of any table, or `schema.table.column`.
fn column(file: &File<'_>, word: &Word<'_>) -> Result<ColumnPattern, Error> {
    let any = || "*".to_owned();
    match dotted(word.text).unwrap_or_default().as_slice() {
        [column] if !word.text.starts_with('!') => {
            Ok(ColumnPattern { schema: any(), table: any(), column: column.clone() })
        }
        [schema, table, column] if !word.text.starts_with('!') => {
            Ok(ColumnPattern { schema: schema.clone(), table: table.clone(), column: column.clone() })
        }
        _ => {
            let message = format!("`{}` is not `column` or `schema.table.column`", word.text);
            Err(file.error(word.span.clone(), message))
        }
    }
}
