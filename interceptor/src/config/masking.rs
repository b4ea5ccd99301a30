//! `[masking]`: the masked format, further issuer prefixes and how eagerly is searched. Decided once per deployment: two formats of one
//! number could be joined.

use std::fmt;

use pan::{Engine, Keep, Prefix, Settings};
use serde::Deserialize;

use super::{Config, Error, meaning};

/// `[masking]`
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Masking {
    /// What stays of a number.
    pub format: Format,
    /// How eagerly every database is searched that does not say otherwise.
    pub mode: Eagerness,
    /// `[[masking.prefix]]`
    pub prefix: Vec<IssuerPrefix>,
}

/// What stays of a masked number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub enum Format {
    /// The first six (fewer of short numbers) and the last four.
    #[default]
    #[serde(rename = "first6-last4")]
    FirstSixLastFour,
    /// The first eight of 16 digits and more, and the last four.
    #[serde(rename = "first8-last4")]
    FirstEightLastFour,
    /// The last four.
    #[serde(rename = "last4")]
    LastFour,
    /// Nothing.
    #[serde(rename = "nothing")]
    Nothing,
}

/// How eagerly values are searched for card numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Eagerness {
    /// Whole runs of digits and printed groupings.
    #[default]
    Balanced,
    /// Any window of digits, and the encodings that hide one.
    Strict,
}

/// A further issuer range.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IssuerPrefix {
    /// Its first digits.
    pub digits: String,
    /// Lengths of its whole numbers.
    pub lengths: Vec<u8>,
}

impl Masking {
    /// Refuses what no engine can be made of.
    pub(super) fn check(&self) -> Result<(), Error> {
        self.engine().map(drop)
    }

    /// Makes it the process's; once, before anything is masked.
    pub fn install(&self) -> Result<(), Error> {
        self.engine()?.install().map_err(|unfit| meaning("[masking]", unfit.to_string()))
    }

    fn engine(&self) -> Result<Engine, Error> {
        let prefix = |known: &IssuerPrefix| Prefix { digits: known.digits.clone(), lengths: known.lengths.clone() };
        let prefixes = self.prefix.iter().map(prefix).collect();
        let settings = Settings { keep: self.format.into(), prefixes, backend: None };
        Engine::new(&settings).map_err(|unfit| meaning("[masking]", unfit.to_string()))
    }
}

/// The deployment's masking, and each database's mode by its name.
pub type AllMasking = (Masking, Vec<(String, Eagerness)>);

/// What a configuration's text says of masking, whatever else is in it; no host name is looked up.
pub fn masking_of(text: &str) -> Option<AllMasking> {
    #[derive(Deserialize)]
    struct File {
        #[serde(default)]
        masking: Masking,
        #[serde(default)]
        database: Vec<Named>,
    }
    #[derive(Deserialize)]
    struct Named {
        name: String,
        masking: Option<Eagerness>,
    }
    let File { masking, database } = toml::from_str(text).ok()?;
    let modes = database.into_iter().map(|d| (d.name, d.masking.unwrap_or(masking.mode))).collect();
    Some((masking, modes))
}

impl Config {
    /// What [`masking_of`] would say of its text.
    pub fn all_masking(&self) -> AllMasking {
        (self.masking.clone(), self.databases.iter().map(|d| (d.name.clone(), d.masking)).collect())
    }
}

impl From<Format> for Keep {
    fn from(format: Format) -> Keep {
        match format {
            Format::FirstSixLastFour => Keep::FirstSixLastFour,
            Format::FirstEightLastFour => Keep::FirstEightLastFour,
            Format::LastFour => Keep::LastFour,
            Format::Nothing => Keep::Nothing,
        }
    }
}

impl From<Eagerness> for pan::Mode {
    fn from(mode: Eagerness) -> pan::Mode {
        match mode {
            Eagerness::Balanced => pan::Mode::Balanced,
            Eagerness::Strict => pan::Mode::Strict,
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Format::FirstSixLastFour => "the first six digits (fewer of short numbers) and the last four stay",
            Format::FirstEightLastFour => "the first eight digits (of 16 and more, else fewer) and the last four stay",
            Format::LastFour => "the last four digits stay",
            Format::Nothing => "no digit stays",
        })
    }
}

impl fmt::Display for Eagerness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Eagerness::Balanced => "balanced",
            Eagerness::Strict => "strict",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(masking: &str, database: &str) -> String {
        format!(
            "{masking}\n[[database]]\nname = \"payments\"\nprotocol = \"postgres\"\naddresses = [\"127.0.0.1:5432\"]\n{database}"
        )
    }

    fn with(masking: &str, database: &str) -> Result<Config, Error> {
        Config::parse(&text(masking, database))
    }

    #[test]
    fn what_is_not_written_is_the_default() {
        let config = with("", "").unwrap();
        assert_eq!(config.masking, Masking::default());
        assert_eq!(config.databases[0].masking, Eagerness::Balanced);
    }

    #[test]
    fn a_database_goes_its_own_way_or_the_deployments() {
        let masking =
            "[masking]\nformat = \"last4\"\nmode = \"strict\"\n[[masking.prefix]]\ndigits = \"7000\"\nlengths = [16]";
        let config = with(masking, "").unwrap();
        assert_eq!(config.databases[0].masking, Eagerness::Strict);
        assert_eq!(Keep::from(config.masking.format), Keep::LastFour);
        assert_eq!(masking_of(&text(masking, "")), Some(config.all_masking()));
        assert_ne!(masking_of(&text(masking, "masking = \"balanced\"")), Some(config.all_masking()));
        assert_eq!(with(masking, "masking = \"balanced\"").unwrap().databases[0].masking, Eagerness::Balanced);
        assert_eq!(with("", "masking = \"strict\"").unwrap().databases[0].masking, Eagerness::Strict);
    }

    #[test]
    fn doubts_are_errors() {
        for (masking, says) in [
            ("[masking]\nformat = \"first9\"", "first6-last4"),
            ("[masking]\nmod = \"strict\"", "did you mean `mode`"),
            ("[masking]\nmode = \"eager\"", "balanced"),
            ("[[masking.prefix]]\ndigits = \"70x0\"\nlengths = [16]", "no prefix"),
            ("[[masking.prefix]]\ndigits = \"7000\"\nlengths = [12]", "from 13 to 19"),
            ("[[masking.prefix]]\ndigits = \"7000\"", "lengths"),
        ] {
            let message = with(masking, "").expect_err("must be refused").to_string();
            assert!(message.contains(says), "{message}");
        }
        assert!(with("", "masking = \"none\"").is_err());
    }
}
