//! Which policy held when, who put it in force and who signed it off.

use std::path::Path;

use anyhow::Result;
use serde_json::{Value, json};

use super::Pack;
use super::catalogue::Asked;
use crate::record::figures::{Of, Span, each};

/// What stands where a policy's file names nobody.
pub(super) const NOBODY: &str = "none named";
/// So many are told.
const VERSIONS_MAX: usize = 10_000;

/// A time at which a policy was put in force, or was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Version {
    pub(super) time: String,
    /// The record that says so.
    pub(super) record: String,
    pub(super) policy: String,
    pub(super) previous: Option<String>,
    /// What did it: a start, a signal to the service, an account on the admin socket.
    pub(super) by: String,
    pub(super) approved_by: String,
    pub(super) reason: String,
    pub(super) is_in_force: bool,
}

impl Version {
    fn of(record: &Value) -> Version {
        let word = |key: &str| record[key].as_str().unwrap_or_default().to_owned();
        let uid = record["uid"].as_u64().map_or_else(String::new, |uid| format!(", uid {uid}"));
        let what = if record["type"] == "service-start" { "start of the " } else { "" };
        let approved_by = Some(word("reviewer")).filter(|names| !names.is_empty()).unwrap_or_else(|| NOBODY.to_owned());
        Version {
            time: word("time"),
            record: word("record"),
            policy: word("policy"),
            previous: record["previous_policy"].as_str().map(str::to_owned),
            by: format!("{what}{}{uid}", word("operator")),
            approved_by,
            reason: word("justification"),
            is_in_force: record["success"] == true,
        }
    }

    fn value(&self) -> Value {
        json!({
            "time": self.time, "record": self.record, "policy": self.policy, "previous": self.previous, "put in force by": self.by,
            "approved by": self.approved_by, "reason": self.reason, "in force": self.is_in_force,
        })
    }
}

/// All of them, in the order of the record.
pub(super) fn policies(
    pack: &mut Pack,
    config: &Path,
    folders: &[std::path::PathBuf],
    span: Span,
) -> Result<Vec<Version>> {
    let asked = Asked::new("", "", &["type=policy-load|service-start"], Of::Count);
    let (figure, command) = (asked.figure()?, asked.command(span, config).replace(" --count", " --json"));
    let mut versions: Vec<Version> = Vec::new();
    each(folders, span, |record| {
        if figure.admits(record) && versions.len() < VERSIONS_MAX {
            versions.push(Version::of(record));
        }
    })?;
    versions.sort_by(|one, other| one.time.cmp(&other.time));
    let content: Vec<Value> = versions.iter().map(Version::value).collect();
    pack.put_json("policy-approvers.json", "7.2.1, 7.2.3, 10.2.1.5", &command, &content.into())?;
    Ok(versions)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_signed_a_policy_off_is_told_and_who_is_not_named_too() {
        let signed = Version::of(&json!({
            "type": "policy-load", "time": "t", "record": "0-7", "policy": "ab", "previous_policy": "cd", "operator": "admin socket",
            "uid": 1000, "reviewer": "ann, bob", "justification": "CHG-7", "success": true,
        }));
        assert_eq!(
            (signed.by.as_str(), signed.approved_by.as_str(), signed.reason.as_str()),
            ("admin socket, uid 1000", "ann, bob", "CHG-7")
        );
        let bare = Version::of(
            &json!({ "type": "service-start", "operator": "service", "uid": 0, "policy": "ab", "success": false }),
        );
        assert_eq!((bare.by.as_str(), bare.approved_by.as_str()), ("start of the service, uid 0", NOBODY));
        assert!(!bare.is_in_force && bare.previous.is_none());
    }
}
