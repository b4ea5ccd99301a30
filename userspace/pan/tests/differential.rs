//! Random inputs dense in digits, separators and everything the rules look at: the scanner equals the oracle, cut anywhere, and what it
//! wrote holds no card any more.

#![allow(clippy::unwrap_used, reason = "a test that cannot build its input must fail")]

use pan::{Backend, Engine, Fill, Keep, Masked, Prefix, Scanner, Settings, mask_text, naive};

/// A small generator (xorshift64*): the same inputs on every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.below(from.len())]
    }
}

const SEPARATORS: [&str; 9] = [" ", " ", "-", ".", "\u{a0}", "\u{202f}", "\u{2009}", "\u{2013}", "\u{3000}"];
const HEADS: [&str; 12] = ["4", "51", "2221", "34", "37", "6011", "36", "300", "3528", "62", "2200", "5018"];
const BESIDE: [&str; 36] = [
    "",
    "",
    "",
    " ",
    "x",
    "%B",
    "%b",
    "B",
    "+",
    "1.",
    ".",
    "*.",
    "\\n",
    "n",
    "_",
    "\"",
    "\\\"",
    ",",
    "D",
    "D2",
    "d2512",
    "d2513",
    "=25",
    "=",
    "^N^25A?",
    "^N4ME B^25A?x",
    "^",
    "^NAME^",
    "?",
    "*",
    "DE89 ",
    "DE89 3704 ",
    "GB29-NWBK-",
    "\u{e9}",
    "\u{a0}",
    "\u{2009}",
];
const SHAPES: [&[usize]; 5] = [&[4, 4, 4, 4, 3], &[4, 4, 4, 4], &[4, 6, 5], &[4, 6, 4], &[4, 4, 5]];

fn number(random: &mut Random, length: usize) -> String {
    let mut digits = random.pick(&HEADS).to_owned();
    while digits.len() < length {
        digits.push(char::from(b'0' + random.below(10) as u8));
    }
    if random.below(4) > 0 {
        digits.pop();
        digits = (b'0'..=b'9').map(|last| format!("{digits}{}", char::from(last))).find(|digits| luhn(digits)).unwrap();
    }
    digits
}

fn luhn(digits: &str) -> bool {
    let value = |(index, byte): (usize, u8)| {
        let digit = u32::from(byte - b'0');
        if index % 2 == 0 { digit } else { digit * 2 / 10 + digit * 2 % 10 }
    };
    digits.bytes().rev().enumerate().map(value).sum::<u32>() % 10 == 0
}

fn grouped(random: &mut Random) -> String {
    let separator = random.pick(&SEPARATORS);
    grouped_with(random, separator)
}

fn grouped_with(random: &mut Random, separator: &str) -> String {
    let shape = random.pick(&SHAPES);
    let digits = number(random, shape.iter().sum());
    let (mut groups, mut rest) = (Vec::new(), digits.as_str());
    for &count in shape {
        let (group, after) = rest.split_at(count);
        groups.push(group);
        rest = after;
    }
    groups.join(separator)
}

/// An account number printed in fours, of any length, its check digits wrong.
fn account(random: &mut Random) -> String {
    let separator = random.pick(&SEPARATORS);
    let mut text = random.pick(&["DE89", "GB29", "AB12", "xDE89", "DE8"]).to_owned();
    for _ in 0..random.below(8) {
        text.push_str(separator);
        match random.below(5) {
            0 => text.push_str("NWBK"),
            1 => text.push_str("nw.k"),
            _ => text.push_str(&number(random, 16)[..4]),
        }
    }
    text + separator + &grouped_with(random, separator)
}

/// Track 1 with a name that may hold what looks like other tracks.
fn track_1(random: &mut Random) -> String {
    let mut text = "%B".to_owned() + &number(random, 16) + "^";
    for _ in 0..random.below(4) {
        match random.below(5) {
            0 => text.push_str(&(number(random, 16) + "=251")),
            1 => text.push_str("%B"),
            2 => text.push_str(&number(random, 14)),
            _ => text.push_str("DOE/JOHN "),
        }
    }
    text + "^2512 X" + &number(random, 16)
}

/// A grouping whose last group would be the first digits of the run behind it.
fn grouping_before_run(random: &mut Random) -> String {
    let separator = random.pick(&SEPARATORS);
    let run = number(random, 14);
    let head = number(random, 9);
    let digits = (b'0'..=b'9').map(|tenth| format!("37{}{}{}", &head[..7], char::from(tenth), &run[..5]));
    let digits = digits.into_iter().find(|digits| luhn(digits)).unwrap();
    format!("{}{separator}{}{separator}{run}", &digits[..4], &digits[4..10])
}

/// Cards each of whose kept end begins the grouping that follows, and now and then one that begins nothing.
fn chained_ends(random: &mut Random) -> String {
    let mut text = grouped(random);
    for _ in 0..=random.below(3) {
        let shape = random.pick::<[usize]>(&[&[4, 6, 5], &[4, 4, 5], &[14], &[15], &[16], &[19]]);
        let Some(end) = text.get(..4).filter(|end| end.bytes().all(|byte| byte.is_ascii_digit())) else { break };
        let digits = number(random, shape.iter().sum());
        let head = [("36", 14), ("37", 15)].into_iter().find(|(_, count)| *count == digits.len());
        let head = head.map_or("4", |(head, _)| head);
        let front = head.to_owned() + &digits[head.len()..digits.len() - 5];
        let digits = ('0'..='9').map(|digit| format!("{front}{digit}{end}")).find(|digits| luhn(digits)).unwrap();
        let (mut from, separator) = (0, random.pick(&[" ", "-", "\u{a0}", "\u{2009}"]));
        let groups: Vec<&str> = shape
            .iter()
            .map(|&count| {
                from += count;
                &digits[from - count..from]
            })
            .collect();
        text = groups.join(separator) + &text[4..];
    }
    text
}

/// Group after group, any four of which are a card; now and then another separator, another group, or what the rules look at.
fn chain(random: &mut Random) -> String {
    let mut separator = random.pick(&SEPARATORS);
    let front = number(random, 16)[..3].to_owned();
    let group = ('0'..='9').map(|last| format!("{front}{last}")).find(|group| luhn(&group.repeat(4)));
    let (group, mut text) = (group.unwrap_or(front), random.pick(&BESIDE).to_owned());
    for _ in 0..random.below(48) {
        match random.below(80) {
            0 => separator = random.pick(&SEPARATORS),
            1 => text.push_str(&number(random, 16)[..4]),
            2 => text.push_str(&number(random, 16)[..3]),
            3 => text.push_str(&number(random, 16)[..5]),
            4 => {
                let length = 13 + random.below(7);
                text.push_str(&number(random, length));
            }
            5 => text.push_str(random.pick(&BESIDE)),
            6 => text.push_str(random.pick(&["DE89", "AB12", "nwBK", "A1", "x"])),
            _ => text.push_str(&group),
        }
        text.push_str(separator);
    }
    text
}

/// Chains behind what may be the head of an account number: one that is none, one behind other groups, one that the rest of a track hides, or whose
/// byte before it is hidden.
fn chains_of_accounts(random: &mut Random) -> String {
    let mut text = String::new();
    for _ in 0..random.below(9) {
        let separator = random.pick(&SEPARATORS);
        let front = number(random, 16)[..3].to_owned();
        let group = ('0'..='9').map(|last| format!("{front}{last}")).find(|group| luhn(&group.repeat(4)));
        let group = group.unwrap_or(front);
        match random.below(12) {
            0 => text += &("%B".to_owned() + &number(random, 16) + "^A/B^25"),
            1 => text += &(number(random, 16) + "=2512"),
            2 => text.push_str(random.pick(&["x", "1", "Q", "*", "?", "\\n"])),
            _ => text.push(' '),
        }
        text.push_str(random.pick(&["DE89", "DE89", "GB29", "AB12", "XK00", "de89", "D\u{c5}9", "VA*9", "SE1Q"]));
        text.push_str(separator);
        for _ in 0..random.below(14) {
            match random.below(40) {
                0 => text.push_str(random.pick(&["NWBK", "nwBK", "A1B2", "****", "FR76", "99"])),
                1 => text.push_str(&number(random, 16)[..4]),
                _ => text.push_str(&group),
            }
            text.push_str(if random.below(60) == 0 { random.pick(&SEPARATORS) } else { separator });
        }
    }
    text
}

fn value(random: &mut Random) -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 0..=random.below(6) {
        match random.below(12) {
            8 => bytes.extend(account(random).bytes()),
            9 => bytes.extend(track_1(random).bytes()),
            10 => bytes.extend(grouping_before_run(random).bytes()),
            11 => bytes.extend(chained_ends(random).bytes()),
            0 | 1 => {
                let length = 12 + random.below(9);
                bytes.extend(number(random, length).bytes());
            }
            2 | 3 => bytes.extend(grouped(random).bytes()),
            4 => (0..random.below(24)).for_each(|_| bytes.push(b'0' + random.below(10) as u8)),
            5 => (0..random.below(40)).for_each(|_| bytes.push(random.next() as u8)),
            _ => {}
        }
        bytes.extend(random.pick(&BESIDE).bytes());
    }
    bytes
}

/// Feeds `input` in pieces of random sizes as a caller does: what is held comes again in front of the next.
fn in_pieces(mut scanner: Scanner, input: &[u8], mut size: impl FnMut() -> usize) -> (Vec<u8>, u32) {
    let (mut out, mut held, mut cards, mut at) = (Vec::new(), Vec::new(), 0, 0);
    loop {
        let end = (at + size()).min(input.len());
        held.extend_from_slice(&input[at..end]);
        at = end;
        let scan = scanner.scan(&mut held, at == input.len());
        assert!(scan.hold <= held.len() && scan.hold <= Scanner::HOLD_MAX);
        let hold = held.split_off(held.len() - scan.hold);
        out.append(&mut held);
        (held, cards) = (hold, cards + scan.cards);
        if at == input.len() {
            assert!(held.is_empty());
            return (out, cards);
        }
    }
}

fn hex(bytes: &[u8]) -> Vec<u8> {
    let mut text = b"\\x".to_vec();
    bytes.iter().for_each(|byte| text.extend(format!("{byte:02x}").bytes()));
    text
}

/// How many inputs: Miri takes some thousand times as long.
const fn times(inputs: u64) -> u64 {
    if cfg!(miri) { inputs.div_ceil(500) } else { inputs }
}

#[track_caller]
fn check(input: &[u8], fill: Fill, random: &mut Random, seed: u64) -> u32 {
    let mut expected = input.to_vec();
    let cards = naive::mask_text(&mut expected, fill);
    let mut fast = input.to_vec();
    let fast_cards = mask_text(&mut fast, fill);
    assert!(fast == expected, "bytes differ, seed {seed}, {fill:?}");
    assert_eq!(fast_cards, cards, "seed {seed}, {fill:?}");
    let (pieces, piece_cards) = in_pieces(Scanner::new(fill), input, || random.below(12));
    assert!(pieces == expected, "pieces differ, seed {seed}, {fill:?}");
    assert_eq!(piece_cards, cards, "pieces, seed {seed}, {fill:?}");
    let mut again = expected.clone();
    assert_eq!(naive::mask_text(&mut again, fill), 0, "found again, seed {seed}, {fill:?}");
    assert!(again == expected, "changed again, seed {seed}, {fill:?}");
    cards
}

/// So many from a first one on; the night's shards name both.
fn seeds(inputs: u64) -> std::ops::Range<u64> {
    let number = |name: &str, or: u64| std::env::var(name).map_or(or, |text| text.parse().unwrap());
    let first = number("INTERCEPTOR_PAN_FIRST", 1);
    first..first + number("INTERCEPTOR_PAN_INPUTS", inputs)
}

#[test]
fn equals_the_oracle() {
    let mut cards = [0_u64; 4];
    for seed in seeds(times(100_000)) {
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let input = value(&mut random);
        match seed % 4 {
            0 => cards[0] += u64::from(check(&input, Fill::Number, &mut random, seed)),
            1 => cards[1] += u64::from(check(&input, Fill::Json, &mut random, seed)),
            2 if seed % 8 == 2 => cards[2] += u64::from(check(&hex(&input), Fill::Hex, &mut random, seed)),
            2 => cards[2] += u64::from(check(&input, Fill::Hex, &mut random, seed)),
            _ => cards[3] += u64::from(check(&input, Fill::Text, &mut random, seed)),
        }
    }
    assert!(cfg!(miri) || cards.iter().all(|&cards| cards > 5_000), "the inputs must hold cards: {cards:?}");
}

/// Long enough to need several windows of the hex scan and several blocks of the search for digits.
#[test]
fn equals_the_oracle_on_long_values() {
    for seed in 1..=times(300) {
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let mut input = Vec::new();
        while input.len() < 3000 {
            input.extend(value(&mut random));
            input.extend(std::iter::repeat_n(b'-', random.below(100)));
        }
        check(&input, Fill::Text, &mut random, seed);
        check(&hex(&input), Fill::Hex, &mut random, seed);
        let mut broken = hex(&input);
        let at = 2 + random.below(broken.len() - 2);
        broken[at] = b'!';
        check(&broken, Fill::Hex, &mut random, seed);
    }
}

/// Every backend on long values without a pause, which the fast way goes through.
#[test]
fn every_backend() {
    for backend in Backend::available() {
        let engine = Engine::new(&Settings { backend: Some(backend), ..Settings::default() }).unwrap();
        let engine: &'static Engine = Box::leak(Box::new(engine));
        for seed in 1..=times(1_500) {
            let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
            let mut input = Vec::new();
            let length = 200 + random.below(4000);
            while input.len() < length {
                match seed % 3 {
                    0 => input.extend(value(&mut random)),
                    1 => input.extend(grouped(&mut random).bytes().chain(random.pick(&BESIDE).bytes())),
                    _ => input.extend(number(&mut random, 13 + (seed % 7) as usize).bytes().chain(*b"\n")),
                }
            }
            for fill in [Fill::Text, Fill::Json] {
                let mut expected = input.clone();
                let cards = naive::mask_text_with(engine, &mut expected, fill);
                let (once, found) = in_pieces(Scanner::with(engine, fill), &input, || input.len());
                assert!(once == expected && found == cards, "seed {seed}, {backend:?}, {fill:?}");
                let (pieces, found) = in_pieces(Scanner::with(engine, fill), &input, || random.below(700));
                assert!(pieces == expected && found == cards, "pieces, seed {seed}, {backend:?}, {fill:?}");
            }
        }
    }
}

/// Every backend and format where one place in five or six begins a card, over several blocks.
#[test]
fn every_backend_on_chains() {
    every_backend_and_format(chain);
}

/// The same where many are an account number's.
#[test]
fn every_backend_on_chains_of_accounts() {
    every_backend_and_format(chains_of_accounts);
}

fn every_backend_and_format(chain: impl Fn(&mut Random) -> String) {
    for backend in Backend::available() {
        let first_six = Keep::FirstSixLastFour;
        let formats = [first_six, Keep::FirstEightLastFour, Keep::LastFour, Keep::Nothing].map(|keep| (keep, ""));
        for (keep, heads) in formats.into_iter().chain([(first_six, "123456789")]) {
            let prefix = |digit: char| Prefix { digits: digit.to_string(), lengths: (13..=19).collect() };
            let prefixes = heads.chars().map(prefix).collect();
            let engine = Engine::new(&Settings { keep, prefixes, backend: Some(backend) }).unwrap();
            let engine: &'static Engine = Box::leak(Box::new(engine));
            let mut cards = 0;
            for seed in seeds(times(150)) {
                let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
                let mut input = vec![b' '; random.below(70)];
                let length = if cfg!(miri) { 9_000 } else { 10_000 + random.below(10_000) };
                while input.len() < length {
                    input.extend(chain(&mut random).bytes());
                    if random.below(8) == 0 {
                        input.extend(value(&mut random));
                    }
                    input.extend(random.pick(&BESIDE).bytes());
                }
                for fill in [Fill::Text, Fill::Json] {
                    let mut expected = input.clone();
                    let found = naive::mask_text_with(engine, &mut expected, fill);
                    let (once, ours) = in_pieces(Scanner::with(engine, fill), &input, || input.len());
                    let first = once.iter().zip(&expected).position(|(ours, theirs)| ours != theirs);
                    assert!(
                        first.is_none() && ours == found,
                        "seed {seed}, {backend:?}, {keep:?}, {fill:?}, at {first:?}"
                    );
                    let (pieces, ours) = in_pieces(Scanner::with(engine, fill), &input, || random.below(9_000));
                    assert!(
                        pieces == expected && ours == found,
                        "pieces, seed {seed}, {backend:?}, {keep:?}, {fill:?}"
                    );
                    cards += found;
                }
            }
            assert!(cfg!(miri) || cards > 20_000, "the inputs must hold cards: {cards}");
        }
    }
}

/// Every backend and format on cards whose kept ends begin groupings, wherever a block ends.
#[test]
fn every_backend_on_kept_ends() {
    for backend in Backend::available() {
        let first_six = Keep::FirstSixLastFour;
        for (keep, heads) in [(first_six, ""), (Keep::LastFour, ""), (Keep::Nothing, ""), (first_six, "123456789")] {
            let prefix = |digit: char| Prefix { digits: digit.to_string(), lengths: (13..=19).collect() };
            let prefixes = heads.chars().map(prefix).collect();
            let engine = Engine::new(&Settings { keep, prefixes, backend: Some(backend) }).unwrap();
            let engine: &'static Engine = Box::leak(Box::new(engine));
            let mut cards = 0;
            for seed in 1..=times(150) {
                let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
                let mut input = vec![b' '; random.below(70)];
                while input.len() < if cfg!(miri) { 5_000 } else { 14_000 } {
                    match random.below(8) {
                        0 => input.extend(grouping_before_run(&mut random).bytes()),
                        _ => input.extend(chained_ends(&mut random).bytes()),
                    }
                    match random.below(4) {
                        0 => input.extend(random.pick(&BESIDE).bytes()),
                        1 => input.extend(b"|".repeat(random.below(30))),
                        _ => input.push(b'\n'),
                    }
                }
                let mut expected = input.clone();
                let wanted = naive::mask_text_with(engine, &mut expected, Fill::Text);
                let (once, found) = in_pieces(Scanner::with(engine, Fill::Text), &input, || input.len());
                assert!(once == expected && found == wanted, "seed {seed}, {backend:?}, {keep:?} {heads}");
                let (pieces, found) = in_pieces(Scanner::with(engine, Fill::Text), &input, || 300 + random.below(9000));
                assert!(pieces == expected && found == wanted, "pieces, seed {seed}, {backend:?}, {keep:?} {heads}");
                cards += wanted;
            }
            assert!(cfg!(miri) || cards > 4_000, "{cards}");
        }
    }
}

/// The rest of a track that goes on far behind the block of its card.
#[test]
fn a_long_track_at_the_end_of_a_block() {
    for backend in Backend::available() {
        let engine = Engine::new(&Settings { backend: Some(backend), ..Settings::default() }).unwrap();
        let engine: &'static Engine = Box::leak(Box::new(engine));
        for (before, digits) in
            (3_960..4_100).step_by(7).flat_map(|before| [20, 60, 100, 300].map(|tail| (before, tail)))
        {
            let mut input = vec![b' '; before];
            input.extend(b"4111111111111111=");
            input.extend(std::iter::repeat_n(b'7', digits));
            input.extend(b" 4111111111111111 ".repeat(20));
            let mut expected = input.clone();
            assert_eq!(naive::mask_text_with(engine, &mut expected, Fill::Text), 21);
            let (once, found) = in_pieces(Scanner::with(engine, Fill::Text), &input, || input.len());
            assert!(once == expected && found == 21, "{before} before, {digits} digits, {backend:?}");
        }
    }
}

/// Every backend on blocks whose numbers are all written alike, with now and then something else among them.
#[test]
fn every_backend_on_numbers_alike() {
    for backend in Backend::available() {
        for keep in [Keep::FirstSixLastFour, Keep::FirstEightLastFour, Keep::LastFour, Keep::Nothing] {
            let engine = Engine::new(&Settings { keep, backend: Some(backend), ..Settings::default() }).unwrap();
            let engine: &'static Engine = Box::leak(Box::new(engine));
            let mut cards = 0;
            for seed in 1..=times(60) {
                let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
                let (length, between, other) = (13 + random.below(7), 1 + random.below(120), 2 + random.below(500));
                let separator = random.pick(&SEPARATORS);
                let mut input = vec![b' '; random.below(70)];
                while input.len() < if cfg!(miri) { 5_000 } else { 14_000 } {
                    match seed % 4 {
                        0 => input.extend(grouped_with(&mut random, separator).bytes()),
                        _ => input.extend(number(&mut random, length).bytes()),
                    }
                    match random.below(other) {
                        0 => input.extend(value(&mut random)),
                        1 => input.extend(random.pick(&BESIDE).bytes()),
                        _ => input.push(b'\n'),
                    }
                    input.extend(std::iter::repeat_n(b'|', random.below(between)));
                }
                let mut expected = input.clone();
                let wanted = naive::mask_text_with(engine, &mut expected, Fill::Text);
                let (once, found) = in_pieces(Scanner::with(engine, Fill::Text), &input, || input.len());
                assert!(once == expected && found == wanted, "seed {seed}, {backend:?}, {keep:?}");
                let (pieces, found) =
                    in_pieces(Scanner::with(engine, Fill::Text), &input, || 3000 + random.below(9000));
                assert!(pieces == expected && found == wanted, "pieces, seed {seed}, {backend:?}, {keep:?}");
                cards += wanted;
            }
            assert!(cfg!(miri) || cards > 4_000, "{cards}");
        }
    }
}

/// Digits and one separator alone: chains of cards that overlap each other.
#[test]
fn chains_of_groups() {
    for seed in 1..=times(20_000) {
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let separator = random.pick(&SEPARATORS);
        let group = random.pick(&["4002", "5104", "3600", "6011", "4111"]);
        let mut input = String::new();
        for _ in 0..random.below(14) {
            match random.below(6) {
                0 => (0..random.below(8)).for_each(|_| input.push(char::from(b'0' + random.below(10) as u8))),
                1 => input.push_str(&number(&mut random, 14)),
                _ => input.push_str(group),
            }
            input.push_str(separator);
        }
        check(input.as_bytes(), Fill::Text, &mut random, seed);
        check(input.as_bytes(), Fill::Number, &mut random, seed);
    }
}

/// The other masked formats, whole and in pieces.
#[test]
fn every_format() {
    for keep in [Keep::FirstEightLastFour, Keep::LastFour, Keep::Nothing] {
        let engine: &'static Engine =
            Box::leak(Box::new(Engine::new(&Settings { keep, ..Settings::default() }).unwrap()));
        let mut cards = 0;
        for seed in 1..=times(10_000) {
            let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
            let (input, fill) = (value(&mut random), [Fill::Text, Fill::Number, Fill::Json][(seed % 3) as usize]);
            let mut expected = input.clone();
            cards += naive::mask_text_with(engine, &mut expected, fill);
            let (pieces, _) = in_pieces(Scanner::with(engine, fill), &input, || random.below(40));
            assert!(pieces == expected, "seed {seed}, {keep:?}, {fill:?}");
            let mut again = expected.clone();
            assert_eq!(
                naive::mask_text_with(engine, &mut again, fill),
                0,
                "found again, seed {seed}, {keep:?}, {fill:?}"
            );
        }
        assert!(cfg!(miri) || cards > 1_500);
    }
}

#[test]
fn the_strict_scan_is_at_rest_after_one_pass() {
    for seed in 1..=times(20_000) {
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let input = value(&mut random);
        let masked = Masked::of_bytes(&input);
        assert!(Masked::of(masked.as_str()) == masked, "seed {seed}");
        let mut balanced = masked.as_str().as_bytes().to_vec();
        assert_eq!(mask_text(&mut balanced, Fill::Text), 0, "seed {seed}");
        assert_eq!(masked.as_str().len(), String::from_utf8_lossy(&input).len());
    }
}
