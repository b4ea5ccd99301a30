//! What is no card and looks a little like one: classes of values, one value per field, and how often each may be masked.

use crate::dice::Dice;
use crate::pan::cards;

/// A kind of value.
pub(crate) struct Values {
    pub(crate) title: &'static str,
    /// Cards found per million values that the balanced scan may not exceed.
    pub(crate) budget: Option<u32>,
    pub(crate) value: fn(&mut Dice) -> String,
}

const LOWER: &[u8] = b"0123456789abcdef";
const BASE64: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const CROCKFORD: &[u8] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// 2023-01-01 and the four years from then on, in milliseconds.
const START_MS: u64 = 1_672_531_200_000;
const YEARS_MS: u64 = 4 * 365 * 86_400_000;
const TWITTER_MS: u64 = 1_288_834_974_657;
const DISCORD_MS: u64 = 1_420_070_400_000;
/// Sonyflake counts in tens of milliseconds from 2014-09-01.
const SONY_MS: u64 = 1_409_529_600_000;

/// All of them, in the order of the table.
#[rustfmt::skip] // a table: one class a line
pub(crate) const CLASSES: &[Values] = &[
    Values { title: "random 16-digit id",           budget: Some(30_000), value: |dice| dice.digits(16) },
    Values { title: "random bigint (63 bit)",       budget: Some(15_000), value: |dice| (dice.next() >> 1).to_string() },
    Values { title: "Twitter snowflake (2023-26)",  budget: Some(0),      value: |dice| snowflake(dice, TWITTER_MS) },
    Values { title: "Discord snowflake",            budget: Some(0),      value: |dice| snowflake(dice, DISCORD_MS) },
    Values { title: "Sonyflake-like",               budget: None,         value: sonyflake },
    Values { title: "epoch, milliseconds",          budget: Some(0),      value: |dice| time(dice).to_string() },
    Values { title: "epoch, microseconds",          budget: Some(0),      value: |dice| format!("{}{}", time(dice), dice.digits(3)) },
    Values { title: "epoch, nanoseconds",           budget: Some(0),      value: |dice| format!("{}{}", time(dice), dice.digits(6)) },
    Values { title: "UUIDv4 with dashes",           budget: Some(0),      value: uuid },
    Values { title: "UUID, 32 hex digits",          budget: Some(0),      value: |dice| uuid(dice).replace('-', "") },
    Values { title: "SHA-256, 64 hex digits",       budget: Some(0),      value: |dice| dice.text(LOWER, 64) },
    Values { title: "base64, 44 characters",        budget: Some(0),      value: |dice| dice.text(BASE64, 43) + "=" },
    Values { title: "ULID",                         budget: Some(0),      value: |dice| format!("01{}", dice.text(CROCKFORD, 24)) },
    Values { title: "timestamp as text",            budget: Some(0),      value: timestamp },
    Values { title: "German mobile, 13 digits",     budget: Some(0),      value: |dice| mobile(dice, "") },
    Values { title: "the same with a leading +",    budget: Some(0),      value: |dice| mobile(dice, "+") },
    Values { title: "IBAN DE, compact",             budget: Some(0),      value: |dice| format!("DE{}", dice.digits(20)) },
    Values { title: "IBAN GB, compact",             budget: Some(0),      value: |dice| format!("GB{}NWBK{}", dice.digits(2), dice.digits(14)) },
    Values { title: "IBAN DE, printed in fours",    budget: Some(0),      value: |dice| in_fours(&format!("DE{}", dice.digits(20))) },
    Values { title: "float8 in [0,1)",              budget: Some(0),      value: |dice| fraction(dice).to_string() },
    Values { title: "\"lat,lon\" of float8",        budget: Some(0),      value: |dice| format!("{},{}", fraction(dice) * 180.0 - 90.0, fraction(dice) * 360.0 - 180.0) },
    Values { title: "EAN-13",                       budget: Some(0),      value: |dice| ean(dice, 13) },
    Values { title: "GTIN-14",                      budget: None,         value: |dice| ean(dice, 14) },
    Values { title: "IMEI (check digit by design)", budget: Some(0),      value: |dice| cards::valid(dice, "35", 15) },
    Values { title: "IMEISV, known as bad",         budget: Some(41_000), value: imeisv },
    Values { title: "ICCID (check digit by design)", budget: Some(0),     value: |dice| cards::valid(dice, "8949", 19) },
    Values { title: "order YYYYMMDD + 8 digits",    budget: None,         value: order },
    Values { title: "\"ORD\" + 16 digits",          budget: None,         value: |dice| format!("ORD{}", dice.digits(16)) },
    Values { title: "four random groups of four",   budget: None,         value: |dice| in_fours(&dice.digits(16)) },
    Values { title: "numeric(20,2) as text",        budget: None,         value: |dice| format!("{}.{}", dice.below_wide(1_000_000_000_000_000_000), dice.digits(2)) },
];

fn time(dice: &mut Dice) -> u64 {
    START_MS + dice.below_wide(YEARS_MS)
}

fn snowflake(dice: &mut Dice, epoch: u64) -> String {
    (((time(dice) - epoch) << 22) | dice.below_wide(1 << 22)).to_string()
}

fn sonyflake(dice: &mut Dice) -> String {
    ((((time(dice) - SONY_MS) / 10) << 24) | dice.below_wide(1 << 24)).to_string()
}

fn uuid(dice: &mut Dice) -> String {
    let variant = dice.text(b"89ab", 1);
    let parts = [8, 4, 3, 3, 12].map(|count| dice.text(LOWER, count));
    format!("{}-{}-4{}-{variant}{}-{}", parts[0], parts[1], parts[2], parts[3], parts[4])
}

fn timestamp(dice: &mut Dice) -> String {
    let (date, second) = (date(dice), dice.below(86_400));
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{}-{}-{} {hour:02}:{minute:02}:{second:02}.{}+00", date.0, date.1, date.2, dice.digits(6))
}

fn date(dice: &mut Dice) -> (String, String, String) {
    let (year, month, day) = (2000 + dice.below(40), 1 + dice.below(12), 1 + dice.below(28));
    (format!("{year:04}"), format!("{month:02}"), format!("{day:02}"))
}

fn order(dice: &mut Dice) -> String {
    let (year, month, day) = date(dice);
    format!("{year}{month}{day}{}", dice.digits(8))
}

/// Two type allocation codes of three begin with 35, the others with 01.
fn imeisv(dice: &mut Dice) -> String {
    format!("{}{}", ["35", "35", "01"][dice.below(3)], dice.digits(14))
}

fn mobile(dice: &mut Dice, before: &str) -> String {
    format!("{before}4915{}", dice.digits(9))
}

fn fraction(dice: &mut Dice) -> f64 {
    (dice.next() >> 11) as f64 / (1_u64 << 53) as f64
}

/// With the check digit of GS1: weights 3 and 1 from the right.
fn ean(dice: &mut Dice, length: usize) -> String {
    let body = dice.digits(length - 1);
    let weighed = |(index, byte): (usize, u8)| u32::from(byte - b'0') * if index % 2 == 0 { 3 } else { 1 };
    let sum: u32 = body.bytes().rev().enumerate().map(weighed).sum();
    format!("{body}{}", (10 - sum % 10) % 10)
}

fn in_fours(text: &str) -> String {
    let groups = vec![4; text.len().div_ceil(4)];
    cards::grouped(text, &groups, " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_what_their_titles_say() {
        let mut dice = Dice(5);
        assert_eq!(in_fours("DE123456"), "DE12 3456");
        assert_eq!(uuid(&mut dice).len(), 36);
        assert_eq!(ean(&mut dice, 13).len(), 13);
        for _ in 0..100 {
            assert_eq!(snowflake(&mut dice, TWITTER_MS).len(), 19);
            assert_eq!(time(&mut dice).to_string().len(), 13);
        }
    }
}
