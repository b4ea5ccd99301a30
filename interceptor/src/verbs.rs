//! The verbs that are one call of a room and a few lines for a person. Each answers its exit status.
#![allow(clippy::print_stdout)] // what a verb prints is its answer

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::net::{IpAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use nix::unistd::User;

use crate::config::{self, AgentBy, Config, Others};
use crate::host_record::{Deed, HostRecord, Stage};
use crate::record::reading;
use crate::token_file;
use crate::{admin, admit, backtest, ca, check, doctor, exec, load, plan, privileges, verifiers};

/// `attach`.
pub fn attach(path: &Path) -> Result<u8> {
    let config = Config::load(path)?.installed()?;
    let report = attach_recorded(&config)?;
    println!("attached {}", pinned(&report));
    if report.closed > 0 {
        println!("closed {} connections of agents that were older than this", report.closed);
    }
    report.notes.iter().for_each(|note| println!("{note}"));
    Ok(0)
}

/// `ca`.
pub fn ca(path: &Path) -> Result<u8> {
    let config = Config::load(path)?;
    if nix::unistd::Uid::effective().is_root() {
        ca::ensure(&config, privileges::account(&config.service.user)?)?;
    }
    print!("{}", ca::certificate(&config)?);
    eprint!("{}", ca::directions(&config));
    Ok(0)
}

/// Attaches, and writes both records of it.
pub(crate) fn attach_recorded(config: &Config) -> Result<load::Report> {
    let object = plan::instance(&config.service).display().to_string();
    recorded(&HostRecord::new(&config.service.state_dir), &Deed::Attach { object: &object }, || {
        check::load_policy(config)?;
        let report = load::attach(&plan::plan(config)?)?;
        let words = format!("{}; closed {} older connections", pinned(&report), report.closed);
        Ok((report, words))
    })
}

fn pinned(report: &load::Report) -> String {
    format!("{} programs, pinned below {}", report.programs.len(), report.folder.display())
}

/// `detach`. Works without a configuration that can be read, and without a record: what is attached must be removable.
pub fn detach(path: &Path) -> Result<u8> {
    let service = match Config::load(path).and_then(Config::installed) {
        Ok(config) => config.service,
        Err(error) => {
            eprintln!("interceptor: {error}; detaching the usual instance");
            config::Service::default()
        }
    };
    let instance = plan::instance(&service);
    let object = instance.display().to_string();
    let deed = Deed::Detach { object: &object };
    let record = HostRecord::new(&service.state_dir);
    let say = |stage: Stage<'_>| -> Result<()> {
        record.write(&deed, stage)?;
        Ok(())
    };
    let began = say(Stage::Begins);
    let done = load::detach(&instance);
    let why = done.as_ref().err().map(ToString::to_string);
    let words = match (&done, &why) {
        (Ok(true), _) => "agents reach databases directly from now on",
        (Ok(false), _) => "nothing was attached",
        (Err(_), why) => why.as_deref().unwrap_or_default(),
    };
    let told = say(if done.is_ok() { Stage::Done(words) } else { Stage::Failed(words) });
    match (began, told) {
        (_, Ok(())) => {}
        (Ok(()), Err(why)) => warn("the outcome of this detach", &why),
        (Err(_), Err(why)) => warn(deed.as_str(), &why),
    }
    println!("{}{words}", if done? { "detached: " } else { "" });
    Ok(0)
}

/// `admit`.
pub fn admit(path: &Path, unit: &str) -> Result<u8> {
    let config = Config::load(path)?.installed()?;
    let agent = config.agents.iter().find(|a| a.by == AgentBy::Unit(unit.into()));
    let closed = config.databases.iter().zip(0u32..).filter(|(d, _)| d.allow.iter().any(|a| a == unit));
    let allowed: Vec<u32> = closed.map(|(_, index)| index).collect();
    let instance = plan::instance(&config.service);
    let order = admit::Order {
        instance: &instance,
        unit,
        agent: agent.map(|a| a.name.as_str()),
        allowed: &allowed,
        port: config.service.port,
    };
    let deed = Deed::Admission { agent: order.agent.unwrap_or_default(), unit };
    let admitted = recorded(&HostRecord::new(&config.service.state_dir), &deed, || {
        let admitted = admit::admit(&order)?;
        let what = if order.agent.is_some() { "" } else { "no agent, may dial closed databases; " };
        let words = format!(
            "{what}cgroup {} ({}); closed {} older connections",
            admitted.id,
            admitted.cgroup.display(),
            admitted.closed
        );
        Ok((admitted, words))
    })?;
    println!("{unit} is protected: cgroup {} ({})", admitted.cgroup.display(), admitted.id);
    Ok(0)
}

/// `exec`.
pub fn exec(path: &Path, agent: &str, user: Option<&str>, token: Option<&Path>, command: &[OsString]) -> Result<u8> {
    let config = Config::load(path)?.installed()?;
    let record = HostRecord::new(&config.service.state_dir);
    let outcome = exec_recorded(&config, &record, agent, user, (token, command));
    if let Err(why) = &outcome
        && !matches!(why.downcast_ref(), Some(exec::Error::Unrecorded(_) | exec::Error::Wait(_)))
    {
        let deed = Deed::Admission { agent, unit: "exec" };
        let _ = record.write(&deed, Stage::Failed(&format!("{why:#}"))).map_err(|why| warn(deed.as_str(), &why));
    }
    outcome
}

fn exec_recorded(
    config: &Config,
    record: &HostRecord,
    agent: &str,
    user: Option<&str>,
    (token, command): (Option<&Path>, &[OsString]),
) -> Result<u8> {
    if config.agent(agent).is_none() {
        bail!("no agent is called `{agent}`; the configuration has: {}", names(config).join(", "));
    }
    let account = account(user)?;
    let hidden: Vec<PathBuf> = plan::hidden(config).into_iter().map(Path::to_path_buf).collect();
    let order = exec::Order {
        instance: &plan::instance(&config.service),
        agent,
        account: &account,
        service_uid: privileges::account(&config.service.user)?.uid,
        hidden: &hidden,
        command,
    };
    let status = exec::exec_once(&order, |cgroup| {
        let name = account.name_and_home.as_ref().map_or("an account without a name", |(name, _)| name);
        let words = format!("exec as {name} (uid {}) in cgroup {cgroup}", account.uid);
        let deed = Deed::Admission { agent, unit: &format!("cgroup {cgroup}") };
        record.write(&deed, Stage::Done(&words)).map_err(exec::Error::Unrecorded)?;
        // A job whose token does not count does not start.
        let bound = token.map_or(Ok(()), |file| token_file::bind(config.identity_socket(), file, cgroup));
        bound.map_err(exec::Error::Token)
    })?;
    Ok(u8::try_from(status).unwrap_or(1))
}

/// Writes that it begins, does it, and writes what came of it, with the words that `act` has for it. Nothing is done that
/// cannot be recorded; what was done and cannot be recorded stays, and is an error.
fn recorded<T>(record: &HostRecord, deed: &Deed<'_>, act: impl FnOnce() -> Result<(T, String)>) -> Result<T> {
    record.write(deed, Stage::Begins).context("nothing was done, since it cannot be recorded")?;
    match act() {
        Ok((done, words)) => {
            let written = record.write(deed, Stage::Done(&words));
            written.context("it was done and stays, but that it was done cannot be recorded")?;
            Ok(done)
        }
        Err(why) => {
            let _ = record.write(deed, Stage::Failed(&format!("{why:#}"))).map_err(|lost| warn(deed.as_str(), &lost));
            Err(why)
        }
    }
}

fn warn(deed: &str, why: &dyn std::fmt::Display) {
    eprintln!("interceptor: WARNING: {deed} is NOT in the record: {why:#}");
}

fn names(config: &Config) -> Vec<&str> {
    config.agents.iter().map(|a| a.name.as_str()).collect()
}

/// `--user`, or whoever called sudo.
fn account(user: Option<&str>) -> Result<exec::Account> {
    let caller = std::env::var("SUDO_USER").ok();
    let user =
        user.or(caller.as_deref()).context("say with --user as which account the command runs; root is refused")?;
    let uid = plan::agent_uid(user)?;
    let found = User::from_uid(uid.into()).context("cannot look up the account")?;
    let Some(found) = found else {
        return Ok(exec::Account { uid, gid: uid, groups: Vec::new(), name_and_home: None });
    };
    let name = std::ffi::CString::new(found.name.clone()).context("an account's name holds no zero byte")?;
    let groups = nix::unistd::getgrouplist(&name, found.gid).context("cannot look up the account's groups")?;
    Ok(exec::Account {
        uid,
        gid: found.gid.as_raw(),
        groups: groups.into_iter().map(nix::unistd::Gid::as_raw).collect(),
        name_and_home: Some((found.name, found.dir)),
    })
}

/// `check`.
pub fn check(path: &Path, policy: Option<&Path>) -> Result<u8> {
    let (config, policy) = check::load_with(path, policy)?;
    config.masking.install()?;
    let (verifiers, saml) = (verifiers::describe(&config)?, admin::describe(&config)?);
    let disk = doctor::disk::describe(&config.service.state_dir);
    print!("{}{disk}{saml}{verifiers}", check::describe(&config, &policy));
    let doubts = check::doubts(&config);
    doubts.iter().for_each(|why| eprintln!("interceptor: {why}"));
    Ok(u8::from(!doubts.is_empty()))
}

/// `check --against`: 1 where a verdict would change.
pub fn backtest(path: &Path, policy: Option<&Path>, log: &Path, search_path: &[String], json: bool) -> Result<u8> {
    let (config, policy) = check::load_with(path, policy)?;
    config.masking.install()?;
    let folder = if log.is_dir() { log } else { log.parent().unwrap_or(log) };
    reading::begins(path, Some(folder), "check --against")?;
    let found = backtest::run(&config, &policy, log, search_path)?;
    if json {
        println!("{:#}", serde_json::to_value(&found)?);
    } else {
        print!("{}", found.text());
    }
    Ok(u8::from(found.changed > 0))
}

/// `doctor`. Without a configuration it looks at the host all the same.
pub fn doctor(path: &Path, json: bool) -> Result<u8> {
    let config = Config::load(path);
    if let Err(error) = &config {
        eprintln!("interceptor: {error}; looking at the host alone");
    }
    let config = config.ok();
    let service = config.as_ref().map(|c| c.service.clone()).unwrap_or_default();
    let inquiry = doctor::Inquiry {
        instance: plan::instance(&service),
        port: service.port,
        service_uid: privileges::account(&service.user).ok().map(|a| a.uid),
        state_dir: service.state_dir.clone(),
        hidden: config.iter().flat_map(plan::hidden).map(Path::to_path_buf).collect(),
        locked_bytes: 0,
        descriptors: 2 * u64::from(service.connections_per_shard_max) * u64::from(service.shards.max(1)),
    };
    let abilities = doctor::examine(&inquiry);
    if json {
        println!("{:#}", doctor::json(&abilities));
    } else {
        print!("{}", doctor::text(&abilities));
    }
    Ok(u8::from(!doctor::works(&abilities)))
}

/// What `explain` was asked on the command line.
pub struct Explain<'a> {
    /// The agent.
    pub agent: &'a str,
    /// The database.
    pub database: &'a str,
    /// The schemas of unqualified names.
    pub search_path: &'a [String],
    /// The statement.
    pub sql: &'a str,
}

/// Seconds since 1970.
pub fn wall_s() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    i64::try_from(since).unwrap_or(i64::MAX)
}

/// `explain`.
pub fn explain(path: &Path, asked: &Explain<'_>, json: bool) -> Result<u8> {
    let (config, policy) = check::load(path)?;
    config.masking.install()?;
    let asked = check::Asked {
        agent: asked.agent,
        database: asked.database,
        schemas: asked.search_path,
        sql: asked.sql,
        wall_s: wall_s(),
    };
    let explained = check::explain(&config, &policy, &asked).map_err(|why| anyhow::anyhow!(why))?;
    if json {
        println!("{:#}", serde_json::to_value(&explained)?);
    } else {
        explained.iter().for_each(|one| print!("{}", one.text()));
    }
    Ok(u8::from(explained.iter().any(|one| one.verdict != "allow")))
}

/// `units`: the drop-ins, printed or written.
pub fn units(path: &Path, write: Option<&Path>) -> Result<u8> {
    let config = Config::load(path)?;
    let path = std::fs::canonicalize(path).with_context(|| format!("cannot find {}", path.display()))?;
    for (file, text) in drop_ins(&config, &path)? {
        match write {
            None => println!("# {}\n{text}", file.display()),
            Some(folder) => {
                let to = folder.join(&file);
                let parent = to.parent().context("a drop-in has a folder")?;
                std::fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
                std::fs::write(&to, text).with_context(|| format!("cannot write {}", to.display()))?;
                println!("wrote {}", to.display());
            }
        }
    }
    Ok(0)
}

fn drop_ins(config: &Config, path: &Path) -> Result<Vec<(PathBuf, String)>> {
    let program = std::env::current_exe().context("where is this program?")?;
    let hidden: Vec<PathBuf> = plan::hidden(config).into_iter().map(Path::to_path_buf).collect();
    let mut out = vec![("interceptor.service.d/50-databases.conf".into(), addresses(config))];
    for agent in &config.agents {
        if let AgentBy::Unit(unit) = &agent.by {
            out.push((format!("{unit}.d/10-interceptor.conf").into(), admit::drop_in(&program, path, &hidden)));
        }
    }
    for database in config.databases.iter().filter(|d| d.others == Others::Refuse) {
        for unit in &database.allow {
            out.push((format!("{unit}.d/10-interceptor.conf").into(), admit::drop_in_allowed(&program, path)));
        }
    }
    out.dedup_by(|a, b| a.0 == b.0);
    Ok(out)
}

/// The service may talk to loopback, to its databases and to the hosts that reviewers and their messages need, and to nobody else.
fn addresses(config: &Config) -> String {
    let mut text = String::from("# Generated by `interceptor units` from the databases' addresses.\n[Service]\n");
    if !config.issuers.is_empty() && !crate::sys::peer::pidfds_tell() {
        text.push_str("# This kernel tells the cgroup of who posts a token by /proc alone (Linux 6.13 tells it by itself).\nProtectProc=default\n");
    }
    for endpoint in config.databases.iter().flat_map(|d| &d.addresses).filter(|e| !e.is_loopback()) {
        text.push_str(&format!("IPAddressAllow={}/{}\n", endpoint.address, endpoint.prefix));
    }
    for host in config.hosts_outside() {
        text.push_str(&format!(
            "# {} as it resolves now; where its addresses change, allow its networks in a drop-in of your own\n",
            host.0
        ));
        let Ok(found) = host.to_socket_addrs() else {
            text.push_str("# (it does not resolve)\n");
            continue;
        };
        let addresses: BTreeSet<IpAddr> = found.map(|socket| socket.ip()).filter(|ip| !ip.is_loopback()).collect();
        text.extend(addresses.iter().map(|address| format!("IPAddressAllow={address}\n")));
    }
    text
}
