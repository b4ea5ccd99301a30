//! Our own login at a database, as a state machine: bytes in, bytes out. It says EXPLAIN, and what that needs, in transactions that are
//! read only and rolled back; it logs in by SCRAM-SHA-256 and in no other way.

use std::fmt;

use wire::postgres::backend::{Authentication, DataRow, Report, report};
use wire::postgres::limits::HEADER;
use wire::postgres::{BackendTag, Header, encode, header};
use zeroize::Zeroizing;

use crate::EstimateAsk;
use crate::postgres::catalog::survey::{self, Row};
use crate::scram::{self, Client, Key, Mechanism, NONCE_LEN, Verifier};

/// A role and its password.
pub struct Credentials {
    /// The role.
    pub user: String,
    /// As it is, without the line's end.
    pub password: Zeroizing<String>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("user", &self.user).finish_non_exhaustive()
    }
}

/// How far it is.
#[derive(Clone, PartialEq, Eq)]
pub enum Heard {
    /// More bytes are needed.
    More,
    /// It is logged in, and may be asked.
    Ready,
    /// What EXPLAIN said, in JSON. It holds the statement's own constants: not to be shown, not to be kept.
    Plan(Zeroizing<Vec<u8>>),
    /// What the catalog's question brought.
    Rows(Vec<Row>),
    /// There is no estimate of this statement; the login may be asked of the next.
    None(Why),
}

/// Without the plan and the rows: both hold texts of the database's.
impl fmt::Debug for Heard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Heard::More => f.write_str("More"),
            Heard::Ready => f.write_str("Ready"),
            Heard::Plan(json) => write!(f, "Plan({} bytes)", json.len()),
            Heard::Rows(rows) => write!(f, "Rows({})", rows.len()),
            Heard::None(why) => write!(f, "None({why:?})"),
        }
    }
}

/// Why there is no estimate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Planning could run code that is no superuser's, with our rights.
    Reachable,
    /// The database refused it: no right, no such table, too slow. Its SQLSTATE.
    Refused([u8; 5]),
    /// It cannot be said.
    Unfit,
}

/// The login is over: by whom, in words without any byte of the database's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Over {
    /// What happened.
    pub what: &'static str,
    /// The database's SQLSTATE, where it gave one.
    pub code: Option<[u8; 5]>,
}

impl fmt::Display for Over {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.what)?;
        match self.code.as_ref().map(|code| std::str::from_utf8(code)) {
            Some(Ok(code)) => write!(f, " ({code})"),
            _ => Ok(()),
        }
    }
}

const fn over(what: &'static str) -> Over {
    Over { what, code: None }
}

const UNREADABLE: Over = over("the database sent what cannot be read");
const UNPROVEN: Over =
    over("the database let the login in without SCRAM: give its role a line with scram-sha-256 in pg_hba.conf");

/// The longest answer of the database that is read, bytes.
const ANSWER_MAX: usize = 1 << 20;
/// How long the database may plan, milliseconds.
const STATEMENT_MS: u32 = 500;
/// More rounds of the password's hash than anybody sets.
const ITERATIONS_MAX: u32 = 1_000_000;

/// One connection.
pub struct Planner {
    state: State,
    inbox: Vec<u8>,
    credentials: Credentials,
    nonce: [u8; NONCE_LEN],
    /// The channel's, under TLS.
    binding: Vec<u8>,
}

enum State {
    /// The first word of authentication is due.
    Offered,
    /// The challenge is due.
    Begun(Client),
    /// The database's signature is due.
    Proven(Client, Verifier),
    /// It has shown that it knows the role's verifier.
    Signed,
    /// ReadyForQuery of the login is due.
    Entered,
    Idle,
    /// The guard's answer is due: then this is said.
    Guarded {
        explain: Vec<u8>,
        answer: Option<bool>,
    },
    /// The plan is due. ReadyForQuerys that are left.
    Explained {
        left: u8,
        plan: Zeroizing<Vec<u8>>,
        failed: Option<[u8; 5]>,
    },
    /// ROLLBACK behind a guard that said no.
    Ended(Why),
    /// Rows of the catalog's question.
    Surveyed {
        results: usize,
        rows: Vec<Row>,
        failed: Option<[u8; 5]>,
    },
}

/// Is there nothing that planning could reach, beside what the text names, that is not a superuser's? A function that something
/// depends on: an operator, a cast, a view, a policy, an index, a domain. Triggers do not run in a plan.
const GUARD: &str = "BEGIN TRANSACTION READ ONLY; SET LOCAL search_path = pg_catalog; \
SELECT NOT EXISTS (SELECT 1 FROM pg_catalog.pg_depend AS d JOIN pg_catalog.pg_proc AS p ON p.oid = d.refobjid \
WHERE d.refclassid = 'pg_catalog.pg_proc'::regclass AND d.refobjid >= 16384 \
AND d.classid NOT IN ('pg_catalog.pg_trigger'::regclass, 'pg_catalog.pg_event_trigger'::regclass) \
AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_roles AS r WHERE r.oid = p.proowner AND r.rolsuper))";

impl Planner {
    /// Before its first byte; `out` gets the startup packet. `binding`: the hash of the certificate of the TLS below it; empty: none.
    pub fn start(
        credentials: Credentials,
        dbname: &str,
        nonce: [u8; NONCE_LEN],
        binding: Vec<u8>,
        out: &mut Vec<u8>,
    ) -> Result<Planner, Over> {
        let timeout = STATEMENT_MS.to_string();
        let settings = [
            ("default_transaction_read_only", "on"),
            ("statement_timeout", timeout.as_str()),
            ("lock_timeout", "100"),
            ("idle_in_transaction_session_timeout", "5000"),
        ];
        Planner::begin(credentials, dbname, (nonce, binding), &settings, out)
    }

    /// The same login, for one that makes roles: it may write. What it is to say goes by [`Planner::survey`].
    pub fn owner(
        credentials: Credentials,
        dbname: &str,
        nonce: [u8; NONCE_LEN],
        binding: Vec<u8>,
        out: &mut Vec<u8>,
    ) -> Result<Planner, Over> {
        let settings = [
            ("default_transaction_read_only", "off"),
            ("statement_timeout", "5000"),
            ("lock_timeout", "4000"),
            ("standard_conforming_strings", "on"),
            ("search_path", "pg_catalog"),
        ];
        Planner::begin(credentials, dbname, (nonce, binding), &settings, out)
    }

    fn begin(
        credentials: Credentials,
        dbname: &str,
        (nonce, binding): ([u8; NONCE_LEN], Vec<u8>),
        settings: &[(&str, &str)],
        out: &mut Vec<u8>,
    ) -> Result<Planner, Over> {
        let mut options = Vec::new();
        for (name, value) in settings {
            encode::option(&mut options, name.as_bytes(), value.as_bytes()).map_err(|_| UNFIT)?;
        }
        let parameters: [(&[u8], &[u8]); 5] = [
            (b"user", credentials.user.as_bytes()),
            (b"database", dbname.as_bytes()),
            (b"client_encoding", b"UTF8"),
            (b"application_name", b"interceptor"),
            (b"options", &options),
        ];
        encode::startup_message(out, 0, parameters).map_err(|_| UNFIT)?;
        Ok(Planner { state: State::Offered, inbox: Vec::new(), credentials, nonce, binding })
    }

    /// Asks; `out` gets what is to be sent.
    pub fn explain(&mut self, ask: &EstimateAsk, out: &mut Vec<u8>) -> Result<(), Why> {
        let explain = explanation(ask).ok_or(Why::Unfit)?;
        if !matches!(self.state, State::Idle) {
            return Err(Why::Unfit);
        }
        encode::query(out, GUARD.as_bytes()).map_err(|_| Why::Unfit)?;
        self.state = State::Guarded { explain, answer: None };
        Ok(())
    }

    /// Asks the catalog's question ([`crate::Survey::question`]): one implicit transaction, read only.
    pub fn survey(&mut self, question: &str, out: &mut Vec<u8>) -> Result<(), Why> {
        if !matches!(self.state, State::Idle) {
            return Err(Why::Unfit);
        }
        encode::query(out, question.as_bytes()).map_err(|_| Why::Unfit)?;
        self.state = State::Surveyed { results: 0, rows: Vec::new(), failed: None };
        Ok(())
    }

    /// Bytes of the database; `out` gets what is to be sent. [`Heard::More`] until there is more to say.
    pub fn hear(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<Heard, Over> {
        self.inbox.extend_from_slice(bytes);
        let inbox = std::mem::take(&mut self.inbox);
        let mut at = 0;
        let mut heard = Heard::More;
        while heard == Heard::More {
            let rest = inbox.get(at..).unwrap_or_default();
            match header::<BackendTag>(rest) {
                Header::Frame { body_len, .. } if body_len > ANSWER_MAX => return Err(UNREADABLE),
                Header::Frame { tag, body_len } => {
                    let Some(body) = rest.get(HEADER..HEADER + body_len) else { break };
                    heard = self.message(tag, body, out)?;
                    at += HEADER + body_len;
                }
                Header::Incomplete(_) => break,
                Header::Malformed(_) => return Err(UNREADABLE),
            }
        }
        self.inbox = inbox.get(at..).unwrap_or_default().to_vec();
        Ok(heard)
    }

    fn message(&mut self, tag: BackendTag, body: &[u8], out: &mut Vec<u8>) -> Result<Heard, Over> {
        match tag {
            BackendTag::Authentication => self.authenticate(body, out).map(|()| Heard::More),
            BackendTag::ErrorResponse => self.error(body).map(|()| Heard::More),
            BackendTag::ReadyForQuery => self.ready(out),
            BackendTag::RowDescription => {
                if let State::Surveyed { results, .. } = &mut self.state {
                    *results += 1;
                }
                Ok(Heard::More)
            }
            BackendTag::DataRow => self.row(body).map(|()| Heard::More),
            _ => Ok(Heard::More),
        }
    }

    fn authenticate(&mut self, body: &[u8], out: &mut Vec<u8>) -> Result<(), Over> {
        let step = Authentication::parse(body).map_err(|_| UNREADABLE)?;
        self.state = match (std::mem::replace(&mut self.state, State::Entered), step) {
            (State::Offered, Authentication::Sasl(offered)) => {
                let bound = !self.binding.is_empty() && offered.iter().any(|name| name == Mechanism::PLUS);
                if !bound && !offered.iter().any(|name| name == Mechanism::PLAIN) {
                    return Err(over("the database offers no SCRAM-SHA-256"));
                }
                let client = Client::new(scram::nonce(&self.nonce), bound.then_some(&self.binding));
                let mechanism = if bound { Mechanism::PLUS } else { Mechanism::PLAIN };
                encode::sasl_initial_response(out, mechanism, Some(&client.first())).map_err(|_| UNFIT)?;
                State::Begun(client)
            }
            (State::Begun(mut client), Authentication::SaslContinue(message)) => {
                let challenge = client.challenged(message).map_err(|wrong| over(wrong.message))?;
                if challenge.iterations > ITERATIONS_MAX {
                    return Err(over("the database asks for more rounds of the password's hash than anybody sets"));
                }
                let (verifier, key): (Verifier, Key) =
                    challenge.answered_with(self.credentials.password.as_bytes()).ok_or(UNREADABLE)?;
                let last = client.proven(&verifier, &key).ok_or(UNREADABLE)?;
                encode::authentication_response(out, &last).map_err(|_| UNFIT)?;
                State::Proven(client, verifier)
            }
            (State::Proven(client, verifier), Authentication::SaslFinal(message)) => {
                if !client.is_signed(message, &verifier) {
                    return Err(over("the database does not know the role's password itself"));
                }
                State::Signed
            }
            (State::Signed, Authentication::Ok) => State::Entered,
            (_, Authentication::Ok) => return Err(UNPROVEN),
            _ => return Err(over("the database asks for another authentication than SCRAM-SHA-256")),
        };
        Ok(())
    }

    fn error(&mut self, body: &[u8]) -> Result<(), Over> {
        let report = Report::parse(body).map_err(|_| UNREADABLE)?;
        let code = report.text(report::CODE).and_then(|code| code.try_into().ok()).unwrap_or(*b"XX000");
        match &mut self.state {
            State::Guarded { answer, .. } => *answer = Some(false),
            State::Explained { failed, .. } => *failed = failed.or(Some(code)),
            State::Surveyed { failed, .. } => *failed = failed.or(Some(code)),
            State::Ended(_) => {}
            _ => return Err(Over { what: "the database refuses the login", code: Some(code) }),
        }
        Ok(())
    }

    fn row(&mut self, body: &[u8]) -> Result<(), Over> {
        let row = DataRow::parse(body).map_err(|_| UNREADABLE)?;
        let value = row.values().next().flatten().unwrap_or_default();
        match &mut self.state {
            State::Surveyed { results, rows, .. } => rows.push((*results, survey::values(body).ok_or(UNREADABLE)?)),
            State::Guarded { answer, .. } => *answer = Some(value == b"t"),
            State::Explained { plan, .. } if plan.len() + value.len() <= ANSWER_MAX => plan.extend_from_slice(value),
            _ => return Err(UNREADABLE),
        }
        Ok(())
    }

    fn ready(&mut self, out: &mut Vec<u8>) -> Result<Heard, Over> {
        let (state, heard) = match std::mem::replace(&mut self.state, State::Idle) {
            State::Entered => (State::Idle, Heard::Ready),
            State::Guarded { explain, answer: Some(true) } => {
                out.extend_from_slice(&explain);
                (State::Explained { left: 3, plan: Zeroizing::new(Vec::new()), failed: None }, Heard::More)
            }
            State::Guarded { answer, .. } => {
                encode::query(out, b"ROLLBACK").map_err(|_| UNFIT)?;
                let why = if answer.is_none() { Why::Unfit } else { Why::Reachable };
                (State::Ended(why), Heard::More)
            }
            State::Explained { left: 1, failed: Some(code), .. } => (State::Idle, Heard::None(Why::Refused(code))),
            State::Explained { left: 1, plan, failed: None } => (State::Idle, Heard::Plan(plan)),
            State::Explained { left, plan, failed } => (State::Explained { left: left - 1, plan, failed }, Heard::More),
            State::Ended(why) => (State::Idle, Heard::None(why)),
            State::Surveyed { failed: Some(code), .. } => (State::Idle, Heard::None(Why::Refused(code))),
            State::Surveyed { rows, .. } => (State::Idle, Heard::Rows(rows)),
            _ => return Err(UNREADABLE),
        };
        self.state = state;
        Ok(heard)
    }
}

const UNFIT: Over = over("the name of the role or the database cannot be said");

/// What is said once nothing can be reached: the agent's path, the statement with its values, the end. Three ReadyForQuerys answer it.
fn explanation(ask: &EstimateAsk) -> Option<Vec<u8>> {
    let quoted = |name: &String| format!("\"{}\"", name.replace('"', "\"\""));
    let path: Vec<String> = ask.schemas.iter().map(quoted).collect();
    let path = if path.is_empty() { "''".to_owned() } else { path.join(", ") };
    let mut out = Vec::new();
    encode::query(&mut out, format!("SET LOCAL search_path = {path}").as_bytes()).ok()?;
    encode::parse(&mut out, b"", format!("EXPLAIN (FORMAT JSON) {}", ask.text).as_bytes(), [].into_iter()).ok()?;
    match &ask.values {
        None => encode::bind(&mut out, b"", b"", &[], &[], &[]).ok()?,
        Some(values) => bind(&mut out, values)?,
    }
    encode::execute(&mut out, b"", 0).ok()?;
    encode::sync(&mut out);
    encode::query(&mut out, b"ROLLBACK").ok()?;
    Some(out)
}

/// The agent's own values, for the unnamed portal; the plan comes as text.
fn bind(out: &mut Vec<u8>, values: &[u8]) -> Option<()> {
    let body = [b"\0\0".as_slice(), values].concat();
    let bind = wire::postgres::frontend::Bind::parse(&body).ok()?;
    let formats: Vec<_> = bind.formats.iter().collect();
    let all: Vec<Option<&[u8]>> = bind.values().collect();
    encode::bind(out, b"", b"", &formats, &all, &[]).ok()
}
