//! Who uses which login, and what became of credentials (PCI DSS 7.2.5, 7.2.5.1, 8.2.1, 8.2.2, 8.3.x by 8.6.3, 8.6.1): an inventory with the first and
//! the last use of each, principals of tokens, where the two identities disagreed, a log of rotations, and a sample of each field of 8.6.1.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Result;
use serde_json::{Map, Value, json};

use super::Pack;
use super::catalogue::Asked;
use crate::config::Config;
use crate::record::figures::{Of, Span, each};

/// Entries of one list of the file; what is beyond is counted.
const ENTRIES_MAX: usize = 10_000;

/// How often something was used, and when first and last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Use {
    count: u64,
    first: String,
    last: String,
    /// The last record of it.
    record: String,
}

impl Use {
    fn add(&mut self, record: &Value) {
        let word = |key: &str| record[key].as_str().unwrap_or_default().to_owned();
        let time = word("time");
        self.count += 1;
        if self.first.is_empty() || time < self.first {
            self.first.clone_from(&time);
        }
        if time >= self.last {
            (self.last, self.record) = (time, word("record"));
        }
    }

    fn value(&self) -> Map<String, Value> {
        let Use { count, first, last, record } = self;
        [("times", json!(count)), ("first", json!(first)), ("last", json!(last)), ("last record", json!(record))]
            .map(|(name, value)| (name.to_owned(), value))
            .into_iter()
            .collect()
    }
}

/// What the record says of identities.
#[derive(Debug, Default)]
struct Seen {
    /// By agent, database, role, how the login was made, and whether it was let in.
    logins: BTreeMap<[String; 5], Use>,
    /// By issuer and principal.
    principals: BTreeMap<[String; 2], Use>,
    disagreements: Vec<Value>,
    rotations: Vec<Value>,
    left_off: u64,
}

/// What changes a credential in a database.
const ROLES: [&str; 2] = ["create-role", "alter-role"];

impl Seen {
    fn see(&mut self, record: &Value) {
        let word = |key: &str| record[key].as_str().unwrap_or_default().to_owned();
        match record["type"].as_str().unwrap_or_default() {
            "login" => {
                let outcome = if record["success"] == true { "let in" } else { "refused" };
                let key = [
                    word("agent"),
                    word("database"),
                    word("database_user"),
                    word("authentication"),
                    outcome.to_owned(),
                ];
                count(&mut self.logins, key, record, &mut self.left_off);
                if record["principal"].is_string() {
                    count(&mut self.principals, [word("issuer"), word("principal")], record, &mut self.left_off);
                }
            }
            "identity" if record["change"] == "disagrees" => {
                let fields =
                    ["time", "record", "agent", "cgroup", "exe_name", "issuer", "subject", "principal", "cause"];
                self.keep(|seen| &mut seen.disagreements, of(record, &fields));
            }
            "token" if record["change"] == "keys" || record["change"] == "revoked" => {
                let what = if record["change"] == "keys" { "keys of an issuer" } else { "an identity was revoked" };
                self.rotated(what, record, &["operator", "principal", "cause"]);
            }
            // Roles and passwords that are made for jobs.
            "credential" => self.rotated("a login that is made", record, &["operator", "database", "change", "cause"]),
            // Static passwords are read at a start, and only there.
            "service-start" => self.rotated("passwords of our logins were read", record, &["operator"]),
            "decision" if record["success"] == true && names_role(record) => {
                self.rotated(
                    "a statement on roles",
                    record,
                    &["agent", "database", "database_user", "principal", "kinds"],
                );
            }
            _ => {}
        }
    }

    fn rotated(&mut self, what: &str, record: &Value, fields: &[&str]) {
        let mut entry = of(record, &[&["time", "record"], fields].concat());
        entry.insert("what".to_owned(), what.into());
        self.keep(|seen| &mut seen.rotations, entry);
    }

    fn keep(&mut self, list: impl Fn(&mut Seen) -> &mut Vec<Value>, entry: Map<String, Value>) {
        if list(self).len() < ENTRIES_MAX {
            list(self).push(entry.into());
        } else {
            self.left_off += 1;
        }
    }

    fn value(&self, config: &Config) -> Value {
        let used = |agent: &str| self.logins.keys().any(|[of, ..]| of == agent);
        let never: Vec<&str> =
            config.agents.iter().map(|agent| agent.name.as_str()).filter(|agent| !used(agent)).collect();
        let logins = self
            .logins
            .iter()
            .map(|(key, used)| named(["agent", "database", "database user", "authentication", "outcome"], key, used));
        let principals = self.principals.iter().map(|(key, used)| named(["issuer", "principal"], key, used));
        json!({
            "logins": logins.collect::<Vec<_>>(),
            "agents that did not log in in this time": never,
            "logins of ours that the configuration has": configured(config),
            "principals": principals.collect::<Vec<_>>(),
            "tokens that disagree with the kernel's word": self.disagreements,
            "rotations": self.rotations,
            "left off": self.left_off,
        })
    }
}

fn names_role(record: &Value) -> bool {
    record["kinds"]
        .as_array()
        .is_some_and(|kinds| kinds.iter().any(|kind| kind.as_str().is_some_and(|kind| ROLES.contains(&kind))))
}

fn count<const N: usize>(of: &mut BTreeMap<[String; N], Use>, key: [String; N], record: &Value, left_off: &mut u64) {
    if of.len() < ENTRIES_MAX || of.contains_key(&key) {
        of.entry(key).or_default().add(record);
    } else {
        *left_off += 1;
    }
}

fn named<const N: usize>(names: [&str; N], key: &[String; N], used: &Use) -> Value {
    let mut entry = used.value();
    entry.extend(names.into_iter().zip(key).map(|(name, value)| (name.to_owned(), value.clone().into())));
    entry.into()
}

fn of(record: &Value, fields: &[&str]) -> Map<String, Value> {
    let there = fields.iter().filter(|name| !record[**name].is_null());
    there.map(|name| ((*name).to_owned(), record[*name].clone())).collect()
}

/// Their roles and for whom; no byte of a password, and not where it lies either.
fn configured(config: &Config) -> Vec<Value> {
    let of_database = |database: &crate::config::Database| {
        let (name, logins) = (database.name.clone(), database.credentials.logins.clone());
        logins.into_iter().map(move |login| {
            json!({ "database": name, "role": login.user, "for users": login.users, "placeholder": login.placeholder.is_some() })
        })
    };
    config.databases.iter().flat_map(of_database).collect()
}

/// The six points of PCI DSS 8.6.1, each with the field of a record that shows it and one value of it.
const INTERACTIVE: [(&str, &str, &str); 6] = [
    ("use is prevented unless needed: why it was needed", "ask", "need"),
    ("limited to the time needed", "ask", "expires"),
    ("the business justification is documented", "approval", "justification"),
    ("explicitly approved by management: who approved", "approval", "reviewer"),
    ("individual identity is confirmed before access", "approval", "reviewer_login"),
    ("every action is attributable to an individual: the run that it was", "decision", "principal"),
];

/// `identities.json` and `samples/8.6.1-fields.json`.
pub(super) fn put(
    pack: &mut Pack,
    config: &Config,
    path: &Path,
    folders: &[std::path::PathBuf],
    span: Span,
) -> Result<()> {
    let (mut seen, mut samples) = (Seen::default(), [const { None::<Value> }; INTERACTIVE.len()]);
    each(folders, span, |record| {
        seen.see(record);
        for ((_, kind, field), sample) in INTERACTIVE.iter().zip(&mut samples) {
            if record["type"] == *kind
                && !record[*field].is_null()
                && (record["approval"].is_string() || *field == "principal")
            {
                *sample = Some(of(record, &["time", "record", "approval", "agent", field]).into());
            }
        }
    })?;
    let command =
        |wants: &[&str]| Asked::new("", "", wants, Of::Count).command(span, path).replace(" --count", " --json");
    let wants = ["type=login|identity|token|credential|service-start|decision"];
    pack.put_json("identities.json", "7.2.5, 8.2.1, 8.2.2, 8.6.1, 8.6.3", &command(&wants), &seen.value(config))?;
    let fields = INTERACTIVE.iter().zip(samples).map(|((what, kind, field), sample)| {
        json!({ "point": what, "record": kind, "field": field, "sample": sample.unwrap_or_else(|| "none in this time".into()) })
    });
    let fields: Vec<Value> = fields.collect();
    pack.put_json("samples/8.6.1-fields.json", "8.6.1", &command(&["type=ask|approval|decision"]), &fields.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(records: &[Value]) -> Value {
        let mut seen = Seen::default();
        records.iter().for_each(|record| seen.see(record));
        let config = Config::parse(
            "[[database]]\nname = \"p\"\nprotocol = \"postgres\"\naddresses = [\"127.0.0.1:5432\"]\n[database.credentials]\nmode = \"inject\"\n\
             [[database.credentials.login]]\nfor = [\"app\"]\nuser = \"real\"\npassfile = \"/secret/place\"\n\
             [[agent]]\nname = \"a\"\n[[agent]]\nname = \"idle\"\n",
        );
        seen.value(&config.expect("a configuration"))
    }

    #[test]
    fn each_login_has_its_last_use_and_who_has_none_is_named() {
        let login = |time: &str, success: bool| {
            json!({ "type": "login", "time": time, "record": format!("0-{time}"), "agent": "a", "database": "p", "database_user": "real",
                "authentication": "scram injected", "success": success, "issuer": "ci", "principal": "ci:1/2" })
        };
        let value = seen(&[login("1", true), login("3", true), login("2", true), login("4", false)]);
        let logins = value["logins"].as_array().expect("a list");
        assert_eq!(logins.len(), 2, "{value}");
        let (first, last, times) = (&logins[0]["first"], &logins[0]["last"], &logins[0]["times"]);
        assert_eq!(
            (first, last, times, &logins[0]["last record"]),
            (&"1".into(), &"3".into(), &3.into(), &"0-3".into())
        );
        assert_eq!(logins[1]["outcome"], "refused");
        assert_eq!(value["agents that did not log in in this time"], json!(["idle"]));
        assert_eq!(value["principals"][0]["times"], 4);
        assert_eq!(value["logins of ours that the configuration has"][0]["role"], "real");
        assert!(!value.to_string().contains("secret"));
    }

    #[test]
    fn rotations_and_disagreements_are_told_in_their_order() {
        let records = [
            json!({ "type": "service-start", "time": "1", "record": "0-1", "operator": "service" }),
            json!({ "type": "token", "change": "keys", "time": "2", "record": "0-2", "cause": "issuer ci shows other keys: k2; before: k1" }),
            json!({ "type": "token", "change": "bound", "time": "3", "record": "0-3" }),
            json!({ "type": "decision", "success": true, "kinds": ["alter-role"], "time": "4", "record": "0-4", "agent": "a", "text": "ALTER ROLE real PASSWORD '***'" }),
            json!({ "type": "decision", "success": true, "kinds": ["select"], "time": "5", "record": "0-5" }),
            json!({ "type": "credential", "change": "created", "time": "6", "record": "0-6" }),
            json!({ "type": "identity", "change": "disagrees", "time": "7", "record": "0-7", "agent": "a", "cause": "the token's ref" }),
        ];
        let value = seen(&records);
        let rotations: Vec<&str> =
            value["rotations"].as_array().expect("a list").iter().filter_map(|one| one["record"].as_str()).collect();
        assert_eq!(rotations, ["0-1", "0-2", "0-4", "0-6"]);
        assert_eq!(value["tokens that disagree with the kernel's word"][0]["cause"], "the token's ref");
    }
}
