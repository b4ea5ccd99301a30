//! What a rule that holds asks for: `approvers`, `approvals`, `expires`, `covers`, `grant`, `rows`, `max_age`, `break_glass`.

use std::sync::Arc;

use toml::Spanned;
use toml::de::DeTable;

use super::File;
use crate::{APPROVALS_MAX, Action, EXPIRES_S, EXPIRES_S_MAX, Error, Terms};

const KEYS: [&str; 8] = ["approvers", "approvals", "expires", "covers", "grant", "rows", "max_age", "break_glass"];
/// In place of a number of people.
const ALL_GROUPS: &str = "all-groups";

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
    let approvers = approvers(file, table, "approvers")?;
    let People { count, all_groups } =
        people(file, table, &approvers)?.unwrap_or(People { count: 1, all_groups: false });
    Ok(Some(Arc::new(Terms {
        rule: rule.to_owned(),
        approvers,
        approvals: count,
        all_groups,
        break_glass: self::approvers(file, table, "break_glass")?,
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

/// Names of people and `group:NAME`.
pub(super) fn approvers(file: &File<'_>, table: &DeTable<'_>, key: &str) -> Result<Vec<String>, Error> {
    let words = file.list(table, key)?.unwrap_or_default();
    for word in &words {
        if word.text.starts_with('!') || word.text.strip_prefix("group:").unwrap_or(word.text).is_empty() {
            return Err(file.error(word.span.clone(), format!("`{}` is not a name or `group:NAME`", word.text)));
        }
    }
    Ok(words.iter().map(|word| word.text.to_owned()).collect())
}

/// Who must approve.
pub(super) struct People {
    pub(super) count: u32,
    pub(super) all_groups: bool,
}

/// `approvals`, where it stands there: a number of people, or `all-groups`, one person of each.
pub(super) fn people(file: &File<'_>, table: &DeTable<'_>, approvers: &[String]) -> Result<Option<People>, Error> {
    let Some(value) = table.get("approvals") else { return Ok(None) };
    if value.get_ref().as_str() == Some(ALL_GROUPS) {
        let are_groups = !approvers.is_empty() && approvers.iter().all(|approver| approver.starts_with("group:"));
        let count = u32::try_from(approvers.len()).ok().filter(|count| are_groups && *count <= APPROVALS_MAX);
        let why =
            || format!("`{ALL_GROUPS}` wants `approvers` that are groups (`group:NAME`), at most {APPROVALS_MAX}");
        let count = count.ok_or_else(|| file.error(value.span(), why()))?;
        return Ok(Some(People { count, all_groups: true }));
    }
    let number = value.get_ref().as_integer().and_then(|number| number.as_str().parse::<u32>().ok());
    match number.filter(|number| (1..=APPROVALS_MAX).contains(number)) {
        Some(count) => Ok(Some(People { count, all_groups: false })),
        None => {
            let why = format!("`approvals` is a number from 1 to {APPROVALS_MAX}, or \"{ALL_GROUPS}\"");
            Err(file.error(value.span(), why))
        }
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
