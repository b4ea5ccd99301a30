//! What an agent received, as tables. As in [`super::pages`], every text goes through [`plain`] and maud's escaping.

use maud::{Markup, html};

use crate::plain::plain;
use crate::timeline::{Line, Received};

/// Rows under what their columns are called, or something else that came.
#[derive(Debug, PartialEq, Eq)]
enum Part<'a> {
    Table(&'a [String], Vec<&'a [Option<String>]>),
    Said(&'a str),
}

/// `record` names it for the command line.
pub(super) fn received(one: &Received, record: &str) -> Markup {
    html! {
        div .received tabindex="0" role="region" aria-label={ "Received, record " (plain(record)) } {
            @for part in parts(&one.lines) {
                @match part {
                    Part::Table(names, rows) => (table(names, &rows)),
                    Part::Said(words) => p { (plain(words)) },
                }
            }
            @if one.more > 0 {
                p { (one.more) " bytes more; what is kept of them: " code { "interceptor sessions show " (plain(record)) } }
            }
        }
    }
}

fn table(names: &[String], rows: &[&[Option<String>]]) -> Markup {
    html! {
        table {
            @if !names.is_empty() { thead { tr { @for name in names { th scope="col" { (plain(name)) } } } } }
            tbody {
                @for row in rows {
                    tr { @for value in *row { @match value { Some(value) => td { (plain(value)) }, None => td .null { "null" } } } }
                }
            }
        }
    }
}

fn parts(lines: &[Line]) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    for line in lines {
        match (line, parts.last_mut()) {
            (Line::Columns(names), _) => parts.push(Part::Table(names, Vec::new())),
            (Line::Row(row), Some(Part::Table(_, rows))) => rows.push(row),
            // Columns were told when it was prepared.
            (Line::Row(row), _) => parts.push(Part::Table(&[], vec![row])),
            (Line::Said(words), _) => parts.push(Part::Said(words)),
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_lie_under_their_columns() {
        let row = |value: &str| Line::Row(vec![Some(value.to_owned()), None]);
        let (named, said) = (Line::Columns(vec!["id".to_owned(), "pan".to_owned()]), Line::Said("SELECT 2".to_owned()));
        for (lines, expected) in [
            (vec![], ""),
            (vec![named.clone(), row("7"), row("8"), said.clone()], "id,pan: 7,null 8,null; SELECT 2"),
            (vec![named.clone(), said.clone(), named, row("9")], "id,pan:; SELECT 2; id,pan: 9,null"),
            (vec![row("7"), row("8"), said], ": 7,null 8,null; SELECT 2"),
        ] {
            let shown = parts(&lines).into_iter().map(|part| match part {
                Part::Said(words) => words.to_owned(),
                Part::Table(names, rows) => rows.iter().fold(names.join(",") + ":", |line, row| {
                    let values: Vec<&str> = row.iter().map(|value| value.as_deref().unwrap_or("null")).collect();
                    line + " " + &values.join(",")
                }),
            });
            assert_eq!(shown.collect::<Vec<_>>().join("; "), expected);
        }
    }
}
