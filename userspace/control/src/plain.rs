//! What agents and reviewers wrote, as people may be shown it.

/// Text in which nothing acts: nothing moves a terminal's cursor or sets a colour or a title, nothing turns the direction of reading or
/// hides a letter. Line ends and tabs become spaces.
pub fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\n' | '\t' => out.push(' '),
            letter => push(&mut out, letter),
        }
    }
    out
}

/// The same with its lines.
pub fn plain_lines(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\n' | '\t' => out.push(letter),
            letter => push(&mut out, letter),
        }
    }
    out
}

fn push(out: &mut String, letter: char) {
    let acts = matches!(letter, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}');
    if letter.is_control() || acts {
        out.extend(letter.escape_unicode());
    } else {
        out.push(letter);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_acts() {
        for (text, one_line, lines) in [
            ("SELECT 'ü€😀'", "SELECT 'ü€😀'", "SELECT 'ü€😀'"),
            ("a\n\tb", "a  b", "a\n\tb"),
            ("\u{1b}[2J\u{7}\r", "\\u{1b}[2J\\u{7}\\u{d}", "\\u{1b}[2J\\u{7}\\u{d}"),
            ("\u{9b}31m", "\\u{9b}31m", "\\u{9b}31m"),
            ("x\u{202e}y\u{200b}\u{2066}", "x\\u{202e}y\\u{200b}\\u{2066}", "x\\u{202e}y\\u{200b}\\u{2066}"),
        ] {
            assert_eq!((plain(text).as_str(), plain_lines(text).as_str()), (one_line, lines));
        }
    }
}
