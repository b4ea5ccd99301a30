//! Our own question to the database, on the agent's connection and with the agent's rights: which schemas unqualified names mean,
//! where the sensitive columns are, which types there are. Asked while the agent is told that it may begin, and while the
//! session is idle when something changed; a statement waits for the answer. The answer is swallowed.
//!
//! It is one simple Query, so an implicit transaction: an error in it leaves nothing behind (`BeginImplicitTransactionBlock`,
//! xact.c), SET TRANSACTION and SET LOCAL hold for it alone. A simple Query drops the unnamed statement: while the agent has one
//! the question waits. Every name and operator is qualified.

use std::sync::Arc;

use pan::Masked;
use policy::Policy;
use wire::postgres::FrontendTag;
use wire::postgres::backend::{DataRow, Report, TransactionStatus, report};
use wire::postgres::encode;

use super::backend::Frame;
use super::queue::Request;
use super::room::Room;
use super::settings::{self, Encoding};
use super::{Connection, Cx, Fatal, Phase, Step};
use crate::catalogs::holdings::{RelationRow, Relations};
use crate::catalogs::{Builder, Catalog, CatalogColumn, Origin, PlaceRef, is_masked, sought_of, treatment_of};
use crate::evidence::ColumnName;
use crate::taints::{Changes, TAINTS_MAX, Tainted};
use crate::verdicts::{Refusal, Why};

mod question;
pub(crate) mod survey;
use question::{Definitions, Part, Question as Text, TEXT_MAX};

/// query_canceled
const CANCELLED: &[u8; 5] = b"57014";

/// How often the question is asked whole while other sessions drop what it looks at; then once without what such a thing can fail.
const WHOLE_MAX: u8 = 2;
/// How long an answer without definitions serves.
const INCOMPLETE_MS: u64 = 2_000;

/// The question that is being asked.
#[derive(Debug, Default)]
pub(super) struct OwnQuery {
    /// Few sessions ask at any time: an idle one has no place for it.
    asking: Option<Box<Asking>>,
    failed: Option<Failure>,
    /// Asked since the last statement: it is not asked twice for one, whatever came of it.
    answered: bool,
    /// Few sessions have any.
    temporary: Option<Box<Temporary>>,
    /// The session has a temporary schema, for its whole life (`InitTempTableNamespace`, namespace.c).
    has_temporary_schema: bool,
}

/// The session's temporary relations.
#[derive(Debug, Default)]
struct Temporary {
    /// Those that sensitive values were written into.
    taints: Vec<Tainted>,
    /// There are some that the session's catalog does not have yet.
    unlearnt: bool,
    /// As they were told last, the catalog that they were added to, and what came of it.
    extended: Option<Extended>,
}

#[derive(Debug)]
struct Extended {
    own: Vec<sql::Relation>,
    version: u32,
    catalog: Arc<Catalog>,
}

/// Why there is no answer.
#[derive(Debug)]
struct Failure {
    message: Masked,
    /// Somebody cancelled it, or a time limit of the agent's did: meant for the statement that waits for it.
    cancelled: bool,
    /// Another session's doing: it may be asked again.
    passing: Option<Passing>,
}

/// What another session does to our question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Passing {
    /// It has dropped what the question looked at.
    Gone,
    /// It holds a lock on that.
    Locked,
}

impl Passing {
    /// By the error's code: `elog` without one (`cache lookup failed for …`, `could not open relation with OID …`); what is undefined, where
    /// every name of ours is the server's own; lock_not_available.
    fn of(code: &[u8]) -> Option<Passing> {
        match code {
            b"XX000" | b"42P01" | b"42703" | b"42704" | b"42883" | b"3F000" => Some(Passing::Gone),
            b"55P03" => Some(Passing::Locked),
            _ => None,
        }
    }
}

/// Which time the question is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Attempt {
    number: u8,
    definitions: Definitions,
}

impl Attempt {
    const FIRST: Attempt = Attempt { number: 1, definitions: Definitions::Asked };

    /// The next one, where that may help.
    fn after(self, passing: Passing) -> Option<Attempt> {
        if self.definitions == Definitions::LeftOut {
            return None;
        }
        let again = passing == Passing::Gone && self.number < WHOLE_MAX;
        let definitions = if again { Definitions::Asked } else { Definitions::LeftOut };
        Some(Attempt { number: self.number + 1, definitions })
    }
}

#[derive(Debug)]
struct Asking {
    /// When anything of the answer came last, or the question went out.
    heard_ns: u64,
    attempt: Attempt,
    /// Asked at the end of the login: no statement waited for it then.
    first: bool,
    /// What the result sets hold that are still to come, the last one first.
    parts: Vec<Part>,
    /// What the one at hand holds.
    part: Option<Part>,
    policy: Arc<Policy>,
    changes: Arc<Changes>,
    epoch: u64,
    /// Schemas of the path that exist and may be used, and perhaps others.
    usable: Vec<String>,
    schemas: Vec<String>,
    path: Vec<String>,
    temporary_at: usize,
    /// The session's own temporary relations.
    own: Relations,
    builder: Option<Builder>,
    /// It is asked what the database holds.
    holdings: bool,
    rows: usize,
    failed: Option<Failure>,
    /// The session has a temporary schema.
    has_temporary_schema: bool,
}

/// Whether the session's own question comes before a frame of the agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Question {
    /// There is none.
    None,
    /// It does: the frame waits.
    Asked,
    /// It would, and cannot be recorded: the frame is refused.
    Unrecorded,
}

impl OwnQuery {
    pub(super) fn is_asking(&self) -> bool {
        self.asking.is_some()
    }

    /// It is asked ahead of the first statement, which may come meanwhile.
    pub(super) fn is_asked_ahead(&self) -> bool {
        self.asking.as_ref().is_some_and(|asking| asking.first)
    }

    /// A temporary relation was filled with what must not leave.
    pub(super) fn taint(&mut self, one: Tainted) {
        let temporary = self.temporary.get_or_insert_default();
        if !temporary.taints.contains(&one) && temporary.taints.len() < TAINTS_MAX {
            temporary.taints.push(one);
            temporary.unlearnt = true;
            temporary.extended = None;
        }
    }

    fn taints(&self) -> &[Tainted] {
        self.temporary.as_ref().map_or(&[], |temporary| temporary.taints.as_slice())
    }

    /// Since when nothing of the answer came.
    pub(super) fn silent_since_ns(&self) -> Option<u64> {
        self.asking.as_ref().map(|asking| asking.heard_ns)
    }
}

impl Connection {
    /// In `observe` without masking nothing is asked.
    pub(super) fn asks_catalog(&self) -> bool {
        !self.observes() || self.open.database.mask
    }

    /// Before this frame of the agent the question has to be asked; it is asked then, and the frame waits.
    /// `first`: the first byte of its body, if that is here.
    pub(super) fn wants_catalog_first(
        &mut self,
        tag: FrontendTag,
        first: Option<u8>,
        cx: &mut Cx<'_, '_>,
    ) -> Result<Question, Fatal> {
        let idle = self.phase == Phase::Ready
            && self.status == TransactionStatus::Idle
            && self.queue.is_between_transactions()
            && !self.agent.skipping;
        let uses = match tag {
            FrontendTag::Query | FrontendTag::FunctionCall => true,
            // A Parse without a name drops the unnamed statement by itself.
            FrontendTag::Parse if first == Some(0) => true,
            FrontendTag::Parse | FrontendTag::Bind | FrontendTag::Execute => !self.statements.has_unnamed(),
            _ => false,
        };
        if !idle || !uses || !self.asks_catalog() {
            return Ok(Question::None);
        }
        if self.is_current(cx) {
            // What was answered has served: the next time that something changes is another time.
            self.own.answered = false;
            return Ok(Question::None);
        }
        if std::mem::take(&mut self.own.answered) {
            return Ok(Question::None);
        }
        match self.ask_catalog(false, cx)? {
            Room::Here | Room::Later => Ok(Question::Asked),
            Room::Nowhere => Ok(Question::Unrecorded),
        }
    }

    fn oldest_ns(cx: &Cx<'_, '_>) -> u64 {
        cx.now.mono_ns.saturating_sub(cx.shared.limits.catalog_age_ms.saturating_mul(1_000_000))
    }

    fn is_current(&self, cx: &Cx<'_, '_>) -> bool {
        self.schemas.is_sure() && cx.shared.catalogs.is_current(&self.catalog, cx.shared.policy, Self::oldest_ns(cx))
    }

    fn ask_catalog(&mut self, first: bool, cx: &mut Cx<'_, '_>) -> Result<Room, Fatal> {
        self.ask_again(Attempt::FIRST, first, cx)
    }

    fn ask_again(&mut self, attempt: Attempt, first: bool, cx: &mut Cx<'_, '_>) -> Result<Room, Fatal> {
        let oldest_ns = Self::oldest_ns(cx);
        let known = cx.shared.catalogs.find(self.place_names(), cx.shared.policy, oldest_ns);
        let (endpoint, limits) = (&self.open.database.name, cx.shared.limits);
        // Where nothing is sensitive, and no rule asks, nothing has to be traced.
        let holdings = cx.shared.policy.sensitive(endpoint).any(is_masked)
            || cx.shared.policy.asks_of_columns(endpoint)
            || self.open.database.estimates
            || cx.shared.catalogs.taints.has(endpoint, &self.startup.dbname);
        let changes = cx.shared.catalogs.taints.changes(endpoint, &self.startup.dbname);
        let mut question = Text::new();
        if self.own.has_temporary_schema {
            question.and_temporary(limits.catalog_columns, attempt.definitions);
        }
        if known.is_none() {
            question.and_tables(cx.shared.policy, endpoint, limits.catalog_rows);
            if holdings {
                question.and_holdings(limits.catalog_columns, attempt.definitions);
            }
        }
        question.and_names(&cx.shared.catalogs.seen.unnamed(self.place));
        let Text { text, mut parts } = question;
        parts.reverse();
        let room = self.own_room(&text, cx);
        if room != Room::Here {
            return Ok(room);
        }
        let builder = known.is_none().then(Builder::default);
        if let Some(known) = known {
            self.catalog = known;
        }
        self.own.asking = Some(Box::new(Asking {
            heard_ns: cx.now.mono_ns,
            attempt,
            first,
            parts,
            part: None,
            policy: Arc::clone(cx.shared.policy),
            changes: Arc::clone(&changes),
            epoch: changes.count(),
            usable: Vec::new(),
            schemas: Vec::new(),
            path: Vec::new(),
            temporary_at: 0,
            own: Relations::default(),
            builder,
            holdings,
            rows: 0,
            failed: None,
            has_temporary_schema: false,
        }));
        self.record_own(&text, cx);
        let mark = cx.out.mark();
        encode::query(&mut cx.out.own, text.as_bytes())?;
        cx.out.database_own(mark);
        self.queue.push(Request::Catalog);
        Ok(Room::Here)
    }

    /// A message of the answer.
    pub(super) fn own_answer(&mut self, frame: &Frame<'_>, cx: &mut Cx<'_, '_>) -> Step {
        let misread = || Fatal::database("the catalog query's answer cannot be read");
        let latin1 = self.login.encoding == Encoding::Latin1;
        let asking = self.own.asking.as_mut().ok_or_else(misread)?;
        // A process that stood still (a debugger, a machine that was moved) finds the answer in its socket when it goes on.
        asking.heard_ns = cx.now.mono_ns;
        match frame.kind() {
            b'T' => asking.part = Some(asking.parts.pop().ok_or_else(misread)?),
            b'D' if asking.part == Some(Part::Names) => {
                let (table, number, name) = column_name(frame.body(), latin1).ok_or_else(misread)?;
                cx.shared.catalogs.seen.name(self.place, table, number, name);
            }
            b'D' => asking.row(frame.body(), latin1, &self.open.database.name).ok_or_else(misread)?,
            b'C' => {}
            b'E' => {
                let error = Report::parse(frame.body()).map_err(Fatal::of_database)?;
                let code = error.text(report::CODE).unwrap_or_default();
                asking.failed = Some(Failure {
                    message: Masked::of_bytes(error.text(report::MESSAGE).unwrap_or_default()),
                    cancelled: code == CANCELLED.as_slice(),
                    passing: Passing::of(code),
                });
            }
            _ => return Err(misread()),
        }
        Ok(())
    }

    /// ReadyForQuery behind it.
    pub(super) fn own_ready(&mut self, status: TransactionStatus, cx: &mut Cx<'_, '_>) -> Step {
        let asking = self.own.asking.take().ok_or(Fatal::database("an answer that nothing was asked for"))?;
        if status != TransactionStatus::Idle {
            return Err(Fatal::database("the catalog query left a transaction behind"));
        }
        self.statements.close(b"", (self.queue.next_seq(), 0));
        self.portals.close(b"");
        let passing = asking.failed.as_ref().and_then(|failed| failed.passing);
        if let Some(again) = passing.and_then(|passing| asking.attempt.after(passing))
            && self.ask_again(again, asking.first, cx)? == Room::Here
        {
            return Ok(());
        }
        let failed = asking.failed.or_else(|| {
            (asking.rows > cx.shared.limits.catalog_rows).then(|| Failure {
                message: Masked::literal("the database has too many sensitive columns"),
                cancelled: false,
                passing: None,
            })
        });
        if failed.is_none() && !asking.parts.is_empty() {
            return Err(Fatal::database("the catalog query's answer lacks a part"));
        }
        // A cancel before the first statement has found nothing to cancel.
        let serves = !asking.first || self.agent.waits();
        self.own.answered = serves || failed.as_ref().is_some_and(|why| !why.cancelled);
        match failed {
            Some(why) => {
                self.own.failed = Some(why);
                self.catalog = Arc::default();
            }
            None => {
                self.own.failed = None;
                let catalogs = &mut *cx.shared.catalogs;
                self.schemas.set(catalogs.path(asking.schemas), catalogs.path(asking.path), asking.temporary_at);
                if let Some(builder) = asking.builder {
                    let origin = Origin {
                        policy: &asking.policy,
                        endpoint: &self.open.database.name,
                        dbname: &self.startup.dbname,
                        now_ns: match asking.attempt.definitions {
                            Definitions::Asked => cx.now.mono_ns,
                            // As one that was asked for long ago.
                            Definitions::LeftOut => Self::oldest_ns(cx).saturating_add(INCOMPLETE_MS * 1_000_000),
                        },
                        changes: asking.changes,
                        epoch: asking.epoch,
                        columns_max: cx.shared.limits.catalog_columns,
                    };
                    let (catalog, bound) =
                        cx.shared.catalogs.keep(&self.startup.user, builder, asking.holdings, &origin);
                    self.catalog = catalog;
                    cx.out.tainted.extend(bound);
                }
                if asking.has_temporary_schema && !self.own.has_temporary_schema {
                    self.own.has_temporary_schema = true;
                    return self.ask_at_once(asking.first, cx);
                }
                self.extend(asking.own.finish(cx.shared.limits.catalog_columns), cx);
            }
        }
        Ok(())
    }

    /// Asks without a statement that could be refused instead.
    pub(super) fn ask_at_once(&mut self, first: bool, cx: &mut Cx<'_, '_>) -> Step {
        match self.ask_catalog(first, cx)? {
            Room::Here => Ok(()),
            Room::Later | Room::Nowhere => Err(Fatal::unrecorded()),
        }
    }

    fn place_names(&self) -> PlaceRef<'_> {
        (self.open.database.name.as_str(), &*self.startup.dbname, &*self.startup.user)
    }

    /// The catalog gets the session's temporary relations.
    fn extend(&mut self, own: Vec<sql::Relation>, cx: &mut Cx<'_, '_>) {
        if own.is_empty() && self.own.temporary.is_none() {
            return;
        }
        let version = self.catalog.version;
        let taints = cx.shared.catalogs.taints.generation();
        let known = self.own.temporary.as_ref().and_then(|temporary| temporary.extended.as_ref());
        let same = |known: &&Extended| known.version == version && known.own == own && known.catalog.taints == taints;
        if let Some(known) = known.filter(same) {
            self.catalog = Arc::clone(&known.catalog);
            return;
        }
        if let Some(catalog) = cx.shared.catalogs.extended(&self.catalog, (&own, self.own.taints()), self.place_names())
        {
            self.catalog = Arc::clone(&catalog);
            self.own.temporary.get_or_insert_default().extended = Some(Extended { own, version, catalog });
        }
    }

    /// What other sessions, and this one into its own relations, have written into columns since holds for the next statement, in a
    /// transaction too.
    pub(super) fn learn_taints(&mut self, cx: &mut Cx<'_, '_>) {
        let unlearnt = self.own.temporary.as_mut().is_some_and(|own| std::mem::take(&mut own.unlearnt));
        let is_behind = unlearnt || self.catalog.taints != cx.shared.catalogs.taints.generation();
        if is_behind && self.catalog.version != 0 {
            let fresh = cx.shared.catalogs.extended(&self.catalog, (&[], self.own.taints()), self.place_names());
            self.catalog = fresh.unwrap_or_default();
        }
    }

    /// Why statements are refused while the sensitive columns are not known.
    pub(super) fn unknown_catalog(&self) -> Refusal {
        let why = match &self.own.failed {
            Some(Failure { message, cancelled: true, .. }) => {
                return Refusal::new(Why::Firm, message.as_str(), "").with_code(*CANCELLED);
            }
            Some(Failure { message, .. }) => {
                format!("the sensitive columns of this database could not be looked up: {}", message.as_str())
            }
            None => "the policy has changed since the sensitive columns were looked up".to_owned(),
        };
        Refusal::new(Why::Firm, &why, "end the transaction, or connect again")
    }
}

impl Asking {
    fn row(&mut self, body: &[u8], latin1: bool, endpoint: &str) -> Option<()> {
        let values = values(body)?;
        let maybe = |at: usize| values.get(at).copied().flatten().and_then(|bytes| text(bytes, latin1));
        let text = |at: usize| text(values.get(at).copied().flatten()?, latin1);
        match self.part? {
            Part::Usable => {
                let name = text(0)?;
                // An agent's own temporary tables shadow nothing that it may not read.
                if !name.starts_with("pg_temp") && !name.starts_with("pg_toast_temp") {
                    self.usable.push(name);
                }
            }
            Part::Path => {
                if let Some(builder) = &mut self.builder {
                    let number: u32 = maybe(2).and_then(|number| number.parse().ok()).unwrap_or_default();
                    builder.server = u16::try_from(number / 10_000).unwrap_or_default();
                }
                self.searched(&text(0)?, &text(1)?);
                self.has_temporary_schema = text(3).as_deref() != Some("f");
            }
            Part::OwnRelations | Part::Relations => {
                let kind = text(3)?;
                let row = RelationRow {
                    oid: text(0)?.parse().ok()?,
                    schema: text(1)?,
                    name: text(2)?,
                    kind: &kind,
                    parents: &maybe(4).unwrap_or_default(),
                    has_rules: maybe(5)? == "t",
                    query: maybe(6).filter(|query| query.chars().count() < TEXT_MAX),
                    computations: &maybe(7).unwrap_or_default(),
                };
                self.relations()?.relation(row)?;
            }
            Part::OwnColumns | Part::Columns => {
                let (number, name, type_oid) = (text(1)?.parse().ok()?, text(2)?, text(3)?.parse().ok()?);
                let column = sql::Column { number, name, type_oid, sensitivity: sql::Sensitivity::None };
                self.relations()?.column(text(0)?.parse().ok()?, column);
            }
            Part::Named => {
                self.rows += 1;
                let (oid, schema, table) = (text(0)?.parse().ok()?, text(1)?, text(2)?);
                let (number, name, type_oid) = (text(3)?.parse().ok()?, text(4)?, text(5)?.parse().ok()?);
                let treatment = treatment_of(&self.policy, endpoint, &schema, &table, &name);
                let sought = sought_of(&self.policy, endpoint, &schema, &table, &name);
                let column = CatalogColumn { number, name, type_oid, treatment, is_written: false, sought };
                self.builder.as_mut()?.column(oid, schema, table, column);
            }
            Part::Types => {
                self.rows += 1;
                let (oid, send, subtype) = (text(0)?.parse().ok()?, text(1)?, text(2)?.parse().ok()?);
                self.builder.as_mut()?.type_of(oid, &send, subtype);
            }
            Part::Functions => {
                let name = sql::Name::new(Some(&text(0)?), &text(1)?);
                let body = maybe(2).filter(|body| body.chars().count() < TEXT_MAX);
                let arguments = maybe(3).unwrap_or_default();
                let arguments =
                    arguments.split('\u{1f}').filter(|_| !arguments.is_empty()).map(str::to_owned).collect();
                self.builder.as_mut()?.function(sql::Function { name, body, arguments });
            }
            Part::Operators => self.builder.as_mut()?.operator(text(0)?),
            Part::Keys => {
                let columns: Result<Vec<i16>, _> = text(1)?.split(' ').map(str::parse).collect();
                self.builder.as_mut()?.key(text(0)?.parse().ok()?, columns.ok()?);
            }
            // Read where the session's own place is at hand.
            Part::Names => return None,
        }
        Some(())
    }

    /// Of whom the rows at hand tell.
    fn relations(&mut self) -> Option<&mut Relations> {
        match self.part? {
            Part::OwnRelations | Part::OwnColumns => Some(&mut self.own),
            _ => self.builder.as_mut().map(|builder| &mut builder.relations),
        }
    }

    /// The user and the setting of `search_path`.
    fn searched(&mut self, user: &str, path: &str) {
        self.path = settings::schema_names(path);
        self.path.iter_mut().filter(|name| *name == "$user").for_each(|name| user.clone_into(name));
        // In front of all where the setting does not name it (`recomputeNamespacePath`, namespace.c).
        if !self.path.iter().any(|name| name == "pg_catalog") {
            self.schemas.push("pg_catalog".to_owned());
        }
        for name in &self.path {
            if name == "pg_temp" {
                self.temporary_at = self.schemas.len();
            } else if self.usable.contains(name) {
                self.schemas.push(name.clone());
            }
        }
    }
}

/// The first values of a row.
fn values(body: &[u8]) -> Option<[Option<&[u8]>; 8]> {
    let mut values = [None; 8];
    for (place, value) in values.iter_mut().zip(DataRow::parse(body).ok()?.values()) {
        *place = value;
    }
    Some(values)
}

fn text(bytes: &[u8], latin1: bool) -> Option<String> {
    if latin1 {
        return Some(bytes.iter().map(|&byte| char::from(byte)).collect());
    }
    String::from_utf8(bytes.to_vec()).ok()
}

/// One row of what [`write_names`] asks.
fn column_name(body: &[u8], latin1: bool) -> Option<(u32, i16, ColumnName)> {
    let values = values(body)?;
    let text = |at: usize| text(values.get(at).copied().flatten()?, latin1);
    let name = ColumnName { schema: text(2)?, table: text(3)?, column: text(4)? };
    Some((text(0)?.parse().ok()?, text(1)?.parse().ok()?, name))
}
