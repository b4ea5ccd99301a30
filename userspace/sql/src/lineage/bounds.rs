//! Whether a query reads a relation whole: no LIMIT, and none of its keys given.

use std::borrow::Cow;

use bumpalo::collections::Vec;

use super::follow::Follower;
use super::operators::is_fixed;
use super::owners::Owners;
use super::scope::{Columns, From, Item};
use super::select::nodes;
use super::words;
use crate::digest::Sought;
use crate::schema::Kept;
use crate::tree::{List, Node, Tag, at};
use crate::walk::parts;
use crate::{Computation, Schema, Watch};

/// A relation in FROM, by the name under which it stands there.
struct Read<'c> {
    name: &'c str,
    relation: &'c Kept,
    /// Its keys, as the database tells them.
    keys: &'c [std::vec::Vec<i16>],
    /// Columns, by number, that equal something given.
    given: Given,
    /// One of its keys is given; looked at again where a column is.
    has_key: bool,
}

/// Numbers of columns. Most are below 64.
#[derive(Default)]
struct Given {
    low: u64,
    high: std::vec::Vec<i16>,
}

impl Given {
    fn bit(number: i16) -> Option<u64> {
        u32::try_from(number).ok().and_then(|number| 1_u64.checked_shl(number))
    }

    fn has(&self, number: i16) -> bool {
        match Given::bit(number) {
            Some(bit) => self.low & bit != 0,
            None => self.high.contains(&number),
        }
    }

    /// `false`: it was there already.
    fn add(&mut self, number: i16) -> bool {
        if self.has(number) {
            return false;
        }
        match Given::bit(number) {
            Some(bit) => self.low |= bit,
            None => self.high.push(number),
        }
        true
    }
}

/// One side of an equality: a column of one of the relations, or something that none of them decides.
#[derive(Clone, Copy)]
enum Side {
    Column(usize, i16),
    Given,
    Other,
}

impl<'c> Follower<'c> {
    /// Notes the relations in FROM of which the query reads every row; says whether it reads one row at most, of relations alone.
    pub(super) fn bounds(&mut self, node: Node<'c>) -> bool {
        let mut reads = Vec::with_capacity_in(self.scopes.innermost().len(), self.arena);
        let mut is_stored = true;
        let schema = self.schema();
        self.scopes.innermost().iter().for_each(|from| is_stored &= stored(schema, from, &mut reads));
        if reads.is_empty() {
            return false;
        }
        // Where all items are relations, and as many, each stands in its place.
        let are_items = is_stored && reads.len() == self.scopes.innermost().len();
        let owners = self.scopes.owners().filter(|_| are_items);
        let mut equalities = Vec::with_capacity_in(2 * reads.len(), self.arena);
        let mut note = |left, right| equalities.push((left, right));
        node.node(at!("whereClause")).into_iter().for_each(|condition| conjuncts(condition, &mut note));
        nodes(node.list(at!("fromClause"))).for_each(|item| joins(item, &mut note));
        let begins = |(left, right): &(Node<'c>, Node<'c>)| {
            begins(&reads, owners, *left, *right) || begins(&reads, owners, *right, *left)
        };
        // Most joins of many tables give no key at all.
        if reads.iter().any(|read| read.has_key) || equalities.iter().any(begins) {
            let mut sides = Vec::with_capacity_in(equalities.len(), self.arena);
            let resolved =
                |(left, right): &(Node<'c>, Node<'c>)| (side(&reads, owners, *left), side(&reads, owners, *right));
            sides.extend(equalities.iter().map(resolved));
            follow(&mut reads, &sides);
        }
        let is_limited = node.node(at!("limitCount")).is_some_and(is_fixed);
        let mut is_single = is_stored;
        for read in &reads {
            if !read.has_key {
                is_single = false;
                if !self.is_asked && !is_limited {
                    self.found.unbounded.reserve(reads.len());
                    self.found.unbounded.push(Cow::Borrowed(&read.relation.name));
                }
            }
        }
        is_single
    }
}

/// What is given by a key gives, through an equality, the key of another.
fn follow(reads: &mut [Read<'_>], sides: &[(Side, Side)]) {
    for _ in 0..=reads.len() {
        let mut is_more = false;
        for (left, right) in sides {
            is_more |= give(reads, *left, *right);
            is_more |= give(reads, *right, *left);
        }
        if !is_more {
            break;
        }
    }
}

/// Whether an equality gives a column of some key by itself. Where none does, and no relation has a key without that, none has one at all.
fn begins(reads: &[Read<'_>], owners: Option<&Owners>, column: Node<'_>, value: Node<'_>) -> bool {
    if !is_fixed(value) {
        return false;
    }
    let Side::Column(at, number) = side(reads, owners, column) else { return false };
    reads.get(at).is_some_and(|read| read.all_keys().any(|key| key.contains(&number)))
}

impl<'c> Read<'c> {
    /// A column is given; says whether that is new.
    fn give(&mut self, number: i16) -> bool {
        let is_new = self.given.add(number);
        self.has_key = self.has_key || is_new && self.is_key_given();
        is_new
    }

    /// Is one of its keys given?
    fn is_key_given(&self) -> bool {
        self.all_keys().any(|key| key.iter().all(|column| self.given.has(*column)))
    }

    /// The columns of each of its keys.
    fn all_keys(&self) -> impl Iterator<Item = &'c [i16]> + use<'c> {
        let told = self.keys.iter().map(std::vec::Vec::as_slice);
        let own = self.relation.computations.iter().filter_map(|computation| match computation {
            Computation::Watched { by: Watch::Key, columns } if !columns.is_empty() => Some(columns.as_slice()),
            Computation::Watched { .. } | Computation::Generated { .. } => None,
        });
        told.chain(own)
    }
}

/// Notes that a column is given by what it equals; says whether that is new.
fn give(reads: &mut [Read<'_>], column: Side, value: Side) -> bool {
    let Side::Column(at, number) = column else { return false };
    let is_given = match value {
        Side::Given => true,
        Side::Column(other, _) => other != at && reads.get(other).is_some_and(|read| read.has_key),
        Side::Other => false,
    };
    is_given && reads.get_mut(at).is_some_and(|read| read.give(number))
}

/// Adds the relations; says whether there is nothing else.
fn stored<'c>(schema: &'c Schema, from: &From<'c>, reads: &mut Vec<'_, Read<'c>>) -> bool {
    match from {
        From::Item(Item { name, columns: Columns::Relation(relation) | Columns::Computed(relation, _), .. }) => {
            let keys = schema.keys(relation.oid);
            let mut read = Read { name, relation, keys, given: Given::default(), has_key: false };
            read.has_key = keys.iter().any(std::vec::Vec::is_empty);
            reads.push(read);
            true
        }
        From::Item(_) => false,
        From::Join { sides, .. } => {
            let [left, right] = sides.each_ref().map(|side| stored(schema, side, reads));
            left && right
        }
    }
}

/// The equalities that must all hold. (The grammar makes one list of what stands between several ANDs.)
fn conjuncts<'j>(condition: Node<'j>, note: &mut impl FnMut(Node<'j>, Node<'j>)) {
    let (mut next, mut open) = (Some(condition), std::vec::Vec::new());
    while let Some(node) = next.take().or_else(|| open.pop()) {
        if let Some(all) = conjunction(node) {
            // Most have no other conjunction in them; the others are gone through behind.
            for node in nodes(all).rev() {
                match conjunction(node) {
                    Some(_) => open.push(node),
                    None => note_equality(node, note),
                }
            }
        } else {
            note_equality(node, note);
        }
    }
}

/// What must all hold; `None`: it is another condition.
fn conjunction<'j>(node: Node<'j>) -> Option<List<'j>> {
    (node.kind() == Tag::BoolExpr && node.text(at!("boolop")) == "AND_EXPR").then(|| node.list(at!("args")))
}

fn note_equality<'j>(node: Node<'j>, note: &mut impl FnMut(Node<'j>, Node<'j>)) {
    if let Some((left, right)) = equality(node) {
        note(left, right);
    }
}

fn equality<'j>(node: Node<'j>) -> Option<(Node<'j>, Node<'j>)> {
    let is_one = node.text(at!("kind")) == "AEXPR_OP" && words::last(node.list(at!("name"))) == "=";
    node.node(at!("lexpr")).zip(node.node(at!("rexpr"))).filter(|_| is_one)
}

fn joins<'j>(item: Node<'j>, note: &mut impl FnMut(Node<'j>, Node<'j>)) {
    let (mut next, mut open) = (Some(item), std::vec::Vec::new());
    while let Some(node) = next.take().or_else(|| open.pop()).filter(|node| node.kind() == Tag::JoinExpr) {
        node.node(at!("quals")).into_iter().for_each(|condition| conjuncts(condition, note));
        open.extend(
            [node.node(at!("larg")), node.node(at!("rarg"))]
                .into_iter()
                .flatten()
                .filter(|side| side.kind() == Tag::JoinExpr),
        );
    }
}

fn side(reads: &[Read<'_>], owners: Option<&Owners>, node: Node<'_>) -> Side {
    if is_fixed(node) {
        return Side::Given;
    }
    // A cast may make many values one (`amount::int = 5`): what is cast is no key.
    if node.kind() != Tag::ColumnRef {
        return Side::Other;
    }
    let (qualifier, column) = parts(node.list(at!("fields")));
    let column = Sought::from(column);
    match owners {
        Some(owners) => among(reads, owners.may_have(column), qualifier, column),
        None => among(reads, 0..reads.len(), qualifier, column),
    }
}

/// The one column of that name in these of the relations; of several none.
fn among(reads: &[Read<'_>], places: impl Iterator<Item = usize>, qualifier: Option<&str>, column: Sought<'_>) -> Side {
    let mut found = None;
    for at in places {
        let Some(read) = reads.get(at).filter(|read| qualifier.is_none_or(|name| name == read.name)) else { continue };
        let Some(column) = read.relation.column(column) else { continue };
        if found.replace(Side::Column(at, column.number)).is_some() {
            return Side::Other;
        }
    }
    found.unwrap_or(Side::Other)
}
