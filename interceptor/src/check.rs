//! `check` and `explain`: what configuration and policy mean, without a running service.

use std::fmt::Write as _;
use std::path::Path;

use policy::{Names, Policy, Question, Subject};

use crate::config::{Agent, AgentBy, AgentTls, Config, DatabaseTls, Mode, Others, Record, Tls};

mod cost;

/// Why configuration or policy were refused.
#[derive(Debug)]
pub enum Error {
    /// The configuration.
    Config(crate::config::Error),
    /// The policy's file cannot be read.
    Unreadable(std::path::PathBuf, std::io::Error),
    /// The policy.
    Policy(std::path::PathBuf, policy::Error),
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Error::Config(error) => error.fmt(f),
            Error::Unreadable(path, why) => write!(f, "cannot read the policy {}: {why}", path.display()),
            Error::Policy(path, error) => write!(f, "{}: {error}", path.display()),
        }
    }
}

impl std::error::Error for Error {}

/// Configuration and policy, parsed whole.
pub fn load(path: &Path) -> Result<(Config, Policy), Error> {
    load_with(path, None)
}

/// The same with another policy than the configuration's.
pub fn load_with(path: &Path, policy: Option<&Path>) -> Result<(Config, Policy), Error> {
    let mut config = Config::load(path).map_err(Error::Config)?;
    if let Some(other) = policy {
        config.service.policy = other.to_path_buf();
    }
    let policy = load_policy(&config)?;
    Ok((config, policy))
}

/// The policy alone: at load and at each reload.
pub fn load_policy(config: &Config) -> Result<Policy, Error> {
    let path = &config.service.policy;
    let text = std::fs::read_to_string(path).map_err(|e| Error::Unreadable(path.clone(), e))?;
    Policy::parse(&text, &names(config)).map_err(|e| Error::Policy(path.clone(), e))
}

fn names(config: &Config) -> Names {
    let mut groups: Vec<String> = config.agents.iter().flat_map(|a| a.groups.iter().cloned()).collect();
    groups.sort();
    groups.dedup();
    Names {
        agents: config.agents.iter().map(|a| a.name.clone()).collect(),
        groups,
        databases: config.databases.iter().map(|d| d.name.clone()).collect(),
        signed_groups: config
            .issuers
            .iter()
            .flat_map(|i| i.rules.groups.iter().map(|rule| rule.group.clone()))
            .collect(),
        claims: config.issuers.iter().flat_map(|i| i.rules.matchable().map(str::to_owned)).collect(),
    }
}

/// What `check` prints.
pub fn describe(config: &Config, policy: &Policy) -> String {
    let mut out = String::new();
    let service = &config.service;
    let _ = writeln!(
        out,
        "service    port {}, record in {}, account {}",
        service.port,
        service.state_dir.display(),
        service.user
    );
    let masking = &config.masking;
    let _ = writeln!(out, "masking    {}; {}", masking.format, masking.mode);
    for prefix in &masking.prefix {
        let _ = writeln!(out, "prefix     {:<16} numbers of {:?} digits", prefix.digits, prefix.lengths);
    }
    let budgets = &config.budgets;
    let _ = writeln!(
        out,
        "budgets    {} questions about sensitive values and {} errors that they decide, per agent and hour",
        budgets.probes_per_hour, budgets.value_errors_per_hour
    );
    out += &config.retention.words();
    for database in &config.databases {
        let shown: Vec<String> = database.addresses.iter().map(ToString::to_string).collect();
        let _ = writeln!(out, "database   {:<16} {}", database.name, shown.join(" "));
        let mode = match (database.mode, database.mask) {
            (Mode::Enforce, _) => "enforce, masked",
            (Mode::Observe, true) => "OBSERVE: refusals are recorded, not enforced; masked",
            (Mode::Observe, false) => "OBSERVE: refusals are recorded, not enforced; NOT MASKED",
        };
        let others = match database.others {
            Others::Pass => "others pass".to_owned(),
            Others::Refuse => format!("others refused but {:?}", database.allow),
        };
        let _ = writeln!(out, "           {}", tls(&database.tls));
        if let Some(login) = &database.login {
            let _ = writeln!(out, "           estimates as {}, password in {}", login.user, login.passfile.display());
        }
        out.push_str(&credentials(database));
        let record = match database.record {
            Record::Statements => "statements recorded",
            Record::Results => "statements and results recorded",
        };
        let _ = writeln!(out, "           {mode}; masking {}; {record}; {others}", database.masking);
    }
    for agent in &config.agents {
        let _ = writeln!(out, "agent      {:<16} {}{}{}", agent.name, by(agent), in_groups(agent), tokens(agent));
    }
    for issuer in &config.issuers {
        out.push_str(&issued(issuer));
    }
    let _ = writeln!(out, "policy     {} ({})", service.policy.display(), policy.version());
    let approved = policy.approved().map_or_else(
        || "approved by nobody that it names: [approved] in it says who, for the evidence".to_owned(),
        |approved| format!("approved by {}: {}", approved.by.join(", "), approved.reason),
    );
    let _ = writeln!(out, "           {approved}");
    if let Some(admin) = &config.admin {
        let _ = writeln!(out, "page       http://{}/, for reviewers of this host", admin.listen);
        if let Some(url) = &admin.url {
            let _ = writeln!(out, "           {url}/, through a proxy of yours");
        }
        if let Some(oidc) = &admin.oidc {
            let groups = oidc.groups.join(", ");
            let _ = writeln!(
                out,
                "           people of {} in {groups}, by their claim `{}`",
                oidc.issuer, oidc.groups_claim
            );
        }
    }
    if let Some(anchor) = &config.anchor {
        let crate::config::Http { tls, host, port, path, .. } = &anchor.to;
        let scheme = if *tls { "https" } else { "http" };
        let _ = writeln!(out, "anchor     {} at {scheme}://{host}:{port}{path}", anchor.witness.name());
    }
    if let Some(why) = config.only_here() {
        let _ = writeln!(out, "WARNING    {why}");
    }
    for hook in &config.webhooks {
        let place = hook.url.as_deref().unwrap_or("an address of its own file");
        let statement = if hook.statement { ", the masked statement too" } else { "" };
        let _ = writeln!(out, "webhook    {:<16} {place}{statement}", hook.name);
    }
    for reviewer in &config.reviewers {
        let groups =
            if reviewer.groups.is_empty() { String::new() } else { format!(", in {}", reviewer.groups.join(", ")) };
        let account = reviewer.user.iter().map(|user| format!("account {user}"));
        let subject = reviewer.subject.iter().map(|subject| format!("subject {subject}"));
        let who: Vec<String> = account.chain(subject).collect();
        let _ = writeln!(out, "reviewer   {:<16} {}{groups}", reviewer.name, who.join(", "));
    }
    for terms in policy.holds() {
        let _ = writeln!(out, "hold       {}{}", said(terms), doubt(config, terms));
    }
    let names: Vec<String> = config.databases.iter().map(|d| d.name.clone()).collect();
    out.push_str(&searched(policy, &names));
    out.push_str(&cost::lines(policy, &names));
    out
}

/// What stands in the way of what the configuration says, on this host: its service would not start.
pub fn doubts(config: &Config) -> Vec<String> {
    let plugged =
        config.databases.iter().filter_map(|database| Some((database, database.credentials.plugin.as_ref()?)));
    let doubt = |(database, plugin): (&crate::config::Database, &crate::config::Plugin)| {
        let why = crate::plugin::examine(plugin).err()?;
        Some(format!("[[database]] {}: [database.credentials.plugin]: {why:#}", database.name))
    };
    plugged.filter_map(doubt).collect()
}

/// What a hold asks for that the configured people cannot give.
fn doubt(config: &Config, terms: &policy::Terms) -> String {
    let people: Vec<policy::Person<'_>> =
        config.reviewers.iter().map(|reviewer| (reviewer.name.as_str(), reviewer.groups.as_slice())).collect();
    // How many the provider knows is not known here.
    let mut elsewhere = config.admin.iter().flat_map(crate::config::Admin::groups).peekable();
    let of_provider = elsewhere.peek().is_some();
    let mut out = String::new();
    if !terms.is_satisfied_by(&people) && !elsewhere.any(|group| terms.admits("", std::slice::from_ref(group))) {
        let able = people.iter().filter(|(name, groups)| terms.admits(name, groups)).count();
        out = format!(
            "; NOBODY CAN APPROVE: {able} of the configured reviewers may, so what it holds is denied in the end"
        );
    }
    let breaks = people.iter().any(|(name, groups)| terms.lets_break_glass(name, groups));
    if !terms.break_glass.is_empty() && !breaks && !of_provider {
        out += "; NOBODY CAN BREAK GLASS: no configured reviewer is named for it";
    }
    out
}

/// The columns that are searched in a mode of their own, each once.
fn searched(policy: &Policy, databases: &[String]) -> String {
    let mut lines: Vec<String> = Vec::new();
    for scan in databases.iter().flat_map(|database| policy.scans(database)) {
        let policy::ColumnPattern { schema, table, column } = &scan.column;
        let whose = scan.database.as_deref().unwrap_or("every database");
        let mode = match scan.mode {
            policy::ScanMode::Balanced => "balanced",
            policy::ScanMode::Strict => "strict",
        };
        let line = format!("scan       {schema}.{table}.{column} of {whose}: {mode}\n");
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    lines.concat()
}

/// Both legs.
fn tls(tls: &Tls) -> String {
    let agent = match (tls.agent, tls.names.is_empty()) {
        (AgentTls::Disable, _) => "agents plain".to_owned(),
        (_, true) => "agents TLS, but no name to verify: give `names`".to_owned(),
        (AgentTls::Allow, false) => format!("agents TLS or plain, as {}", tls.names.join(" ")),
        (AgentTls::Require, false) => format!("agents TLS only, as {}", tls.names.join(" ")),
    };
    let database = match &tls.database {
        DatabaseTls::Disable => "database plain".to_owned(),
        DatabaseTls::Require(_) => "database TLS, NOT VERIFIED: anybody between may pose as it".to_owned(),
        DatabaseTls::VerifyFull { name, .. } => {
            format!("database TLS, verified as {}", name.as_deref().unwrap_or("the address that is dialled"))
        }
    };
    let asked = match (&tls.agent_client_ca, tls.agent_client_required) {
        (Some(path), true) => format!(" with a certificate by {}", path.display()),
        (Some(path), false) => format!(" (asked for a certificate by {})", path.display()),
        (None, _) => String::new(),
    };
    let scram = match &tls.verifiers {
        Some(path) => format!("; SCRAM ends here, by {}", path.display()),
        None => String::new(),
    };
    format!("{agent}{asked}; {database}{scram}")
}

fn by(agent: &Agent) -> String {
    match &agent.by {
        AgentBy::Unit(unit) => format!("unit {unit}"),
        AgentBy::Cgroup(path) => format!("cgroup {} and all below", path.display()),
        AgentBy::User(user) => format!("every process of {user}"),
        AgentBy::Exec => "by `interceptor exec` alone".into(),
    }
}

/// Whose login reaches the database, where it is not the agent's own.
fn credentials(database: &crate::config::Database) -> String {
    let mut out = String::new();
    for login in &database.credentials.logins {
        let whose = if login.users.is_empty() { "any user".to_owned() } else { login.users.join(", ") };
        let asked = if login.placeholder.is_some() { "a placeholder" } else { "none" };
        let _ = writeln!(
            out,
            "           LOGIN OF OURS for {whose}: {}, password in {}; agents are asked for {asked}",
            login.user,
            login.passfile.display()
        );
    }
    if let Some(roles) = &database.credentials.roles {
        let owner = &roles.owner;
        let heir = owner.heir.as_ref().map_or("what a job leaves stays with its locked role".to_owned(), |heir| {
            format!("what a job leaves becomes {heir}'s")
        });
        let _ = writeln!(
            out,
            "           A ROLE FOR EACH JOB, made by {} (password in {}), for {} minutes at most; {heir}",
            owner.user,
            owner.passfile.display(),
            owner.lifetime_minutes
        );
        for rule in &roles.rules {
            let any = |names: &[String], none: &str| if names.is_empty() { none.to_owned() } else { names.join(", ") };
            let (agents, users) = (any(&rule.agents, "any agent"), any(&rule.users, "any user"));
            let _ = writeln!(out, "           {agents} as {users}: member of {}", rule.grants.join(", "));
        }
    }
    if let Some(plugin) = &database.credentials.plugin {
        let _ = writeln!(
            out,
            "           LOGIN OF OURS for any user: what {} prints, within {} s, as the service's account; agents are asked for none",
            plugin.run.join(" "),
            plugin.timeout_seconds
        );
    }
    if database.credentials.tell_agent {
        out.push_str("           hears who the agent is: interceptor.agent, interceptor.principal\n");
    }
    out
}

/// What its tokens must be.
fn tokens(agent: &Agent) -> String {
    let mut out = String::new();
    if let Some(path) = &agent.token_file {
        let _ = write!(out, ", token in {}", path.display());
    }
    if let Some(terms) = &agent.svids {
        let which = terms.spiffe_id.as_ref().map(|id| format!(", {id}")).unwrap_or_default();
        let _ = write!(out, ", SVIDs fetched from {}{which}", terms.issuer);
    }
    if agent.token.required {
        out.push_str(", NOTHING GOES ON WITHOUT A TOKEN");
    }
    if agent.token.ends {
        out.push_str(", sessions end with it");
    }
    for issuer in &agent.token.issuers {
        let _ = write!(out, ", of issuer {issuer}");
    }
    for (claim, value) in &agent.token.claims {
        let _ = write!(out, ", {claim} = {value}");
    }
    out
}

/// One issuer, and whom its claims put into which group.
fn issued(issuer: &crate::config::Issuer) -> String {
    let rules = &issuer.rules;
    let keys = match &issuer.source {
        control::KeySource::File(path) => format!("keys in {}", path.display()),
        control::KeySource::Url(url) => format!("keys at {url}"),
        control::KeySource::Discovery => "keys by discovery".to_owned(),
        control::KeySource::Spiffe(agent) => {
            let socket = agent.workload.as_ref().or(agent.delegated.as_ref());
            format!(
                "keys from the SPIFFE agent at {}",
                socket.map_or_else(String::new, |path| path.display().to_string())
            )
        }
    };
    let mut out = format!(
        "issuer     {:<16} {}, for {}, {keys}; a principal is {}\n",
        rules.name,
        rules.url,
        rules.audience.join(", "),
        rules.principal().collect::<Vec<_>>().join(" / ")
    );
    let pairs = |claims: &identity::Matches| {
        claims.0.iter().map(|(name, value)| format!("{name} = {value}")).collect::<Vec<_>>().join(", ")
    };
    if !rules.require.0.is_empty() {
        let _ = writeln!(out, "           only {}", pairs(&rules.require));
    }
    for rule in &rules.groups {
        let _ = writeln!(out, "           group {} where {}", rule.group, pairs(&rule.claims));
    }
    out
}

fn in_groups(agent: &Agent) -> String {
    if agent.groups.is_empty() { String::new() } else { format!(", in {}", agent.groups.join(", ")) }
}

/// What `explain` was asked.
pub struct Asked<'a> {
    /// The agent's name.
    pub agent: &'a str,
    /// The database's name.
    pub database: &'a str,
    /// The schemas that an unqualified name may resolve to.
    pub schemas: &'a [String],
    /// The statement.
    pub sql: &'a str,
    /// The clock, for rules with a time window.
    pub wall_s: i64,
}

/// One statement's explanation.
#[derive(Debug, serde::Serialize)]
pub struct Explained {
    /// `allow`, `hold` or `block`.
    pub verdict: &'static str,
    /// The rule that decided, if one did.
    pub rule: Option<String>,
    /// Why, for a person.
    pub why: String,
    /// Of a hold: who must approve, and how long it waits.
    pub asks: Vec<String>,
    /// The statement's kinds.
    pub kinds: Vec<String>,
    /// What each kind touches.
    pub pairs: Vec<String>,
    /// The sensitive columns that are named or may be meant.
    pub masked: Vec<String>,
}

impl Explained {
    /// For a person.
    pub fn text(&self) -> String {
        let mut out = format!("verdict   {}\nwhy       {}\n", self.verdict, self.why);
        if let Some(rule) = &self.rule {
            let _ = writeln!(out, "rule      {rule}");
        }
        self.asks.iter().for_each(|ask| out.push_str(&format!("asks      {ask}\n")));
        let _ = writeln!(out, "kinds     {}", self.kinds.join(" "));
        self.pairs.iter().for_each(|pair| out.push_str(&format!("effect    {pair}\n")));
        self.masked.iter().for_each(|column| out.push_str(&format!("masked    {column}\n")));
        out
    }
}

/// The verdict on each statement of a text; runs nothing.
pub fn explain(config: &Config, policy: &Policy, asked: &Asked<'_>) -> Result<Vec<Explained>, String> {
    let agent = config
        .agent(asked.agent)
        .ok_or_else(|| unknown("agent", asked.agent, config.agents.iter().map(|a| &a.name)))?;
    if config.database(asked.database).is_none() {
        return Err(unknown("database", asked.database, config.databases.iter().map(|d| &d.name)));
    }
    let subject = Subject { agent: agent.name.clone(), groups: agent.groups.clone(), signed: None };
    let limits = sql::Limits { bytes: config.service.statement_bytes_max as usize, ..sql::Limits::default() };
    let analysis = match sql::analyze(asked.sql, &limits) {
        Ok(analysis) => analysis,
        Err(refusal) => return Ok(vec![unjudgeable(&refusal.to_string())]),
    };
    Ok(analysis.statements.iter().map(|statement| one(policy, asked, &subject, statement)).collect())
}

fn unjudgeable(why: &str) -> Explained {
    let why = format!("cannot be judged, so it is refused: {why}");
    Explained {
        verdict: "block",
        rule: None,
        why,
        asks: Vec::new(),
        kinds: vec!["unknown".into()],
        pairs: Vec::new(),
        masked: Vec::new(),
    }
}

fn unknown<'a>(what: &str, name: &str, known: impl Iterator<Item = &'a String>) -> String {
    let known: Vec<&str> = known.map(String::as_str).collect();
    format!("no {what} is called `{name}`; the configuration has: {}", known.join(", "))
}

fn one(policy: &Policy, asked: &Asked<'_>, subject: &Subject, statement: &sql::Statement) -> Explained {
    let question = Question {
        subject,
        database: asked.database,
        statement,
        schemas: asked.schemas,
        schema: None,
        estimated_rows: None,
        wall_s: asked.wall_s,
    };
    let verdict = policy::judge(policy, question);
    Explained {
        verdict: verdict.action.as_str(),
        rule: verdict.rule.map(str::to_owned),
        why: verdict.sentence(&question),
        asks: match verdict.action {
            policy::Action::Hold => policy::holds(policy, question).iter().map(|terms| said(terms)).collect(),
            policy::Action::Allow | policy::Action::Block => Vec::new(),
        },
        kinds: statement.kinds.iter().map(ToString::to_string).collect(),
        pairs: statement.pairs.iter().map(ToString::to_string).collect(),
        masked: sensitive(policy, asked.database, statement),
    }
}

/// What a hold asks for, in words.
fn said(terms: &policy::Terms) -> String {
    format!("rule `{}`: {terms}", terms.rule)
}

/// The policy's columns that the statement names, or may mean by a star.
fn sensitive(policy: &Policy, database: &str, statement: &sql::Statement) -> Vec<String> {
    let tables: Vec<&str> = statement
        .pairs
        .iter()
        .filter_map(|p| match &p.object {
            sql::Object::Table(name) => Some(name.name.as_str()),
            _ => None,
        })
        .collect();
    policy
        .sensitive(database)
        .filter(|s| s.table.contains('*') || tables.contains(&s.table.as_str()))
        .filter(|s| statement.columns.iter().any(|c| c.may_be(&s.column)))
        .map(|s| format!("{}.{}.{} ({})", s.schema, s.table, s.column, s.kind))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn it_says_whether_anybody_elsewhere_could_tell() {
        for (lines, is_told) in crate::config::lead_off() {
            let database = "[[database]]\nname = \"d\"\nprotocol = \"postgres\"\naddresses = [\"127.0.0.1:1\"]\n";
            let config = Config::parse(&format!("{database}{lines}")).unwrap();
            let said = describe(&config, &Policy::parse("", &names(&config)).unwrap());
            let told = said.lines().filter(|line| line.starts_with("WARNING    neither an [anchor] nor a [[sink]]"));
            assert_eq!(told.count() == 1, is_told, "{lines}: {said}");
        }
    }

    const AGENTS: &str = "[[agent]]\nname = \"reconciler\"\n[[reviewer]]\nname = \"ann\"\nuser = \"root\"\n";
    const RULES: &str = "
[[sensitive]]
columns = [\"public.payments.pan\"]
kind = \"pan\"

[[rule]]
name = \"read\"
statements = [\"select\"]
action = \"allow\"

[[rule]]
name = \"a person looks\"
statements = [\"update\"]
action = \"hold\"
";

    #[test]
    fn explain_tells_a_program_the_same_by_the_same_keys() {
        let database = "[[database]]\nname = \"d\"\nprotocol = \"postgres\"\naddresses = [\"127.0.0.1:1\"]\n";
        let config = Config::parse(&format!("{database}{AGENTS}")).unwrap();
        let policy = Policy::parse(RULES, &names(&config)).unwrap();
        let schemas = ["public".to_owned()];
        let explained = |sql| {
            let asked = Asked { agent: "reconciler", database: "d", schemas: &schemas, sql, wall_s: 1_790_000_000 };
            serde_json::to_value(explain(&config, &policy, &asked).unwrap()).unwrap()
        };
        let many = explained("SELECT pan FROM payments; UPDATE payments SET id = 1; DROP TABLE payments");
        let expected = json!([
            {
                "verdict": "allow", "rule": "read", "why": "rule `read` allows it for agent reconciler", "asks": [],
                "kinds": ["select"], "pairs": ["select on payments"], "masked": ["public.payments.pan (pan)"],
            },
            {
                "verdict": "hold", "rule": "a person looks",
                "why": "rule `a person looks` holds `update` on public.payments of agent reconciler for approval",
                "asks": ["rule `a person looks`: one person of any reviewer, within 600 s"],
                "kinds": ["update"], "pairs": ["update on payments"], "masked": [],
            },
            {
                "verdict": "block", "rule": null,
                "why": "no rule allows `drop-table` on public.payments for agent reconciler", "asks": [],
                "kinds": ["drop-table"], "pairs": ["drop-table on payments"], "masked": [],
            },
        ]);
        assert_eq!(many, expected);
        let unreadable = json!([{
            "verdict": "block", "rule": null, "why": "cannot be judged, so it is refused: syntax error", "asks": [],
            "kinds": ["unknown"], "pairs": [], "masked": [],
        }]);
        assert_eq!(explained("SELEC"), unreadable);
    }
}
