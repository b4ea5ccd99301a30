//! `[[reveal]]`: who may ask for clear values of which columns, and who must agree.

use std::sync::Arc;

use super::terms::{People, approvers, people, seconds};
use super::{File, Table, agents, column, databases, window};
use crate::reveal::{REVEAL_COLUMNS_MAX, REVEAL_S, Reveal};
use crate::{ColumnPattern, EXPIRES_S, Error, Names, Sensitive, SensitiveKind, Terms};

const KEYS: [&str; 13] = [
    "name",
    "agents",
    "databases",
    "columns",
    "lasts",
    "approvers",
    "approvals",
    "expires",
    "grant",
    "max_age",
    "message",
    "valid",
    "hours",
];

pub(super) fn read(
    file: &File<'_>,
    whole: &Table<'_>,
    (names, sensitive): (&Names, &[Sensitive]),
    into: &mut Vec<Reveal>,
) -> Result<(), Error> {
    let table = file.table(whole)?;
    file.keys(table, &KEYS)?;
    let name = file.required(table, "name", whole)?;
    if name.text.contains(':') || into.iter().any(|known| known.name == name.text) {
        return Err(
            file.error(name.span, format!("the name `{}` has a colon, or another [[reveal]] has it", name.text))
        );
    }
    let message = file.optional(table, "message")?.map(|word| word.text.to_owned());
    let approvers = approvers(file, table, "approvers")?;
    // Four eyes, where it does not say otherwise. Nobody breaks glass for clear values.
    let People { count, all_groups } =
        people(file, table, &approvers)?.unwrap_or(People { count: 2, all_groups: false });
    into.push(Reveal {
        name: name.text.to_owned(),
        agents: agents(file, table, names)?,
        databases: databases(file, table, names)?,
        columns: columns(file, whole, sensitive)?,
        lasts_s: seconds(file, table, "lasts")?.unwrap_or(REVEAL_S),
        window: window(file, table)?,
        terms: Arc::new(Terms {
            rule: format!("reveal {}", name.text),
            approvers,
            approvals: count,
            all_groups,
            expires_s: seconds(file, table, "expires")?.unwrap_or(EXPIRES_S),
            grant_s: seconds(file, table, "grant")?,
            max_age_s: seconds(file, table, "max_age")?,
            message,
            ..Terms::default()
        }),
    });
    Ok(())
}

/// Check values, track data and secrets are shown to nobody: a column that is named as one cannot be listed.
fn columns(file: &File<'_>, whole: &Table<'_>, sensitive: &[Sensitive]) -> Result<Vec<ColumnPattern>, Error> {
    let Some(words) = file.list(file.table(whole)?, "columns")? else {
        return Err(file.error(whole.span(), "`columns` is missing"));
    };
    if words.len() > REVEAL_COLUMNS_MAX {
        return Err(file.error(whole.span(), format!("`columns` names more than {REVEAL_COLUMNS_MAX}")));
    }
    let mut all = Vec::with_capacity(words.len());
    for word in words {
        let pattern = column(file, &word)?;
        let never = |known: &&Sensitive| {
            let secret = matches!(known.kind, SensitiveKind::Cvv | SensitiveKind::Track | SensitiveKind::Secret);
            secret
                && [(&known.schema, &pattern.schema), (&known.table, &pattern.table), (&known.column, &pattern.column)]
                    .into_iter()
                    .all(|(known, wanted)| sql::matches(known, wanted) || sql::matches(wanted, known))
        };
        if let Some(known) = sensitive.iter().find(never) {
            let message = format!("`{}` may be of kind {}, which is shown to nobody", word.text, known.kind);
            return Err(file.error(word.span, message));
        }
        all.push(pattern);
    }
    Ok(all)
}
