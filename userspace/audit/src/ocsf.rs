//! Records for a SIEM: OCSF 1.5.0 events, one JSON object each (<https://schema.ocsf.io/1.5.0>).
//!
//! What an agent does is Datastore Activity (6005), a login Authentication (3002), the service's start and stop Application Lifecycle
//! (6002), a column of cards that no rule names a Data Security Finding (2006); everything else of the host's and the service's is a Base
//! Event (0). The whole record, by its own names, stands in `unmapped`: nothing is lost on the way. Text
//! is masked again, as in [`crate::show`]; `query_info.data` is never set. What is not known is left off, or is `unknown` where the schema wants
//! something: `ocsf/check.py` says whether the schema takes it.

use serde_json::{Map, Value, json};

use crate::record_type::RecordType;
use crate::segment::Frame;
use crate::show;

/// The version of the schema.
const VERSION: &str = "1.5.0";
/// Where the schema wants a name and the record has none.
const UNKNOWN: &str = "unknown";

/// Who tells.
#[derive(Clone, Copy, Debug)]
pub struct Teller<'a> {
    /// The host's name.
    pub host: &'a str,
    /// The program's version.
    pub version: &'a str,
}

/// One record as an event.
pub fn event(teller: Teller<'_>, shard: u16, frame: &Frame<'_>) -> Value {
    let mut record = match show::json(shard, frame) {
        Value::Object(record) => record,
        _ => Map::new(),
    };
    // The bytes of results stay in the record: they would be the most of what is shipped.
    record.remove("result");
    record.remove("timing");
    let class = Class::of(frame.kind);
    let activity = class.activity(frame.kind, &record);
    let succeeded = record.get("success").and_then(Value::as_bool);
    let mut event = json!({
        "activity_id": activity,
        "category_uid": class.uid() / 1000,
        "class_uid": class.uid(),
        "type_uid": class.uid() * 100 + activity,
        "time": frame.stamp.wall_ns / 1_000_000,
        "severity_id": severity(frame.kind, &record),
        "status_id": match succeeded { Some(true) => 1, Some(false) => 2, None => 0 },
        "message": show::line(shard, frame),
        "metadata": {
            "version": VERSION,
            "uid": word(&record, "record"),
            "sequence": frame.seq,
            "log_name": shard.to_string(),
            "product": { "name": "interceptor", "vendor_name": "interceptor", "version": teller.version },
            "profiles": class.profiles(),
            "correlation_uid": word(&record, "decision"),
        },
        "device": { "hostname": teller.host, "type_id": 1 },
    });
    if let Value::Object(event) = &mut event {
        class.details(event, frame, &record);
        if let Some(state) = word(&record, "sqlstate") {
            event.insert("status_code".into(), state.into());
        }
        if let Some(why) = word(&record, "reason").or(word(&record, "cause")).or(word(&record, "message")) {
            event.insert("status_detail".into(), why.into());
        }
        event.retain(|_, value| has_value(value));
        event.insert("unmapped".into(), Value::Object(record));
    }
    event
}

/// Leaves off what is null, at any depth; whether something is left.
fn has_value(value: &mut Value) -> bool {
    match value {
        Value::Null => false,
        Value::Object(object) => {
            object.retain(|_, value| has_value(value));
            !object.is_empty()
        }
        _ => true,
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Base,
    DataSecurityFinding,
    DetectionFinding,
    Authentication,
    ApplicationLifecycle,
    Datastore,
}

impl Class {
    fn of(kind: u8) -> Class {
        match RecordType::of(kind) {
            Some(RecordType::Login) => Class::Authentication,
            Some(RecordType::ServiceStart | RecordType::ServiceStop) => Class::ApplicationLifecycle,
            Some(RecordType::Finding) => Class::DataSecurityFinding,
            Some(RecordType::Alert) => Class::DetectionFinding,
            // What a token says is a logon of the job's.
            Some(RecordType::Identity) => Class::Authentication,
            Some(
                RecordType::SessionStart
                | RecordType::SessionEnd
                | RecordType::Decision
                | RecordType::Outcome
                | RecordType::Result
                | RecordType::Own
                | RecordType::Cancel
                | RecordType::Ask
                | RecordType::Approval
                | RecordType::AskOver
                | RecordType::Reveal
                | RecordType::Revealed
                | RecordType::RevealOver,
            ) => Class::Datastore,
            _ => Class::Base,
        }
    }

    fn uid(self) -> u32 {
        match self {
            Class::Base => 0,
            Class::DataSecurityFinding => 2006,
            Class::DetectionFinding => 2004,
            Class::Authentication => 3002,
            Class::ApplicationLifecycle => 6002,
            Class::Datastore => 6005,
        }
    }

    /// Groups of attributes that the event has beside its class's.
    fn profiles(self) -> Value {
        match self {
            Class::Datastore | Class::DetectionFinding => json!(["host", "security_control"]),
            _ => json!(["host"]),
        }
    }

    fn activity(self, kind: u8, record: &Map<String, Value>) -> u32 {
        const OTHER: u32 = 99;
        match (self, RecordType::of(kind)) {
            (Class::Base, _) => OTHER,
            // Create; Logon.
            (Class::DataSecurityFinding | Class::DetectionFinding | Class::Authentication, _) => 1,
            (Class::ApplicationLifecycle, Some(RecordType::ServiceStop)) => 4,
            (Class::ApplicationLifecycle, _) => 3,
            (Class::Datastore, Some(RecordType::SessionStart)) => 3,
            (
                Class::Datastore,
                Some(
                    RecordType::SessionEnd
                    | RecordType::Cancel
                    | RecordType::AskOver
                    | RecordType::Reveal
                    | RecordType::RevealOver,
                ),
            ) => OTHER,
            (Class::Datastore, _) => datastore_activity(record),
        }
    }

    fn details(self, event: &mut Map<String, Value>, frame: &Frame<'_>, record: &Map<String, Value>) {
        match self {
            Class::Base => {}
            Class::ApplicationLifecycle => {
                event.insert("app".into(), json!({ "name": "interceptor", "vendor_name": "interceptor" }));
            }
            Class::DataSecurityFinding => {
                let uid = word(record, "record").unwrap_or_default();
                let title = "A column holds card numbers plainly and no rule names it (PCI DSS 12.10.7)";
                event.insert("finding_info".into(), json!({ "uid": uid, "title": title, "types": ["12.10.7"] }));
                event.insert("resources".into(), json!([{ "name": name(record, "object"), "type": "column" }]));
                event.insert("database".into(), database(record));
            }
            Class::DetectionFinding => {
                let uid = word(record, "record").unwrap_or_default();
                event.insert("finding_info".into(), json!({ "uid": uid, "title": word(record, "object") }));
                event.insert("is_alert".into(), true.into());
            }
            Class::Authentication => {
                let user = match RecordType::of(frame.kind) {
                    Some(RecordType::Identity) => {
                        signed(record).unwrap_or(json!({ "name": name(record, "agent"), "type_id": 3 }))
                    }
                    _ => json!({ "name": name(record, "database_user"), "type_id": 3 }),
                };
                event.insert("user".into(), user);
                event.insert("service".into(), json!({ "name": name(record, "database") }));
                endpoints(event, record);
                event.insert("actor".into(), actor(frame, record));
            }
            Class::Datastore => {
                event.insert("type_id".into(), 1.into());
                event.insert("database".into(), database(record));
                endpoints(event, record);
                event.insert("actor".into(), actor(frame, record));
                query(event, record);
                control(event, record);
            }
        }
    }
}

/// Read, update, query, write, create, delete, by the statement's kinds.
fn datastore_activity(record: &Map<String, Value>) -> u32 {
    let kinds = words(record, "kinds");
    let has = |name: &str| kinds.contains(&name);
    let begins = |verb: &str| kinds.iter().any(|kind| kind.starts_with(verb));
    match () {
        () if has("delete") || has("truncate") || begins("drop-") => 7,
        () if has("update") || has("merge") || begins("alter-") => 2,
        () if has("insert") || has("copy-in") => 5,
        () if begins("create-") => 6,
        () if kinds.is_empty() => 99,
        () => 4,
    }
}

fn database(record: &Map<String, Value>) -> Value {
    let name = word(record, "dbname").or(word(record, "database")).unwrap_or(UNKNOWN);
    json!({ "name": name, "uid": word(record, "database"), "type_id": 1, "type": "Relational" })
}

fn endpoints(event: &mut Map<String, Value>, record: &Map<String, Value>) {
    for (key, field) in [("src_endpoint", "agent_address"), ("dst_endpoint", "database_address")] {
        let endpoint = word(record, field).and_then(|address| address.parse::<std::net::SocketAddr>().ok());
        let endpoint = endpoint.map_or(
            json!({ "name": UNKNOWN }),
            |address| json!({ "ip": address.ip().to_string(), "port": address.port() }),
        );
        event.insert(key.into(), endpoint);
    }
}

/// Who it is by a token, if one is bound: `name` as its issuer says, `uid` for one run alone.
fn signed(record: &Map<String, Value>) -> Option<Value> {
    let groups: Vec<Value> = words(record, "signed_groups").iter().map(|name| json!({ "name": name })).collect();
    Some(json!({
        "name": word(record, "subject")?, "uid": word(record, "principal"), "domain": word(record, "issuer"),
        "groups": groups, "type_id": 3,
    }))
}

/// The kernel's word on who acts, and who signed the token that its job has, if one is bound.
fn actor(frame: &Frame<'_>, record: &Map<String, Value>) -> Value {
    let number = |key: &str| record.get(key).and_then(Value::as_u64);
    let issuer = word(record, "issuer").map(|issuer| json!({ "name": issuer }));
    let file = word(record, "exe_name").map(|name| json!({ "name": name, "type_id": 1 }));
    json!({
        "idp": issuer,
        "user": { "name": name(record, "agent"), "uid": number("uid").map(|uid| uid.to_string()), "type_id": 3 },
        "process": number("pid").map(|pid| json!({ "pid": pid, "name": word(record, "exe_name"), "file": file })),
        "session": { "uid": frame.session.to_string() },
        "app_name": word(record, "application"),
    })
}

fn query(event: &mut Map<String, Value>, record: &Map<String, Value>) {
    if let Some(text) = word(record, "text") {
        event.insert("query_info".into(), json!({ "uid": word(record, "record"), "query_string": text }));
    }
    if let Some(table) = words(record, "tables").first() {
        event.insert("table".into(), json!({ "name": table }));
    }
    if let Some(ns) = record.get("duration_ns").and_then(Value::as_u64) {
        event.insert("duration".into(), (ns / 1_000_000).into());
    }
}

/// The profile `security_control`: what was decided, by which rule.
fn control(event: &mut Map<String, Value>, record: &Map<String, Value>) {
    let masked = ["masked", "sensitive"].iter().filter_map(|key| record.get(*key)?.as_u64()).sum::<u64>() > 0;
    let approved = record.get("approved").and_then(Value::as_u64);
    let (action, disposition) = match word(record, "verdict") {
        // A person's word: approved, rejected.
        None if approved == Some(1) => (1, 8),
        None if approved == Some(0) => (2, 25),
        // Corrected: what left was masked.
        None if masked => (1, 11),
        None | Some("allow" | "would-block") => (1, 1),
        Some("hold") => (2, 14),
        Some("block") => (2, 2),
        Some("unjudged") => (1, 0),
        Some(_) => (0, 0),
    };
    event.insert("action_id".into(), action.into());
    event.insert("disposition_id".into(), disposition.into());
    event.insert("is_alert".into(), (disposition == 2).into());
    if let Some(version) = word(record, "policy") {
        event.insert("policy".into(), json!({ "uid": version, "version": version }));
    }
    if let Some(rule) = word(record, "rule") {
        event.insert("firewall_rule".into(), json!({ "name": rule }));
    }
}

/// Informational; low for what was refused; high for what an operator must see.
pub(crate) fn severity(kind: u8, record: &Map<String, Value>) -> u32 {
    let failed = record.get("success") == Some(&Value::Bool(false));
    match RecordType::of(kind) {
        Some(RecordType::Finding | RecordType::Alert) => 4,
        Some(RecordType::Identity) if failed => 4,
        Some(RecordType::Canary | RecordType::Attach | RecordType::Detach | RecordType::Admission) if failed => 4,
        _ if word(record, "verdict") == Some("unjudged") => 3,
        _ if failed => 2,
        _ => 1,
    }
}

/// Where the schema wants one.
fn name<'a>(record: &'a Map<String, Value>, key: &str) -> &'a str {
    word(record, key).unwrap_or(UNKNOWN)
}

fn word<'a>(record: &'a Map<String, Value>, key: &str) -> Option<&'a str> {
    record.get(key)?.as_str().filter(|text| !text.is_empty())
}

fn words<'a>(record: &'a Map<String, Value>, key: &str) -> Vec<&'a str> {
    record
        .get(key)
        .and_then(Value::as_array)
        .map_or_else(Vec::new, |list| list.iter().filter_map(Value::as_str).collect())
}
