//! `[anchor]`: who keeps the record's newest state outside this host.

use std::path::PathBuf;
use std::time::Duration;

use audit::witness::WitnessKey;
use serde::Deserialize;

use super::sinks::{Archive, Http, HttpForm, SYSTEM_ROOTS, Sink, To, is_loopback, parts};
use super::{Config, Error, meaning};

/// What neither an anchor nor a sink has.
const ONLY_HERE: &str = "neither an [anchor] nor a [[sink]] that leads off this host is configured: what only this host holds, its root can rewrite, and nobody can tell";

/// A witness of transparency logs (C2SP tlog-witness), or whoever speaks as one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anchor {
    /// Where it takes checkpoints.
    pub to: Http,
    /// Whoever cosigns there.
    pub witness: WitnessKey,
    /// How often it is asked.
    pub every: Duration,
    /// How old the last cosignature may become before it is an alert.
    pub lag_max: Duration,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Typed {
    url: String,
    key: String,
    roots: Option<PathBuf>,
    #[serde(default = "a_minute")]
    every_seconds: u32,
    #[serde(default = "five_minutes")]
    lag_seconds_max: u32,
}

fn a_minute() -> u32 {
    60
}

fn five_minutes() -> u32 {
    300
}

impl Typed {
    pub(super) fn resolve(self) -> Result<Anchor, Error> {
        let place = "[anchor]";
        let (tls, host, port, path) = parts(&self.url).map_err(|why| meaning(place, why))?;
        let witness = WitnessKey::parse(&self.key).map_err(|_| {
            meaning(place, "key is no witness's public key: NAME+ID+KEY, as it publishes it, of an Ed25519 cosigner (its KEY begins with B)")
        })?;
        if self.every_seconds == 0 || self.lag_seconds_max <= self.every_seconds {
            return Err(meaning(place, "every_seconds must be at least 1, and lag_seconds_max above it"));
        }
        let path = format!("{}/add-checkpoint", path.trim_end_matches('/'));
        let roots = self.roots.unwrap_or_else(|| SYSTEM_ROOTS.into());
        let to = Http { tls, host, port, path, token_file: None, form: HttpForm::Lines, roots };
        let (every, lag_max) =
            (Duration::from_secs(self.every_seconds.into()), Duration::from_secs(self.lag_seconds_max.into()));
        Ok(Anchor { to, witness, every, lag_max })
    }
}

impl Config {
    /// Why nobody elsewhere could tell that the record was rewritten; `None`: somebody could. A file and a folder are this host's, as far as
    /// anybody here can say; so is a forwarder on loopback.
    pub fn only_here(&self) -> Option<&'static str> {
        (self.anchor.is_none() && !self.sinks.iter().any(leads_off)).then_some(ONLY_HERE)
    }
}

fn leads_off(sink: &Sink) -> bool {
    let host = match &sink.to {
        To::Http(http) | To::Segments(Archive::Http(http)) => http.host.as_str(),
        To::Syslog(syslog) => syslog.address.rsplit_once(':').map_or("", |(host, _)| host).trim_matches(['[', ']']),
        To::File(_) | To::Segments(Archive::Folder(_)) => return false,
    };
    !sink.only_alerts && !is_loopback(host)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    const KEY: &str = "witness.example/w1+00000000+BA";

    fn config(lines: &str) -> Result<Config, String> {
        let text =
            format!("[[database]]\nname = \"d\"\nprotocol = \"postgres\"\naddresses = [\"127.0.0.1:1\"]\n{lines}");
        Config::parse(&text).map_err(|why| why.to_string())
    }

    fn key() -> String {
        WitnessKey::new("witness.example/w1", [7; 32]).unwrap().to_string()
    }

    #[test]
    fn an_anchor_has_an_address_and_a_key() {
        let anchor = config(&format!("[anchor]\nurl = \"https://witness.example/a/\"\nkey = \"{}\"", key()));
        let anchor = anchor.unwrap().anchor.unwrap();
        assert_eq!((anchor.to.path.as_str(), anchor.to.port), ("/a/add-checkpoint", 443));
        assert_eq!((anchor.every.as_secs(), anchor.lag_max.as_secs()), (60, 300));
        let log = key().replace("+B", "+A");
        for (lines, says) in [
            (format!("url = \"https://w.example\"\nkey = \"{KEY}\""), "no witness's public key"),
            (format!("url = \"https://w.example\"\nkey = \"{log}\""), "no witness's public key"),
            (format!("url = \"http://w.example\"\nkey = \"{}\"", key()), "https:// alone"),
            (format!("url = \"https://w.example\"\nkey = \"{}\"\nlag_seconds_max = 60", key()), "above it"),
            (format!("url = \"https://w.example\"\nkey = \"{}\"\nname = \"x\"", key()), "unknown field"),
        ] {
            let why = config(&format!("[anchor]\n{lines}")).expect_err(&lines);
            assert!(why.contains(says), "{lines}: {why}");
        }
    }

    /// Lines of a configuration, and whether whoever shows it must say that only this host holds the record.
    pub(crate) fn lead_off() -> [(String, bool); 4] {
        [
            (String::new(), true),
            ("[[sink]]\nname = \"s\"\nkind = \"file\"\npath = \"/a\"\n".to_owned(), true),
            ("[[sink]]\nname = \"s\"\nkind = \"http\"\nurl = \"https://siem.example/x\"\n".to_owned(), false),
            (format!("[anchor]\nurl = \"https://w.example\"\nkey = \"{}\"\n", key()), false),
        ]
    }

    #[test]
    fn what_stays_on_this_host_is_no_anchor() {
        let sink = |lines: &str| format!("[[sink]]\nname = \"s\"\n{lines}\n");
        for (lines, only_here) in [
            (String::new(), true),
            (sink("kind = \"file\"\npath = \"/a\""), true),
            (sink("kind = \"segments\"\nfolder = \"/a\""), true),
            (sink("kind = \"http\"\nurl = \"http://127.0.0.1:9/x\""), true),
            (sink("kind = \"syslog\"\naddress = \"[::1]:6514\""), true),
            (sink("kind = \"http\"\nurl = \"https://siem.example/x\"\nonly = \"alerts\""), true),
            (sink("kind = \"http\"\nurl = \"https://siem.example/x\""), false),
            (sink("kind = \"segments\"\nurl = \"https://archive.example/x\""), false),
            (sink("kind = \"segments\"\nurl = \"http://127.0.0.1:9/x\""), true),
            (sink("kind = \"syslog\"\naddress = \"siem.example:6514\""), false),
            (format!("[anchor]\nurl = \"https://w.example\"\nkey = \"{}\"", key()), false),
        ] {
            assert_eq!(config(&lines).unwrap().only_here().is_some(), only_here, "{lines}");
        }
    }
}
