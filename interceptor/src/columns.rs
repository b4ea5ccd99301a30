//! `status --columns`: what all shards saw in the columns of tables, and what to make of it. Nothing here changes how a value is masked.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use control::{Column, Columns, Looks};
use pan::Masked;
use serde_json::Value;
use session::{ColumnName, Evidence, SeenColumn};

/// A hit in at most so many values, of so many and more, is what numbers give by chance.
const CHANCE: (u64, u64) = (10, 1000);

/// The columns of all shards together.
pub fn of_all<'a>(shards: impl Iterator<Item = &'a Evidence>) -> Columns {
    let mut all: BTreeMap<(String, String, u32, i16), SeenColumn> = BTreeMap::new();
    let mut overflow = 0;
    for shard in shards {
        overflow += shard.overflow();
        for seen in shard.columns() {
            let key = (seen.place.endpoint.clone(), seen.place.dbname.clone(), seen.table, seen.attribute);
            match all.get_mut(&key) {
                Some(known) => add(known, seen),
                None => drop(all.insert(key, seen)),
            }
        }
    }
    let mut columns: Vec<Column> = all.values().map(column).collect();
    columns.sort_by_key(|column| std::cmp::Reverse(column.hits));
    Columns { columns, overflow }
}

fn add(known: &mut SeenColumn, seen: SeenColumn) {
    known.values += seen.values;
    known.hits += seen.hits;
    known.window_s = (known.window_s.0.min(seen.window_s.0), known.window_s.1.max(seen.window_s.1));
    known.found |= seen.found;
    known.name = known.name.take().or(seen.name);
}

fn column(seen: &SeenColumn) -> Column {
    let looks = looks(seen);
    let shown = |text: &str| Masked::of(text).as_str().to_owned();
    Column {
        database: seen.place.endpoint.clone(),
        dbname: shown(&seen.place.dbname),
        column: shown(&seen.to_string()),
        table_oid: seen.table,
        attribute: seen.attribute,
        values: seen.values,
        hits: seen.hits,
        first_s: seen.window_s.0,
        last_s: seen.window_s.1,
        looks,
        clear: seen.name.as_ref().filter(|_| looks == Looks::Chance).and_then(|name| clear(&seen.place.endpoint, name)),
    }
}

fn looks(seen: &SeenColumn) -> Looks {
    let (rate, enough) = CHANCE;
    match seen.hits {
        _ if seen.found => Looks::Cards,
        0 => Looks::Clean,
        hits if seen.values >= enough && hits.saturating_mul(rate) <= seen.values => Looks::Chance,
        _ => Looks::Mixed,
    }
}

/// The table that declares a column clear. None: its name cannot be written there, or must not be.
fn clear(database: &str, name: &ColumnName) -> Option<String> {
    let part = |text: &str| {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        let odd = |c: char| c.is_control() || matches!(c, '"' | '\'' | '*');
        match text {
            _ if text.is_empty() || text.chars().any(odd) || Masked::of(text).as_str() != text => None,
            _ if text.chars().all(plain) => Some(text.to_owned()),
            _ => Some(format!("\"{text}\"")),
        }
    };
    let (schema, table, column) = (part(&name.schema)?, part(&name.table)?, part(&name.column)?);
    Some(format!(
        "[[sensitive]]\ndatabase = \"{database}\"\ncolumns = ['{schema}.{table}.{column}']\nkind = \"clear\"\n"
    ))
}

/// For a person, from the service's answer.
pub(crate) fn text(answer: &Value) -> String {
    let word = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let columns = || answer["columns"].as_array().into_iter().flatten();
    let mut out = String::new();
    for one in columns().filter(|one| one["looks"] != "clean") {
        let place = format!("{}/{} {}", word(&one["database"]), word(&one["dbname"]), word(&one["column"]));
        let looks = match one["looks"].as_str() {
            Some("cards") => "CARDS, and no rule names it",
            Some("chance") => "chance",
            _ => "mixed",
        };
        // Written to a String: cannot fail.
        let _ = writeln!(out, "column    {place:<44} {} of {} values with a card: {looks}", one["hits"], one["values"]);
        if let Some(clear) = one["clear"].as_str() {
            let _ = writeln!(out, "          if these are no cards, add to the policy:");
            clear.lines().for_each(|line| out.push_str(&format!("            {line}\n")));
        }
    }
    let clean = columns().filter(|one| one["looks"] == "clean").count();
    let _ = writeln!(out, "columns   {} seen, {clean} of them without a card", columns().count());
    if answer["overflow"] != 0 {
        let _ =
            writeln!(out, "WARNING   {} times a column was not counted: there is no room for more", answer["overflow"]);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use session::Place;
    use std::sync::Arc;

    fn seen(values: u64, hits: u64, found: bool, name: Option<[&str; 3]>) -> SeenColumn {
        SeenColumn {
            place: Arc::new(Place { endpoint: "payments".into(), dbname: "app".into() }),
            table: 16_400,
            attribute: 2,
            name: name.map(|[schema, table, column]| ColumnName {
                schema: schema.into(),
                table: table.into(),
                column: column.into(),
            }),
            values,
            hits,
            window_s: (5, 9),
            found,
        }
    }

    #[test]
    fn what_columns_look_like() {
        for (values, hits, found, looks) in [
            (1000, 100, false, Looks::Chance),
            (1000, 101, false, Looks::Mixed),
            (999, 1, false, Looks::Mixed),
            (5000, 0, false, Looks::Clean),
            (5000, 10, true, Looks::Cards),
        ] {
            assert_eq!(column(&seen(values, hits, found, None)).looks, looks, "{hits} of {values}");
        }
    }

    #[test]
    fn the_line_is_what_policy_reads() {
        let names = policy::Names { databases: vec!["payments".into()], ..policy::Names::default() };
        for name in [["public", "orders", "number"], ["Odd Schema", "o.x", "é"]] {
            let clear = column(&seen(2000, 3, false, Some(name))).clear.unwrap();
            let policy = policy::Policy::parse(&clear, &names).unwrap_or_else(|why| panic!("{why}\n{clear}"));
            let sensitive = policy.sensitive("payments").next().unwrap();
            assert_eq!([&*sensitive.schema, &*sensitive.table, &*sensitive.column], name);
            assert_eq!(sensitive.kind, policy::SensitiveKind::Clear);
        }
        for name in [["public", "t*", "c"], ["public", "t", "c\"d"], ["public", "t", "a4111111111111111"]] {
            assert_eq!(column(&seen(2000, 3, false, Some(name))).clear, None);
        }
        assert_eq!(column(&seen(2000, 3, true, Some(["public", "t", "c"]))).clear, None, "plainly cards");
        assert_eq!(column(&seen(2000, 3, false, None)).clear, None);
    }

    #[test]
    fn for_a_person() {
        let known = [
            seen(2000, 3, false, Some(["public", "orders", "number"])),
            seen(20, 20, true, None),
            seen(20, 0, false, None),
        ];
        let columns = Columns { columns: known.iter().map(column).collect(), overflow: 2 };
        let text = text(&serde_json::to_value(&columns).unwrap());
        assert!(text.contains("payments/app public.orders.number"), "{text}");
        assert!(text.contains("3 of 2000 values with a card: chance") && text.contains("kind = \"clear\""), "{text}");
        assert!(text.contains("column 2 of the table with OID 16400") && text.contains("CARDS"), "{text}");
        assert!(text.contains("3 seen, 1 of them without a card") && text.contains("2 times"), "{text}");
    }
}
