//! `[retention]`: how long the record is kept, and where.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::sinks::{Sink, To};
use super::{Error, check_name, meaning};
use crate::host_record;
use crate::record::figures::Span;

/// PCI DSS v4.0.1 10.5.1: twelve months, of which three are at hand.
const PCI_DAYS: u32 = 365;
const PCI_AT_HAND_DAYS: u32 = 90;

/// `[retention]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Retention {
    /// How long a record is kept.
    pub days: u32,
    /// How long of that it stays where it was written.
    pub at_hand_days: u32,
    /// The folder of what is older.
    pub cold: Option<PathBuf>,
    /// Or the `[[sink]]` of kind `segments` whose archive has what is older, and for as long as it likes; here a tombstone is left of it.
    /// Neither: all stays where it was written.
    pub cold_sink: Option<String>,
    /// What is not removed, however old.
    pub hold: Vec<Hold>,
}

/// `[[retention.hold]]`: a legal hold.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hold {
    /// The case.
    pub name: String,
    /// Records from then on.
    pub from: String,
    /// Before then; a date is with that day. Absent: all later ones too.
    pub to: Option<String>,
}

impl Default for Retention {
    fn default() -> Retention {
        Retention { days: 400, at_hand_days: 100, cold: None, cold_sink: None, hold: Vec::new() }
    }
}

impl Hold {
    /// The stretch of time.
    pub fn span(&self) -> Result<Span, String> {
        Span::parse(Some(&self.from), self.to.as_deref()).map_err(|why| format!("{why:#}"))
    }
}

impl Retention {
    pub(super) fn check(&self, state_dir: &Path, sinks: &[Sink]) -> Result<(), Error> {
        let place = "[retention]";
        if self.at_hand_days == 0 || self.at_hand_days > self.days {
            return Err(meaning(place, "at_hand_days must be between 1 and days"));
        }
        if let Some(cold) = &self.cold {
            let own = [state_dir.to_owned(), host_record::folder(state_dir)];
            if !cold.is_absolute() || own.iter().any(|own| cold.starts_with(own) || own.starts_with(cold)) {
                return Err(meaning(place, "cold must be a folder of its own, by its whole name"));
            }
        }
        if let Some(name) = &self.cold_sink {
            if self.cold.is_some() {
                return Err(meaning(place, "cold and cold_sink: what is older goes to one of the two"));
            }
            if !sinks.iter().any(|sink| sink.name == *name && matches!(sink.to, To::Segments(_))) {
                return Err(meaning(place, format!("cold_sink: no [[sink]] of kind \"segments\" is called `{name}`")));
            }
        }
        for hold in &self.hold {
            check_name("[[retention.hold]]", &hold.name)?;
            hold.span().map_err(|why| meaning(format!("[[retention.hold]] {}", hold.name), why))?;
        }
        Ok(())
    }

    /// How long a segment lies in a folder of this host's, in days.
    pub fn days_here(&self) -> u32 {
        if self.cold_sink.is_some() { self.at_hand_days } else { self.days }
    }

    /// What `check` says of it.
    pub fn words(&self) -> String {
        let Retention { days, at_hand_days, cold, cold_sink, hold } = self;
        let mut out = match (cold, cold_sink) {
            (Some(cold), _) => {
                format!("retention  {days} days, {at_hand_days} of them at hand, then in {}", cold.display())
            }
            (None, Some(sink)) => {
                format!(
                    "retention  {at_hand_days} days at hand, then in the archive of `{sink}` alone, which must keep {days} days"
                )
            }
            (None, None) => format!("retention  {days} days, all of them at hand"),
        };
        if *days < PCI_DAYS {
            out += "; LESS THAN THE TWELVE MONTHS OF PCI DSS 10.5.1";
        }
        if (cold.is_some() || cold_sink.is_some()) && *at_hand_days < PCI_AT_HAND_DAYS {
            out += "; LESS THAN THE THREE MONTHS AT HAND OF PCI DSS 10.5.1";
        }
        out += "; by `interceptor audit retain`\n";
        for hold in hold {
            let to = hold.to.as_ref().map_or_else(|| "on".to_owned(), |to| format!("to {to}"));
            out += &format!("hold       {:<16} records from {} {to} are not removed\n", hold.name, hold.from);
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::sinks::Archive;
    use super::*;

    fn read(text: &str) -> Result<Retention, String> {
        let read: Retention = toml::from_str(text).map_err(|why| why.to_string())?;
        let archive = To::Segments(Archive::Folder("/mnt/archive".into()));
        let (siem, lag_max) = (To::File("/var/log/x".into()), Duration::ZERO);
        let sink = |name: &str, to| Sink { name: name.to_owned(), to, only_alerts: false, lag_max };
        let sinks = [sink("vault", archive), sink("siem", siem)];
        read.check(Path::new("/var/lib/interceptor"), &sinks).map_err(|why| why.to_string())?;
        Ok(read)
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for (text, part) in [
            ("days = 10\nat_hand_days = 11", "at_hand_days"),
            ("at_hand_days = 0", "at_hand_days"),
            ("cold = \"x\"", "cold"),
            ("cold = \"/var/lib/interceptor/old\"", "cold"),
            ("cold = \"/var/lib/interceptor-host\"", "cold"),
            ("cold = \"/var/lib\"", "cold"),
            ("cold = \"/mnt/cold\"\ncold_sink = \"vault\"", "one of the two"),
            ("cold_sink = \"volt\"", "called `volt`"),
            ("cold_sink = \"siem\"", "called `siem`"),
            ("[[hold]]\nname = \"a\"\nfrom = \"soon\"", "soon"),
            ("[[hold]]\nname = \"a\"\nfrom = \"2026-02-01\"\nto = \"2026-01-01\"", "nothing lies between"),
            ("year = 1", "year"),
        ] {
            assert!(read(text).unwrap_err().contains(part), "{text}");
        }
    }

    #[test]
    fn what_is_less_than_the_standard_asks_for_is_said() {
        assert!(!read("").unwrap().words().contains("LESS"));
        assert!(read("days = 364").unwrap().words().contains("TWELVE MONTHS"));
        assert!(read("at_hand_days = 30\ncold = \"/mnt/cold\"").unwrap().words().contains("THREE MONTHS"));
        let kept = read("at_hand_days = 30\ncold_sink = \"vault\"").unwrap().words();
        assert!(
            kept.contains("30 days at hand, then in the archive of `vault` alone, which must keep 400 days"),
            "{kept}"
        );
        assert!(kept.contains("THREE MONTHS"), "{kept}");
        let held = read("[[hold]]\nname = \"case-17\"\nfrom = \"2026-01-01\"");
        assert!(held.map_or_else(|why| why, |held| held.words()).contains("2026-01-01"));
    }
}
