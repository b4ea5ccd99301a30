//! What a rule that holds asks for: `approvers`, `approvals`, `expires`, `covers`, `grant`, `rows`, `max_age`.

use std::sync::Arc;

use toml::Spanned;
use toml::de::DeTable;

use super::File;
use crate::{APPROVALS_MAX, Action, EXPIRES_S, EXPIRES_S_MAX, Error, Terms};

const KEYS: [&str; 7] = ["approvers", "approvals", "expires", "covers", "grant", "rows", "max_age"];

/// The terms of a hold; `None` for any other action, whose rule must not name any.
pub(super) fn read(
    file: &File<'_>,
    table: &DeTable<'_>,
    action: Action,
    (rule, message): (&str, Option<&str>),
) -> Result<Option<Arc<Terms>>, Error> {
    if action != Action::Hold {
        return match KEYS.into_iter().find_map(|key| Some((key, table.get(key)?))) {
            None => Ok(None),
            Some((key, value)) => Err(file.error(value.span(), format!("`{key}` is for rules whose action is `hold`"))),
        };
    }
    Ok(Some(Arc::new(Terms {
        rule: rule.to_owned(),
        approvers: approvers(file, table)?,
        approvals: approvals(file, table)?,
        expires_s: seconds(file, table, "expires")?.unwrap_or(EXPIRES_S),
        covers_s: seconds(file, table, "covers")?,
        grant_s: seconds(file, table, "grant")?,
        rows: rows(file, table)?,
        max_age_s: seconds(file, table, "max_age")?,
        message: message.map(str::to_owned),
    })))
}

fn rows(file: &File<'_>, table: &DeTable<'_>) -> Result<bool, Error> {
    let Some(value) = table.get("rows") else { return Ok(false) };
    value.get_ref().as_bool().ok_or_else(|| file.error(value.span(), "`rows` is true or false"))
}

pub(super) fn approvers(file: &File<'_>, table: &DeTable<'_>) -> Result<Vec<String>, Error> {
    let words = file.list(table, "approvers")?.unwrap_or_default();
    for word in &words {
        if word.text.starts_with('!') || word.text.strip_prefix("group:").unwrap_or(word.text).is_empty() {
            return Err(file.error(word.span.clone(), format!("`{}` is not a name or `group:NAME`", word.text)));
        }
    }
    Ok(words.iter().map(|word| word.text.to_owned()).collect())
}

fn approvals(file: &File<'_>, table: &DeTable<'_>) -> Result<u32, Error> {
    Ok(people(file, table)?.unwrap_or(1))
}

/// How many people must approve.
pub(super) fn people(file: &File<'_>, table: &DeTable<'_>) -> Result<Option<u32>, Error> {
    let Some(value) = table.get("approvals") else { return Ok(None) };
    let number = value.get_ref().as_integer().and_then(|number| number.as_str().parse::<u32>().ok());
    match number.filter(|number| (1..=APPROVALS_MAX).contains(number)) {
        Some(number) => Ok(Some(number)),
        None => Err(file.error(value.span(), format!("`approvals` is a number from 1 to {APPROVALS_MAX}"))),
    }
}

/// `90s`, `10m`, `2h`.
pub(super) fn seconds(file: &File<'_>, table: &DeTable<'_>, key: &str) -> Result<Option<u32>, Error> {
    let Some(word) = file.optional(table, key)? else { return Ok(None) };
    let unit = |text: &str| match text {
        "s" => Some(1),
        "m" => Some(60),
        "h" => Some(3600),
        _ => None,
    };
    let (count, of) = word.text.split_at(word.text.len() - word.text.chars().next_back().map_or(0, char::len_utf8));
    let seconds = count.parse::<u32>().ok().zip(unit(of)).and_then(|(count, of)| count.checked_mul(of));
    match seconds.filter(|seconds| (1..=EXPIRES_S_MAX).contains(seconds)) {
        Some(seconds) => Ok(Some(seconds)),
        None => {
            let span = table.get(key).map(Spanned::span).unwrap_or_default();
            Err(file.error(span, format!("`{key}` is written as \"90s\", \"10m\" or \"2h\": at least 1s, at most 24h")))
        }
    }
}
