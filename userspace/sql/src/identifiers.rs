//! Lists of identifiers inside a setting's value.

/// Splits `search_path`'s kind of value as the server does (`SplitIdentifierString` in varlena.c): parts between commas,
/// folded to lower case unless double-quoted. `None`: the server would refuse it.
pub fn identifier_list(value: &str) -> Option<Vec<String>> {
    let is_space = |c: char| matches!(c, ' ' | '\t' | '\n' | '\r' | '\u{c}' | '\u{b}');
    let mut rest = value.trim_start_matches(is_space);
    let mut parts = Vec::new();
    if rest.is_empty() {
        return Some(parts);
    }
    loop {
        let (part, after) = match rest.strip_prefix('"') {
            Some(quoted) => quoted_part(quoted)?,
            None => {
                let end = rest.find(|c| c == ',' || is_space(c)).unwrap_or(rest.len());
                let (part, after) = rest.split_at_checked(end)?;
                (part.to_ascii_lowercase(), after)
            }
        };
        if part.is_empty() {
            return None;
        }
        parts.push(part);
        rest = after.trim_start_matches(is_space);
        if rest.is_empty() {
            return Some(parts);
        }
        rest = rest.strip_prefix(',')?.trim_start_matches(is_space);
    }
}

fn quoted_part(quoted: &str) -> Option<(String, &str)> {
    let mut part = String::new();
    let mut rest = quoted;
    loop {
        let (head, after) = rest.split_once('"')?;
        part.push_str(head);
        match after.strip_prefix('"') {
            Some(_) => part.push('"'),
            None => return Some((part, after)),
        }
        rest = after.strip_prefix('"')?;
    }
}

#[cfg(test)]
mod tests {
    use super::identifier_list;

    #[test]
    fn splits_as_the_server_does() {
        for (value, parts) in [
            ("", Some(vec![])),
            (" public , \"$user\",A", Some(vec!["public", "$user", "a"])),
            ("\"a\"\"B,\"", Some(vec!["a\"B,"])),
            ("a b", None),
            ("a,", None),
            ("\"a", None),
            ("\"\"", None),
        ] {
            let parts = parts.map(|parts: Vec<&str>| parts.into_iter().map(str::to_owned).collect());
            assert_eq!(identifier_list(value), parts, "{value}");
        }
    }
}
