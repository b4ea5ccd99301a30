//! `[[scan]]` and `[[pattern]]`: how values are searched by content, and for what beside card numbers.

use super::{File, Table, Word, column, database};
use crate::pattern::{PATTERNS_MAX, Pattern};
use crate::{ColumnPattern, Error, Names, ScanMode, Scanned};

pub(super) fn read_scan(
    file: &File<'_>,
    whole: &Table<'_>,
    names: &Names,
    into: &mut Vec<Scanned>,
) -> Result<(), Error> {
    let table = file.table(whole)?;
    file.keys(table, &["database", "columns", "mode"])?;
    let database = database(file, table, names)?;
    let word = file.required(table, "mode", whole)?;
    let mode = match word.text {
        "balanced" => ScanMode::Balanced,
        "strict" => ScanMode::Strict,
        _ => return Err(file.unknown(&word, "mode", ["balanced", "strict"].into_iter())),
    };
    let Some(words) = file.list(table, "columns")? else {
        return Err(
            file.error(whole.span(), "`columns` is missing; a whole database has `masking` in the configuration")
        );
    };
    for word in words {
        let column = column(file, &word)?;
        if into.iter().any(|known| known.database == database && known.column == column) {
            return Err(file.error(word.span, format!("`{}` is given a mode twice", word.text)));
        }
        into.push(Scanned { database: database.clone(), column, mode });
    }
    Ok(())
}

pub(super) fn read_pattern(
    file: &File<'_>,
    whole: &Table<'_>,
    names: &Names,
    into: &mut Vec<Pattern>,
) -> Result<(), Error> {
    let table = file.table(whole)?;
    file.keys(table, &["name", "regex", "databases", "columns"])?;
    let name = file.required(table, "name", whole)?.text.to_owned();
    if into.iter().any(|known| known.name == name) {
        return Err(file.error(whole.span(), format!("the name `{name}` is taken by another pattern")));
    }
    let regex = file.required(table, "regex", whole)?;
    let mut pattern = Pattern::new(name, regex.text).map_err(|why| file.error(regex.span, why))?;
    for word in file.list(table, "databases")?.unwrap_or_default() {
        pattern.databases.push(known_database(file, &word, names)?);
    }
    for word in file.list(table, "columns")?.unwrap_or_default() {
        let column: ColumnPattern = column(file, &word)?;
        pattern.columns.push(column);
    }
    into.push(pattern);
    let full = names.databases.iter().find(|name| into.iter().filter(|p| p.is_for(name)).count() > PATTERNS_MAX);
    match full {
        Some(name) => Err(file.error(whole.span(), format!("database `{name}` has more than {PATTERNS_MAX} patterns"))),
        None => Ok(()),
    }
}

fn known_database(file: &File<'_>, word: &Word<'_>, names: &Names) -> Result<String, Error> {
    match names.databases.iter().any(|known| known == word.text) {
        true => Ok(word.text.to_owned()),
        false => Err(file.unknown(word, "database", names.databases.iter().map(String::as_str))),
    }
}
