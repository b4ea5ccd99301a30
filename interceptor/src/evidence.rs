//! `evidence`: a folder for an assessor, from the record of a stretch of time. Its index goes by requirement of PCI DSS v4.0.1; each
//! number stands beside the command that prints it, each file beside its hash. It shows what is; what that amounts to is the assessor's.
#![allow(clippy::print_stdout)] // what a verb prints is its answer

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use audit::show;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use self::catalogue::{Asked, asked, of_pair, quoted, verb};
use self::policies::policies;
use crate::config::Config;
use crate::record::figures::{Figure, Of, Span, Tally, each};
use crate::record::{self, now_ns, reading};

mod catalogue;
mod failures;
mod identities;
mod integrity;
mod page;
mod policies;
mod rights;
#[cfg(test)]
mod tests;
mod zip;

/// So many records are shown of each requirement.
const SAMPLES: usize = 5;
/// Agents and databases that are told apart.
const PAIRS_MAX: usize = 256;

/// One number of the pack.
pub(crate) struct Shown {
    pub(crate) requirement: &'static str,
    pub(crate) title: String,
    pub(crate) command: String,
    pub(crate) figure: Figure,
    pub(crate) tally: Tally,
    /// Records of it, evenly from all.
    pub(crate) samples: Vec<Value>,
    seen: u64,
}

impl Shown {
    fn new(asked: Asked, span: Span, config: &Path) -> Result<Shown> {
        let figure = asked.figure()?;
        let command = asked.command(span, config);
        let (requirement, title, tally) = (asked.requirement, asked.title, figure.zero());
        Ok(Shown { requirement, title, command, figure, tally, samples: Vec::new(), seen: 0 })
    }

    fn see(&mut self, record: &Value) {
        self.figure.add(&mut self.tally, record);
        if !self.figure.admits(record) {
            return;
        }
        self.seen += 1;
        // The first, and then ever rarer ones in the place of the others: so they come from all of the time.
        if self.samples.len() < SAMPLES {
            self.samples.push(record.clone());
        } else if self.seen.is_power_of_two() {
            let place = 1 + (self.seen.trailing_zeros() as usize) % (SAMPLES - 1);
            self.samples[place].clone_from(record);
        }
    }

    fn value(&self) -> Value {
        json!({ "requirement": self.requirement, "title": self.title, "value": self.tally.value(), "command": self.command })
    }
}

/// A file of the pack.
struct Filed {
    name: String,
    requirement: String,
    command: String,
    sha256: String,
    bytes: usize,
}

/// Where the files go.
struct Pack {
    folder: PathBuf,
    made: String,
    files: Vec<Filed>,
}

impl Pack {
    fn new(folder: &Path) -> Result<Pack> {
        DirBuilder::new()
            .mode(0o700)
            .create(folder)
            .with_context(|| format!("cannot make {}: name a folder that is not there yet", folder.display()))?;
        Ok(Pack { folder: folder.to_owned(), made: show::time(now_ns()), files: Vec::new() })
    }

    fn put(&mut self, name: &str, requirement: &str, command: &str, text: &str) -> Result<()> {
        let path = self.folder.join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
        }
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        let (sha256, bytes) = (hex(&Sha256::digest(text.as_bytes())), text.len());
        let (name, requirement, command) = (name.to_owned(), requirement.to_owned(), command.to_owned());
        self.files.push(Filed { name, requirement, command, sha256, bytes });
        Ok(())
    }

    fn put_json(&mut self, name: &str, requirement: &str, command: &str, value: &Value) -> Result<()> {
        let value = json!({ "made": self.made, "command": command, "requirement": requirement, "content": value });
        self.put(name, requirement, command, &format!("{value:#}\n"))
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// `evidence`: exit 0 when the pack is made, 1 where the record in it is not whole.
pub fn evidence(path: &Path, from: &str, to: &str, out: &Path) -> Result<u8> {
    let config = Config::load(path)?;
    config.masking.install()?;
    make(&config, path, from, to, out)
}

fn make(config: &Config, path: &Path, from: &str, to: &str, out: &Path) -> Result<u8> {
    let now_s = now_ns() / 1_000_000_000;
    let mut span = Span::parse(Some(from), Some(to))?;
    // What is recorded from now on would change the numbers while they are looked at.
    span.to_ns = span.to_ns.min(now_s * 1_000_000_000);
    if span.from_ns >= span.to_ns {
        bail!("--from is in the future");
    }
    reading::begins(path, None, &format!("evidence --from {from} --to {to}"))?;
    let again = catalogue::evidence(path, span);
    let mut pack = Pack::new(out)?;
    let folders = record::folders(config);
    let (mut figures, logins) = figures(path, &folders, span)?;
    let populations = populations(&mut pack, config, path, &figures)?;
    for shown in figures.iter().filter(|shown| shown.requirement.starts_with("10.2.1.") || shown.requirement == "8.6.1")
    {
        let name = format!("samples/{}-{}.json", shown.requirement, slug(&shown.title));
        let records = shown.command.split(" --count").next().unwrap_or_default().to_owned() + " --json";
        let of = json!({ "records": shown.seen, "counted by": shown.command });
        let content = json!({ "population": of, "samples": shown.samples });
        pack.put_json(&name, shown.requirement, &records, &content)?;
    }
    figures.extend(rights::put(&mut pack, config, path, &folders, span, &logins)?);
    let values: Vec<Value> = figures.iter().map(Shown::value).collect();
    pack.put_json("figures.json", "all", &again, &values.into())?;
    history(&mut pack, path, &folders, span)?;
    let failures = failures::put(&mut pack, path, &folders, span)?;
    let versions = policies(&mut pack, path, &folders, span)?;
    identities::put(&mut pack, config, path, &folders, span)?;
    let whole = integrity::put(&mut pack, config, path)?;
    let manifest = manifest(&pack, span);
    let page = page::html(
        &manifest,
        path,
        &page::Told { populations: &populations, figures: &figures, versions: &versions, failures: &failures },
    );
    pack.put("index.html", "all", &again, &page)?;
    let manifest = format!("{:#}\n", self::manifest(&pack, span));
    fs::write(out.join("index.json"), &manifest).context("cannot write the index")?;
    let names = pack.files.iter().map(|file| file.name.clone()).chain(["index.json".to_owned()]);
    let mut zipped = out.as_os_str().to_owned();
    zipped.push(".zip");
    zip::write(out, &names.collect::<Vec<_>>(), Path::new(&zipped))?;
    let hash = hex(&Sha256::digest(manifest.as_bytes()));
    // The pack's hash is in the record: who changes the pack later cannot change that.
    reading::begins(path, None, &format!("evidence made: index.json has SHA-256 {}", &hash[..32]))?;
    println!(
        "{}: {} files, {} figures; index.json has SHA-256 {hash}",
        out.display(),
        pack.files.len() + 1,
        figures.len()
    );
    Ok(u8::from(!whole))
}

/// All figures, in two passes: who there is, and then what each did.
fn figures(config: &Path, folders: &[PathBuf], span: Span) -> Result<(Vec<Shown>, BTreeSet<rights::Login>)> {
    let mut shown = asked().into_iter().map(|asked| Shown::new(asked, span, config)).collect::<Result<Vec<_>>>()?;
    let (mut pairs, mut logins) = (BTreeSet::new(), BTreeSet::new());
    each(folders, span, |record| {
        shown.iter_mut().for_each(|shown| shown.see(record));
        let words = ["database", "dbname", "database_user"].map(|name| record[name].as_str().map(str::to_owned));
        if let [Some(database), Some(dbname), Some(role)] = words
            && record["type"] == "decision"
            && logins.len() < PAIRS_MAX
        {
            logins.insert((database, dbname, role));
        }
        if let (Some(agent), Some(database)) = (record["agent"].as_str(), record["database"].as_str())
            && pairs.len() < PAIRS_MAX
        {
            pairs.insert((agent.to_owned(), database.to_owned()));
        }
    })?;
    let mut used = pairs
        .iter()
        .flat_map(|(agent, database)| of_pair(agent, database))
        .map(|asked| Shown::new(asked, span, config))
        .collect::<Result<Vec<_>>>()?;
    each(folders, span, |record| used.iter_mut().for_each(|shown| shown.see(record)))?;
    shown.extend(used);
    Ok((shown, logins))
}

/// Who and what there is, before any sample.
fn populations(pack: &mut Pack, config: &Config, path: &Path, figures: &[Shown]) -> Result<Value> {
    let agents: Vec<&str> = config.agents.iter().map(|agent| agent.name.as_str()).collect();
    let databases: Vec<&str> = config.databases.iter().map(|database| database.name.as_str()).collect();
    let reviewers: Vec<&str> = config.reviewers.iter().map(|reviewer| reviewer.name.as_str()).collect();
    let observed: Vec<&str> = config
        .databases
        .iter()
        .filter(|database| database.mode == crate::config::Mode::Observe || !database.mask)
        .map(|database| database.name.as_str())
        .collect();
    let text = fs::read_to_string(&config.service.policy)
        .with_context(|| format!("cannot read the policy {}", config.service.policy.display()))?;
    let rules = rules(&text);
    let hit = |name: &str| {
        figures.iter().any(|shown| {
            matches!((&shown.figure.of, &shown.tally), (Of::Distinct(field), Tally::Each(each)) if field == "rule" && each.contains_key(name))
        })
    };
    let never: Vec<&String> = rules.iter().filter(|rule| !hit(rule)).collect();
    let content = json!({
        "agents": agents, "databases": databases, "reviewers": reviewers, "rules": rules,
        "exceptions": { "databases that are observed or not masked": observed },
        "rules that decided nothing in this time": never,
    });
    pack.put_json("populations.json", "7.2.4, 7.2.5, 8.2.1, 12.5.2", &verb("check", path), &content)?;
    let shown = format!("cat {}", quoted(&config.service.policy.display().to_string()));
    pack.put("policy.toml", "7.2.1, 7.2.2, 7.3.3", &shown, &text)?;
    Ok(content)
}

fn rules(policy: &str) -> Vec<String> {
    let parsed: toml::Table = policy.parse().unwrap_or_default();
    let rules = parsed.get("rule").and_then(toml::Value::as_array).cloned().unwrap_or_default();
    rules.iter().filter_map(|rule| Some(rule.get("name")?.as_str()?.to_owned())).collect()
}

/// What changed, who approved what, and what failed from when to when.
fn history(pack: &mut Pack, config: &Path, folders: &[PathBuf], span: Span) -> Result<()> {
    const PARTS: &[(&str, &str, &[&str])] = &[
        ("policy-history.json", "7.2.1, 10.2.1.5", &["type=policy-load|service-start"]),
        ("approvals.json", "8.6.1, 7.2.3", &["type=ask|approval|ask-over"]),
        ("failures.json", "10.7.2, 10.7.3", &["type=canary|alert|recovered|finding"]),
        ("readings.json", "10.2.1.3, 10.4.1", &["type=reading"]),
    ];
    const LINES_MAX: usize = 100_000;
    for (name, requirement, wants) in PARTS {
        let asked = Asked::new("", "", wants, Of::Count);
        let (figure, command) = (asked.figure()?, asked.command(span, config).replace(" --count", " --json"));
        let mut lines: Vec<Value> = Vec::new();
        let mut more = 0_u64;
        each(folders, span, |record| {
            if figure.admits(record) {
                if lines.len() < LINES_MAX { lines.push(record.clone()) } else { more += 1 }
            }
        })?;
        let content = json!({ "records": lines, "left_off": more });
        pack.put_json(name, requirement, &command, &content)?;
    }
    Ok(())
}

fn manifest(pack: &Pack, span: Span) -> Value {
    let mut by_requirement: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    for file in &pack.files {
        let entry = json!({ "file": file.name, "sha256": file.sha256, "bytes": file.bytes, "command": file.command });
        by_requirement.entry(&file.requirement).or_default().push(entry);
    }
    let host = nix::unistd::gethostname().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    json!({
        "host": host, "made": pack.made, "from": show::time(span.from_ns), "to": show::time(span.to_ns),
        "program": env!("CARGO_PKG_VERSION"), "standard": "PCI DSS v4.0.1", "files": by_requirement,
    })
}

fn slug(title: &str) -> String {
    let words: String =
        title.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).collect();
    words.split('-').filter(|word| !word.is_empty()).collect::<Vec<_>>().join("-")
}
