//! The strict mode: every evasion that it is there for, and random inputs dense in digits, separators and encodings, on which the scanner
//! equals the oracle, cut anywhere; what it wrote holds no card any more.

#![allow(clippy::unwrap_used, reason = "a test that cannot build its input must fail")]

use pan::{Backend, Engine, Fill, Keep, Masked, Mode, Scanner, Settings, mask_text, strict::naive};

/// A small generator (xorshift64*): the same inputs on every run.
struct Random(u64);

impl Random {
    fn seeded(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

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

const SEPARATORS: [&str; 20] = [
    " ", "-", ".", "_", "/", "\t", "\n", "\u{a0}", "\u{ad}", "\u{200b}", "\u{2009}", "\u{2060}", "\u{3000}",
    "\u{feff}", "%20", "%2D", "\\u0020", "\\u2009", "\\n", "\\t",
];
const BESIDE: [&str; 40] = [
    "",
    "",
    "",
    "",
    " ",
    "x",
    "%B",
    "+",
    ".",
    "\"",
    "\\\"",
    "\\",
    "\\\\",
    ",",
    "D",
    "D2",
    "d25",
    "=25",
    "=",
    "^N^25A?",
    "^N4ME B^25A?x",
    "^",
    "^NAME^",
    "?",
    "*",
    "DE89 ",
    "%",
    "%3",
    "\\u",
    "\\u00",
    "\\u4111",
    "3",
    "33",
    "\u{e9}",
    "\u{ef}",
    "\u{662}",
    "\u{ff11}",
    "\u{d9}",
    "MTIz",
    "\n",
];
const HEADS: [&str; 12] = ["4", "51", "2221", "34", "37", "6011", "36", "300", "3528", "62", "2200", "5018"];

fn luhn(digits: &[u8]) -> bool {
    let value =
        |(index, &digit): (usize, &u8)| u32::from(if index % 2 == 0 { digit } else { digit * 2 / 10 + digit * 2 % 10 });
    digits.iter().rev().enumerate().map(value).sum::<u32>() % 10 == 0
}

/// The digits of a number, mostly with the right check digit, sometimes backward.
fn number(random: &mut Random, length: usize) -> Vec<u8> {
    let mut digits: Vec<u8> = random.pick(&HEADS).bytes().map(|byte| byte - b'0').collect();
    while digits.len() < length {
        digits.push(random.below(10) as u8);
    }
    if random.below(4) > 0 {
        let check = (0..10).find(|&check| luhn(&[&digits[..length - 1], &[check]].concat())).unwrap();
        digits[length - 1] = check;
    }
    if random.below(4) == 0 {
        digits.reverse();
    }
    digits
}

fn text(digits: &[u8]) -> String {
    digits.iter().map(|digit| char::from(b'0' + digit)).collect()
}

fn spelled(digit: u8, kind: usize) -> String {
    let shifted = |first: u32| char::from_u32(first + u32::from(digit)).unwrap().to_string();
    match kind {
        0 => shifted(0xff10),
        1 => shifted(0x660),
        2 => shifted(0x6f0),
        3 => format!("\\u003{digit}"),
        4 => format!("%3{digit}"),
        _ => shifted(0x30),
    }
}

/// A number in one encoding or in several, with separators or without.
fn encoded(random: &mut Random, digits: &[u8]) -> String {
    let (kind, mixed) = (random.below(9), random.below(3) == 0);
    let (separator, often) = (random.pick(&SEPARATORS), random.below(5));
    let mut text = String::new();
    for &digit in digits {
        text.push_str(&spelled(digit, if mixed { random.below(9) } else { kind }));
        for _ in 0..[0, 0, 1, 3, 4][often].min(random.below(5)) {
            text.push_str(if mixed { random.pick(&SEPARATORS) } else { separator });
        }
    }
    text
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn base64(bytes: &[u8], line: usize) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let word = group.iter().fold(0_u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - group.len()));
        for index in 0..=group.len() {
            text.push(char::from(ALPHABET[(word >> (18 - 6 * index) & 63) as usize]));
            if text.len() % (line + 1) == line {
                text.push('\n');
            }
        }
    }
    text
}

fn value(random: &mut Random) -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 0..=random.below(5) {
        let length = 12 + random.below(9);
        let digits = number(random, length);
        match random.below(14) {
            0..=3 => bytes.extend(encoded(random, &digits).bytes()),
            4 => bytes.extend(text(&digits).bytes()),
            5 => (0..random.below(60)).for_each(|_| bytes.push(b'0' + random.below(10) as u8)),
            6 => bytes.extend(hex(text(&digits).as_bytes()).bytes()),
            7 => {
                let separator = random.pick(&[" ", "-", "\n"]);
                let parts: Vec<String> = digits.chunks(4).map(text).collect();
                let spread = parts.join(separator);
                bytes.extend(
                    if random.below(2) == 0 { hex(spread.as_bytes()) } else { base64(spread.as_bytes(), 76) }.bytes(),
                );
            }
            8 => {
                let around = ["", "a", "xy", "\u{e9}pan: "];
                let plain = format!("{}{}{}", random.pick(&around), text(&digits), random.pick(&around));
                let line = [16, 20, 76, 1000][random.below(4)];
                bytes.extend(base64(plain.as_bytes(), line).bytes());
            }
            9 => (0..random.below(60))
                .for_each(|_| bytes.push(*random.pick(&[&b'3', &b'3', &b'0', &b'4', &b'9', &b'2', &b'd']))),
            10 => (0..random.below(30)).for_each(|_| bytes.push(random.next() as u8)),
            11 => bytes.extend(format!("%B{}^DOE/J 4^2512{}?", text(&digits), text(&digits)).bytes()),
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

/// Characters of numbers alone, and not long enough to be read as pairs.
fn is_number(input: &[u8]) -> bool {
    let runs = input.split(|byte| !byte.is_ascii_digit());
    input.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b' '))
        && runs.map(<[u8]>::len).all(|run| run < 26)
}

#[track_caller]
fn check(engine: &'static Engine, input: &[u8], fill: Fill, random: &mut Random, seed: u64) -> u32 {
    let mut expected = input.to_vec();
    let cards = naive::mask_text_with(engine, &mut expected, fill);
    let scanner = Scanner::with_mode(engine, Mode::Strict, fill);
    let mut fast = input.to_vec();
    let whole = scanner.clone().scan(&mut fast, true);
    assert!(fast == expected, "bytes differ, seed {seed}, {fill:?}");
    assert_eq!(whole.cards, cards, "seed {seed}, {fill:?}");
    let most = [2, 12, 300][random.below(3)];
    let (pieces, piece_cards) = in_pieces(scanner, input, || random.below(most));
    assert!(pieces == expected, "pieces differ, seed {seed}, {fill:?}");
    assert_eq!(piece_cards, cards, "pieces, seed {seed}, {fill:?}");
    assert_eq!(String::from_utf8(input.to_vec()).is_ok(), String::from_utf8(fast).is_ok(), "seed {seed}");
    if matches!(fill, Fill::Number | Fill::Json) && !is_number(input) {
        return cards; // the digits that fill a number may write other hex pairs where it stands in the midst of hex text
    }
    let mut again = expected.clone();
    assert_eq!(naive::mask_text_with(engine, &mut again, fill), 0, "found again, seed {seed}, {fill:?}");
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
    let mut cards = [0; 4];
    for seed in seeds(50_000) {
        let mut random = Random::seeded(seed);
        let input = value(&mut random);
        let mut check = |input: &[u8], fill| check(Engine::current(), input, fill, &mut random, seed);
        match seed % 8 {
            0 | 1 => cards[0] += check(&input, Fill::Number),
            2 | 3 => cards[1] += check(&input, Fill::Json),
            4 => cards[2] += check(format!("\\x{}", hex(&input)).as_bytes(), Fill::Hex),
            _ => cards[3] += check(&input, Fill::Text),
        }
    }
    assert!(cards.iter().all(|&cards| cards > 5_000), "the inputs must hold cards: {cards:?}");
}

/// The other masked formats.
#[test]
fn every_format() {
    for keep in [Keep::FirstEightLastFour, Keep::LastFour, Keep::Nothing] {
        let engine: &'static Engine =
            Box::leak(Box::new(Engine::new(&Settings { keep, ..Settings::default() }).unwrap()));
        let mut cards = 0;
        for seed in 1..=3_000_u64 {
            let mut random = Random::seeded(seed);
            let fill = [Fill::Text, Fill::Number, Fill::Json][(seed % 3) as usize];
            let input = value(&mut random);
            cards += check(engine, &input, fill, &mut random, seed);
        }
        assert!(cards > 2_000);
    }
}

/// Long enough for several windows.
#[test]
fn long_values() {
    for seed in 1..=30_u64 {
        let mut random = Random::seeded(seed);
        let mut input = Vec::new();
        while input.len() < 10_000 {
            input.extend(value(&mut random));
            let beside = random.pick(&["-", "3", "7", "x", "M", "\u{ff13}"]);
            (0..random.below(100)).for_each(|_| input.extend(beside.bytes()));
        }
        for fill in [Fill::Text, Fill::Json, Fill::Number] {
            check(Engine::current(), &input, fill, &mut random, seed);
        }
        check(Engine::current(), format!("\\x{}", hex(&input)).as_bytes(), Fill::Hex, &mut random, seed);
    }
}

/// Long runs of digits, which every backend goes through by blocks: random ones, many cards, hex text that is all decimal.
#[test]
fn long_runs_of_digits() {
    for backend in Backend::available() {
        let engine = Engine::new(&Settings { backend: Some(backend), ..Settings::default() }).unwrap();
        let engine: &'static Engine = Box::leak(Box::new(engine));
        let mut cards = 0;
        for seed in 1..=40_u64 {
            let mut random = Random::seeded(seed);
            let mut input = random.pick(&["", "x", "4111 1111 ", "3", "34", "MTEx", "DOMI"]).as_bytes().to_vec();
            let length = 900 + random.below(8000);
            while input.len() < length {
                match random.below(8) {
                    0 => input.extend(hex(text(&number(&mut random, 16)).as_bytes()).bytes()),
                    1 => input.extend(hex(text(&number(&mut random, 16)).as_bytes()).replace('3', "320").bytes()),
                    2 if seed % 4 == 0 => input.extend(random.pick(&BESIDE).bytes()),
                    3 | 4 => input.extend(text(&number(&mut random, 13 + (seed % 7) as usize)).bytes()),
                    _ => (0..200).for_each(|_| input.push(b'0' + random.below(10) as u8)),
                }
            }
            input.extend(random.pick(&BESIDE).bytes());
            let mut expected = input.clone();
            let wanted = naive::mask_text_with(engine, &mut expected, Fill::Text);
            for most in [input.len() + 1, 3000, 700] {
                let scanner = Scanner::with_mode(engine, Mode::Strict, Fill::Text);
                let (pieces, found) = in_pieces(scanner, &input, || most - random.below(1 + most / 8));
                assert!(pieces == expected, "seed {seed}, {backend:?}, {most}");
                assert_eq!(found, wanted, "seed {seed}, {backend:?}, {most}");
            }
            cards += wanted;
        }
        assert!(cards > 1_000);
    }
}

/// Digits in columns, whose height depends on their number: as many as fill columns of a height and few more or less, cards over the ends of columns
/// and of windows, runs that end anywhere, and digits that repeat, so that no column forgets what was covered before it. On every backend, in
/// every format.
#[test]
fn columns_of_digits() {
    const COUNTS: [usize; 12] = [25, 63, 65, 511, 1023, 1024, 1025, 2047, 3073, 4095, 4097, 8300];
    for (backend, keep) in Backend::available().into_iter().flat_map(|backend| {
        [Keep::FirstSixLastFour, Keep::FirstEightLastFour, Keep::LastFour, Keep::Nothing].map(|keep| (backend, keep))
    }) {
        let settings = Settings { backend: Some(backend), keep, ..Settings::default() };
        let engine: &'static Engine = Box::leak(Box::new(Engine::new(&settings).unwrap()));
        let mut cards = 0;
        for (index, count) in COUNTS.into_iter().enumerate() {
            let mut random = Random::seeded(count as u64);
            let period = text(&number(&mut random, 16 + index % 4)) + &text(&number(&mut random, 19))[..index % 6];
            let repeated = period.repeat(count / period.len() + 1)[..count].to_owned();
            let mut mixed = String::new();
            while mixed.len() < count {
                let digits = 13 + random.below(7);
                mixed += &text(&number(&mut random, digits));
                mixed += random.pick(&["", "", "", "", "-", "x", ":::", "    "]);
            }
            mixed.truncate(count);
            for input in [repeated, mixed] {
                cards += check(engine, input.as_bytes(), Fill::Text, &mut random, count as u64);
            }
        }
        assert!(cards > 1_000, "{backend:?}, {keep:?}: {cards}");
    }
}

/// Words of every kind on every backend: digits among few other bytes, so that runs end and gaps widen at every place of a word, and what is
/// read one by one begins at every place.
#[test]
fn words_of_few_bytes() {
    const ALPHABETS: [&[u8]; 9] = [
        b"0123456789",
        b"0123456789 -.\n",
        b"01234567890123456789    -x",
        b"0123456789012345678901234567890123456789=D^d?",
        b"01234567890123456789%34\\u003\xef\xbc\x94\xd9\xa4\xc2\xa0\xe2\x80",
        b"3333333333012456789",
        b"30313233343536373839202dA0",
        b"MNODTjzAEIQwxyz0123\n",
        b"0123456789abcdefABCDEF\"\\{}:,/_+ \t",
    ];
    for backend in Backend::available() {
        let engine = Engine::new(&Settings { backend: Some(backend), ..Settings::default() }).unwrap();
        let engine: &'static Engine = Box::leak(Box::new(engine));
        let mut cards = 0;
        for seed in 1..=1_500_u64 {
            let mut random = Random::seeded(seed);
            let alphabet = ALPHABETS[(seed % 9) as usize];
            let length = [100, 300, 700][random.below(3)];
            let mut input = Vec::new();
            while input.len() < length {
                match random.below(60) {
                    0 => input.extend(random.pick(&BESIDE).bytes()),
                    1 => input.extend(text(&number(&mut random, 13 + (seed % 7) as usize)).bytes()),
                    2 => input.push(random.next() as u8),
                    _ => input.push(alphabet[random.below(alphabet.len())]),
                }
            }
            let fill = if seed % 5 == 0 { Fill::Json } else { Fill::Text };
            let mut expected = input.clone();
            let wanted = naive::mask_text_with(engine, &mut expected, fill);
            for most in [input.len() + 1, 150] {
                let scanner = Scanner::with_mode(engine, Mode::Strict, fill);
                let (pieces, found) = in_pieces(scanner, &input, || 1 + random.below(most));
                assert!(pieces == expected, "seed {seed}, {backend:?}, {most}");
                assert_eq!(found, wanted, "seed {seed}, {backend:?}, {most}");
            }
            cards += wanted;
        }
        assert!(cards > 1_000, "{cards}");
    }
}

/// Digits and separators so widely written that a card spans more than may be held: all of the run goes.
#[test]
fn wide_runs() {
    for seed in 1..=1_000_u64 {
        let mut random = Random::seeded(seed);
        let mut input = String::new();
        for _ in 0..random.below(60) {
            let digit = random.below(10) as u8;
            let kind = [3, 3, 3, 0, 9][random.below(5)];
            input.push_str(&spelled(digit, kind));
            for _ in 0..random.below(5) {
                input.push_str(random.pick(&["\\u0020", "\\u2009", "\\u00a0", "%20", "\u{2009}", " "]));
            }
        }
        check(Engine::current(), input.as_bytes(), Fill::Text, &mut random, seed);
        check(Engine::current(), input.as_bytes(), Fill::Json, &mut random, seed);
    }
    let wide = "4111111111111111".chars().map(|digit| format!("\\u003{digit}\\u0020\\u0020")).collect::<String>();
    let mut masked = wide.clone().into_bytes();
    assert_eq!(Scanner::of(Mode::Strict, Fill::Text).scan(&mut masked, true).cards, 1);
    assert!(masked == wide.replace("\\u0031", "\\u002a").replace("\\u0034", "\\u002a").into_bytes());
}

#[test]
fn numbers() {
    let mut cards = 0;
    for seed in 1..=5_000_u64 {
        let mut random = Random::seeded(seed);
        let mut input = String::new();
        for _ in 0..=random.below(3) {
            let length = 13 + random.below(7);
            let digits = number(&mut random, length);
            input.push_str(random.pick(&["", "", "-", "1", "12", "0."]));
            input.push_str(&text(&digits));
            input.push_str(random.pick(&["", " ", ".", "e", ".25", " -"]));
        }
        cards += check(Engine::current(), input.as_bytes(), Fill::Number, &mut random, seed);
        let mut masked = input.clone().into_bytes();
        mask(&mut masked, Fill::Number);
        assert!(
            masked.iter().zip(input.bytes()).all(|(new, old)| new.is_ascii_digit() == old.is_ascii_digit()),
            "seed {seed}"
        );
    }
    assert!(cards > 5_000);
}

fn mask(value: &mut [u8], fill: Fill) -> u32 {
    Scanner::of(Mode::Strict, fill).scan(value, true).cards
}

#[track_caller]
fn masks(fill: Fill, value: &str, masked: &str) {
    let mut bytes = value.as_bytes().to_vec();
    mask(&mut bytes, fill);
    assert!(bytes == masked.as_bytes(), "{} bytes, {fill:?}", value.len());
    let mut bytes = value.as_bytes().to_vec();
    naive::mask_text(&mut bytes, fill);
    assert!(bytes == masked.as_bytes(), "oracle, {} bytes, {fill:?}", value.len());
}

/// What a scan of content can catch of the ways around it.
#[test]
fn evasions() {
    let text = |value: &str, masked: &str| masks(Fill::Text, value, masked);
    let card =
        |spell: &dyn Fn(u8) -> String| "4111111111111111".bytes().map(|byte| spell(byte - b'0')).collect::<String>();
    let kept = |spell: &dyn Fn(u8) -> String, star: &str| {
        let digits: Vec<String> = "4111111111111111".bytes().map(|byte| spell(byte - b'0')).collect();
        format!("{}{}{}", digits[..6].concat(), star.repeat(6), digits[12..].concat())
    };
    // Beside it: letters, signs, a decimal point, digits.
    text("4111111111111111", "411111******1111");
    text("x4111111111111111y", "x411111******1111y");
    text("+4222222222222", "+4222*****2222");
    text("1.4111111111111111", "1.411111******1111");
    text("00041111111111111112", "000411111******11112");
    // A separator between every digit, and several.
    text(
        "4.1.1.1 1-1-1_1/1\t1\n1\u{a0}1\u{200b}1\u{2060}1\u{feff}1\u{ad}1",
        "4.1.1.1 1-1-*_*/*\t*\n*\u{a0}*\u{200b}1\u{2060}1\u{feff}1\u{ad}1",
    );
    text("4111 - 1111 - 1111 - 1111", "4111 - 11** - **** - 1111");
    text("4111    111111111111", "4111    111111111111"); // four in a row
    // Other digits.
    for (kind, star) in [(0, "***"), (1, "**"), (2, "**"), (3, "\\u002a"), (4, "%2a")] {
        let spell = |digit| spelled(digit, kind);
        text(&card(&spell), &kept(&spell, star));
        text(
            &card(&|digit| spelled(digit, kind) + " "),
            &kept(&|digit| spelled(digit, kind) + " ", &(star.to_owned() + " ")),
        );
    }
    text("\u{ff14}\u{661}11 1111 \u{6f1}111 1111", "\u{ff14}\u{661}11 11** ***** 1111");
    text("4111%201111%2D1111%2e1111", "4111%2011**%2D****%2e1111");
    text("4111\\u00201111\\u20091111\\n1111", "4111\\u002011**\\u2009****\\n1111");
    text("LIKE '%378282246310005%'", "LIKE '%378282*****0005%'");
    // Hex text, bare and as bytea writes it, plain and in groups.
    text(&hex(b"4111111111111111"), "343131313131aa2a2a2a2a2a31313131");
    text(&format!("\\x{}", hex(b"4111-1111-1111-1111")), "\\x343131312d3131aa2a2daa2a2a2a2d31313131");
    // base64 at each alignment, standard and URL-safe, whole and in lines.
    for around in ["", "a", "ab", "abc"] {
        let encoded = base64(format!("{around}4111111111111111{around}").as_bytes(), 1000);
        let mut masked = encoded.clone().into_bytes();
        assert_eq!(mask(&mut masked, Fill::Text), 1);
        let from = around.len() * 4 / 3;
        assert!(masked == format!("{}{}", &encoded[..from], "*".repeat(encoded.len() - from)).as_bytes());
    }
    let lines = base64("a note of some length, and then 4111 1111 1111 1111 with more text".as_bytes(), 60);
    let mut masked = lines.clone().into_bytes();
    assert_eq!(mask(&mut masked, Fill::Text), 1);
    assert!(
        masked.iter().zip(lines.bytes()).all(|(new, old)| (old == b'\n') == (*new == b'\n'))
            && masked.ends_with(b"*****")
    );
    // Backward: the kept ends mirror.
    text("1111111111111114", "1111******111114");
    text("1111 1111 1111 1114", "1111 **** **11 1114");
    // Tracks.
    text("%B4111111111111111^DOE/JOHN^2512101?", "%B411111******1111^DOE/JOHN^*******?");
    text(";4111111111111111=2512101123?", ";411111******1111=**********?");
    text("x4111111111111111D2512101123F", "x411111******1111D**********F");
}

/// What only looks like it stays as it is.
#[test]
fn spared() {
    let spared = |value: &str| masks(Fill::Text, value, value);
    spared("550e8400-e29b-41d4-a716-446655440000");
    spared("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    spared(&base64("an ordinary sentence that was encoded".as_bytes(), 76));
    spared(&hex("only words, nothing less; only words, nothing more".as_bytes()));
    spared("2026-11-21T01:42:08.123456Z some ordinary words, https://host/path/to-something?x=1&y=%20");
    spared("\u{ff11}\u{ff12}\u{661}\u{662} \\u0041\\u0034 %41%42 no number");
}

#[test]
fn json_stays_json() {
    let json = |value: &str, masked: &str| masks(Fill::Json, value, masked);
    json(r#"{"a": "4111111111111111", "b": 4111111111111111}"#, r#"{"a": "411111******1111", "b": 4111110000001111}"#);
    json(r#"{"a": "\u0034111111111111111"}"#, r#"{"a": "\u003411111******1111"}"#);
    json(r#"["\u4111111111111111111"]"#, r#"["\u4111111111111111111"]"#); // its own digits are one character's name
    json(r#"["\nNDExMTExMTExMTExMTExMQ=="]"#, r#"["\n**********************=="]"#);
    json("[1234567890.4111111111111111]", "[1234567890.4111110000001111]");
    for seed in 1..=4_000_u64 {
        let mut random = Random::seeded(seed);
        let mut document = String::from("[");
        for index in 0..=random.below(5) {
            document.push_str(if index > 0 { ", " } else { "" });
            let length = 13 + random.below(7);
            let digits = number(&mut random, length);
            match random.below(3) {
                0 => document.push_str(&format!(
                    "{}{}",
                    random.pick(&["", "-", "0.", "1e"]),
                    text(&digits).trim_start_matches('0')
                )),
                1 => document.push_str(&format!("\"{}\"", base64(text(&digits).as_bytes(), 1000))),
                _ => {
                    let kinds = encoded(&mut random, &digits).replace(['\t', '\n'], " ");
                    document.push_str(&format!(
                        "\"{}{kinds}\"",
                        random.pick(&["", "\\n", "\\\\", "\\u00e9", "\\u4111", "\\\""])
                    ));
                }
            }
        }
        document.push(']');
        assert!(is_json(&document), "the test's own document, seed {seed}");
        let cards = check(Engine::current(), document.as_bytes(), Fill::Json, &mut random, seed);
        let mut masked = document.clone().into_bytes();
        mask(&mut masked, Fill::Json);
        assert!(is_json(std::str::from_utf8(&masked).unwrap()), "seed {seed}");
        let mut again = masked.clone();
        assert!(cards == 0 || mask(&mut again, Fill::Json) == 0 && again == masked, "found again, seed {seed}");
    }
}

/// Whether a text is an array of numbers and strings, by RFC 8259.
fn is_json(text: &str) -> bool {
    let (mut rest, mut first) = (text.strip_prefix('[').unwrap_or(""), true);
    loop {
        rest = rest.trim_start_matches(if first { "" } else { ", " });
        first = false;
        let after = match rest.strip_prefix('"') {
            Some(rest) => string(rest),
            None => numeral(rest),
        };
        let Some(after) = after else { return false };
        match after {
            "]" => return true,
            _ => rest = after,
        }
    }
}

fn string(mut rest: &str) -> Option<&str> {
    loop {
        let mut chars = rest.chars();
        match chars.next()? {
            '"' => return Some(chars.as_str()),
            '\\' => match chars.next()? {
                'u' => {
                    let (digits, after) = chars.as_str().split_at_checked(4)?;
                    u16::from_str_radix(digits, 16).ok()?;
                    rest = after;
                    continue;
                }
                '"' | '\\' | '/' | 'b' | 'f' | 'n' | 'r' | 't' => {}
                _ => return None,
            },
            '\0'..='\x1f' => return None,
            _ => {}
        }
        rest = chars.as_str();
    }
}

fn numeral(text: &str) -> Option<&str> {
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let mut rest = text.strip_prefix('-').unwrap_or(text);
    let whole = digits(rest);
    (whole == 1 || whole > 1 && !rest.starts_with('0')).then_some(())?;
    rest = &rest[whole..];
    for mark in ['.', 'e'] {
        if let Some(after) = rest.strip_prefix(mark) {
            let count = digits(after);
            (count > 0).then_some(())?;
            rest = &after[count..];
        }
    }
    Some(rest)
}

/// What we write down ourselves is at rest after one pass, for both modes.
#[test]
fn records_are_at_rest() {
    for seed in 1..=5_000_u64 {
        let mut random = Random::seeded(seed);
        let input = value(&mut random);
        let masked = Masked::of_bytes(&input);
        assert!(Masked::of(masked.as_str()) == masked, "seed {seed}");
        let mut balanced = masked.as_str().as_bytes().to_vec();
        assert_eq!(mask_text(&mut balanced, Fill::Text), 0, "seed {seed}");
        assert_eq!(masked.as_str().len(), String::from_utf8_lossy(&input).len());
    }
}
