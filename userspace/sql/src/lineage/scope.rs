//! What a name means: the FROM items that are visible, innermost query first.

use std::cell::Cell;
use std::rc::Rc;

use super::owners::Owners;
use super::value::{Column, Value};
use crate::digest::Sought;
use crate::grammar::Arena;
use crate::schema::Kept;
use crate::{ColumnId, Relation, Schema, Sensitivity};

/// The columns of a FROM item.
#[derive(Clone, Debug)]
pub(super) enum Columns<'c> {
    /// Those of a relation, as the database has them.
    Relation(&'c Kept),
    /// Those of a relation, of which some are generated from what matters.
    Computed(&'c Kept, Rc<[Column<'c>]>),
    /// These. One named `*` stands for any number of others.
    Known(Rc<[Column<'c>]>),
    /// Any name may be one; each has this value.
    Any(Value<'c>),
}

/// The name of a column that stands for any number of columns that were not told.
pub(super) const STAR: &str = "*";

/// One item of FROM.
#[derive(Clone, Debug)]
pub(super) struct Item<'c> {
    /// What its columns may be qualified with: an alias, or the relation's own name.
    pub(super) name: &'c str,
    /// Its schema, where it is a relation without an alias.
    pub(super) schema: Option<&'c str>,
    /// Its columns.
    pub(super) columns: Columns<'c>,
    /// It is a relation with rows of its own: has `ctid` and its kin.
    pub(super) is_stored: bool,
}

/// What stands in FROM.
#[derive(Clone, Debug)]
pub(super) enum From<'c> {
    /// One item.
    Item(Item<'c>),
    /// Two, joined.
    Join {
        /// Left and right.
        sides: Box<[From<'c>; 2]>,
        /// The columns of USING or NATURAL: once, in front of the others.
        merged: Rc<[Column<'c>]>,
        /// The name by which the merged columns may be qualified.
        alias: &'c str,
    },
}

/// The FROM of one query.
pub(super) struct Scope<'c> {
    /// Its items.
    pub(super) from: Vec<From<'c>>,
    /// So many of them, the first ones, are hidden: those in front of a join whose condition is followed.
    hidden: usize,
    /// May be seen: not so while a subquery in FROM without LATERAL is followed.
    pub(super) is_visible: bool,
    /// Which of the items may have a column, once that was asked of many.
    owners: Cell<Option<&'c Owners>>,
}

impl<'c> Scope<'c> {
    /// Those that are seen.
    fn items(&self) -> &[From<'c>] {
        self.from.get(self.hidden..).unwrap_or_default()
    }

    /// Which of the items may have a column of a name; `None`: they are so few, or so many, that each is asked.
    fn owners(&self, arena: &'c Arena) -> Option<&'c Owners> {
        if self.hidden > 0 || !Owners::ARE_WORTH.contains(&self.from.len()) {
            return None;
        }
        if let Some(known) = self.owners.get() {
            return Some(known);
        }
        let owners: &'c Owners = arena.alloc(Owners::of(self.from.iter().map(From::slots)));
        self.owners.set(Some(owners));
        Some(owners)
    }

    /// Looks for an unqualified column, which may be a system column, in those that are seen.
    fn find(&self, arena: &'c Arena, schema: &Schema, sought: Sought<'_>, is_system: bool, found: &mut Found<'c>) {
        // Every stored row has the system columns.
        match self.owners(arena).filter(|_| !is_system) {
            Some(owners) => owners
                .may_have(sought)
                .filter_map(|at| self.from.get(at))
                .for_each(|from| from.find(schema, sought, false, found)),
            None => self.items().iter().for_each(|from| from.find(schema, sought, is_system, found)),
        }
    }
}

/// What looking for a name found.
#[derive(Debug, Default)]
pub(super) struct Found<'c> {
    /// What it may mean.
    pub(super) value: Option<Value<'c>>,
    /// An item that may have a column of any name was asked: an outer one may be meant as well.
    pub(super) is_open: bool,
}

impl<'c> Found<'c> {
    /// It may also be this.
    pub(super) fn add(&mut self, value: Value<'c>) {
        self.value = Some(match self.value.take() {
            Some(known) => known.with(&value),
            None => value,
        });
    }
}

/// System columns: of every stored row, and tell nothing of its values.
#[inline]
pub(super) fn is_system(name: &str) -> bool {
    matches!(name, "ctid" | "xmin" | "xmax" | "cmin" | "cmax" | "tableoid" | "oid")
}

impl From<'_> {
    /// The slots of the names of its columns; `None`: others may be meant in it too.
    fn slots(&self) -> Option<impl Iterator<Item = usize>> {
        match self {
            From::Item(Item { columns: Columns::Relation(relation), .. }) => Some(relation.slots()),
            From::Item(_) | From::Join { .. } => None,
        }
    }
}

/// What a column of a relation holds, by what policy calls it.
pub(super) fn stored<'c>(schema: &Schema, relation: &Relation, column: &crate::Column) -> Value<'c> {
    match schema.sensitivity_in(relation, column) {
        Sensitivity::None => Value::clean(),
        Sensitivity::Watched | Sensitivity::Clear | Sensitivity::Sensitive => {
            Value::column(ColumnId { relation: relation.oid, number: column.number })
        }
    }
}

impl<'c> Columns<'c> {
    /// Looks for a column by its name.
    #[inline(always)]
    pub(super) fn find(&self, schema: &Schema, sought: Sought<'_>, found: &mut Found<'c>) {
        match self {
            Columns::Relation(relation) => {
                if let Some(column) = relation.column(sought) {
                    found.add(stored(schema, relation, column));
                }
            }
            others => others.find_among(sought.name, found),
        }
    }

    fn find_among(&self, name: &str, found: &mut Found<'c>) {
        match self {
            Columns::Relation(_) => {}
            Columns::Known(columns) | Columns::Computed(_, columns) => {
                let mut hit = false;
                for column in columns.iter().filter(|column| column.name == name) {
                    found.add(column.value.clone());
                    hit = true;
                }
                if let Some(star) = columns.iter().find(|column| column.name == STAR).filter(|_| !hit) {
                    if !star.value.is_clean() {
                        found.add(star.value.clone());
                    }
                    found.is_open = true;
                }
            }
            Columns::Any(value) => {
                if !value.is_clean() {
                    found.add(value.clone());
                }
                found.is_open = true;
            }
        }
    }

    /// All of them in order.
    pub(super) fn list(&self, schema: &Schema) -> Rc<[Column<'c>]> {
        match self {
            Columns::Relation(relation) => relation
                .columns
                .iter()
                .map(|column| {
                    let value = stored(schema, relation, column);
                    let words = if value.is_clean() { "" } else { super::words::identifier(&column.name) };
                    Column { name: &column.name, value, words }
                })
                .collect(),
            Columns::Known(columns) | Columns::Computed(_, columns) => Rc::clone(columns),
            Columns::Any(value) => Rc::from([Column::new(STAR, value.clone())]),
        }
    }
}

/// Are any columns among these that were not told?
pub(super) fn has_star(columns: &[Column<'_>]) -> bool {
    columns.iter().any(|column| column.name == STAR)
}

/// The same columns under other names: those of an alias, in order.
pub(super) fn renamed<'c>(columns: &Rc<[Column<'c>]>, names: &[&'c str]) -> Rc<[Column<'c>]> {
    if names.is_empty() {
        return Rc::clone(columns);
    }
    if has_star(columns) {
        return Rc::from([Column::new(STAR, Value::all(columns.iter().map(|column| &column.value)))]);
    }
    columns
        .iter()
        .enumerate()
        .map(|(at, column)| match names.get(at) {
            Some(name) => Column { name, ..column.clone() },
            None => column.clone(),
        })
        .collect()
}

/// Looks for an unqualified column in a join: those that are merged hide the two that they are of.
fn joined<'c>(
    (sides, merged): (&[From<'c>; 2], &[Column<'c>]),
    schema: &Schema,
    sought: Sought<'_>,
    is_system: bool,
    found: &mut Found<'c>,
) {
    match merged.iter().find(|column| column.name == sought.name) {
        Some(column) => found.add(column.value.clone()),
        None => sides.iter().for_each(|side| side.find(schema, sought, is_system, found)),
    }
}

impl<'c> From<'c> {
    /// Looks for an unqualified column, which may be a system column.
    #[inline]
    fn find(&self, schema: &Schema, sought: Sought<'_>, is_system: bool, found: &mut Found<'c>) {
        match self {
            From::Item(item) => {
                item.columns.find(schema, sought, found);
                if is_system && item.is_stored && found.value.is_none() {
                    found.add(Value::clean());
                }
            }
            From::Join { sides, merged, .. } => joined((sides, merged), schema, sought, is_system, found),
        }
    }

    /// Whether it is a relation, and the first that has the column, if it does.
    #[inline(always)]
    fn is_clear(&self, sought: Sought<'_>, found: &mut Option<(&'c Kept, &'c crate::Column)>) -> bool {
        let From::Item(Item { columns: Columns::Relation(relation), .. }) = self else { return false };
        let relation: &'c Kept = relation;
        relation.column(sought).is_none_or(|column| found.replace((relation, column)).is_none())
    }

    /// Tells of the items that a qualifier means.
    fn named(&self, qualifier: &str, of: Option<&str>, tell: &mut impl FnMut(&Item<'c>)) {
        match self {
            From::Item(item) => {
                let same =
                    item.name == qualifier && of.is_none_or(|schema| item.schema.is_some_and(|known| known == schema));
                if same {
                    tell(item);
                }
            }
            From::Join { sides, merged, alias } => {
                if of.is_none() && *alias == qualifier && !alias.is_empty() {
                    tell(&Item {
                        name: alias,
                        schema: None,
                        columns: Columns::Known(Rc::clone(merged)),
                        is_stored: false,
                    });
                }
                sides.iter().for_each(|side| side.named(qualifier, of, tell));
            }
        }
    }

    /// The columns that `*` means here.
    pub(super) fn star(&self, schema: &Schema) -> Vec<Column<'c>> {
        match self {
            From::Item(item) => item.columns.list(schema).to_vec(),
            From::Join { sides, merged, .. } => {
                let mut columns = merged.to_vec();
                for side in sides.iter() {
                    let own = side.star(schema);
                    columns.extend(own.into_iter().filter(|column| !merged.iter().any(|one| one.name == column.name)));
                }
                columns
            }
        }
    }

    /// Looks for a column on one side of a join, as USING does.
    pub(super) fn column(&self, schema: &Schema, name: &str) -> Found<'c> {
        let mut found = Found::default();
        self.find(schema, name.into(), is_system(name), &mut found);
        found
    }
}

/// What is told soon of a column.
pub(super) enum Soon<'c> {
    /// It is this one.
    Is(Value<'c>),
    /// No item has it.
    Nowhere,
    /// It has to be looked for.
    Perhaps,
}

/// Everything that is visible at one place.
pub(super) struct Scopes<'c> {
    stack: Vec<Scope<'c>>,
    arena: &'c Arena,
}

impl<'c> Scopes<'c> {
    /// Nothing is visible; what is found out of it lies there.
    pub(super) fn new(arena: &'c Arena) -> Scopes<'c> {
        Scopes { stack: Vec::new(), arena }
    }

    /// Opens a query with so many items in its FROM.
    pub(super) fn open(&mut self, width: usize) {
        let from = Vec::with_capacity(width);
        self.stack.push(Scope { from, hidden: 0, is_visible: true, owners: Cell::new(None) });
    }

    /// The innermost query, whose FROM is about to be changed.
    fn changed(&mut self) -> Option<&mut Scope<'c>> {
        let scope = self.stack.last_mut()?;
        scope.owners.set(None);
        Some(scope)
    }

    /// Closes it.
    pub(super) fn close(&mut self) {
        self.stack.pop();
    }

    /// How many items a lookup may ask.
    pub(super) fn width(&self) -> usize {
        self.stack.iter().map(|scope| scope.items().len()).sum()
    }

    /// How many are open.
    pub(super) fn depth(&self) -> usize {
        self.stack.len()
    }

    /// Adds to the FROM of the innermost query.
    pub(super) fn add(&mut self, from: From<'c>) {
        if let Some(scope) = self.changed() {
            scope.from.push(from);
        }
    }

    /// Takes back what was added last.
    pub(super) fn take(&mut self) -> Option<From<'c>> {
        self.changed().and_then(|scope| scope.from.pop())
    }

    /// Puts other items in the place of the innermost query's, and gives back those.
    pub(super) fn replace(&mut self, from: Vec<From<'c>>) -> Vec<From<'c>> {
        self.changed().map(|scope| std::mem::replace(&mut scope.from, from)).unwrap_or_default()
    }

    /// The FROM of the innermost query.
    pub(super) fn innermost(&self) -> &[From<'c>] {
        self.stack.last().map_or(&[], Scope::items)
    }

    /// Which items of the innermost query may have a column of a name; `None`: any.
    pub(super) fn owners(&self) -> Option<&'c Owners> {
        self.stack.last().and_then(|scope| scope.owners(self.arena))
    }

    /// Hides all items of the innermost query but the last. Says how many were hidden.
    pub(super) fn hide_others(&mut self) -> usize {
        let Some(scope) = self.stack.last_mut() else { return 0 };
        std::mem::replace(&mut scope.hidden, scope.from.len().saturating_sub(1))
    }

    /// Hides so many again.
    pub(super) fn show_others(&mut self, hidden: usize) {
        if let Some(scope) = self.stack.last_mut() {
            scope.hidden = hidden;
        }
    }

    /// Shows or hides the query at that depth.
    pub(super) fn show(&mut self, depth: usize, is_visible: bool) {
        if let Some(scope) = depth.checked_sub(1).and_then(|at| self.stack.get_mut(at)) {
            scope.is_visible = is_visible;
        }
    }

    fn visible(&self) -> impl Iterator<Item = &Scope<'c>> {
        self.stack.iter().rev().filter(|scope| scope.is_visible)
    }

    /// What an unqualified column is, where that is told soon: one relation alone of the innermost query has it, or none of the only query has,
    /// and what else may have it is a relation too. As [`Scopes::column`] finds it.
    pub(super) fn sure_column(&self, schema: &Schema, name: &str) -> Soon<'c> {
        let Some(scope) = self.stack.last().filter(|scope| scope.is_visible && !is_system(name)) else {
            return Soon::Perhaps;
        };
        let sought = Sought::from(name);
        let mut found = None;
        let are_clear = match scope.owners(self.arena) {
            Some(owners) => {
                let mut places = owners.may_have(sought).filter_map(|at| scope.from.get(at));
                places.all(|from| from.is_clear(sought, &mut found))
            }
            None => scope.items().iter().all(|from| from.is_clear(sought, &mut found)),
        };
        match found {
            Some((relation, column)) if are_clear => Soon::Is(stored(schema, relation, column)),
            None if are_clear && self.stack.len() == 1 => Soon::Nowhere,
            _ => Soon::Perhaps,
        }
    }

    /// What an unqualified column may be.
    pub(super) fn column(&self, schema: &Schema, name: &str) -> Found<'c> {
        let mut found = Found::default();
        let (name, is_system) = (Sought::from(name), is_system(name));
        for scope in self.visible() {
            let mut here = Found::default();
            scope.find(self.arena, schema, name, is_system, &mut here);
            found.is_open |= here.is_open;
            let sure = here.value.is_some() && !here.is_open;
            if let Some(value) = here.value {
                found.add(value);
            }
            if sure {
                break;
            }
        }
        found
    }

    /// Tells of the items that a qualifier means: those of the innermost query that has any.
    pub(super) fn items(&self, qualifier: &str, schema: Option<&str>, mut tell: impl FnMut(&Item<'c>)) {
        let mut is_found = false;
        for scope in self.visible() {
            let mut told = |item: &Item<'c>| {
                is_found = true;
                tell(item);
            };
            scope.items().iter().for_each(|from| from.named(qualifier, schema, &mut told));
            if is_found {
                break;
            }
        }
    }

    /// The columns that `*` means in the innermost query.
    pub(super) fn star(&self, schema: &Schema) -> Vec<Column<'c>> {
        let Some(scope) = self.stack.last() else { return Vec::new() };
        scope.items().iter().flat_map(|from| from.star(schema)).collect()
    }
}
