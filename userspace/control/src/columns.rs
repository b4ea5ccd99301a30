//! What was seen in the columns of tables.
use serde::Serialize;

/// Every column in a result since the service started.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Columns {
    /// Those with cards first, then by name.
    pub columns: Vec<Column>,
    /// Times that a column was not counted, for want of room.
    pub overflow: u64,
}

/// One column.
#[derive(Clone, Debug, Serialize)]
pub struct Column {
    /// The database's configured name.
    pub database: String,
    /// The database named at startup.
    pub dbname: String,
    /// `schema.table.column`, or its numbers where the catalog was not asked yet.
    pub column: String,
    /// The table's OID.
    pub table_oid: u32,
    /// The attribute's number.
    pub attribute: i16,
    /// Values that are not null.
    pub values: u64,
    /// Of them, those with a card by content.
    pub hits: u64,
    /// When the first and the last result with it was described, seconds since 1970.
    pub first_s: u64,
    /// The last.
    pub last_s: u64,
    /// What that looks like.
    pub looks: Looks,
    /// Where it looks like chance and its name is known: what to add to the policy so that it is no longer masked by content.
    pub clear: Option<String>,
}

/// What a column looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Looks {
    /// Plainly cards, and no rule names it: a finding.
    Cards,
    /// Numbers of which some pass for a card by chance.
    Chance,
    /// Some cards, or too few values to tell.
    Mixed,
    /// No card so far.
    Clean,
}
