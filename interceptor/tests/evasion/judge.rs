//! What is thought of a case, by the header of the corpus.

use serde::Serialize;

use crate::client::{End, Heard, Kind, Turn};
use crate::corpus::{Case, Must};
use crate::field;
use crate::raw::Message;
use crate::secrets::{Leak, Secrets};

/// What came of a case. The order is that of strictness.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// The same bytes as directly, but for the OIDs of objects that the case made.
    Same,
    /// The same rows and types, other bytes.
    Masked,
    /// Something else, and no refusal.
    Changed,
    /// A person would be asked.
    Held,
    /// Refused, or the connection closed.
    Refused,
}

/// A case with its verdict.
#[derive(Clone, Debug)]
pub struct Judged {
    pub id: String,
    pub category: String,
    pub must: Must,
    /// The mechanisms that can do it.
    pub by: Vec<String>,
    pub outcome: Outcome,
    pub leaks: Vec<Leak>,
    /// What else is not as it must be; empty when all is.
    pub faults: Vec<String>,
    /// Directly there is an error.
    pub server_refused: bool,
    /// And all of it is: the server's grammar takes none of the texts.
    pub is_no_sql: bool,
}

impl Judged {
    /// What was asked for, or more.
    pub fn is_contained(&self) -> bool {
        self.leaks.is_empty() && self.faults.is_empty()
    }

    /// Stricter than asked.
    pub fn is_over(&self) -> bool {
        match self.must {
            Must::Any | Must::Block => false,
            // What the server's own grammar rejects loses nothing by a refusal.
            Must::Allow | Must::Mask => self.outcome >= Outcome::Held && !self.is_no_sql,
            Must::Hold => self.outcome == Outcome::Refused,
        }
    }
}

/// `executed`: what the server logged of the run through the service.
pub fn judge(case: &Case, secrets: &Secrets, direct: &Heard, through: &Heard, executed: &[String]) -> Judged {
    let outcome = outcome(case, direct, through);
    let mut faults = Vec::new();
    match case.must {
        Must::Allow if outcome != Outcome::Same => faults.push("differs from the direct run".to_owned()),
        Must::Mask if outcome == Outcome::Changed => faults.push("rows, types or lengths changed".to_owned()),
        Must::Hold | Must::Block => stopped(case, direct, through, outcome, &mut faults),
        Must::Allow | Must::Any | Must::Mask => {}
    }
    sound(case, direct, through, executed, &mut faults);
    let leaks = if case.must == Must::Allow { Vec::new() } else { secrets.found(through) };
    let server_refused = turns(direct).any(|turn| turn.heard.iter().any(|message| message.tag == b'E'));
    Judged {
        id: case.id.clone(),
        category: case.category.clone(),
        must: case.must,
        by: case.by.clone(),
        outcome,
        leaks,
        faults,
        server_refused,
        is_no_sql: is_no_sql(direct),
    }
}

fn outcome(case: &Case, direct: &Heard, through: &Heard) -> Outcome {
    let refusals = through.turns.iter().filter_map(refusal);
    let ended = |heard: &Heard| heard.turns.iter().any(|turn| turn.end == End::Closed);
    // What follows a step that was held (EXECUTE of what was not prepared) is refused because of it.
    let decisive = if case.must == Must::Hold { refusals.min() } else { refusals.max() };
    if let Some(decisive) = decisive {
        return decisive;
    }
    if ended(through) && !ended(direct) {
        return Outcome::Refused;
    }
    let pairs = || turns(direct).zip(turns(through)).map(|(one, other)| (&one.heard, &other.heard));
    let alike = |key: fn(&Message) -> Vec<Vec<u8>>| {
        turns(direct).count() == turns(through).count()
            && pairs().all(|(one, other)| {
                one.len() == other.len()
                    && one.iter().zip(other).all(|(one, other)| one.tag == other.tag && key(one) == key(other))
            })
    };
    if alike(field::stable) {
        Outcome::Same
    } else if alike(field::shape) {
        Outcome::Masked
    } else {
        Outcome::Changed
    }
}

fn turns(heard: &Heard) -> impl Iterator<Item = &Turn> {
    heard.turns.iter().filter(|turn| turn.kind == Kind::Case)
}

/// The service's own refusal: its DETAIL names the record, its HINT says whether a person could approve. Or a login that it ended.
fn refusal(turn: &Turn) -> Option<Outcome> {
    if turn.held {
        return Some(Outcome::Held);
    }
    let errors = turn.heard.iter().filter(|message| message.tag == b'E');
    let ours = errors.filter(|error| field::is_own(error) || turn.kind == Kind::Login);
    ours.map(|error| {
        let asks = error.field(b'H').is_some_and(|hint| hint.contains("approve"));
        if asks { Outcome::Held } else { Outcome::Refused }
    })
    .max()
}

/// A statement that had to be stopped was, and nothing of the case was answered as if it had not been.
fn stopped(case: &Case, direct: &Heard, through: &Heard, outcome: Outcome, faults: &mut Vec<String>) {
    if case.category == "wire" {
        // Malformed and hostile bytes: answered by an error, by the end, or by nothing; never by rows.
        if turns(through).any(|turn| turn.heard.iter().any(|message| b"Dd".contains(&message.tag))) {
            faults.push("answered with rows".to_owned());
        }
        return;
    }
    if server_refuses(direct) && outcome <= Outcome::Masked {
        return;
    }
    let asked = if case.must == Must::Hold { Outcome::Held } else { Outcome::Refused };
    if outcome < asked {
        faults.push(format!("{} was asked for", case.must.word()));
        return;
    }
    let carried = |turn: &Turn| -> Vec<(u8, Vec<u8>)> {
        // A setting that the server reports brings nothing by itself; another identity does.
        let tells = |m: &&Message| {
            b"DdNAV".contains(&m.tag) && !field::is_ask(m) || m.tag == b'S' && m.body.starts_with(b"session_auth")
        };
        turn.heard.iter().filter(tells).map(|message| (message.tag, message.body.clone())).collect()
    };
    for (index, (one, other)) in turns(direct).zip(turns(through)).enumerate() {
        if !carried(one).is_empty() && carried(one) == carried(other) {
            faults.push(format!("step {} was answered as directly", index + 1));
        }
    }
}

/// The server itself rejects every text in front of its execution: its grammar or the value of a setting.
fn server_refuses(direct: &Heard) -> bool {
    turns(direct)
        .all(|turn| turn.heard.iter().any(|m| m.tag == b'E' && ["42601", "22023"].contains(&m.code().as_str())))
}

/// The server's grammar takes nothing of it, or only what comes after that fails too.
fn is_no_sql(direct: &Heard) -> bool {
    let error = |turn: &Turn| turn.heard.iter().find(|message| message.tag == b'E').map(Message::code);
    turns(direct).next().and_then(error).is_some_and(|code| code == "42601")
        && turns(direct).all(|turn| error(turn).is_some())
}

/// The session after all: what was refused was not executed, the transaction's state is right, and `SELECT 1` works.
fn sound(case: &Case, direct: &Heard, through: &Heard, executed: &[String], faults: &mut Vec<String>) {
    let refused: Vec<&Turn> = turns(through).filter(|turn| refusal(turn).is_some()).collect();
    let elsewhere = |text: &String| turns(through).any(|turn| refusal(turn).is_none() && turn.said.contains(text));
    for text in refused.iter().flat_map(|turn| &turn.said).filter(|text| !elsewhere(text)) {
        if executed.contains(text) {
            faults.push("refused, and executed".to_owned());
        }
    }
    for turn in &refused {
        let expected = if turn.before == b'I' { b'I' } else { b'E' };
        if !matches!(turn.end, End::Ready(status) if status == expected) && turn.end != End::Closed {
            faults.push("a refusal left another transaction state".to_owned());
        }
    }
    if refused.is_empty() && outcome(case, direct, through) <= Outcome::Masked {
        let ends = |heard: &Heard| turns(heard).map(|turn| turn.end).collect::<Vec<_>>();
        if ends(direct) != ends(through) {
            faults.push("another transaction state than directly".to_owned());
        }
    }
    let raw = case.category == "wire" && case.recipe.is_some();
    for turn in &through.turns {
        let silent = turn.end == End::Silent;
        match turn.kind {
            Kind::After if silent => faults.push("SELECT 1 got no answer".to_owned()),
            Kind::After if !answers(turn) => faults.push("SELECT 1 got another answer".to_owned()),
            Kind::Case | Kind::Login if silent && !raw => faults.push("no answer".to_owned()),
            Kind::Case | Kind::Login | Kind::After => {}
        }
    }
}

/// A row, or the error of a failed transaction, or the end.
fn answers(turn: &Turn) -> bool {
    let has = |tag: u8| turn.heard.iter().any(|message| message.tag == tag);
    match turn.end {
        End::Ready(b'E') => turn.heard.iter().any(|message| message.tag == b'E' && message.code() == "25P02"),
        End::Ready(_) => has(b'D'),
        End::Closed => true,
        End::CopyIn | End::Silent => false,
    }
}
