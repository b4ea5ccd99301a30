//! One record as the index keeps it: its figures, and the words that it can be found by.

use audit::decode::{Fields, number, record_id};
use audit::segment::Frame;
use audit::{RecordId, RecordType, Verdict, field};

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
    pub(super) words: Words,
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

/// What can be found, a column each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Words {
    pub(super) text: String,
    pub(super) agent: String,
    pub(super) database: String,
    pub(super) user: String,
    pub(super) objects: String,
    pub(super) kinds: String,
    pub(super) rule: String,
    pub(super) verdict: String,
    pub(super) reviewer: String,
    /// The rest of what the record says.
    pub(super) said: String,
}

impl Entry {
    /// Text is masked already: the record's writer and format see to it.
    pub(super) fn of(frame: &Frame<'_>) -> Entry {
        let mut entry =
            Entry { kind: frame.kind, wall_ns: frame.stamp.wall_ns, session: frame.session, ..Entry::default() };
        for (name, value) in Fields::of(frame.payload()).map_while(Result::ok) {
            entry.take(name, value);
        }
        entry.figures.masked = entry.figures.masked.saturating_add(entry.figures.sensitive);
        entry
    }

    fn take(&mut self, name: u8, value: &[u8]) {
        let (words, figures) = (&mut self.words, &mut self.figures);
        let place = match name {
            field::TEXT => &mut words.text,
            field::AGENT => &mut words.agent,
            field::DATABASE | field::DBNAME => &mut words.database,
            field::DATABASE_USER | field::OPERATOR => &mut words.user,
            field::TABLE | field::OBJECT | field::UNIT => &mut words.objects,
            field::KIND => &mut words.kinds,
            field::RULE => &mut words.rule,
            field::REVIEWER => &mut words.reviewer,
            field::REASON
            | field::CAUSE
            | field::MESSAGE
            | field::NEED
            | field::JUSTIFICATION
            | field::APPROVAL
            | field::APPLICATION
            | field::SQLSTATE
            | field::PARAMETERS
            | field::EXE_NAME => &mut words.said,
            _ => {
                let count = number(value).unwrap_or_default();
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
                        words.verdict = known.map_or("unknown", |verdict| verdict.as_str()).to_owned();
                    }
                    _ => {}
                }
                return;
            }
        };
        if !place.is_empty() {
            place.push(' ');
        }
        place.push_str(&String::from_utf8_lossy(value));
    }

    /// A decision, with what came of it.
    pub(super) fn ended_by(&mut self, outcome: &Entry) {
        self.figures = outcome.figures;
        self.success = outcome.success;
        if !outcome.words.said.is_empty() {
            self.words.said = format!("{} {}", self.words.said, outcome.words.said);
        }
    }

    /// Words for what is true of it, so that a search for figures needs not look at every record.
    pub(super) fn marks(&self) -> String {
        let mut marks = vec![EVERY];
        let name = RecordType::of(self.kind).map_or("unknown", RecordType::name);
        marks.push(name);
        let truths = [
            (self.figures.masked > 0, "masked"),
            (self.figures.sensitive > 0, "sensitive"),
            (self.success == Some(false), "failed"),
            (self.figures.rows > 0, "rows"),
            (self.figures.rows >= MANY, "many"),
        ];
        marks.extend(truths.iter().filter(|(holds, _)| *holds).map(|(_, mark)| *mark));
        marks.join(" ")
    }
}

/// The mark of every record.
pub(super) const EVERY: &str = "every";
/// So many rows have a mark of their own.
pub(super) const MANY: u64 = 1000;
