//! The known word nearest to a mistyped one.

/// The nearest of `known`, if it is near enough to be meant.
pub(crate) fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<String> {
    let far = word.chars().count() / 2;
    known
        .map(|known| (distance(word, known), known))
        .filter(|(distance, _)| *distance <= far.min(3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known.to_owned())
}

/// Insertions, deletions and replacements between two words (Levenshtein), one row of the table at a time.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        let mut next = Vec::with_capacity(row.len());
        next.push(left);
        for (cb, above) in b.iter().zip(row.iter().skip(1)) {
            let cost = diagonal + usize::from(ca != *cb);
            left = cost.min(left + 1).min(above + 1);
            next.push(left);
            diagonal = *above;
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_was_meant() {
        let known = ["statements", "tables", "action", "agents"];
        for (word, expected) in [
            ("tabels", Some("tables")),
            ("statement", Some("statements")),
            ("agent", Some("agents")),
            ("acton", Some("action")),
            ("xyz", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, known.into_iter()).as_deref(), expected, "{word}");
        }
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
