//! Recall on the test numbers that processors publish.

use pan::{Engine, Fill, Masked, Scanner};

use crate::pan::truth::corpus::{Recall, hidden};

const LIST: &str = include_str!("../../../data/published-test-cards.csv");

/// What was found of the list.
#[derive(Default)]
pub(crate) struct Published {
    /// Those that have to be found.
    pub(crate) balanced: Recall,
    pub(crate) strict: Recall,
    /// Reasons why some are not, and how many each.
    pub(crate) declared: Vec<(&'static str, u64)>,
    /// Line numbers of the list: those missed, and those declared as not found that are.
    pub(crate) missed: Vec<usize>,
    pub(crate) found_although_declared: Vec<usize>,
    pub(crate) sources: usize,
}

/// The whole list.
pub(crate) fn run(engine: &'static Engine) -> Published {
    let mut published = Published::default();
    let mut sources = Vec::new();
    for (line, text) in
        LIST.lines().enumerate().filter(|(_, text)| text.starts_with(|first: char| first.is_ascii_digit()))
    {
        let (number, rest) = text.split_once(',').unwrap_or((text, ""));
        let (source, reason) = rest.rsplit_once("\",").unwrap_or((rest, ""));
        let source = source.split_once('"').map_or("", |(_, source)| source);
        if !sources.contains(&source) {
            sources.push(source);
        }
        let mut bytes = number.as_bytes().to_vec();
        let cards = Scanner::with(engine, Fill::Text).scan(&mut bytes, true).cards;
        let found = cards == 1 && bytes == hidden(number).as_bytes();
        published.strict.add(Masked::of(number).as_str() != number);
        if reason.is_empty() {
            published.balanced.add(found);
            published.missed.extend((!found).then_some(line + 1));
            continue;
        }
        published.found_although_declared.extend(found.then_some(line + 1));
        match published.declared.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, count)) => *count += 1,
            None => published.declared.push((reason, 1)),
        }
    }
    published.sources = sources.len();
    published
}
