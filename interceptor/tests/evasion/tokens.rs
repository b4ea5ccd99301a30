//! A text of SQL as tokens that put together are the text again: enough to change what means nothing and leave what means something.
//! Strings are read as under `standard_conforming_strings = on`.

/// One token, with its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Token {
    /// Blanks and comments.
    Space(String),
    /// A keyword or a name without quotes.
    Word(String),
    /// A name in quotes, `U&` and all.
    Name(String),
    /// A constant in quotes of any kind.
    Text(String),
    Number(String),
    Sign(char),
}

impl Token {
    pub fn text(&self) -> String {
        match self {
            Token::Space(t) | Token::Word(t) | Token::Name(t) | Token::Text(t) | Token::Number(t) => t.clone(),
            Token::Sign(c) => c.to_string(),
        }
    }

    /// Whether it is this word, whatever its case.
    pub fn is(&self, word: &str) -> bool {
        matches!(self, Token::Word(text) if text.eq_ignore_ascii_case(word))
    }
}

/// All of them.
pub fn read(sql: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = sql;
    while let Some(first) = rest.chars().next() {
        let len = length(rest, first);
        let (token, after) = rest.split_at(len);
        tokens.push(kind(token, first));
        rest = after;
    }
    tokens
}

pub fn write(tokens: &[Token]) -> String {
    tokens.iter().map(Token::text).collect()
}

fn kind(token: &str, first: char) -> Token {
    let text = token.to_owned();
    if first.is_whitespace() || token.starts_with("--") || token.starts_with("/*") {
        Token::Space(text)
    } else if token.ends_with('"') && token.len() > 1 {
        Token::Name(text)
    } else if token.ends_with('\'') || (first == '$' && token.len() > 1) {
        Token::Text(text)
    } else if first.is_ascii_digit() {
        Token::Number(text)
    } else if is_word(first) {
        Token::Word(text)
    } else {
        Token::Sign(first)
    }
}

fn is_word(c: char) -> bool {
    c.is_alphabetic() || c == '_'
}

fn length(rest: &str, first: char) -> usize {
    let run = |of: fn(char) -> bool| rest.find(|c| !of(c)).unwrap_or(rest.len());
    match first {
        _ if first.is_whitespace() => run(char::is_whitespace),
        '-' if rest.starts_with("--") => rest.find('\n').map_or(rest.len(), |end| end + 1),
        '/' if rest.starts_with("/*") => comment(rest),
        '\'' => quoted(rest, 0, '\'', false),
        '"' => quoted(rest, 0, '"', false),
        '$' => dollar(rest).unwrap_or(1),
        'e' | 'E' if rest[1..].starts_with('\'') => quoted(rest, 1, '\'', true),
        'u' | 'U' if rest[1..].starts_with("&'") => quoted(rest, 2, '\'', false),
        'u' | 'U' if rest[1..].starts_with("&\"") => quoted(rest, 2, '"', false),
        'b' | 'B' | 'x' | 'X' | 'n' | 'N' if rest[1..].starts_with('\'') => quoted(rest, 1, '\'', false),
        _ if first.is_ascii_digit() => run(|c| c.is_ascii_alphanumeric() || c == '.' || c == '_'),
        _ if is_word(first) => run(|c| is_word(c) || c.is_ascii_digit() || c == '$'),
        _ => first.len_utf8(),
    }
}

/// Comments nest.
fn comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        match &rest.as_bytes()[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    rest.len()
}

fn quoted(rest: &str, open: usize, quote: char, escapes: bool) -> usize {
    let mut characters = rest.char_indices().skip(open + 1).peekable();
    while let Some((at, c)) = characters.next() {
        if escapes && c == '\\' {
            characters.next();
        } else if c == quote && characters.next_if(|(_, next)| *next == quote).is_none() {
            return at + quote.len_utf8();
        }
    }
    rest.len()
}

fn dollar(rest: &str) -> Option<usize> {
    let tag = &rest[..rest[1..].find('$')? + 2];
    let inner = &tag[1..tag.len() - 1];
    if inner.starts_with(|c: char| c.is_ascii_digit()) || !inner.chars().all(|c| is_word(c) || c.is_ascii_digit()) {
        return None;
    }
    Some(rest[tag.len()..].find(tag)? + 2 * tag.len())
}

#[test]
fn tokens_put_together_are_the_text_again() {
    for case in crate::corpus::Corpus::read().case {
        for step in &case.steps {
            assert_eq!(write(&read(step)), *step, "{}", case.id);
        }
    }
    let tokens = read("SELECT /* a /* b */ */ E'\\'x', U&\"p!0061n\" UESCAPE '!', $a$ ; $b$ $a$, 1 AS a$a$ -- end");
    let words: Vec<String> = tokens.iter().filter(|t| matches!(t, Token::Word(_))).map(Token::text).collect();
    assert_eq!(words, ["SELECT", "UESCAPE", "AS", "a$a$"]);
    assert_eq!(tokens.iter().filter(|t| matches!(t, Token::Text(_))).count(), 3);
}
