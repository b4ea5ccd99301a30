//! The session's own question, asked by whoever explains a statement on another login: the same text, the same reading, the same verdict.

use std::sync::Arc;

use policy::{Policy, Subject};
use sql::Explained;
use wire::postgres::backend::DataRow;

use super::question::{Definitions, Part, Question};
use super::{Asking, Attempt, Builder, Origin, Relations};
use crate::Limits;
use crate::catalogs::{Catalog, Catalogs, Treatment};
use crate::taints::{Changes, Taints};
use crate::verdicts::{Asked, Judged, Refusal, StatementCache, Why, analyze, judge};

/// What a database holds, while its rows come.
pub struct Survey {
    asking: Asking,
    endpoint: String,
    /// What its result sets hold.
    parts: Vec<Part>,
}

/// One row of an answer: of which result, from 1, and its values.
pub type Row = (usize, Vec<Option<String>>);

impl Survey {
    /// Of an endpoint of the configuration, under a policy.
    pub fn new(policy: &Arc<Policy>, endpoint: &str) -> Survey {
        let asking = Asking {
            heard_ns: 0,
            attempt: Attempt::FIRST,
            first: false,
            parts: Vec::new(),
            part: None,
            policy: Arc::clone(policy),
            changes: Arc::<Changes>::default(),
            epoch: 0,
            usable: Vec::new(),
            schemas: Vec::new(),
            path: Vec::new(),
            temporary_at: 0,
            own: Relations::default(),
            builder: Some(Builder::default()),
            holdings: true,
            rows: 0,
            failed: None,
            has_temporary_schema: false,
        };
        let parts = all(policy, endpoint, &Limits::default()).parts;
        Survey { asking, endpoint: endpoint.to_owned(), parts }
    }

    /// What is to be asked, in one Query.
    pub fn question(&self, limits: &Limits) -> String {
        all(&self.asking.policy, &self.endpoint, limits).text
    }

    /// A row; `None`: it is not one that was asked for.
    pub fn row(&mut self, (result, values): &Row) -> Option<()> {
        self.asking.part = self.parts.get(result.checked_sub(1)?).copied();
        let values: Vec<Option<&[u8]>> = values.iter().map(|value| value.as_deref().map(str::as_bytes)).collect();
        let mut body = Vec::new();
        wire::postgres::encode::data_row(&mut body, &values).ok()?;
        self.asking.row(body.get(5..)?, false, &self.endpoint)
    }

    /// All rows have come; `taints` were written there.
    pub fn finish(self, dbname: &str, taints: &Arc<Taints>) -> Surveyed {
        let Survey { asking, endpoint, parts: _ } = self;
        let origin = Origin {
            policy: &asking.policy,
            endpoint: &endpoint,
            dbname,
            now_ns: 0,
            changes: asking.changes,
            epoch: 0,
            columns_max: Limits::default().catalog_columns,
        };
        let (catalog, _) = Catalogs::with(Arc::default(), Arc::clone(taints), Arc::default()).keep(
            "",
            asking.builder.unwrap_or_default(),
            true,
            &origin,
        );
        Surveyed { policy: asking.policy, endpoint, catalog }
    }

    /// What a text comes to, for an agent whose `search_path` is this one, where `taints` were written.
    pub fn explain(
        self,
        dbname: &str,
        taints: &Arc<Taints>,
        (subject, path): (&Subject, &[String]),
        (text, wall_s): (&str, i64),
    ) -> Explanation {
        let surveyed = self.finish(dbname, taints);
        let asker = Asker::new(subject.clone(), path, wall_s);
        let judged = StatementCache::new().judge(&surveyed.policy, surveyed.asked(&asker, text.as_bytes()));
        Explanation::of(&judged, &surveyed.catalog)
    }
}

/// All that a session may ask, whatever is known already.
fn all(policy: &Policy, endpoint: &str, limits: &Limits) -> Question {
    let mut question = Question::new();
    question.and_temporary(limits.catalog_columns, Definitions::Asked);
    question.and_tables(policy, endpoint, limits.catalog_rows);
    question.and_holdings(limits.catalog_columns, Definitions::Asked);
    question
}

/// What a database holds: statements are judged in it as a session judges them.
pub struct Surveyed {
    pub(crate) policy: Arc<Policy>,
    endpoint: String,
    catalog: Arc<Catalog>,
}

/// Who asks there.
pub struct Asker {
    subject: Arc<Subject>,
    schemas: Arc<[String]>,
    wall_s: i64,
}

impl Asker {
    /// An agent whose `search_path` is this one, at that second.
    pub fn new(subject: Subject, path: &[String], wall_s: i64) -> Asker {
        let mut schemas: Vec<String> = path.to_vec();
        if !schemas.iter().any(|schema| schema == "pg_catalog") {
            schemas.insert(0, "pg_catalog".to_owned());
        }
        Asker { subject: Arc::new(subject), schemas: Arc::from(schemas), wall_s }
    }
}

impl Surveyed {
    /// Whether a text passes, as it is found in the cache or judged and kept there.
    pub fn passes(&self, cache: &mut StatementCache, asker: &Asker, text: &str) -> bool {
        let judged = cache.judge(&self.policy, self.asked(asker, text.as_bytes()));
        judged.refusal.is_none() && judged.derived.as_ref().is_none_or(|derived| derived.probing.is_none())
    }

    /// Whether it can be told what a text does and where its values come from. Nothing is judged: a step of a verdict, to be measured.
    pub fn traces(&self, asker: &Asker, text: &str) -> bool {
        let asked = self.asked(asker, text.as_bytes());
        analyze(&asked, text).is_ok()
    }

    /// Whether a text is judged at all, without a look into a cache: all steps of a verdict but that one.
    pub fn judges(&self, asker: &Asker, text: &str) -> bool {
        let judged = judge(&self.policy, &self.asked(asker, text.as_bytes()));
        judged.refusal.as_ref().is_none_or(|refusal| refusal.why != Why::Unjudged)
    }

    pub(crate) fn asked<'a>(&'a self, asker: &'a Asker, bytes: &'a [u8]) -> Asked<'a> {
        Asked {
            bytes,
            latin1: false,
            subject: &asker.subject,
            database: &self.endpoint,
            schemas: &asker.schemas,
            sure: true,
            temporary_at: 0,
            catalog: &self.catalog,
            wall_s: asker.wall_s,
            limit: Limits::default().statement,
            card_key: None,
            estimated_rows: None,
        }
    }
}

/// What a text comes to, and what its agent would be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// `allow`, `hold` or `block`; `unjudged` where it cannot be told, which is refused.
    pub verdict: &'static str,
    /// The rule that decided, if one did.
    pub rule: Option<String>,
    /// The error's message; empty where it passes.
    pub message: String,
    /// Its DETAIL beside the record's id.
    pub detail: String,
    /// Its HINT.
    pub hint: String,
    /// A rule asks for the planner's estimate, which is not known here: it counts as too many.
    pub wants_estimate: bool,
    /// So many rows of each result may leave.
    pub rows_over: Option<u64>,
    /// Its statements.
    pub statements: Vec<OfStatement>,
}

/// One statement of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfStatement {
    /// Effects with what they fall on.
    pub effects: Vec<String>,
    /// Outputs, questions and targets in order, each with its lineage and what becomes of it.
    pub parts: Vec<Explained>,
}

impl Explanation {
    fn of(judged: &Judged, catalog: &Catalog) -> Explanation {
        // As a session has it whose agent has no questions left.
        let probing = judged.derived.as_ref().and_then(|derived| derived.probing.clone());
        let refusal = Refusal::stronger(judged.refusal.clone(), probing);
        let refusal = refusal.as_ref();
        let verdict = match refusal.map(|refusal| refusal.why) {
            None => "allow",
            Some(Why::Held) => "hold",
            Some(Why::Unjudged) => "unjudged",
            Some(Why::Blocked | Why::Denied | Why::Firm | Why::Unrecorded) => "block",
        };
        let said = |words: Option<&str>| words.unwrap_or_default().to_owned();
        let statements = judged.statements.iter().enumerate().map(|(at, statement)| {
            let lineage = statement.lineage.as_ref().zip(catalog.schema.as_deref());
            let mut parts = lineage.map(|(lineage, schema)| sql::explain(lineage, schema)).unwrap_or_default();
            let outputs = statement.lineage.as_ref().map_or(0, |lineage| lineage.outputs.len());
            for (number, part) in parts.iter_mut().enumerate().take(outputs) {
                // A column of its own kind, as it is masked by its place.
                if judged.places(at).at(number, outputs).treatment == Treatment::Whole(pan::Whole::KeepNothing)
                    && part.fate == sql::Fate::Masked
                {
                    part.reason.push_str(", of which nothing is shown");
                }
            }
            OfStatement { effects: statement.pairs.iter().map(ToString::to_string).collect(), parts }
        });
        Explanation {
            verdict,
            rule: judged.rule.as_ref().map(|rule| rule.as_str().to_owned()),
            message: said(refusal.map(|refusal| refusal.message.as_str())),
            detail: said(refusal.and_then(|refusal| refusal.detail.as_ref()).map(|detail| detail.as_str())),
            hint: said(refusal.map(|refusal| refusal.hint)),
            wants_estimate: judged.wants_estimate,
            rows_over: judged.rows_over,
            statements: statements.collect(),
        }
    }
}

/// The values of a row as they came.
pub(crate) fn values(body: &[u8]) -> Option<Vec<Option<String>>> {
    let row = DataRow::parse(body).ok()?;
    let text = |value: Option<&[u8]>| value.map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    Some(row.values().map(text).collect())
}
