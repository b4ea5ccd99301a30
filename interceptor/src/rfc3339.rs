//! Times as RFC 3339 writes them, to seconds since 1970 and back. The calendar is Howard Hinnant's `days_from_civil` and its inverse
//! (<https://howardhinnant.github.io/date_algorithms.html>).

/// Seconds since 1970 of `2026-11-26T12:00:00Z`; a fraction is cut off, an offset counts. `None`: it is no such time, or before 1970.
pub(crate) fn seconds(text: &str) -> Option<u64> {
    let number = |range: std::ops::Range<usize>| {
        let digits = text.get(range)?;
        digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse::<i64>().ok())?
    };
    let is = |at: usize, of: &[u8]| text.as_bytes().get(at).is_some_and(|byte| of.contains(byte));
    if !(is(4, b"-") && is(7, b"-") && is(10, b"Tt ") && is(13, b":") && is(16, b":")) {
        return None;
    }
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    let (hour, minute, second) = (number(11..13)?, number(14..16)?, number(17..19)?);
    if !(1..=12).contains(&month) || day < 1 || day > days_in(year, month) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let mut rest = text.get(19..)?;
    if let Some(fraction) = rest.strip_prefix('.') {
        rest = fraction.trim_start_matches(|c: char| c.is_ascii_digit());
        if rest.len() == fraction.len() {
            return None;
        }
    }
    let offset_s = offset_s(rest)?;
    let local = days(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second;
    u64::try_from(local - offset_s).ok()
}

/// `Z`, `+02:00`, `-05:30`.
fn offset_s(text: &str) -> Option<i64> {
    if text == "Z" || text == "z" {
        return Some(0);
    }
    let (sign, rest) = match text.strip_prefix('+') {
        Some(rest) => (1, rest),
        None => (-1, text.strip_prefix('-')?),
    };
    let (hours, minutes) = rest.split_once(':')?;
    let two = |text: &str| -> Option<i64> {
        (text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
    };
    let (hours, minutes) = (two(hours)?, two(minutes)?);
    (hours < 24 && minutes < 60).then_some(sign * (hours * 3_600 + minutes * 60))
}

fn days_in(year: i64, month: i64) -> i64 {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// In UTC, to the second.
pub(crate) fn text(seconds: u64) -> String {
    let (day, second) = (seconds / 86_400, seconds % 86_400);
    let shifted = day + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let (day, month) = (
        of_year - (153 * shifted_month + 2) / 5 + 1,
        if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 },
    );
    let year = year + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_and_written() {
        for (text, expected) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2000-02-29T23:59:59Z", 951_868_799),
            ("2026-11-26T12:00:00.123456789Z", 1_795_694_400),
            ("2026-11-26t14:00:00+02:00", 1_795_694_400),
            ("2026-11-26 06:30:00-05:30", 1_795_694_400),
        ] {
            assert_eq!(seconds(text), Some(expected), "{text}");
        }
        for second in [0, 951_868_799, 1_795_694_400, 4_102_444_799] {
            assert_eq!(seconds(&text(second)), Some(second));
        }
        assert_eq!(text(1_795_694_400), "2026-11-26T12:00:00Z");
    }

    #[test]
    fn what_is_no_time_is_none() {
        for text in [
            "",
            "2026-11-26",
            "2026-11-26T12:00:00",
            "2026-11-26T12:00:00.Z",
            "2026-02-29T12:00:00Z",
            "2026-13-01T12:00:00Z",
            "2026-11-26T24:00:00Z",
            "2026-11-26T12:00:00+2:00",
            "2026-11-26T12:00:00Zz",
            "1969-12-31T23:59:59Z",
            "+026-11-26T12:00:00Z",
            "2026-11-26T12:00:00\u{e9}",
        ] {
            assert_eq!(seconds(text), None, "{text}");
        }
    }
}
