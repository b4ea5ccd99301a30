//! `/etc/interceptor/interceptor.toml`: what was typed, and what is meant by it.
//!
//! The file is parsed whole and resolved whole before anything is opened: a doubt is an error, never a default.
//! Keys are the outside contract (docs/OPERATING.md lists them); an unknown one is refused with the nearest known.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::Deserialize;

mod admin;
mod agents;
mod anchor;
mod budgets;
mod credentials;
mod endpoints;
mod error;
mod issuers;
mod masking;
mod retention;
mod reviewers;
mod saml;
mod sinks;
mod tls;
mod webhooks;

pub use admin::{Admin, Oidc};
use agents::TypedAgent;
pub use agents::{Agent, AgentBy};
pub use anchor::Anchor;
#[cfg(test)]
pub(crate) use anchor::tests::lead_off;
pub use budgets::{Budgets, Login};
pub use credentials::{Credentials, InjectedLogin, Owner, Plugin, RoleRule, Roles};
pub use endpoints::Endpoint;
use endpoints::endpoints;
pub use error::Error;
use error::with_nearest;
pub use issuers::Issuer;
pub use masking::{AllMasking, Eagerness, Format, IssuerPrefix, Masking, masking_of};
pub use retention::{Hold, Retention};
pub use reviewers::{Approvals, Reviewer};
pub use saml::Saml;
pub use sinks::{Alerts, Archive, Http, HttpForm, Sink, Syslog, To};
pub use tls::{AgentTls, ClientKeys, DatabaseTls, Tls};
pub use webhooks::{Webhook, WebhookKind};

/// Where the configuration is when `--config` does not say.
pub const DEFAULT_PATH: &str = "/etc/interceptor/interceptor.toml";
/// The longest name of an agent or database: it has to fit the kernel half's map value.
pub const NAME_BYTES_MAX: usize = 31;

/// The whole configuration, resolved.
#[derive(Debug, Clone)]
pub struct Config {
    /// `[service]`
    pub service: Service,
    /// `[masking]`
    pub masking: Masking,
    /// `[[database]]`, in the order of the file.
    pub databases: Vec<Database>,
    /// `[[agent]]`, in the order of the file.
    pub agents: Vec<Agent>,
    /// `[[issuer]]`, in the order of the file.
    pub issuers: Vec<Issuer>,
    /// `[[reviewer]]`, in the order of the file.
    pub reviewers: Vec<Reviewer>,
    /// `[approvals]`
    pub approvals: Approvals,
    /// `[budgets]`
    pub budgets: Budgets,
    /// `[admin]`: the web page; `None`: there is none.
    pub admin: Option<Admin>,
    /// `[[webhook]]`, in the order of the file.
    pub webhooks: Vec<Webhook>,
    /// `[[sink]]`, in the order of the file.
    pub sinks: Vec<Sink>,
    /// `[anchor]`; `None`: nobody outside keeps the record's state.
    pub anchor: Option<Anchor>,
    /// `[alerts]`
    pub alerts: Alerts,
    /// `[retention]`
    pub retention: Retention,
}

/// The most that `connections_per_shard_max` may be: each holds up to two receive buffers, and a shard has 32,768 at most.
const CONNECTIONS_MAX: u32 = 16_384;

/// `[service]`: where things are, and the bounds of the process.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Service {
    /// Record segments, keys and index.
    pub state_dir: PathBuf,
    /// Holds `admin.sock`.
    pub run_dir: PathBuf,
    /// Where redirected sockets land, on 127.0.0.1 and ::1.
    pub port: u16,
    /// Threads of the data plane; 0 means one per CPU core.
    pub shards: u16,
    /// The policy file.
    pub policy: PathBuf,
    /// The account that the service runs as; `attach` gives it the maps that it needs. A name or a number.
    pub user: String,
    /// `standard`: see docs/AUDIT-FORMAT.md; `strict` waits for the disk in every case.
    pub durability: Durability,
    /// The longest statement that is judged, in bytes; a longer one is refused (54000).
    pub statement_bytes_max: u32,
    /// The most connections that one shard serves; the next is refused and counted.
    pub connections_per_shard_max: u32,
    /// The most of those that may be one agent's; 0: half of them.
    pub connections_per_agent_max: u32,
    /// How long a graceful stop waits for running statements, in seconds.
    pub drain_seconds: u32,
    /// Bytes of one record segment; preallocated.
    pub segment_bytes: u64,
    /// A statement that takes so many milliseconds and longer is logged with what of its time was ours; 0: none is.
    pub slow_ms: u32,
}

/// How long a record may be in memory of the kernel alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Durability {
    /// Records of reads are on disk within 10 ms, those of changes before they go on.
    Standard,
    /// Every record is on disk before its statement goes on.
    Strict,
}

impl Default for Service {
    fn default() -> Service {
        Service {
            state_dir: "/var/lib/interceptor".into(),
            run_dir: "/run/interceptor".into(),
            port: 61432,
            shards: 0,
            policy: "/etc/interceptor/policy.toml".into(),
            user: "interceptor".into(),
            durability: Durability::Standard,
            statement_bytes_max: 1 << 20,
            connections_per_shard_max: 4096,
            connections_per_agent_max: 0,
            drain_seconds: 30,
            segment_bytes: 64 << 20,
            slow_ms: 1000,
        }
    }
}

/// One `[[database]]`: an endpoint that agents may only reach through us.
#[derive(Debug, Clone)]
pub struct Database {
    /// Its name in rules, records and `status`.
    pub name: String,
    /// What agents dial, resolved.
    pub addresses: Vec<Endpoint>,
    /// The startup databases that are let in; empty means any.
    pub dbnames: Vec<String>,
    /// Judge and refuse, or judge and only record.
    pub mode: Mode,
    /// Whether what comes back is masked; `false` only with [`Mode::Observe`].
    pub mask: bool,
    /// How eagerly it is searched; where it is not written, as `[masking]` says.
    pub masking: Eagerness,
    /// What is kept of its statements where no rule says otherwise.
    pub record: Record,
    /// How its two legs are encrypted.
    pub tls: Tls,
    /// What becomes of connections by processes that are no agent.
    pub others: Others,
    /// With [`Others::Refuse`]: the units that pass all the same.
    pub allow: Vec<String>,
    /// Directories of the database's unix sockets, hidden from agents.
    pub unix_directories: Vec<PathBuf>,
    /// Our own login there, whose planner is asked; `None`: there are no estimates.
    pub login: Option<Login>,
    /// Whose login reaches it.
    pub credentials: Credentials,
}

/// What a verdict does on a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// A refusal refuses.
    Enforce,
    /// A refusal is recorded and the statement goes on; for rollout, loud everywhere.
    Observe,
}

/// What is kept in the record of a statement that goes on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Record {
    /// Its decision and its outcome.
    #[default]
    Statements,
    /// What the agent received too, masked.
    Results,
}

/// Connections of processes that are no agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Others {
    /// They go on directly.
    Pass,
    /// They are refused, all but the units named in `allow`.
    Refuse,
}

impl Config {
    /// Reads and resolves the file; host names are looked up now.
    pub fn load(path: &Path) -> Result<Config, Error> {
        let text = std::fs::read_to_string(path).map_err(|e| Error::Unreadable(path.into(), e))?;
        Config::parse(&text).map_err(|e| match e {
            Error::Syntax(_, why) => Error::Syntax(path.into(), why),
            other => other,
        })
    }

    /// The same from text.
    pub fn parse(text: &str) -> Result<Config, Error> {
        let typed: Typed =
            toml::from_str(text).map_err(|e| Error::Syntax("configuration".into(), with_nearest(&e.to_string())))?;
        typed.resolve()
    }

    /// Makes its `[masking]` the process's: once, before anything is masked.
    pub fn installed(self) -> Result<Config, Error> {
        self.masking.install().map(|()| self)
    }

    /// The agent of this name.
    pub fn agent(&self, name: &str) -> Option<&Agent> {
        self.agents.iter().find(|a| a.name == name)
    }

    /// The database of this name, with its index in the file.
    pub fn database(&self, name: &str) -> Option<(usize, &Database)> {
        self.databases.iter().enumerate().find(|(_, d)| d.name == name)
    }

    /// The hosts and ports that the control plane asks: no agent's and no database's.
    pub fn hosts_outside(&self) -> impl Iterator<Item = (String, u16)> + '_ {
        let provider = self.admin.iter().filter_map(|admin| admin.oidc.as_ref()?.host());
        let issuers = self.issuers.iter().filter_map(Issuer::host);
        provider.chain(self.webhooks.iter().filter_map(Webhook::host)).chain(issuers)
    }

    /// Whether some database's sessions ask for a login of ours.
    pub fn makes_logins(&self) -> bool {
        self.databases.iter().any(|database| database.credentials.asks_login())
    }

    /// Where jobs post their tokens.
    pub fn identity_socket(&self) -> PathBuf {
        self.service.run_dir.join("identity.sock")
    }

    /// The admin socket.
    pub fn admin_socket(&self) -> PathBuf {
        self.service.run_dir.join("admin.sock")
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Typed {
    #[serde(default)]
    service: Service,
    #[serde(default)]
    masking: Masking,
    #[serde(default)]
    database: Vec<TypedDatabase>,
    #[serde(default)]
    agent: Vec<TypedAgent>,
    #[serde(default)]
    issuer: Vec<issuers::Typed>,
    #[serde(default)]
    reviewer: Vec<Reviewer>,
    #[serde(default)]
    approvals: Approvals,
    #[serde(default)]
    budgets: Budgets,
    admin: Option<admin::Typed>,
    #[serde(default)]
    webhook: Vec<Webhook>,
    #[serde(default)]
    sink: Vec<sinks::TypedSink>,
    anchor: Option<anchor::Typed>,
    #[serde(default)]
    alerts: Alerts,
    #[serde(default)]
    retention: Retention,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TypedDatabase {
    name: String,
    protocol: String,
    addresses: Vec<String>,
    #[serde(default)]
    dbnames: Vec<String>,
    #[serde(default)]
    agent_tls: AgentTls,
    #[serde(default)]
    names: Vec<String>,
    agent_client_ca: Option<PathBuf>,
    #[serde(default)]
    agent_client_required: bool,
    tls: Option<String>,
    roots: Option<PathBuf>,
    server_name: Option<String>,
    client_certificate: Option<PathBuf>,
    client_key: Option<PathBuf>,
    scram_verifiers: Option<PathBuf>,
    #[serde(default = "enforce")]
    mode: Mode,
    #[serde(default = "yes")]
    mask: bool,
    masking: Option<Eagerness>,
    #[serde(default)]
    record: Record,
    #[serde(default = "pass")]
    others: Others,
    #[serde(default)]
    allow: Vec<String>,
    #[serde(default)]
    unix_directories: Vec<PathBuf>,
    login: Option<Login>,
    credentials: Option<credentials::Typed>,
}

fn enforce() -> Mode {
    Mode::Enforce
}

fn yes() -> bool {
    true
}

fn pass() -> Others {
    Others::Pass
}

fn meaning(place: impl Into<String>, why: impl Into<String>) -> Error {
    Error::Meaning { place: place.into(), why: why.into() }
}

impl Typed {
    fn resolve(self) -> Result<Config, Error> {
        self.service.check()?;
        self.masking.check()?;
        self.budgets.check()?;
        if self.database.is_empty() {
            return Err(meaning("[[database]]", "none is configured: nothing would be protected"));
        }
        let databases: Vec<Database> =
            self.database.into_iter().map(|d| d.resolve(self.masking.mode)).collect::<Result<_, _>>()?;
        let agents: Vec<Agent> = self.agent.into_iter().map(TypedAgent::resolve).collect::<Result<_, _>>()?;
        unique("[[database]]", databases.iter().map(|d| d.name.as_str()))?;
        unique("[[agent]]", agents.iter().map(|a| a.name.as_str()))?;
        no_shared_endpoint(&databases)?;
        webhooks::check(&self.webhook)?;
        let sinks: Vec<Sink> = self.sink.into_iter().map(sinks::TypedSink::resolve).collect::<Result<_, _>>()?;
        self.retention.check(&self.service.state_dir, &sinks)?;
        let issuers: Vec<Issuer> = self.issuer.into_iter().map(issuers::Typed::resolve).collect::<Result<_, _>>()?;
        unique("[[issuer]]", issuers.iter().map(|issuer| issuer.rules.name.as_str()))?;
        unique("[[issuer]]: issuer or trust_domain", issuers.iter().map(|issuer| issuer.rules.url.as_str()))?;
        unique("[[sink]]", sinks.iter().map(|s| s.name.as_str()))?;
        let (reviewers, approvals) = (self.reviewer, self.approvals);
        let admin = self.admin.map(admin::Typed::resolve).transpose()?;
        let config = Config {
            admin,
            webhooks: self.webhook,
            sinks,
            anchor: self.anchor.map(anchor::Typed::resolve).transpose()?,
            alerts: self.alerts,
            retention: self.retention,
            budgets: self.budgets,
            service: self.service,
            masking: self.masking,
            databases,
            agents,
            issuers,
            reviewers,
            approvals,
        };
        reviewers::check(&config)?;
        issuers::check(&config)?;
        Ok(config)
    }
}

impl Service {
    fn check(&self) -> Result<(), Error> {
        let place = "[service]";
        if self.port < 1024 {
            return Err(meaning(
                place,
                "port must be 1024 or above: the service has no capability to bind a lower one",
            ));
        }
        if !(4096..=16 << 20).contains(&self.statement_bytes_max) {
            return Err(meaning(place, "statement_bytes_max must be between 4096 and 16777216"));
        }
        if !(1 << 20..=1 << 30).contains(&self.segment_bytes) || !self.segment_bytes.is_multiple_of(4096) {
            return Err(meaning(place, "segment_bytes must be a multiple of 4096 between 1 MiB and 1 GiB"));
        }
        if !(1..=CONNECTIONS_MAX).contains(&self.connections_per_shard_max) || self.shards > 256 {
            let words =
                format!("connections_per_shard_max must be between 1 and {CONNECTIONS_MAX}, shards at most 256");
            return Err(meaning(place, words));
        }
        if self.connections_per_agent_max > self.connections_per_shard_max {
            return Err(meaning(place, "connections_per_agent_max cannot be above connections_per_shard_max"));
        }
        Ok(())
    }
}

impl TypedDatabase {
    fn resolve(self, masking: Eagerness) -> Result<Database, Error> {
        let place = format!("[[database]] {}", self.name);
        check_name(&place, &self.name)?;
        if self.protocol != "postgres" {
            return Err(meaning(
                place,
                format!("protocol `{}` is not known; this version speaks `postgres`", self.protocol),
            ));
        }
        if let Some(login) = &self.login
            && (login.user.is_empty() || login.user.contains(char::is_control))
        {
            return Err(meaning(place, "[database.login] user is empty or has a control character"));
        }
        if !self.mask && self.mode == Mode::Enforce {
            return Err(meaning(place, "mask = false goes only with mode = \"observe\""));
        }
        if !self.mask && self.record == Record::Results {
            return Err(meaning(
                place,
                "record = \"results\" does not go with mask = false: clear values are nobody's to keep",
            ));
        }
        if self.others == Others::Pass && !self.allow.is_empty() {
            return Err(meaning(place, "allow has a meaning only with others = \"refuse\""));
        }
        if self.addresses.is_empty() {
            return Err(meaning(place, "addresses is empty: nothing would be redirected"));
        }
        let mut addresses = BTreeSet::new();
        for text in &self.addresses {
            addresses.extend(endpoints(text).map_err(|why| meaning(&place, format!("addresses: `{text}`: {why}")))?);
        }
        let tls = self.tls(&place, &addresses)?;
        let credentials = self.credentials.map(|typed| typed.resolve(&place, &tls, &addresses));
        Ok(Database {
            name: self.name,
            addresses: addresses.into_iter().collect(),
            dbnames: self.dbnames,
            mode: self.mode,
            mask: self.mask,
            masking: self.masking.unwrap_or(masking),
            record: self.record,
            tls,
            others: self.others,
            allow: self.allow,
            unix_directories: self.unix_directories,
            login: self.login,
            credentials: credentials.transpose()?.unwrap_or_default(),
        })
    }
}

fn check_name(place: &str, name: &str) -> Result<(), Error> {
    let fits = !name.is_empty() && name.len() <= NAME_BYTES_MAX;
    if fits && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)) {
        return Ok(());
    }
    Err(meaning(place, format!("a name has 1 to {NAME_BYTES_MAX} characters of a-z A-Z 0-9 - _ .")))
}

fn unique<'a>(place: &str, names: impl Iterator<Item = &'a str>) -> Result<(), Error> {
    let mut seen = BTreeSet::new();
    for name in names {
        if !seen.insert(name) {
            return Err(meaning(place, format!("`{name}` is there twice")));
        }
    }
    Ok(())
}

/// Two databases behind one address and port could not be told apart.
fn no_shared_endpoint(databases: &[Database]) -> Result<(), Error> {
    let mut seen: Vec<(Endpoint, &str)> = Vec::new();
    for database in databases {
        for endpoint in &database.addresses {
            if let Some((_, other)) = seen.iter().find(|(e, name)| e == endpoint && *name != database.name) {
                return Err(meaning(
                    format!("[[database]] {}", database.name),
                    format!(
                        "{endpoint} belongs to `{other}` already; use dbnames to tell databases of one server apart"
                    ),
                ));
            }
            seen.push((*endpoint, &database.name));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_database(lines: &str) -> Result<Config, Error> {
        Config::parse(&format!("[[database]]\nname = \"payments\"\nprotocol = \"postgres\"\n{lines}"))
    }

    #[track_caller]
    fn refused(lines: &str, says: &str) {
        let message = with_database(lines).expect_err("must be refused").to_string();
        assert!(message.contains(says), "{message}");
    }

    #[test]
    fn the_example_of_the_design_resolves() {
        let config = with_database(
            "addresses = [\"127.0.0.1:5432\", \"10.20.0.0/16:5432\", \"[::1]:*\"]\ntls = \"disable\"\n[[agent]]\nname = \"reconciler\"\nunit = \"reconciler.service\"\ngroups = [\"payments-agents\"]",
        )
        .unwrap();
        let shown: Vec<String> = config.databases[0].addresses.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["10.20.0.0/16:5432", "127.0.0.1:5432", "[::1]:*"]);
        assert_eq!(config.agents[0].by, AgentBy::Unit("reconciler.service".into()));
        assert_eq!(config.service.port, 61432);
    }

    #[test]
    fn connections_have_bounds() {
        let parse = |lines: &str| {
            Config::parse(&format!(
                "[service]\n{lines}\n[[database]]\nname = \"payments\"\nprotocol = \"postgres\"\naddresses = [\"127.0.0.1:5432\"]"
            ))
        };
        let service = parse("connections_per_shard_max = 16384\nconnections_per_agent_max = 12000").unwrap().service;
        assert_eq!((service.connections_per_shard_max, service.connections_per_agent_max), (16_384, 12_000));
        for (lines, says) in [
            ("connections_per_shard_max = 0", "between 1 and 16384"),
            ("connections_per_shard_max = 16385", "between 1 and 16384"),
            ("connections_per_agent_max = 4097", "cannot be above"),
        ] {
            let message = parse(lines).expect_err("must be refused").to_string();
            assert!(message.contains(says), "{message}");
        }
    }

    #[test]
    fn doubts_are_errors() {
        refused("addresses = []", "nothing would be redirected");
        refused("addresses = [\"127.0.0.1\"]", "port is missing");
        refused("addresses = [\"127.0.0.1:0\"]", "1 to 65535");
        refused("addresses = [\"10.20.0.1/16:5432\"]\ntls = \"disable\"", "did you mean 10.20.0.0/16");
        refused("addresses = [\"10.0.0.1:5432\"]", "or tls = \"disable\" to accept");
        refused("addresses = [\"127.0.0.1:5432\"]\ntls = \"prefer\"", "`disable`, `require` or `verify-full`");
        refused("addresses = [\"nowhere.invalid:5432\"]\ntls = \"disable\"", "does not resolve");
        refused("addresses = [\"127.0.0.1:5432\"]\nmask = false", "goes only with mode");
        refused("addresses = [\"127.0.0.1:5432\"]\nallow = [\"a.service\"]", "only with others");
        refused("adresses = [\"127.0.0.1:5432\"]", "did you mean `addresses`");
        refused("addresses = [\"127.0.0.1:5432\"]\n[[agent]]\nname = \"a\"\nunit = \"a\"", "needs its suffix");
        refused("addresses = [\"127.0.0.1:5432\"]\n[[agent]]\nname = \"a\"\n[[agent]]\nname = \"a\"", "there twice");
        let reviewer = |lines: &str| format!("addresses = [\"127.0.0.1:5432\"]\n{lines}");
        let ann = "[[reviewer]]\nname = \"ann\"\nuser = \"ann\"\n";
        refused(&reviewer(&format!("{ann}{ann}")), "there twice");
        refused(&reviewer(&format!("{ann}[[reviewer]]\nname = \"bob\"\nuser = \"ann\"")), "another reviewer's");
        refused(&reviewer(&format!("{ann}[[agent]]\nname = \"a\"\nuser = \"ann\"")), "is the agent `a`");
        refused(&reviewer(&format!("{ann}group = [\"leads\"]")), "did you mean `groups`");
        refused(&reviewer("[approvals]\npending_max = 10001"), "at most 10000");
        refused(&reviewer("[budgets]\nprobes_per_hour = 65536"), "at most 65535");
        refused(&reviewer("[budgets]\nprobes = 1"), "did you mean `probes_per_hour`");
        refused(&reviewer("[database.login]\nuser = \"x\""), "passfile");
        refused(&reviewer("[database.login]\nuser = \"\"\npassfile = \"/x\""), "[database.login] user is empty");
        refused("addresses = [\"127.0.0.1:5432\"]\n[admin]\nlisten = \"x\"", "is no address with a port");
        refused("addresses = [\"127.0.0.1:5432\"]\n[admin]\nlisten = \"0.0.0.0:7443\"", "on loopback alone");
        refused("addresses = [\"127.0.0.1:5432\"]\n[admin]\nlisten = \"127.0.0.1:443\"", "1024 or above");
        refused(&reviewer("[[reviewer]]\nname = \"ann\""), "neither `user` nor `subject`");
        let bob = "[[reviewer]]\nname = \"bob\"\nsubject = \"b\"\n";
        refused(&reviewer(&format!("{bob}{}", bob.replace("bob", "eve"))), "another reviewer's");
        let admin =
            |lines: &str| format!("addresses = [\"127.0.0.1:5432\"]\n[admin]\nlisten = \"127.0.0.1:7443\"\n{lines}");
        for url in ["http://reviews.example", "https://reviews.example/", "https://a@b", "https://", "reviews.example"]
        {
            refused(&admin(&format!("url = \"{url}\"")), "is not `https://HOST`");
        }
        let oidc = |issuer: &str, more: &str| {
            admin(&format!("[admin.oidc]\nissuer = \"{issuer}\"\nclient_id = \"interceptor\"\n{more}"))
        };
        for issuer in
            ["http://idp.example", "https://", "ftp://127.0.0.1", "http://127.0.0.1.evil.example/x", "https://a@b"]
        {
            refused(&oidc(issuer, "groups = [\"leads\"]"), "is no https address");
        }
        refused(&oidc("https://idp.example", ""), "missing field `groups`");
        refused(&oidc("https://idp.example", "groups = []"), "name the groups that may review");
        refused(&oidc("https://idp.example", "groups = [\"a\"]\nsecret = \"x\""), "unknown field `secret`");
        let good = with_database(&oidc("https://idp.example:8443/realms/x", "groups = [\"leads\"]")).unwrap();
        let oidc = good.admin.unwrap().oidc.unwrap();
        assert_eq!(oidc.host(), Some(("idp.example".into(), 8443)));
        let saml =
            |lines: &str| admin(&format!("[admin.saml]\nissuer = \"urn:idp\"\ncertificates = \"/x.pem\"\n{lines}"));
        let full = "sso = \"https://idp.example/sso\"\ngroups = [\"leads\"]";
        refused(&saml("sso = \"https://idp.example/sso\""), "missing field `groups`");
        if !control::saml::IS_BUILT_IN {
            return refused(&saml(full), "built without SAML");
        }
        refused(&saml("sso = \"http://idp.example/sso\"\ngroups = [\"leads\"]"), "is no https address");
        refused(&saml("sso = \"https://idp.example/sso\"\ngroups = []"), "name the groups that may review");
        refused(&saml(&format!("{full}\nentity_id = \"a&b\"")), "a character other than ASCII");
        refused(&saml(&format!("{full}\ncertificate = \"x\"")), "did you mean `certificates`");
        let both =
            format!("{full}\n[admin.oidc]\nissuer = \"https://idp.example\"\nclient_id = \"i\"\ngroups = [\"leads\"]");
        refused(&saml(&both), "one of them");
        let good = with_database(&saml(full)).unwrap().admin.unwrap();
        assert_eq!((good.groups(), good.page().as_str()), (&["leads".to_owned()][..], "http://127.0.0.1:7443"));
    }
}
