//! What the pack counts, by requirement: each a question to the record that `audit export` answers too.

use std::path::Path;

use anyhow::Result;

use crate::config;
use crate::record::figures::{Figure, Of, Span, Want};

/// One question.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) requirement: &'static str,
    pub(crate) title: String,
    wants: Vec<String>,
    of: Of,
}

impl Asked {
    pub(crate) fn new(requirement: &'static str, title: &str, wants: &[&str], of: Of) -> Asked {
        let wants = wants.iter().map(|want| (*want).to_owned()).collect();
        Asked { requirement, title: title.to_owned(), wants, of }
    }

    pub(crate) fn figure(&self) -> Result<Figure> {
        let wants = self.wants.iter().map(|words| Want::parse(words)).collect::<Result<_>>()?;
        Ok(Figure { wants, of: self.of.clone() })
    }

    /// What prints the same number.
    pub(crate) fn command(&self, span: Span, config: &Path) -> String {
        let seconds = |ns: u64| ns / 1_000_000_000;
        let mut out = verb("audit export", config);
        out += &format!(" --from @{} --to @{}", seconds(span.from_ns), seconds(span.to_ns));
        for want in &self.wants {
            out += &format!(" --where {}", quoted(want));
        }
        match &self.of {
            Of::Count => out += " --count",
            Of::Sum(field) => out += &format!(" --count --sum {field}"),
            Of::Distinct(field) => out += &format!(" --count --distinct {field}"),
        }
        out
    }
}

/// Another verb of this program, of this configuration.
pub(crate) fn verb(words: &str, config: &Path) -> String {
    let mut out = format!("interceptor {words}");
    if config != Path::new(config::DEFAULT_PATH) {
        out += &format!(" --config {}", quoted(&config.display().to_string()));
    }
    out
}

/// What makes another pack of the same time.
pub(crate) fn evidence(config: &Path, span: Span) -> String {
    let second = |ns: u64| ns / 1_000_000_000;
    let words = format!("evidence --from @{} --to @{} --out DIR", second(span.from_ns), second(span.to_ns));
    verb(&words, config)
}

/// For a shell.
pub(super) fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=@:,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

const ADMIN: &str =
    "kinds=create-*|alter-*|drop-*|truncate|grant|revoke|set-role|copy-program|copy-file|load|maintenance|replication";
const CREDENTIALS: &str = "kinds=create-role|alter-role|drop-role|create-user|alter-user|drop-user|grant|revoke";

/// What is asked of every record.
pub(crate) fn asked() -> Vec<Asked> {
    let sum = |field: &str| Of::Sum(field.to_owned());
    let each = |field: &str| Of::Distinct(field.to_owned());
    vec![
        Asked::new("10.2.1", "records by type", &[], each("type")),
        Asked::new("10.2.1", "decisions by day", &["type=decision"], each("day")),
        Asked::new("10.2.1.1", "statements whose results held card data", &["type=outcome", "masked>0"], Of::Count),
        Asked::new(
            "10.2.1.1",
            "statements whose results held named sensitive columns",
            &["type=outcome", "sensitive>0"],
            Of::Count,
        ),
        Asked::new("10.2.1.2", "administrative statements", &["type=decision", ADMIN], Of::Count),
        Asked::new("10.2.1.2", "acts of root on the host", &["type=attach|detach|admission"], Of::Count),
        Asked::new("10.2.1.3", "readings of the record", &["type=reading"], Of::Count),
        Asked::new("10.2.1.4", "refused statements", &["type=decision", "verdict=block"], Of::Count),
        Asked::new("10.2.1.4", "refused logins", &["type=login", "success=false"], Of::Count),
        Asked::new("10.2.1.5", "statements on roles and privileges", &["type=decision", CREDENTIALS], Of::Count),
        Asked::new("10.2.1.5", "policies loaded or refused", &["type=policy-load"], Of::Count),
        Asked::new(
            "10.2.1.6",
            "starts, stops and recoveries of the record",
            &["type=service-start|service-stop|recovered|stop"],
            Of::Count,
        ),
        Asked::new(
            "10.2.1.7",
            "statements that create or drop objects",
            &["type=decision", "kinds=create-*|drop-*"],
            Of::Count,
        ),
        Asked::new("3.4.1", "values masked by content", &["type=outcome"], sum("masked")),
        Asked::new("3.4.1", "values masked since policy names their column", &["type=outcome"], sum("sensitive")),
        Asked::new("3.4.1", "statements with masked values by agent", &["type=outcome", "masked>0"], each("agent")),
        Asked::new("3.4.1", "clear values that people agreed to show: reveals", &["type=reveal"], Of::Count),
        Asked::new("3.4.1", "statements that were shown clear values", &["type=revealed"], Of::Count),
        Asked::new("3.4.1", "statements that were shown clear values, by agent", &["type=revealed"], each("agent")),
        Asked::new("12.10.7", "columns of cards that no rule names", &["type=finding"], Of::Count),
        Asked::new("7.2.4", "decisions by agent", &["type=decision"], each("agent")),
        Asked::new("7.2.4", "decisions by database", &["type=decision"], each("database")),
        Asked::new("7.2.5", "decisions by rule", &["type=decision"], each("rule")),
        Asked::new("7.3.3", "decisions by verdict", &["type=decision"], each("verdict")),
        Asked::new("7.2.1", "decisions by version of the policy", &["type=decision"], each("policy")),
        Asked::new(
            "7.2.3",
            "policies put in force by who approved them, as their files say",
            &["type=policy-load|service-start", "success=true"],
            each("reviewer"),
        ),
        Asked::new("8.6.1", "approvals given", &["type=approval", "approved=true"], Of::Count),
        Asked::new("8.6.1", "approvals refused", &["type=approval", "approved=false"], Of::Count),
        Asked::new("8.6.1", "held statements that nobody decided", &["type=ask-over"], Of::Count),
        Asked::new("8.6.1", "decisions of people by reviewer", &["type=approval"], each("reviewer")),
        Asked::new("4.2.1", "logins by TLS of the agent's leg", &["type=login"], each("agent_tls")),
        Asked::new("4.2.1", "logins by TLS of the database's leg", &["type=login"], each("database_tls")),
        Asked::new("10.7.2", "redirection found broken", &["type=canary", "success=false"], Of::Count),
        Asked::new("10.7.2", "alerts by what they are about", &["type=alert"], each("object")),
        Asked::new("10.7.2", "recoveries after a kill or a power cut", &["type=recovered"], Of::Count),
        Asked::new("11.5.2", "checkpoints by the program's hash", &["type=checkpoint"], each("program_hash")),
        Asked::new("11.5.2", "checkpoints by the kernel half's hash", &["type=checkpoint"], each("objects_hash")),
        Asked::new(
            "10.6.1",
            "checkpoints by whether the clock follows a source",
            &["type=checkpoint"],
            each("clock_synced"),
        ),
    ]
}

/// What one agent did on one database: the access review.
pub(crate) fn of_pair(agent: &str, database: &str) -> Vec<Asked> {
    let one = |what: &str, kind: &str, more: &[String], field: &str| {
        let mut wants = vec![format!("type={kind}"), format!("agent={agent}"), format!("database={database}")];
        wants.extend(more.iter().cloned());
        Asked {
            requirement: "7.2.4",
            title: format!("{agent} on {database}: {what}"),
            wants,
            of: Of::Distinct(field.to_owned()),
        }
    };
    vec![
        one("kinds of statements that went on", "decision", &["success=true".to_owned()], "kinds"),
        one("kinds of statements that did not", "decision", &["success=false".to_owned()], "kinds"),
        one("tables and functions", "decision", &[], "tables"),
        one("rules that decided", "decision", &[], "rule"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_question_can_be_asked() {
        for asked in asked().into_iter().chain(of_pair("a b", "it's")) {
            asked.figure().unwrap();
        }
        let command = of_pair("a b", "it's")[0].command(Span { from_ns: 0, to_ns: 7_000_000_000 }, Path::new("/x"));
        assert_eq!(
            command,
            "interceptor audit export --config /x --from @0 --to @7 --where type=decision --where 'agent=a b' --where 'database=it'\\''s' --where success=true --count --distinct kinds"
        );
    }
}
