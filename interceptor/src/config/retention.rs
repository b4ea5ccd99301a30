//! `[retention]`: how long the record is kept, and where.

use std::path::{Path, PathBuf};

use serde::Deserialize;

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
    /// The folder of what is older; `None`: all stays where it was written.
    pub cold: Option<PathBuf>,
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
        Retention { days: 400, at_hand_days: 100, cold: None, hold: Vec::new() }
    }
}

impl Hold {
    /// The stretch of time.
    pub fn span(&self) -> Result<Span, String> {
        Span::parse(Some(&self.from), self.to.as_deref()).map_err(|why| format!("{why:#}"))
    }
}

impl Retention {
    pub(super) fn check(&self, state_dir: &Path) -> Result<(), Error> {
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
        for hold in &self.hold {
            check_name("[[retention.hold]]", &hold.name)?;
            hold.span().map_err(|why| meaning(format!("[[retention.hold]] {}", hold.name), why))?;
        }
        Ok(())
    }

    /// What `check` says of it.
    pub fn words(&self) -> String {
        let Retention { days, at_hand_days, cold, hold } = self;
        let mut out = match cold {
            Some(cold) => {
                format!("retention  {days} days, {at_hand_days} of them at hand, then in {}", cold.display())
            }
            None => format!("retention  {days} days, all of them at hand"),
        };
        if *days < PCI_DAYS {
            out += "; LESS THAN THE TWELVE MONTHS OF PCI DSS 10.5.1";
        }
        if cold.is_some() && *at_hand_days < PCI_AT_HAND_DAYS {
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
    use super::*;

    fn read(text: &str) -> Result<Retention, String> {
        let read: Retention = toml::from_str(text).map_err(|why| why.to_string())?;
        read.check(Path::new("/var/lib/interceptor")).map_err(|why| why.to_string())?;
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
        let held = read("[[hold]]\nname = \"case-17\"\nfrom = \"2026-01-01\"");
        assert!(held.map_or_else(|why| why, |held| held.words()).contains("2026-01-01"));
    }
}
