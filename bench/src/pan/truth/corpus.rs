//! Recall: every row of the issuer table in every form and context, at every alignment and cut.

use pan::{Engine, Fill, Masked, Scanner};

use crate::dice::Dice;
use crate::pan::cards;
use crate::pan::truth::rules::{self, Issued};

/// How a number is written.
pub(crate) const FORMS: [(&str, Form); 13] = [
    ("plain", Form::Plain),
    ("space", Form::Grouped(" ")),
    ("dash", Form::Grouped("-")),
    ("dot", Form::Grouped(".")),
    ("no-break space", Form::Grouped("\u{a0}")),
    ("narrow no-break space", Form::Grouped("\u{202f}")),
    ("thin space", Form::Grouped("\u{2009}")),
    ("figure space", Form::Grouped("\u{2007}")),
    ("ideographic space", Form::Grouped("\u{3000}")),
    ("track 1", Form::Between("%B", "^DOE/JOHN^25121010000000000000?")),
    ("track 2, `=`", Form::Between(";", "=25121010000000000?")),
    ("track 2, `D`", Form::Between("", "D25121010000000000F")),
    ("between quotes", Form::Between("'", "'")),
];

#[derive(Clone, Copy)]
pub(crate) enum Form {
    Plain,
    Grouped(&'static str),
    Between(&'static str, &'static str),
}

/// What a value stands in: before it, behind it, and the fill of the type.
pub(crate) const CONTEXTS: [(&str, &str, &str, Fill); 4] = [
    ("text row", "paid by Ada with ", ", thanks", Fill::Text),
    ("JSON", "{\"id\": 17, \"card\": \"", "\", \"paid\": true}", Fill::Json),
    ("CSV", "17,Ada Alder,", ",2026-11-21", Fill::Text),
    ("COPY", "17\tAda Alder\t", "\t2026-11-21 01:42:08+00\n", Fill::Text),
];

/// How many were looked for and found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Recall {
    pub(crate) sought: u64,
    pub(crate) found: u64,
}

impl Recall {
    pub(crate) fn add(&mut self, found: bool) {
        self.sought += 1;
        self.found += u64::from(found);
    }

    pub(crate) fn whole(&self) -> bool {
        self.sought > 0 && self.found == self.sought
    }

    pub(crate) fn percent(&self) -> String {
        match self.sought {
            0 => "none sought".into(),
            // Never rounded up to 100.
            sought => format!("{:.3} %", (self.found as f64 / sought as f64 * 100_000.0).floor() / 1000.0),
        }
    }
}

/// A number as it is written, and what is shown of it.
pub(crate) struct Written {
    text: String,
    masked: String,
    /// The same with the rest of a track as it was.
    number_masked: String,
}

impl Written {
    /// None where the form has no grouping for that many digits.
    pub(crate) fn of(number: &str, form: Form) -> Option<Written> {
        let shown = hidden(number);
        let (text, masked, number_masked) = match form {
            Form::Plain => (number.to_owned(), shown.clone(), shown),
            Form::Grouped(separator) => {
                let groups = cards::groups_of(number.len())?;
                let shown = cards::grouped(&shown, groups, separator);
                (cards::grouped(number, groups, separator), shown.clone(), shown)
            }
            Form::Between(before, after) => {
                let tail: String = match after.split_at_checked(1) {
                    Some((mark @ ("=" | "D"), tail)) => {
                        let digits = tail.bytes().take_while(u8::is_ascii_digit).count();
                        format!("{mark}{}{}", "*".repeat(digits), &tail[digits..])
                    }
                    Some(("^", _)) => after
                        .rsplit_once('^')
                        .map_or(String::new(), |(name, tail)| format!("{name}^{}?", "*".repeat(tail.len() - 1))),
                    _ => after.to_owned(),
                };
                (
                    format!("{before}{number}{after}"),
                    format!("{before}{shown}{tail}"),
                    format!("{before}{shown}{after}"),
                )
            }
        };
        Some(Written { text, masked, number_masked })
    }

    /// One card is found, the output is what it should be, and nothing is found in it.
    pub(crate) fn found(&self, engine: &'static Engine, context: (&str, &str, Fill), before: usize) -> bool {
        let (input, output) = self.inside(context, before);
        let mut bytes = input.into_bytes();
        Scanner::with(engine, context.2).scan(&mut bytes, true).cards == 1
            && bytes == output.as_bytes()
            && Scanner::with(engine, context.2).scan(&mut bytes, true).cards == 0
    }

    /// The same with the value in two pieces.
    pub(crate) fn found_in_two(&self, engine: &'static Engine, context: (&str, &str, Fill), cut: usize) -> bool {
        let (input, output) = self.inside(context, 0);
        let Some((first, rest)) = input.as_bytes().split_at_checked(cut) else { return false };
        let (mut scanner, mut first) = (Scanner::with(engine, context.2), first.to_vec());
        let scan = scanner.scan(&mut first, false);
        let mut second = first.split_off(first.len().saturating_sub(scan.hold));
        second.extend_from_slice(rest);
        let cards = scan.cards + scanner.scan(&mut second, true).cards;
        first.append(&mut second);
        cards == 1 && first == output.as_bytes()
    }

    /// The strict scan hides at least the same digits; and the rest of a track behind them?
    pub(crate) fn found_by_strict(&self, (before, after, _): (&str, &str, Fill)) -> [bool; 2] {
        let masked = Masked::of(&format!("{before}{}{after}", self.text));
        [&self.number_masked, &self.masked].map(|least| {
            let least = format!("{before}{least}{after}");
            let mut places = masked.as_str().bytes().zip(least.bytes());
            masked.as_str().len() == least.len() && places.all(|(ours, least)| least != b'*' || ours == b'*')
        })
    }

    pub(crate) fn cuts(&self, context: (&str, &str, Fill)) -> std::ops::RangeInclusive<usize> {
        0..=context.0.len() + self.text.len() + context.1.len()
    }

    fn inside(&self, (before, after, _): (&str, &str, Fill), pad: usize) -> (String, String) {
        let pad = "x".repeat(pad);
        (format!("{pad}{before}{}{after}", self.text), format!("{pad}{before}{}{after}", self.masked))
    }
}

/// First min(6, L-9) and last 4 stay.
pub(crate) fn hidden(number: &str) -> String {
    let (first, last) = (6.min(number.len() - 9), number.len() - 4);
    let shown = |(index, digit): (usize, char)| if (first..last).contains(&index) { '*' } else { digit };
    number.chars().enumerate().map(shown).collect()
}

/// `count` numbers for each end of a row's range and each of its lengths.
pub(crate) fn numbers(row: &Issued, dice: &mut Dice, count: usize) -> Vec<String> {
    let mut numbers = Vec::new();
    for prefix in [row.from, row.to] {
        for &length in &row.lengths {
            numbers.extend((0..count).map(|_| cards::valid(dice, prefix, length)));
        }
    }
    numbers
}

/// Form by form and, behind them, brand by brand.
pub(crate) struct Recalls {
    pub(crate) forms: [Recall; FORMS.len()],
    pub(crate) cuts: Recall,
    pub(crate) strict: [Recall; FORMS.len()],
    /// The rest of a track, by the strict scan.
    pub(crate) strict_tails: Recall,
    pub(crate) brands: Vec<(&'static str, Recall)>,
}

/// All of it; `count` numbers a prefix and length.
pub(crate) fn run(engine: &'static Engine, count: usize) -> Recalls {
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let none = [Recall::default(); FORMS.len()];
    let (cuts, strict_tails) = (Recall::default(), Recall::default());
    let mut recalls = Recalls { forms: none, cuts, strict: none, strict_tails, brands: Vec::new() };
    for row in rules::issued() {
        let mut brand = Recall::default();
        for number in numbers(&row, &mut dice, count) {
            for (index, (_, form)) in FORMS.iter().enumerate() {
                if let Some(written) = Written::of(&number, *form) {
                    one(engine, &row, &written, index, &mut recalls, &mut brand);
                }
            }
        }
        match recalls.brands.iter_mut().find(|(name, _)| *name == row.brand) {
            Some((_, sum)) => (sum.sought, sum.found) = (sum.sought + brand.sought, sum.found + brand.found),
            None => recalls.brands.push((row.brand, brand)),
        }
    }
    recalls
}

fn one(
    engine: &'static Engine,
    row: &Issued,
    written: &Written,
    form: usize,
    recalls: &mut Recalls,
    brand: &mut Recall,
) {
    for (_, before, after, fill) in CONTEXTS {
        let context = (before, after, fill);
        let [strict, tail] = written.found_by_strict(context);
        recalls.strict[form].add(strict);
        if written.masked != written.number_masked {
            recalls.strict_tails.add(tail);
        }
        brand.add(strict);
        if !row.balanced {
            continue;
        }
        for pad in 0..128 {
            let found = written.found(engine, context, pad);
            recalls.forms[form].add(found);
            brand.add(found);
        }
        for cut in written.cuts(context) {
            recalls.cuts.add(written.found_in_two(engine, context, cut));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown() {
        let written = |form| Written::of("4111111111111111", form).unwrap().masked;
        assert!(written(Form::Plain) == "411111******1111");
        assert!(written(Form::Grouped(" ")) == "4111 11** **** 1111");
        assert!(written(FORMS[9].1) == "%B411111******1111^DOE/JOHN^********************?");
        assert!(written(FORMS[10].1) == ";411111******1111=*****************?");
        assert!(Written::of(&"4".repeat(17), Form::Grouped(" ")).is_none());
    }

    #[test]
    fn recall_is_never_rounded_up() {
        assert_eq!(Recall { sought: 1_000_000, found: 999_999 }.percent(), "99.999 %");
        assert_eq!(Recall { sought: 3, found: 3 }.percent(), "100.000 %");
    }
}
