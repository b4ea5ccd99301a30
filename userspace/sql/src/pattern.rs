//! Names with stars, as policy writes them.

/// Does `name` match `pattern`, in which each `*` stands for any run of characters, an empty one included?
pub fn matches(pattern: &str, name: &str) -> bool {
    // Most differ in the first letter, and most have no star.
    let first = pattern.as_bytes().first();
    if first.is_some_and(|first| *first != b'*') && first != name.as_bytes().first() {
        return false;
    }
    if pattern == "*" {
        return true;
    }
    if !pattern.bytes().any(|byte| byte == b'*') {
        return pattern == name;
    }
    let mut parts = pattern.split('*');
    let Some(rest) = name.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    let mut rest = rest;
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = rest.get(at + part.len()..).unwrap_or_default();
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn a_star_is_any_run() {
        for (pattern, name, expected) in [
            ("a", "a", true),
            ("a", "ab", false),
            ("", "", true),
            ("*", "", true),
            ("*", "abc", true),
            ("a*", "abc", true),
            ("*c", "abc", true),
            ("a*c", "ac", true),
            ("a*c", "abd", false),
            ("a*b*c", "axbxc", true),
            ("a*b*c", "acb", false),
            ("a*a", "a", false),
            ("**", "x", true),
            ("*b*", "abc", true),
            ("*ab", "aab", true),
            ("a*bc*bc", "abc", false),
            ("a*b*c", "a-b-b-c", true),
            ("*pan*", "my_pan_1", true),
            ("*pan", "pan_1", false),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }
}
