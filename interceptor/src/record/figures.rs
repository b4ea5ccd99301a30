//! A figure of the record: which records count, and what is counted of them. `audit export --where … --count` prints one, and every
//! number of the evidence pack is one, so each can be traced to its records by the same words without `--count`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use audit::segment::{Frame, frames, parse_file_name};
use audit::show;
use serde_json::Value;

/// Values of a field told apart at most; what is beyond goes under `(others)`.
const DISTINCT_MAX: usize = 10_000;

/// A stretch of time: nanoseconds since 1970, the end is not in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The first.
    pub from_ns: u64,
    /// The first that is not in it.
    pub to_ns: u64,
}

impl Span {
    /// All there is.
    pub const ALL: Span = Span { from_ns: 0, to_ns: u64::MAX };

    /// From what a person typed: `2026-01-31` (as an end: with that day), `2026-01-31T08:00Z`, or `@` and seconds since 1970.
    pub fn parse(from: Option<&str>, to: Option<&str>) -> Result<Span> {
        let from_ns = from.map_or(Ok(0), |word| instant(word, 0))?;
        let to_ns = to.map_or(Ok(u64::MAX), |word| instant(word, 86_400))?;
        if from_ns >= to_ns {
            bail!("nothing lies between --from and --to");
        }
        Ok(Span { from_ns, to_ns })
    }

    pub(crate) fn holds(self, frame: &Frame<'_>) -> bool {
        (self.from_ns..self.to_ns).contains(&frame.stamp.wall_ns)
    }
}

fn instant(word: &str, day_s: u64) -> Result<u64> {
    let exact = word.strip_prefix('@').and_then(|seconds| seconds.parse::<u64>().ok());
    let date = || policy::instant(word).and_then(|seconds| u64::try_from(seconds).ok());
    let end_s = if word.contains('T') { 0 } else { day_s };
    let seconds = exact.or_else(|| date().map(|seconds| seconds.saturating_add(end_s))).with_context(|| {
        format!("`{word}`: a date (2026-01-31), a date with a time (2026-01-31T08:00Z) or @ and seconds since 1970")
    })?;
    Ok(seconds.saturating_mul(1_000_000_000))
}

/// What one field must be: `FIELD=VALUE`, `FIELD=A|B*` (one of them; a star ends a beginning), `FIELD>N`. Of a list, one entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Want {
    field: String,
    is: Is,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Is {
    OneOf(Vec<String>),
    Above(u64),
}

impl Want {
    /// From words.
    pub fn parse(words: &str) -> Result<Want> {
        let above = words.split_once('>').filter(|(field, _)| !field.contains('='));
        if let Some((field, number)) = above {
            let number = number.parse().with_context(|| format!("`{words}`: FIELD>N wants a number"))?;
            return Ok(Want { field: field.into(), is: Is::Above(number) });
        }
        let (field, values) = words.split_once('=').with_context(|| format!("`{words}`: FIELD=VALUE or FIELD>N"))?;
        Ok(Want { field: field.into(), is: Is::OneOf(values.split('|').map(str::to_owned).collect()) })
    }

    fn holds(&self, record: &Value) -> bool {
        let holds = |value: &Value| match &self.is {
            Is::Above(number) => value.as_u64().is_some_and(|value| value > *number),
            Is::OneOf(values) => {
                let word = word(value);
                values.iter().any(|wanted| match wanted.strip_suffix('*') {
                    Some(begins) => word.starts_with(begins),
                    None => word == *wanted,
                })
            }
        };
        match field(record, &self.field) {
            Some(Value::Array(list)) => list.iter().any(holds),
            Some(value) => holds(&value),
            None => false,
        }
    }
}

/// A field by its name; `day` is the date.
fn field(record: &Value, name: &str) -> Option<Value> {
    match name {
        "day" => record["time"].as_str().and_then(|time| time.get(..10)).map(Value::from),
        name => record.get(name).cloned(),
    }
}

fn word(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// What is counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Of {
    /// The records.
    Count,
    /// A field's numbers, added up.
    Sum(String),
    /// The records, for each value of a field.
    Distinct(String),
}

/// One figure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Figure {
    /// All must hold.
    pub wants: Vec<Want>,
    /// Of those records.
    pub of: Of,
}

/// What it came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tally {
    /// A number.
    Number(u64),
    /// A number for each value.
    Each(BTreeMap<String, u64>),
}

impl Figure {
    /// Nothing yet.
    pub fn zero(&self) -> Tally {
        match self.of {
            Of::Count | Of::Sum(_) => Tally::Number(0),
            Of::Distinct(_) => Tally::Each(BTreeMap::new()),
        }
    }

    /// Whether the record counts.
    pub fn admits(&self, record: &Value) -> bool {
        self.wants.iter().all(|want| want.holds(record))
    }

    /// Counts the record where it is one of those.
    pub fn add(&self, tally: &mut Tally, record: &Value) {
        if !self.admits(record) {
            return;
        }
        match (&self.of, tally) {
            (Of::Count, Tally::Number(number)) => *number += 1,
            (Of::Sum(name), Tally::Number(number)) => {
                *number += field(record, name).and_then(|value| value.as_u64()).unwrap_or(0);
            }
            (Of::Distinct(name), Tally::Each(each)) => {
                let values = match field(record, name) {
                    Some(Value::Array(list)) => list,
                    Some(value) => vec![value],
                    None => Vec::new(),
                };
                for value in values {
                    let value = word(&value);
                    let key =
                        if each.len() < DISTINCT_MAX || each.contains_key(&value) { value } else { "(others)".into() };
                    *each.entry(key).or_default() += 1;
                }
            }
            _ => {}
        }
    }
}

impl Tally {
    /// A line for a number, one per value else.
    pub fn lines(&self) -> String {
        match self {
            Tally::Number(number) => format!("{number}\n"),
            Tally::Each(each) => {
                each.iter().map(|(value, count)| format!("{count}\t{}\n", control::plain(value))).collect()
            }
        }
    }

    /// For a program.
    pub fn value(&self) -> Value {
        match self {
            Tally::Number(number) => (*number).into(),
            Tally::Each(each) => each
                .iter()
                .map(|(value, count)| (value.clone(), Value::from(*count)))
                .collect::<serde_json::Map<_, _>>()
                .into(),
        }
    }
}

/// Every record of the span, shard by shard; a segment is in memory at a time.
pub fn each(folders: &[PathBuf], span: Span, mut see: impl FnMut(&Value)) -> Result<()> {
    for path in super::segments(folders)? {
        let Some((shard, _)) = path.file_name().and_then(|name| name.to_str()).and_then(parse_file_name) else {
            continue;
        };
        let bytes = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        frames(&bytes).filter(|frame| span.holds(frame)).for_each(|frame| see(&show::json(shard, &frame)));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn records_are_told_apart_by_their_fields() {
        let record = json!({ "type": "decision", "kinds": ["select", "create-role"], "masked": 3, "success": false });
        for (words, holds) in [
            ("type=decision", true),
            ("type=login|decision", true),
            ("type=dec", false),
            ("kinds=create-*", true),
            ("kinds=drop-*|grant", false),
            ("masked>2", true),
            ("masked>3", false),
            ("success=false", true),
            ("agent=x", false),
        ] {
            assert_eq!(Want::parse(words).unwrap().holds(&record), holds, "{words}");
        }
        assert!(Want::parse("masked>x").is_err() && Want::parse("masked").is_err());
    }

    #[test]
    fn an_end_that_is_a_day_has_that_day() {
        let span = Span::parse(Some("2026-01-01"), Some("2026-01-31")).unwrap();
        assert_eq!((span.to_ns - span.from_ns) / 1_000_000_000, 31 * 86_400);
        assert_eq!(Span::parse(Some("@5"), Some("@7")).unwrap(), Span { from_ns: 5_000_000_000, to_ns: 7_000_000_000 });
        assert!(Span::parse(Some("2026-01-31"), Some("2026-01-01")).is_err() && Span::parse(Some("x"), None).is_err());
    }
}
