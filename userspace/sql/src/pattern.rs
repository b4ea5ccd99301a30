//! Names with stars, as policy writes them.

/// Does `name` match `pattern`, in which each `*` stands for any run of characters, an empty one included? By their bytes: a star is one byte
/// and part of no other character of UTF-8.
#[inline]
pub fn matches(pattern: impl AsRef<[u8]>, name: impl AsRef<[u8]>) -> bool {
    let (pattern, name) = (pattern.as_ref(), name.as_ref());
    // Most differ in the first letter.
    match pattern {
        [b'*'] => true,
        [b'*', ..] | [] => parts_match(pattern, name),
        [first, ..] => name.first() == Some(first) && (pattern == name || parts_match(pattern, name)),
    }
}

/// As [`matches`]: what stands between stars is found in its order.
fn parts_match(pattern: &[u8], name: &[u8]) -> bool {
    let mut parts = pattern.split(|byte| *byte == b'*');
    let Some(mut rest) = name.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts.filter(|part| !part.is_empty()) {
        let Some(at) = rest.windows(part.len()).position(|bytes| bytes == part) else { return false };
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
            ("a**b", "acb", true),
            ("a**b", "ac", false),
            ("*\u{e4}*", "p\u{e4}n", true),
            ("*\u{e4}", "\u{e5}", false),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }
}
