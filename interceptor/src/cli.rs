//! The command line: the one definition from which `--help`, completions and man pages come.

mod record;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

pub use record::Audit;

use crate::config;

/// A database firewall for autonomous agents: redirects their database connections, judges every statement, masks
/// card numbers in all that comes back, and keeps a tamper-evident record.
#[derive(Debug, Parser)]
#[command(name = "interceptor", version, about, max_term_width = 110, arg_required_else_help = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// The configuration that a verb reads.
#[derive(Debug, Clone, Args)]
pub struct From {
    /// The configuration file.
    #[arg(long, value_name = "FILE", default_value = config::DEFAULT_PATH)]
    pub config: PathBuf,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Load the kernel half, attach and pin it (root, once; again after a change of addresses or agents).
    Attach(From),
    /// Remove the kernel half: links, programs and maps. Agents reach the database directly from then on (root).
    Detach(From),
    /// Protect a unit before its first instruction (root; called by the unit's drop-in).
    Admit {
        /// Where the configuration is.
        #[command(flatten)]
        from: From,
        /// The systemd unit, such as reconciler.service.
        unit: String,
    },
    /// The certificate that agents must trust for TLS, on standard output, and how, on the other. Makes the authority if there is none (root).
    Ca(From),
    /// Runs a database's plugin for the service, which starts this itself.
    #[command(hide = true)]
    Plugin {
        /// Where the configuration is.
        #[command(flatten)]
        from: From,
        /// Whose.
        #[arg(long, value_name = "DB")]
        database: String,
    },
    /// The service: stays in the foreground, ready when `status` exits 0.
    Run(From),
    /// Parse configuration and policy, print what they resolve to; exit 1 on any doubt. With --against: judge recorded statements by the
    /// policy, and print which verdicts would change; exit 1 if some would.
    Check {
        /// Where the configuration is.
        #[command(flatten)]
        from: From,
        /// Another policy than the configuration's.
        #[arg(long, value_name = "FILE")]
        policy: Option<PathBuf>,
        /// The record to judge again: a folder of segments, or one segment.
        #[arg(long, value_name = "LOG")]
        against: Option<PathBuf>,
        /// The schemas that an unqualified name may resolve to.
        #[arg(long, value_name = "SCHEMAS", default_value = "public", value_delimiter = ',', requires = "against")]
        search_path: Vec<String>,
        /// For a program to read.
        #[arg(long, requires = "against")]
        json: bool,
    },
    /// What this kernel and host can do, what is missing, and its cure; exit 1 if `run` could not work.
    Doctor {
        /// Where the configuration is.
        #[command(flatten)]
        from: From,
        /// For a program to read.
        #[arg(long)]
        json: bool,
    },
    /// The running service: agents, sessions, shards, coverage, counters.
    Status {
        /// Where the configuration is.
        #[command(flatten)]
        from: From,
        /// For a program to read.
        #[arg(long)]
        json: bool,
        /// Prometheus text instead.
        #[arg(long, conflicts_with = "json")]
        metrics: bool,
        /// What was seen in the columns of tables: where card numbers are, and where numbers only look like some.
        #[arg(long, conflicts_with = "metrics")]
        columns: bool,
        /// Where the time goes: how long each stage takes.
        #[arg(long, conflicts_with_all = ["metrics", "columns"])]
        latency: bool,
    },
    /// Run a command as an agent: in a cgroup of its own, then dropped to the account (root).
    Exec {
        /// Where the configuration is.
        #[command(flatten)]
        from: From,
        /// The agent of the configuration that the command is.
        #[arg(long, value_name = "NAME")]
        agent: String,
        /// The account that the command runs as; root is refused. Without it: the account that called sudo.
        #[arg(long, value_name = "U")]
        user: Option<String>,
        /// The token of this job: bound to it before its first instruction, and again whenever the file changes.
        #[arg(long, value_name = "F")]
        token_file: Option<PathBuf>,
        /// The command and its arguments.
        #[arg(last = true, required = true, value_name = "CMD")]
        command: Vec<std::ffi::OsString>,
    },
    /// The verdict on a statement, the rule, and what would be masked; runs nothing. Exit 1 if it would be refused.
    Explain {
        /// Where the configuration is.
        #[command(flatten)]
        from: From,
        /// The agent that asks.
        #[arg(long, value_name = "NAME")]
        agent: String,
        /// The database that it asks.
        #[arg(long, value_name = "DB")]
        database: String,
        /// The schemas that an unqualified name may resolve to.
        #[arg(long, value_name = "SCHEMAS", default_value = "public", value_delimiter = ',')]
        search_path: Vec<String>,
        /// What the database holds: `live` asks it on [database.login]; else a file that --save wrote. Without it names alone are
        /// judged: no lineage, and conditions on columns count as not known.
        #[arg(long, value_name = "FILE|live")]
        schema: Option<String>,
        /// The database behind the endpoint, where that has several.
        #[arg(long, value_name = "NAME", requires = "schema")]
        dbname: Option<String>,
        /// Write what the database holds to this file.
        #[arg(long, value_name = "FILE", requires = "schema")]
        save: Option<PathBuf>,
        /// For a program to read.
        #[arg(long)]
        json: bool,
        /// The statement.
        sql: String,
    },
    /// Who agents are by their tokens.
    #[command(subcommand)]
    Identity(Identity),
    /// Statements that wait for a person.
    #[command(subcommand)]
    Approvals(Approvals),
    /// What agents did: sessions of the record, listed, searched and played again (root).
    #[command(subcommand)]
    Sessions(Sessions),
    /// The record of who did what.
    #[command(subcommand)]
    Audit(Audit),
    /// A folder of evidence for a PCI DSS v4.0.1 assessor, from the record of a stretch of time (root). Exit 1 if the record is not whole.
    Evidence {
        /// Where the configuration is.
        #[command(flatten)]
        config: From,
        /// The first day.
        #[arg(long, value_name = "DATE")]
        from: String,
        /// The last day.
        #[arg(long, value_name = "DATE")]
        to: String,
        /// The folder that is made.
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
    /// Send the record to the configured sinks as it grows, and raise alerts (root; its own unit). With --status: how far each sink is; exit 1
    /// if one is behind.
    Ship {
        /// Where the configuration is.
        #[command(flatten)]
        from: From,
        /// End when everything is shipped; exit 1 where a sink refused.
        #[arg(long)]
        once: bool,
        /// Ship nothing; say how far each sink is.
        #[arg(long, conflicts_with = "once")]
        status: bool,
        /// For a program to read.
        #[arg(long, requires = "status")]
        json: bool,
    },
    /// The generated systemd drop-ins: of the agents' units and of the service.
    Units {
        /// Where the configuration is.
        #[command(flatten)]
        from: From,
        /// Write them below this folder (such as /etc/systemd/system) instead of printing them.
        #[arg(long, value_name = "DIR")]
        write: Option<PathBuf>,
    },
    /// Shell completions, from these same definitions.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// The manual page, from these same definitions.
    #[command(hide = true)]
    Man,
}

/// What can be done with held statements.
#[derive(Debug, Subcommand)]
pub enum Approvals {
    /// Those that wait, and the last ones that are over.
    List {
        /// Where the configuration is.
        #[command(flatten)]
        from: From,
        /// For a program to read.
        #[arg(long)]
        json: bool,
        /// Draw it anew each second, until it is stopped.
        #[arg(long)]
        watch: bool,
    },
    /// One in full: who, what, why, and what would happen.
    Show {
        /// Where the configuration is.
        #[command(flatten)]
        from: From,
        /// For a program to read.
        #[arg(long)]
        json: bool,
        /// The id, such as K7Q2M-9XDRT.
        id: String,
    },
    /// A login link of the web page, for the account that asks: good once, for two minutes.
    Login {
        /// Where the configuration is.
        #[command(flatten)]
        from: From,
        /// Leads to this approval.
        id: Option<String>,
    },
    /// A token of the page's JSON API for the account that asks (docs/API.md), on standard output.
    Token {
        /// Where the configuration is.
        #[command(flatten)]
        from: From,
        /// What its bearer may do: `read` what there is, `decide` as the reviewer whose it is. May be given often.
        #[arg(long, value_name = "SCOPE", required = true, value_parser = ["read", "decide"])]
        scope: Vec<String>,
        /// Where it will be used: stands in the record of every decision.
        #[arg(long = "for", value_name = "PURPOSE")]
        purpose: String,
        /// Good for so long: 90s, 10m, 2h, 30d; 90 days at most.
        #[arg(long, value_name = "TIME", default_value = "24h", value_parser = seconds)]
        expires: u64,
    },
    /// Let the statement go on. Exit 1 if it does not.
    Approve {
        /// Which, and why.
        #[command(flatten)]
        word: Decision,
        /// An emergency: alone and at once, where a rule names you in its `break_glass`. It raises an alert.
        #[arg(long)]
        break_glass: bool,
    },
    /// Refuse the statement; the agent is told the reason.
    Deny(Decision),
    /// Approve in advance whatever a rule holds of one agent on one database, for a while. The rule must say `grant = "…"`.
    Grant(Granting),
    /// Take back an approval that stands, or end what is shown under it.
    Revoke(Decision),
}

/// What is approved in advance.
#[derive(Debug, clap::Args)]
pub struct Granting {
    /// Where the configuration is.
    #[command(flatten)]
    pub from: From,
    /// For a program to read.
    #[arg(long)]
    pub json: bool,
    /// The rule's name; of a [[reveal]] `reveal NAME`.
    pub rule: String,
    /// For this agent alone.
    #[arg(long, value_name = "NAME")]
    pub agent: String,
    /// On this database alone.
    #[arg(long, value_name = "NAME")]
    pub database: String,
    /// How long: 90s, 10m, 2h.
    #[arg(long = "for", value_name = "TIME")]
    pub lasts: String,
    /// Why. It is recorded.
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
}

/// `90s`, `10m`, `2h`, `30d`.
fn seconds(text: &str) -> Result<u64, String> {
    let wrong = || format!("`{text}` is written as 90s, 10m, 2h or 30d");
    let unit = text.chars().next_back().ok_or_else(wrong)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        _ => return Err(wrong()),
    };
    let count = text.strip_suffix(unit).and_then(|count| count.parse::<u64>().ok()).ok_or_else(wrong)?;
    count.checked_mul(seconds).ok_or_else(wrong)
}

/// What can be done with sessions.
#[derive(Debug, Subcommand)]
pub enum Sessions {
    /// Sessions, newest first.
    List {
        /// Which record.
        #[command(flatten)]
        of: Of,
        /// With a record since then: a date, or an age such as 7d, 12h, 30m.
        #[arg(long, value_name = "WHEN", default_value = "7d")]
        since: String,
        /// At most so many.
        #[arg(long, value_name = "N", default_value_t = 100)]
        limit: usize,
    },
    /// Sessions that are open now, as the running service tells.
    Open {
        /// Where the configuration is.
        #[command(flatten)]
        from: From,
        /// For a program to read.
        #[arg(long)]
        json: bool,
    },
    /// End an open session, whatever it runs: its agent is told who and why (57P01). Exit 1 if there is none.
    Kill {
        /// Where the configuration is.
        #[command(flatten)]
        from: From,
        /// The session, as `open` names it, such as 0.17.
        id: String,
        /// Why: it is kept in the record.
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
    /// All records of one session, oldest first. Exit 1 if there is none.
    Show {
        /// Which record.
        #[command(flatten)]
        of: Of,
        /// The session, as `list` names it, or a record of it: SHARD-SEQ.
        #[arg(value_name = "SHARD-SEQ")]
        session: audit::RecordId,
    },
    /// The same in the session's own time.
    Replay {
        /// Which record.
        #[command(flatten)]
        of: Of,
        /// The session, as `list` names it, or a record of it: SHARD-SEQ.
        #[arg(value_name = "SHARD-SEQ")]
        session: audit::RecordId,
        /// So many times faster.
        #[arg(long, value_name = "N", default_value_t = 1.0)]
        speed: f64,
        /// Wait for the return key before each record.
        #[arg(long, conflicts_with = "speed")]
        step: bool,
    },
    /// Records with these words and figures, newest first. Exit 1 if there is none.
    ///
    /// Words must all be there; "a phrase"; begin*; -without (behind `--` where it comes first). Fields: agent: database: user: table: kind: rule: verdict: reviewer:
    /// text: said: type: hold words; rows: bytes: masked: sensitive: ms: are compared, as in masked:>0; since: and until: are a date or an age, as in since:7d;
    /// session: is a record's name.
    ///
    /// Example: interceptor sessions search 'agent:reconciler table:payments masked:>0 since:7d "amount >"'
    #[command(verbatim_doc_comment)]
    Search {
        /// Which record.
        #[command(flatten)]
        of: Of,
        /// At most so many.
        #[arg(long, value_name = "N", default_value_t = 50)]
        limit: usize,
        /// What to look for.
        #[arg(required = true)]
        query: Vec<String>,
    },
    /// Bring the index for searches up to date; each search does so by itself.
    Index {
        /// Which record.
        #[command(flatten)]
        of: Of,
        /// Make it anew.
        #[arg(long)]
        rebuild: bool,
    },
}

/// The record that a verb reads, and how it is shown.
#[derive(Debug, Clone, Args)]
pub struct Of {
    /// Where the configuration is.
    #[command(flatten)]
    pub from: From,
    /// The folder of a copy of the record; without it the configuration's.
    #[arg(long, value_name = "DIR")]
    pub folder: Option<PathBuf>,
    /// JSON lines, for a program to read.
    #[arg(long)]
    pub json: bool,
}

/// A person's word.
#[derive(Debug, Clone, Args)]
pub struct Decision {
    /// Where the configuration is.
    #[command(flatten)]
    pub from: From,
    /// For a program to read.
    #[arg(long)]
    pub json: bool,
    /// The id, such as K7Q2M-9XDRT.
    pub id: String,
    /// Why: it is kept in the record.
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
}

/// Verbs of `identity`.
#[derive(Debug, Subcommand)]
pub enum Identity {
    /// The tokens that are bound, and how the issuers stand.
    List {
        /// Where the configuration is.
        #[command(flatten)]
        from: From,
        /// For a program to read.
        #[arg(long)]
        json: bool,
    },
    /// One of them, with all that is kept of its claims; exit 1 if there is none.
    Show {
        /// Where the configuration is.
        #[command(flatten)]
        from: From,
        /// For a program to read.
        #[arg(long)]
        json: bool,
        /// `#7`, `cgroup 4711`, `agent NAME`, or the principal.
        #[arg(value_name = "NAME")]
        name: String,
    },
    /// End one, at once: its sessions end, also in the middle of a result, and it gets no fresh token (root or a reviewer).
    Revoke {
        /// Where the configuration is.
        #[command(flatten)]
        from: From,
        /// `#7`, `cgroup 4711`, `agent NAME`, or the principal.
        #[arg(value_name = "NAME")]
        name: String,
        /// Why: it is recorded, and the agent is told.
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
    /// Bind this process's job to the SVID that the SPIFFE agent of this host gives to this very process, such as in ExecStartPre of the
    /// job's unit; exit 1 and the reason where there is none, or where it does not count.
    Fetch {
        /// The agent's Workload API; without it, what SPIFFE_ENDPOINT_SOCKET says.
        #[arg(long, value_name = "ADDRESS")]
        workload_api: Option<String>,
        /// What the issuer's `audience` says.
        #[arg(long, value_name = "NAME")]
        audience: String,
        /// The identity that is meant, where the agent has several.
        #[arg(long, value_name = "ID")]
        spiffe_id: Option<String>,
        /// Where the service takes tokens.
        #[arg(long, value_name = "SOCKET", default_value = "/run/interceptor/identity.sock")]
        post: PathBuf,
    },
    /// What a token would become, or why it would be refused (exit 1); needs no running service.
    Test {
        /// Where the configuration is.
        #[command(flatten)]
        from: From,
        /// The issuer that it is of; without it, the one that it names.
        #[arg(long, value_name = "NAME")]
        issuer: Option<String>,
        /// For a program to read.
        #[arg(long)]
        json: bool,
        /// The file of the token; nothing else stands in it.
        #[arg(value_name = "TOKENFILE")]
        file: PathBuf,
    },
}
