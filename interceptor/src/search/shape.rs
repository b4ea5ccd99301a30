//! What a text has in common with many, and what is its own.
//!
//! An agent says the same statement many times with other values. The words outside quotes that begin with a letter are its shape,
//! which is kept once; numbers, names with numbers and what is in quotes are its own. Which side a word goes to decides what a search costs and never what
//! it finds: both sides are looked through, and a phrase that goes over both is looked up in the record itself.

/// Stands where words of the other side were, so that those around it are no neighbours: in a shape everywhere, so that it says next to what
/// they were. The index takes it for a word; nobody types it.
pub(super) const GAP: &str = "\u{e000}";
/// A longer text is its own.
const SHAPE_MAX: usize = 4096;
/// A name with so many digits is its own.
const NUMBERED: usize = 3;

/// Appends the words of `text` to the side that they belong to, in their order.
pub(super) fn divide(text: &str, shape: &mut String, own: &mut String) {
    if text.len() > SHAPE_MAX {
        push(own, text);
        return;
    }
    let (mut is_quoted, mut before, mut rest) = (false, ' ', text);
    let mut last = None;
    while let Some(first) = rest.chars().next() {
        if !is_word(first) {
            is_quoted ^= first == '\'';
            (before, rest) = (first, &rest[first.len_utf8()..]);
            continue;
        }
        let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
        let (word, behind) = rest.split_at(end);
        // `$1` is a parameter's place.
        let is_own = is_quoted || (before != '$' && (first.is_ascii_digit() || is_numbered(word)));
        if last == Some(!is_own) {
            if !shape.ends_with(GAP) {
                push(shape, GAP);
            }
            if is_own && !own.is_empty() {
                push(own, GAP);
            }
        }
        push(if is_own { &mut *own } else { &mut *shape }, word);
        (last, before, rest) = (Some(is_own), ' ', behind);
    }
}

/// `batch_48392`: a name that is made anew each time.
fn is_numbered(word: &str) -> bool {
    word.bytes().filter(u8::is_ascii_digit).count() >= NUMBERED
}

/// What the index may take for a part of a word: of what is not ASCII, all, so that no word of its is ever cut.
pub(super) fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || !c.is_ascii()
}

/// With a space in front.
pub(super) fn push(words: &mut String, more: &str) {
    if !words.is_empty() {
        words.push(' ');
    }
    words.push_str(more);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_its_own_and_the_rest_is_shape() {
        let cases = [
            ("SELECT a FROM t1", "SELECT a FROM t1", ""),
            ("a > 5 AND b", "a - AND b", "5"),
            ("5 a", "- a", "5"),
            ("id IN (1, 2, 'x y') OR 7", "id IN - OR -", "1 2 x y - 7"),
            ("x = 'it''s' y", "x - y", "it s"),
            ("x = $1234", "x 1234", ""),
            ("DROP TABLE tmp_48392", "DROP TABLE -", "tmp_48392"),
            ("'411111******1111'", "", "411111 1111"),
            ("naïve–x 'ß'", "naïve–x -", "ß"),
            ("", "", ""),
        ];
        for (text, shape, own) in cases {
            let mut sides = (String::new(), String::new());
            divide(text, &mut sides.0, &mut sides.1);
            assert_eq!((sides.0.replace(GAP, "-"), sides.1.replace(GAP, "-")), (shape.into(), own.into()), "{text}");
        }
    }

    #[test]
    fn a_long_text_is_its_own() {
        let (mut shape, mut own) = (String::new(), String::new());
        divide(&"a ".repeat(SHAPE_MAX), &mut shape, &mut own);
        assert!(shape.is_empty() && own.len() > SHAPE_MAX);
    }
}
