//! The session's own question, asked by whoever explains a statement on another login: the same text, the same reading, the same verdict.

use std::sync::Arc;

use policy::{Policy, Subject};
use sql::Explained;
use wire::postgres::backend::DataRow;

use super::question::{Part, Question};
use super::{Asking, Builder, Origin, Relations};
use crate::catalogs::{Catalog, Catalogs, Treatment};
use crate::verdicts::{Asked, Judged, Refusal, StatementCache, Why};
use crate::{Limits, taints::Changes};

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
            asked_ns: 0,
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

    /// What a text comes to, for an agent whose `search_path` is this one.
    pub fn explain(self, dbname: &str, subject: &Subject, path: &[String], text: &str, wall_s: i64) -> Explanation {
        let Survey { asking, endpoint, parts: _ } = self;
        let limits = Limits::default();
        let origin = Origin {
            policy: &asking.policy,
            endpoint: &endpoint,
            dbname,
            now_ns: 0,
            changes: asking.changes,
            epoch: 0,
            columns_max: limits.catalog_columns,
        };
        let (catalog, _) = Catalogs::new().keep("", asking.builder.unwrap_or_default(), true, &origin);
        let mut schemas: Vec<String> = path.to_vec();
        if !schemas.iter().any(|schema| schema == "pg_catalog") {
            schemas.insert(0, "pg_catalog".to_owned());
        }
        let asked = Asked {
            bytes: text.as_bytes(),
            latin1: false,
            subject,
            database: &endpoint,
            schemas: &Arc::from(schemas),
            sure: true,
            temporary_at: 0,
            catalog: &catalog,
            wall_s,
            limit: limits.statement,
            estimated_rows: None,
        };
        Explanation::of(&StatementCache::new().judge(&asking.policy, asked), &catalog)
    }
}

/// All that a session may ask, whatever is known already.
fn all(policy: &Policy, endpoint: &str, limits: &Limits) -> Question {
    let mut question = Question::new();
    question.and_temporary(limits.catalog_columns);
    question.and_tables(policy, endpoint, limits.catalog_rows);
    question.and_holdings(limits.catalog_columns);
    question
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
