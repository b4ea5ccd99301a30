//! Phrases of which a part stands among what is shared and another among a record's own words: which profiles can have one.
//!
//! That is told by the shape: where a text's own words were there is a gap, so the shared part of the phrase must stand beside one. Without this a search
//! for `"payments settled"` would look into every record that has both words.

use anyhow::Result;

use super::super::entry::Column;
use super::super::query::{Bits, Sought};
use super::super::shape::GAP;
use super::Index;
use super::own::is_merged;

/// A phrase of more words is looked up in the records.
const PIECES_MAX: usize = 6;
/// The columns that may have words on both sides.
const BOTH: [Column; 3] = [Column::Text, Column::Said, Column::Objects];

impl Index {
    /// Per profile, of so many; `None`: that cannot be told.
    pub(super) fn over(&self, sought: &Sought, profiles: usize) -> Result<Option<Vec<bool>>> {
        if !sought.is_ascii || sought.pieces.len() > PIECES_MAX {
            return Ok(None);
        }
        let mut over = vec![false; profiles];
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
        let mut find = self.connection.prepare_cached("SELECT 1 FROM words WHERE words MATCH ? LIMIT 1")?;
        let mut own = 0;
        for (at, piece) in sought.pieces.iter().enumerate() {
            let told = format!("{} : {piece}", column.name());
            if is_merged(&told) || find.exists([&told])? {
                own |= 1 << at;
            }
        }
        Ok(own)
    }

    /// Each way to divide the words between the sides, as the shape has it.
    fn by_shape(&self, sought: &Sought, own: Bits, over: &mut [bool]) -> Result<()> {
        let count = sought.pieces.len();
        for of_own in (1..(1 << count) - 1).filter(|of_own| of_own & own == *of_own) {
            let mut words: Vec<&str> = Vec::new();
            let mut is_beginning = false;
            for (at, piece) in sought.pieces.iter().enumerate() {
                let is_own = of_own >> at & 1 == 1;
                is_beginning = !is_own && piece.ends_with('*');
                match words.last() {
                    Some(last) if is_own && *last == GAP => {}
                    _ => words.push(if is_own { GAP } else { piece.trim_matches(['"', ' ', '*']) }),
                }
            }
            let star = if is_beginning { " *" } else { "" };
            self.facets(&format!("{} : \"{}\"{star}", Column::Text.name(), words.join(" ")), |profile| {
                over.get_mut(profile).into_iter().for_each(|over| *over = true);
            })?;
        }
        Ok(())
    }

    /// Where no gap tells: those that share one of the words, and the others can be a record's own.
    fn by_words(&self, sought: &Sought, column: Column, own: Bits, over: &mut [bool]) -> Result<()> {
        let mut shared: Vec<Bits> = vec![0; over.len()];
        for (at, piece) in sought.pieces.iter().enumerate() {
            self.facets(&format!("{} : {piece}", column.name()), |profile| {
                shared.get_mut(profile).into_iter().for_each(|bits| *bits |= 1 << at);
            })?;
        }
        let all = (1 << sought.pieces.len()) - 1;
        for (over, shared) in over.iter_mut().zip(shared) {
            *over |= shared != 0 && (shared | own) & all == all;
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
