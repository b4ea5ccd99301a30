//! The corpus as it is written down: `corpus.toml`, whose header says what each field means.

use serde::Deserialize;

/// Fictional data: published test card numbers only.
const CORPUS: &str = include_str!("corpus.toml");
/// More of the same kind.
const ATTACKS: &str = include_str!("attacks.toml");

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Corpus {
    #[serde(rename = "schema")]
    _schema: u32,
    #[serde(rename = "server")]
    _server: String,
    /// How many cases there are.
    pub cases: usize,
    /// The numbers that must not leave.
    pub pans: Vec<String>,
    /// What every case starts from.
    pub setup: Setup,
    /// In the order of the file.
    pub case: Vec<Case>,
}

/// The state before a case.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Setup {
    #[serde(rename = "privileges")]
    _privileges: String,
    /// Run as dba in a fresh database.
    pub sql: String,
}

/// What a case asks for. The order is that of strictness.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "lowercase")]
pub enum Must {
    /// A control: bytes unchanged.
    Allow,
    /// The policy decides; no crash, no desync.
    Any,
    /// Rows come, cards do not.
    Mask,
    /// A person is asked.
    Hold,
    /// Not executed.
    Block,
}

impl Must {
    /// As the file writes it.
    pub fn word(self) -> &'static str {
        match self {
            Must::Allow => "allow",
            Must::Any => "any",
            Must::Mask => "mask",
            Must::Hold => "hold",
            Must::Block => "block",
        }
    }
}

/// One attack, or a control.
#[derive(Clone, Debug, Deserialize)]
pub struct Case {
    pub id: String,
    pub category: String,
    pub role: String,
    /// Simple statements in one session; empty where a recipe says the bytes.
    #[serde(default)]
    pub steps: Vec<String>,
    #[serde(default)]
    pub recipe: Option<String>,
    #[serde(default)]
    pub needs: Vec<String>,
    pub must: Must,
    pub by: Vec<String>,
}

impl Corpus {
    /// Reads the files that this program was built with; our own cases come last.
    pub fn read() -> Corpus {
        let mut corpus: Corpus = toml::from_str(CORPUS).expect("the corpus is TOML of this shape");
        assert_eq!(corpus.case.len(), corpus.cases, "the corpus is whole");
        let Attacks { case } = toml::from_str(ATTACKS).expect("the attacks are TOML of this shape");
        corpus.case.extend(case);
        corpus
    }
}

#[derive(Deserialize)]
struct Attacks {
    case: Vec<Case>,
}

#[test]
fn the_corpus_is_whole() {
    let corpus = Corpus::read();
    assert_eq!(corpus.pans.len(), 9);
    let mut ids: Vec<&str> = corpus.case.iter().map(|case| case.id.as_str()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), corpus.case.len(), "ids are unique");
    for case in &corpus.case {
        assert_ne!(case.steps.is_empty(), case.recipe.is_none(), "{}: either steps or a recipe", case.id);
        assert_eq!(case.recipe.is_some(), crate::recipes::of(&case.id).is_some(), "{}: its recipe in Rust", case.id);
        assert!(["agent", "dba"].contains(&case.role.as_str()), "{}", case.id);
        assert!(case.needs.is_empty(), "{}: an extension that nobody makes", case.id);
    }
}
