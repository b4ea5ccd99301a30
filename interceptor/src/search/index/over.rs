//! Phrases of which a part stands among what is shared and another among a record's own words: which profiles can have one.
//!
//! That is told by the shape: where a text's own words were there is a gap, so the shared part of the phrase must stand beside one. Without this a search
//! for `"payments settled"` would look into every record that has both words.

use std::collections::HashMap;

use anyhow::Result;
use rusqlite::params;

use super::super::entry::Column;
use super::super::query::{Bits, Sought};
use super::super::shape::{GAP, is_word};
use super::blocks::{BLOCK, place};
use super::near::{Need, Told};
use super::own::is_merged;
use super::{Index, profiles};

/// A phrase of more words is looked up in the records.
const PIECES_MAX: usize = 6;
/// The columns that may have words on both sides.
const BOTH: [Column; 3] = [Column::Text, Column::Said, Column::Objects];

/// Of more profiles it is not told how: each takes a look at its shape.
const TOLD_MAX: usize = 2048;

/// Which profiles have records with the phrase over both sides, and how.
#[derive(Debug)]
pub(super) struct Over {
    /// Per profile.
    pub(super) may: Vec<bool>,
    /// Of those that have it in their text: each way, and what it needs. None is told of others.
    ways: HashMap<usize, Vec<Vec<Need>>>,
}

impl Over {
    fn put(&mut self, profile: usize) {
        self.may.get_mut(profile).into_iter().for_each(|may| *may = true);
    }

    /// Of which words blocks are asked.
    pub(super) fn words(&self) -> impl Iterator<Item = &str> {
        self.ways.values().flatten().flatten().flat_map(Need::words)
    }

    /// Whether records of the profile can have it in a block.
    pub(super) fn may_in(&self, told: &Told, profile: usize) -> bool {
        let of = |ways: &Vec<Vec<Need>>| ways.iter().any(|way| way.iter().all(|need| told.may(need)));
        self.may.get(profile).copied().unwrap_or_default() && self.ways.get(&profile).is_none_or(of)
    }
}

/// The words of a piece, and whether it is a beginning only.
fn piece_word(piece: &str) -> (&str, bool) {
    (piece.trim_matches(['"', ' ', '*']), piece.ends_with('*'))
}

/// What all of a phrase among own words needs.
pub(super) fn side_by_side(pieces: &[String]) -> Vec<Need> {
    let whole = pieces.windows(2).filter(|two| !two[1].ends_with('*'));
    whole.map(|two| Need::pair(piece_word(&two[0]).0, piece_word(&two[1]).0)).collect()
}

impl Index {
    /// `None`: that cannot be told.
    pub(super) fn over(&self, sought: &Sought, profiles: usize) -> Result<Option<Over>> {
        if !sought.is_ascii || sought.pieces.len() > PIECES_MAX {
            return Ok(None);
        }
        let mut over = Over { may: vec![false; profiles], ways: HashMap::new() };
        let columns = BOTH.iter().filter(|column| sought.column().is_none_or(|own| own == column.name()));
        for column in columns {
            let own = self.own_pieces(sought, *column)?;
            match column {
                _ if own == 0 => {}
                Column::Text => self.by_shape(sought, own, &mut over)?,
                other => self.by_words(sought, *other, own, &mut over)?,
            }
        }
        Ok(Some(over))
    }

    /// The pieces that some record has among its own words of this column.
    fn own_pieces(&self, sought: &Sought, column: Column) -> Result<Bits> {
        let mut own = 0;
        for (at, piece) in sought.pieces.iter().enumerate() {
            let told = format!("{} : {piece}", column.name());
            if is_merged(&told) || self.is_own_in(column, piece, &told)? {
                own |= 1 << at;
            }
        }
        Ok(own)
    }

    /// Whether some record has it among its own words of a column. Of a word that is everywhere in another one FTS5 would go through all of its
    /// list: so the blocks say it that know it, and FTS5 is asked for what is between them.
    pub(super) fn is_own_in(&self, column: Column, piece: &str, told: &str) -> Result<bool> {
        let mut find = self
            .connection
            .prepare_cached("SELECT 1 FROM words WHERE words MATCH ? AND rowid BETWEEN ? AND ? LIMIT 1")?;
        let mut anywhere = self.connection.prepare_cached("SELECT 1 FROM words WHERE words MATCH ? LIMIT 1")?;
        if !anywhere.exists([piece])? {
            return Ok(false);
        }
        let last: i64 = self.connection.query_row("SELECT ifnull(max(id), 0) FROM records", [], |row| row.get(0))?;
        let (word, is_beginning) = piece_word(piece);
        let need = Need::in_column(column, word);
        // From here on it is not known.
        let mut from = 0;
        for block in 0..=place(last).0 {
            let is_known = match is_beginning {
                true => None,
                false => Told::read(&self.connection, block, need.words())?.and_then(|told| told.is(&need)),
            };
            match is_known {
                Some(true) => return Ok(true),
                Some(false) => {
                    if from < block && find.exists(params![told, from * BLOCK + 1, block * BLOCK])? {
                        return Ok(true);
                    }
                    from = block + 1;
                }
                None => {}
            }
        }
        Ok(find.exists(params![told, from * BLOCK + 1, last])?)
    }

    /// Each way to divide the words between the sides, as the shape has it.
    fn by_shape(&self, sought: &Sought, own: Bits, over: &mut Over) -> Result<()> {
        let count = sought.pieces.len();
        let mut found: Vec<(usize, Bits)> = Vec::new();
        for of_own in (1..(1 << count) - 1).filter(|of_own| of_own & own == *of_own) {
            let words = beside_gaps(&sought.pieces, of_own);
            let is_beginning = words.last().is_some_and(|(_, is_beginning)| *is_beginning);
            let star = if is_beginning { " *" } else { "" };
            let phrase: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            self.facets(&format!("{} : \"{}\"{star}", Column::Text.name(), phrase.join(" ")), |profile| {
                over.put(profile);
                found.push((profile, of_own));
            })?;
        }
        if found.is_empty() || found.len() > TOLD_MAX {
            return Ok(());
        }
        let shapes = profiles::shapes(&self.connection)?;
        for (profile, of_own) in found {
            let shape = shapes.get(&profile).filter(|shape| shape.split(GAP).all(str::is_ascii));
            // Where only FTS5 says what is a word, nothing is needed.
            let ways = shape.map_or_else(|| vec![Vec::new()], |shape| ways(shape, &sought.pieces, of_own, profile));
            over.ways.entry(profile).or_default().extend(ways);
        }
        Ok(())
    }

    /// Where no gap tells: those that share one of the words, and the others can be a record's own.
    fn by_words(&self, sought: &Sought, column: Column, own: Bits, over: &mut Over) -> Result<()> {
        let mut shared: Vec<Bits> = vec![0; over.may.len()];
        for (at, piece) in sought.pieces.iter().enumerate() {
            self.facets(&format!("{} : {piece}", column.name()), |profile| {
                shared.get_mut(profile).into_iter().for_each(|bits| *bits |= 1 << at);
            })?;
        }
        let all = (1 << sought.pieces.len()) - 1;
        for (profile, shared) in shared.into_iter().enumerate() {
            if shared != 0 && (shared | own) & all == all {
                over.put(profile);
                over.ways.entry(profile).or_default().push(Vec::new());
            }
        }
        Ok(())
    }

    /// The profiles whose words are so.
    pub(super) fn facets(&self, told: &str, mut see: impl FnMut(usize)) -> Result<()> {
        let mut find = self.connection.prepare_cached("SELECT rowid FROM facets WHERE facets MATCH ?")?;
        let mut rows = find.query([told])?;
        while let Some(row) = rows.next()? {
            see(row.get::<_, i64>(0)? as usize);
        }
        Ok(())
    }
}

/// The phrase as a shape has it, where these of its words are own: each word with whether it is a beginning.
fn beside_gaps(pieces: &[String], of_own: Bits) -> Vec<(&str, bool)> {
    let mut words: Vec<(&str, bool)> = Vec::new();
    for (at, piece) in pieces.iter().enumerate() {
        match (of_own >> at & 1 == 1, words.last()) {
            (true, Some((GAP, _))) => {}
            (true, _) => words.push((GAP, false)),
            (false, _) => words.push(piece_word(piece)),
        }
    }
    words
}

/// What each place of the phrase in a shape needs of the own words.
fn ways(shape: &str, pieces: &[String], of_own: Bits, profile: usize) -> Vec<Vec<Need>> {
    let pattern = beside_gaps(pieces, of_own);
    let words: Vec<&str> = shape.split(|c| !is_word(c)).filter(|word| !word.is_empty()).collect();
    let is = |((wanted, is_beginning), word): (&(&str, bool), &&str)| {
        let length = if *is_beginning { wanted.len().min(word.len()) } else { word.len() };
        *word == *wanted || word.get(..length).is_some_and(|word| word.eq_ignore_ascii_case(wanted))
    };
    let places = words.windows(pattern.len()).enumerate();
    let places = places.filter(|(_, place)| pattern.iter().zip(*place).all(is));
    places
        .map(|(at, _)| {
            let before = words.get(..at).unwrap_or_default().iter().filter(|word| **word == GAP).count();
            needs(pieces, of_own, profile, before + 1)
        })
        .collect()
}

/// Of the own words of a phrase, of which the first are in this gap of the profile.
fn needs(pieces: &[String], of_own: Bits, profile: usize, first: usize) -> Vec<Need> {
    let is_own = |at: usize| of_own >> at & 1 == 1;
    let (mut needs, mut gap) = (Vec::new(), first);
    for (at, piece) in pieces.iter().enumerate().filter(|(at, _)| is_own(*at)) {
        let (word, is_beginning) = piece_word(piece);
        let (goes_on_before, is_last) = (at > 0 && is_own(at - 1), at + 1 == pieces.len());
        if !is_beginning {
            match at.checked_sub(1).and_then(|before| pieces.get(before)) {
                Some(before) if goes_on_before => needs.push(Need::pair(piece_word(before).0, word)),
                Some(_) => needs.push(Need::begins(profile, gap, word)),
                None => {}
            }
        }
        if !is_last && !is_own(at + 1) {
            needs.push(Need::ends(profile, gap, word));
            gap += 1;
        }
    }
    needs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_phrase_over_both_sides_needs_of_the_own_words() {
        let pieces = |typed: &str| typed.split(' ').map(|word| format!("\"{word}\"")).collect::<Vec<_>>();
        let shape = format!("DELETE FROM n WHERE author {GAP} AND on {GAP} OR author {GAP}");
        let of = |typed: &str, own| ways(&shape, &pieces(typed), own, 7);
        assert_eq!(of("author 2026", 0b10), [vec![Need::begins(7, 1, "2026")], vec![Need::begins(7, 3, "2026")]]);
        assert_eq!(of("ada and", 0b01), [vec![Need::ends(7, 1, "ada")]]);
        assert_eq!(
            of("author a b AND", 0b0110),
            [vec![Need::begins(7, 1, "a"), Need::pair("a", "b"), Need::ends(7, 1, "b")]]
        );
        assert_eq!(of("5 OR author 6", 0b1001), [vec![Need::ends(7, 2, "5"), Need::begins(7, 3, "6")]]);
        assert!(of("from 5", 0b10).is_empty());
        let beginning = ["\"author\"".to_owned(), "\"20\" *".to_owned()];
        assert_eq!(ways(&shape, &beginning, 0b10, 7), [vec![], vec![]]);
    }
}
