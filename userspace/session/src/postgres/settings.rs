//! Which run-time settings may change, and to what. The rules are data: `settings.txt`.

use std::sync::LazyLock;

/// What a setting's value may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    /// Every value.
    Any,
    /// Only true: the value changes how text is lexed.
    On,
    /// Only these words.
    OneOf(Vec<&'static str>),
    /// UTF8, LATIN1 or SQL_ASCII.
    Encoding,
    /// Changes what unqualified names mean.
    Schemas,
    /// Changes whose rights apply.
    Role,
    /// No value.
    Never,
}

#[derive(Debug)]
struct Line {
    name: &'static str,
    startup: bool,
    rule: Rule,
}

static LINES: LazyLock<Vec<Line>> = LazyLock::new(|| parse(include_str!("settings.txt")));

/// A line that cannot be read gives a setting that may have no value; a test says that there is none.
fn parse(text: &'static str) -> Vec<Line> {
    let mut lines: Vec<Line> = text
        .lines()
        .filter(|line| !line.starts_with('#') && !line.trim().is_empty())
        .map(|line| {
            let mut words = line.split_whitespace();
            let name = words.next().unwrap_or_default();
            let startup = words.next() == Some("startup");
            let rule = match words.next() {
                Some("any") => Rule::Any,
                Some("on") => Rule::On,
                Some("encoding") => Rule::Encoding,
                Some("schemas") => Rule::Schemas,
                Some("role") => Rule::Role,
                Some(word) => match word.strip_prefix("one:") {
                    Some(list) => Rule::OneOf(list.split(',').collect()),
                    None => Rule::Never,
                },
                None => Rule::Never,
            };
            Line { name, startup, rule }
        })
        .collect();
    lines.sort_by_key(|line| line.name);
    lines
}

fn find(name: &str) -> Option<&'static Line> {
    let lower = name.to_ascii_lowercase();
    let at = LINES.binary_search_by(|line| line.name.cmp(lower.as_str())).ok()?;
    LINES.get(at)
}

/// The rule for a setting; one that is not listed may have any value.
pub(crate) fn rule(name: &str) -> &'static Rule {
    find(name).map_or(&Rule::Any, |line| &line.rule)
}

/// Whether the value `words` is safe. The empty list is the empty string.
pub(crate) fn admits(rule: &Rule, words: &[String]) -> bool {
    let single = match words {
        [] => "",
        [one] => one.as_str(),
        _ => return matches!(rule, Rule::Any | Rule::Schemas),
    };
    match rule {
        Rule::Any | Rule::Schemas | Rule::Role => true,
        Rule::On => ["on", "true", "yes", "1", "t", "y"].iter().any(|word| single.eq_ignore_ascii_case(word)),
        Rule::OneOf(list) => list.iter().any(|word| single.eq_ignore_ascii_case(word)),
        Rule::Encoding => encoding(single.as_bytes()).is_some(),
        Rule::Never => false,
    }
}

/// A startup key or a name in `options`: may the session begin with it?
pub(crate) fn admits_at_startup(name: &str, value: &str) -> bool {
    find(name).is_some_and(|line| line.startup && admits(&line.rule, &[value.to_owned()]))
}

/// How the bytes of texts and strings are to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    Utf8,
    Latin1,
    /// Bytes pass unconverted: what they are is the server's encoding.
    SqlAscii,
}

/// The encoding of that name as the server's `pg_char_to_encoding` reads names: letters and digits alone, any case
/// (src/common/encnames.c); quotes around it come from asyncpg.
pub(crate) fn encoding(name: &[u8]) -> Option<Encoding> {
    let mut clean = [0u8; 16];
    let mut len = 0;
    for byte in name.iter().filter(|byte| byte.is_ascii_alphanumeric()) {
        *clean.get_mut(len)? = byte.to_ascii_lowercase();
        len += 1;
    }
    match clean.get(..len)? {
        b"utf8" | b"unicode" => Some(Encoding::Utf8),
        b"latin1" | b"iso88591" => Some(Encoding::Latin1),
        b"sqlascii" => Some(Encoding::SqlAscii),
        _ => None,
    }
}

/// The names in a `search_path` value given as one string (`set_config`, startup): split at commas, what is in double quotes
/// kept whole.
pub(crate) fn schema_names(value: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut name = String::new();
    let mut quoted = false;
    let mut letters = value.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' if quoted && letters.next_if_eq(&'"').is_some() => name.push('"'),
            '"' => quoted = !quoted,
            ',' if !quoted => names.push(std::mem::take(&mut name)),
            letter if quoted => name.push(letter),
            letter if letter.is_whitespace() => {}
            letter => name.extend(letter.to_lowercase()),
        }
    }
    names.push(name);
    names.retain(|name| !name.is_empty());
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_data_file_is_understood() {
        for line in LINES.iter() {
            // Ours have no value but the one that we gave them.
            assert_eq!(line.rule == Rule::Never, line.name.starts_with("interceptor."), "{}", line.name);
        }
        assert!(LINES.windows(2).all(|pair| pair[0].name < pair[1].name), "a name twice");
    }

    #[test]
    fn values() {
        let admits = |name: &str, value: &str| admits(rule(name), &[value.to_owned()]);
        for (name, value, want) in [
            ("standard_conforming_strings", "on", true),
            ("Standard_Conforming_Strings", "TRUE", true),
            ("standard_conforming_strings", "off", false),
            ("standard_conforming_strings", "", false),
            ("backslash_quote", "safe_encoding", true),
            ("backslash_quote", "on", false),
            ("client_encoding", "UTF-8", true),
            ("client_encoding", "'utf-8'", true),
            ("client_encoding", "SJIS", false),
            ("client_encoding", "latin1", true),
            ("work_mem", "1GB", true),
            ("my.setting", "x", true),
        ] {
            assert_eq!(admits(name, value), want, "{name}={value}");
        }
        assert!(admits_at_startup("TimeZone", "UTC"));
        assert!(!admits_at_startup("role", "postgres"));
        assert!(!admits_at_startup("my.setting", "x"));
        assert!(!admits_at_startup("replication", "database"));
    }

    #[test]
    fn search_path_names() {
        assert_eq!(schema_names(r#""$user", Public"#), ["$user", "public"]);
        assert_eq!(schema_names(r#""A,b",c"#), ["A,b", "c"]);
        assert_eq!(schema_names(r#""a""b", "C""""#), ["a\"b", "C\""]);
        assert!(schema_names("").is_empty());
    }
}
