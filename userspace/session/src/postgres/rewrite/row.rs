//! The fields of a row: DataRow, a tuple of COPY BINARY, a function's result.

use super::Malformed;
use super::columns::Columns;
use super::cursor::{Cursor, Step};
use super::field::Field;

/// Fields, each a length (-1: null) and a value.
#[derive(Clone)]
pub(super) struct Fields {
    next: usize,
    field: Field,
    inside: bool,
    /// A card was found in this field.
    hit: bool,
}

impl Fields {
    pub(super) const fn new() -> Fields {
        Fields { next: 0, field: Field::NONE, inside: false, hit: false }
    }

    /// Begins a row.
    pub(super) fn restart(&mut self) {
        self.next = 0;
        self.inside = false;
    }

    /// Goes on with it. Done: all columns have passed.
    pub(super) fn step(&mut self, cursor: &mut Cursor<'_>, columns: &Columns) -> Result<Step, Malformed> {
        loop {
            if self.inside {
                let before = cursor.cards;
                let step = self.field.step(cursor, columns.types()).map_err(|fault| fault.in_column(self.next))?;
                self.hit |= cursor.cards > before;
                if step == Step::More {
                    return Ok(Step::More);
                }
                self.inside = false;
                columns.count(self.next, self.hit);
                self.next += 1;
            }
            let Some(column) = columns.get(self.next) else { return Ok(Step::Done) };
            let Some(length) = cursor.take::<4>() else { return Ok(Step::More) };
            match i32::from_be_bytes(length) {
                -1 => self.next += 1,
                length => {
                    let length = usize::try_from(length).map_err(|_| Malformed::Length)?;
                    self.field.open(column, length).map_err(|fault| fault.in_column(self.next))?;
                    columns.count_shown(self.next);
                    cursor.sensitive += u32::from(column.whole.is_some());
                    self.inside = true;
                    self.hit = false;
                }
            }
        }
    }
}

/// DataRow: a count of fields, then the fields.
#[derive(Clone)]
pub struct Row {
    started: bool,
    fields: Fields,
}

impl Row {
    pub(super) const fn new() -> Row {
        Row { started: false, fields: Fields::new() }
    }

    pub(super) fn restart(&mut self) {
        self.started = false;
    }

    pub(super) fn step(&mut self, cursor: &mut Cursor<'_>, columns: &Columns) -> Result<Step, Malformed> {
        if !self.started {
            let Some(count) = cursor.take::<2>() else { return Ok(Step::More) };
            if usize::from(u16::from_be_bytes(count)) != columns.len() {
                return Err(Malformed::Count);
            }
            self.started = true;
            self.fields.restart();
        }
        self.fields.step(cursor, columns)
    }
}

/// FunctionCallResponse: one value, of the type and format that the first column says.
#[derive(Clone)]
pub struct Function {
    fields: Fields,
}

impl Function {
    pub(super) const fn new() -> Function {
        Function { fields: Fields::new() }
    }

    pub(super) fn restart(&mut self) {
        self.fields.restart();
    }

    pub(super) fn step(&mut self, cursor: &mut Cursor<'_>, columns: &Columns) -> Result<Step, Malformed> {
        if columns.len() != 1 {
            return Err(Malformed::Count);
        }
        self.fields.step(cursor, columns)
    }
}
