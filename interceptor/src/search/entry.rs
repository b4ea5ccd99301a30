//! One record as the index keeps it: its figures, and the words that it can be found by.

use audit::decode::{Fields, number, record_id};
use audit::segment::Frame;
use audit::token::CardToken;
use audit::{RecordId, RecordType, Verdict, field};

use super::shape::{divide, push};

/// A record, or a decision with its outcome.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Entry {
    /// The type byte of its frame.
    pub(super) kind: u8,
    pub(super) wall_ns: u64,
    /// The session's number, unique in one run of the service; 0: none.
    pub(super) session: u64,
    pub(super) figures: Figures,
    /// Of an outcome, the decision; of a word about a held statement, the ask.
    pub(super) about: Option<RecordId>,
    /// Its text, undivided.
    pub(super) text: String,
    /// What it has in common with many.
    pub(super) words: Words,
    /// What is its own.
    pub(super) own: Words,
    /// PCI DSS 10.2.2 success or failure; `None`: it only begins.
    pub(super) success: Option<bool>,
}

/// What can be compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Figures {
    pub(super) rows: u64,
    pub(super) bytes: u64,
    /// Masked values, for whichever reason.
    pub(super) masked: u64,
    /// Of them those that were masked since policy names their column.
    pub(super) sensitive: u64,
    pub(super) duration_ns: u64,
}

/// Where a word stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Column {
    Text,
    Agent,
    Database,
    User,
    Objects,
    Kinds,
    Rule,
    Verdict,
    Reviewer,
    /// The rest of what the record says.
    Said,
    /// What is true of it: see [`Entry::mark`].
    Marks,
}

impl Column {
    pub(super) const COUNT: usize = 11;

    pub(super) const ALL: [Column; Column::COUNT] = [
        Column::Text,
        Column::Agent,
        Column::Database,
        Column::User,
        Column::Objects,
        Column::Kinds,
        Column::Rule,
        Column::Verdict,
        Column::Reviewer,
        Column::Said,
        Column::Marks,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Column::Text => "text",
            Column::Agent => "agent",
            Column::Database => "database",
            Column::User => "user",
            Column::Objects => "objects",
            Column::Kinds => "kinds",
            Column::Rule => "rule",
            Column::Verdict => "verdict",
            Column::Reviewer => "reviewer",
            Column::Said => "said",
            Column::Marks => "marks",
        }
    }
}

/// What can be found, a column each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Words(pub(super) [String; Column::COUNT]);

impl Words {
    pub(super) fn of(&self, column: Column) -> &str {
        &self.0[column as usize]
    }

    pub(super) fn at(&mut self, column: Column) -> &mut String {
        &mut self.0[column as usize]
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.iter().all(String::is_empty)
    }

    /// All of one column of another's, behind its own.
    pub(super) fn take(&mut self, column: Column, from: &mut Words) {
        let words = std::mem::take(from.at(column));
        if !words.is_empty() {
            push(self.at(column), &words);
        }
    }
}

/// Which side a field's words go to: see [`super::shape`].
#[derive(Clone, Copy)]
enum Side {
    Shared,
    Own,
    Divided,
}

impl Entry {
    /// Text is masked already: the record's writer and format see to it.
    pub(super) fn of(frame: &Frame<'_>) -> Entry {
        Entry::read(frame, true)
    }

    /// With all words in `words`, in the order of the record.
    pub(super) fn whole(frame: &Frame<'_>) -> Entry {
        Entry::read(frame, false)
    }

    fn read(frame: &Frame<'_>, is_divided: bool) -> Entry {
        let mut entry =
            Entry { kind: frame.kind, wall_ns: frame.stamp.wall_ns, session: frame.session, ..Entry::default() };
        for (name, value) in Fields::of(frame.payload()).map_while(Result::ok) {
            match words(name) {
                Some((column, side)) => {
                    let value = String::from_utf8_lossy(value);
                    match side {
                        Side::Divided if is_divided => {
                            if column == Column::Text {
                                push(&mut entry.text, &value);
                            }
                            divide(&value, entry.words.at(column), entry.own.at(column));
                        }
                        Side::Own if is_divided => push(entry.own.at(column), &value),
                        _ => push(entry.words.at(column), &value),
                    }
                }
                None if name == field::CARD_TOKENS => {
                    let words = if is_divided { &mut entry.own } else { &mut entry.words };
                    push(
                        words.at(Column::Said),
                        &CardToken::of_bytes(value).map(|token| token.to_string()).unwrap_or_default(),
                    );
                }
                None => entry.take(name, value),
            }
        }
        entry.figures.masked = entry.figures.masked.saturating_add(entry.figures.sensitive);
        entry
    }

    fn take(&mut self, name: u8, value: &[u8]) {
        let count = number(value).unwrap_or_default();
        let figures = &mut self.figures;
        match name {
            field::ROWS => figures.rows = count,
            field::BYTES => figures.bytes = count,
            field::MASKED => figures.masked = count,
            field::SENSITIVE => figures.sensitive = count,
            field::DURATION_NS => figures.duration_ns = count,
            field::SUCCESS => self.success = Some(count != 0),
            field::DECISION => self.about = record_id(value),
            field::VERDICT => {
                let known = Verdict::ALL.iter().find(|verdict| u64::from(verdict.code()) == count);
                *self.words.at(Column::Verdict) = known.map_or("unknown", |verdict| verdict.as_str()).to_owned();
            }
            _ => {}
        }
    }

    /// A decision, with what came of it.
    pub(super) fn ended_by(&mut self, outcome: &mut Entry) {
        self.figures = outcome.figures;
        self.success = outcome.success;
        self.words.take(Column::Said, &mut outcome.words);
        self.own.take(Column::Said, &mut outcome.own);
    }

    /// Words for what is true of it, so that a search for figures needs not look at every record.
    pub(super) fn mark(&mut self) {
        let name = RecordType::of(self.kind).map_or("unknown", RecordType::name);
        let truths = [
            (self.figures.masked > 0, "masked"),
            (self.figures.sensitive > 0, "sensitive"),
            (self.success == Some(false), "failed"),
            (self.figures.rows > 0, "rows"),
            (self.figures.rows >= MANY, "many"),
        ];
        let marks: Vec<&str> = truths.iter().filter(|(holds, _)| *holds).map(|(_, mark)| *mark).collect();
        *self.words.at(Column::Marks) = format!("{name} {}", marks.join(" "));
    }
}

/// Where a field's words go; `None` where it has none.
fn words(name: u8) -> Option<(Column, Side)> {
    Some(match name {
        field::TEXT => (Column::Text, Side::Divided),
        field::AGENT => (Column::Agent, Side::Shared),
        field::DATABASE | field::DBNAME => (Column::Database, Side::Shared),
        field::DATABASE_USER | field::OPERATOR => (Column::User, Side::Shared),
        field::TABLE => (Column::Objects, Side::Shared),
        field::OBJECT | field::UNIT => (Column::Objects, Side::Own),
        field::KIND => (Column::Kinds, Side::Shared),
        field::RULE => (Column::Rule, Side::Shared),
        field::REVIEWER => (Column::Reviewer, Side::Shared),
        field::REASON | field::CAUSE => (Column::Said, Side::Divided),
        field::APPLICATION | field::SQLSTATE | field::EXE_NAME => (Column::Said, Side::Shared),
        field::MESSAGE | field::NEED | field::JUSTIFICATION | field::APPROVAL | field::PARAMETERS => {
            (Column::Said, Side::Own)
        }
        _ => return None,
    })
}

/// So many rows have a mark of their own.
pub(super) const MANY: u64 = 1000;
