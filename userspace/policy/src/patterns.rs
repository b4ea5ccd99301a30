//! Lists of a rule: names of agents and databases, and objects by schema and name, each with stars and exclusions.

use sql::{Name, Word, matches};

use crate::{Doubt, Subject};

/// Agents (with groups) or databases. Empty: any.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    pub(crate) wanted: Vec<NamePattern>,
    pub(crate) excluded: Vec<NamePattern>,
}

/// One entry of such a list.
#[derive(Clone, Debug)]
pub(crate) enum NamePattern {
    /// A name, stars allowed.
    Name(String),
    /// `group:NAME`
    Group {
        /// The name, stars allowed.
        name: String,
        /// A token may tell it.
        signed: bool,
    },
}

impl Names {
    /// Of names alone: databases.
    pub(crate) fn matches(&self, name: &str) -> bool {
        let one = |pattern: &NamePattern| match pattern {
            NamePattern::Name(pattern) => matches(pattern, name),
            NamePattern::Group { .. } => false,
        };
        (self.wanted.is_empty() || self.wanted.iter().any(one)) && !self.excluded.iter().any(one)
    }

    /// Of agents. What is not known of one counts, or not, as the rule's action wants it; of the excluded ones the other way round.
    pub(crate) fn covers(&self, subject: &Subject, doubt: Doubt) -> bool {
        let is = |pattern: &NamePattern, doubt: Doubt| match pattern {
            NamePattern::Name(pattern) => matches(pattern, &subject.agent),
            NamePattern::Group { name, signed } => subject.is_in(name, *signed, doubt),
        };
        let other = match doubt {
            Doubt::Counts => Doubt::CountsNot,
            Doubt::CountsNot => Doubt::Counts,
        };
        let wanted = self.wanted.is_empty() || self.wanted.iter().any(|pattern| is(pattern, doubt));
        wanted && !self.excluded.iter().any(|pattern| is(pattern, other))
    }
}

/// An object's name, where it lies.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Named<'a> {
    pub(crate) schema: Option<&'a str>,
    pub(crate) name: &'a Word,
}

impl<'a> From<&'a Name> for Named<'a> {
    fn from(name: &'a Name) -> Named<'a> {
        Named { schema: name.schema.as_deref(), name: &name.name }
    }
}

impl Named<'_> {
    /// A copy.
    pub(crate) fn to_name(self) -> Name {
        Name::new(self.schema, self.name)
    }
}

/// Tables or functions.
#[derive(Clone, Debug, Default)]
pub(crate) struct Objects {
    pub(crate) wanted: Vec<ObjectPattern>,
    pub(crate) excluded: Vec<ObjectPattern>,
}

/// One entry of such a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ObjectPattern {
    /// `schema.name`, stars allowed in both.
    Name {
        /// The schema's pattern.
        schema: String,
        /// The name's pattern.
        name: String,
    },
    /// `@catalog`
    Catalog,
}

impl ObjectPattern {
    fn matches(&self, candidate: Named<'_>) -> bool {
        match self {
            ObjectPattern::Catalog => candidate.schema.is_some_and(|of| sql::is_catalog_in(of, candidate.name)),
            ObjectPattern::Name { schema, name } => {
                candidate.schema.is_some_and(|of| matches(schema, of)) && matches(name, candidate.name)
            }
        }
    }
}

impl Objects {
    /// Does it match this name, whose schema is known?
    pub(crate) fn matches(&self, candidate: Named<'_>) -> bool {
        let one = |pattern: &ObjectPattern| pattern.matches(candidate);
        (self.wanted.is_empty() || self.wanted.iter().any(one)) && !self.excluded.iter().any(one)
    }
}

impl Objects {
    /// Does it spell this name out?
    pub(crate) fn spells(&self, candidate: Named<'_>) -> bool {
        let exact = |pattern: &ObjectPattern| match pattern {
            ObjectPattern::Catalog => false,
            ObjectPattern::Name { schema, name } => {
                candidate.schema == Some(schema.as_str()) && candidate.name == name && !name.contains('*')
            }
        };
        self.matches(candidate) && self.wanted.iter().any(exact)
    }
}

/// `a.b` or `a.b.c` into its parts as SQL reads them: folded to lower case unless in double quotes. `None`: malformed.
pub(crate) fn dotted(text: &str) -> Option<Vec<String>> {
    let mut parts = Vec::new();
    let mut rest = text;
    loop {
        let (part, after) = match rest.strip_prefix('"') {
            Some(quoted) => {
                let (part, after) = quoted.split_once('"')?;
                (part.to_owned(), after)
            }
            None => {
                let (part, after) = rest.split_at_checked(rest.find('.').unwrap_or(rest.len()))?;
                let plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '$' | '*' | '-');
                if !part.chars().all(plain) {
                    return None;
                }
                (part.to_ascii_lowercase(), after)
            }
        };
        if part.is_empty() {
            return None;
        }
        parts.push(part);
        match after.strip_prefix('.') {
            Some(more) => rest = more,
            None => return after.is_empty().then_some(parts),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::dotted;

    #[test]
    fn names_are_read_as_sql_reads_them() {
        for (text, expected) in [
            ("public.Payments", Some(vec!["public", "payments"])),
            ("\"My.Schema\".T*", Some(vec!["My.Schema", "t*"])),
            ("*", Some(vec!["*"])),
            ("a.b.c", Some(vec!["a", "b", "c"])),
            ("a..b", None),
            (".a", None),
            ("a.", None),
            ("", None),
            ("a b.c", None),
            ("\"a", None),
            ("\"a\"b.c", None),
        ] {
            let expected = expected.map(|parts| parts.into_iter().map(str::to_owned).collect());
            assert_eq!(dotted(text), expected, "{text}");
        }
    }
}
