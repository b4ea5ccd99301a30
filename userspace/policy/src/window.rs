//! When a rule is there: `valid` (from, until) and `hours` of the week, in UTC unless an offset is written.

/// Seconds of a day.
const DAY_S: i64 = 86_400;

/// The times of one rule. Absent parts: always.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Window {
    /// From (inclusive) and until (exclusive), seconds since 1970 in UTC.
    valid: Option<(i64, i64)>,
    hours: Vec<Hours>,
}

/// One span of every week.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Hours {
    /// Monday first.
    days: [bool; 7],
    /// Seconds after midnight; `until` may lie on the next day.
    from_s: i64,
    until_s: i64,
    /// East of UTC.
    offset_s: i64,
}

impl Window {
    /// `"2026-01-01/2026-02-01"`: the whole of January; times of day and an offset may follow each date
    /// (`2026-01-01T08:00+01:00`).
    pub(crate) fn set_valid(&mut self, text: &str) -> Option<()> {
        let (from, until) = text.split_once('/')?;
        let (from, until) = (instant(from.trim())?, instant(until.trim())?);
        self.valid = Some((from, until));
        (from < until).then_some(())
    }

    /// `"mon-fri 08:00-18:00"`, `"sat 22:00-06:00 +01:00"`, several of them between commas; without days: every day. A span
    /// that ends before it begins ends on the next day.
    pub(crate) fn set_hours(&mut self, text: &str) -> Option<()> {
        self.hours = text.split(',').map(|span| hours(span.trim())).collect::<Option<_>>()?;
        Some(())
    }

    /// Is the rule there at that second?
    pub(crate) fn is_open(&self, wall_s: i64) -> bool {
        let valid = self.valid.is_none_or(|(from, until)| (from..until).contains(&wall_s));
        valid && (self.hours.is_empty() || self.hours.iter().any(|hours| hours.is_open(wall_s)))
    }

    /// The next second at which it may open or close.
    pub(crate) fn next_change(&self, wall_s: i64) -> Option<i64> {
        let edges = self.valid.into_iter().flat_map(|(from, until)| [from, until]);
        let edges = edges.chain(self.hours.iter().flat_map(|hours| hours.edges(wall_s)));
        edges.filter(|edge| *edge > wall_s).min()
    }
}

impl Hours {
    /// Local midnights from yesterday to a week ahead, and whether a span begins on that day.
    fn days_around(&self, wall_s: i64) -> impl Iterator<Item = (i64, bool)> {
        let today = wall_s.saturating_add(self.offset_s).div_euclid(DAY_S);
        (-1..=8).map(move |ahead| {
            let day = today + ahead;
            // 1970-01-01 was a Thursday, day 3 of a week that begins on Monday.
            let weekday = usize::try_from((day + 3).rem_euclid(7)).unwrap_or_default();
            (day.saturating_mul(DAY_S) - self.offset_s, self.days.get(weekday).copied().unwrap_or_default())
        })
    }

    fn is_open(&self, wall_s: i64) -> bool {
        self.days_around(wall_s)
            .any(|(midnight, begins)| begins && (midnight + self.from_s..midnight + self.until_s).contains(&wall_s))
    }

    fn edges(&self, wall_s: i64) -> Vec<i64> {
        let days = self.days_around(wall_s).filter(|(_, begins)| *begins);
        days.flat_map(|(midnight, _)| [midnight + self.from_s, midnight + self.until_s]).collect()
    }
}

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

fn hours(text: &str) -> Option<Hours> {
    let mut words: Vec<&str> = text.split_ascii_whitespace().collect();
    let days = match words.first()?.starts_with(|c: char| c.is_ascii_alphabetic()) {
        true => days(words.remove(0))?,
        false => [true; 7],
    };
    let (span, offset) = match words.as_slice() {
        [span] => (*span, "Z"),
        [span, offset] => (*span, *offset),
        _ => return None,
    };
    let (from, until) = span.split_once('-')?;
    let (from_s, until_s) = (time_of_day(from)?, time_of_day(until)?);
    if from_s == until_s || from_s == DAY_S {
        return None;
    }
    let until_s = if until_s < from_s { until_s + DAY_S } else { until_s };
    Some(Hours { days, from_s, until_s, offset_s: offset_s(offset)? })
}

fn days(text: &str) -> Option<[bool; 7]> {
    let position = |name: &str| DAYS.iter().position(|day| *day == name);
    let (first, last) = match text.split_once('-') {
        Some((first, last)) => (position(first)?, position(last)?),
        None => (position(text)?, position(text)?),
    };
    let mut days = [false; 7];
    for ahead in 0..=(last + 7 - first) % 7 {
        if let Some(day) = days.get_mut((first + ahead) % 7) {
            *day = true;
        }
    }
    Some(days)
}

/// `08:00` or `08:00:30`, up to `24:00`.
fn time_of_day(text: &str) -> Option<i64> {
    let mut parts = text.split(':').map(two_digits);
    let (hours, minutes) = (parts.next()??, parts.next()??);
    let seconds = parts.next().unwrap_or(Some(0))?;
    let total = hours * 3600 + minutes * 60 + seconds;
    (parts.next().is_none() && minutes < 60 && seconds < 60 && total <= DAY_S).then_some(total)
}

fn two_digits(text: &str) -> Option<i64> {
    (text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok())?
}

/// `Z`, `UTC`, `+02:00`.
fn offset_s(text: &str) -> Option<i64> {
    let (sign, rest) = match text {
        "Z" | "UTC" => return Some(0),
        _ => match text.split_at_checked(1)? {
            ("+", rest) => (1, rest),
            ("-", rest) => (-1, rest),
            _ => return None,
        },
    };
    time_of_day(rest).filter(|offset| *offset <= 14 * 3600).map(|offset| sign * offset)
}

/// Seconds since 1970 of `2026-01-01` or `2026-01-01T08:00`, either with an offset (`Z`, `+02:00`), else UTC.
pub fn instant(text: &str) -> Option<i64> {
    let (date, rest) = text.split_at_checked(10)?;
    let midnight = date_s(date)?;
    let Some(rest) = rest.strip_prefix('T') else {
        return Some(midnight - if rest.is_empty() { 0 } else { offset_s(rest)? });
    };
    let at = rest.find(['+', '-', 'Z', 'U']).unwrap_or(rest.len());
    let (time, offset) = rest.split_at_checked(at)?;
    Some(midnight + time_of_day(time)? - if offset.is_empty() { 0 } else { offset_s(offset)? })
}

/// Seconds from 1970 to the beginning of a day (the era method of counting days).
fn date_s(text: &str) -> Option<i64> {
    let mut parts = text.splitn(3, '-');
    let year_text = parts.next()?;
    let year: i64 =
        (year_text.len() == 4 && year_text.bytes().all(|b| b.is_ascii_digit())).then(|| year_text.parse().ok())??;
    let (month, day) = (two_digits(parts.next()?)?, two_digits(parts.next()?)?);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let month_days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => return None,
    };
    if !(1..=month_days).contains(&day) || year < 1970 {
        return None;
    }
    // Years begin in March, so that the leap day is their last.
    let (y, m) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let day_of_year = (153 * m + 2) / 5 + day - 1;
    let days = 365 * y + y / 4 - y / 100 + y / 400 + day_of_year - 719_468;
    Some(days * DAY_S)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants() {
        for (text, expected) in [
            ("1970-01-01", Some(0)),
            ("2000-02-29", Some(951_782_400)),
            ("2026-01-01", Some(1_767_225_600)),
            ("2026-01-01T01:00+01:00", Some(1_767_225_600)),
            ("2025-12-31T19:00:00-05:00", Some(1_767_225_600)),
            ("2026-01-01Z", Some(1_767_225_600)),
            ("2025-02-29", None),
            ("2026-13-01", None),
            ("2026-1-1", None),
            ("2026-01-01T25:00", None),
            ("2026-01-01 08:00", None),
            ("today", None),
        ] {
            assert_eq!(instant(text), expected, "{text}");
        }
    }

    fn open(hours: &str, at: &str) -> bool {
        let mut window = Window::default();
        window.set_hours(hours).unwrap();
        window.is_open(instant(at).unwrap())
    }

    #[test]
    fn hours_of_the_week() {
        // 2026-01-02 is a Friday.
        for (hours, at, expected) in [
            ("mon-fri 08:00-18:00", "2026-01-02T08:00", true),
            ("mon-fri 08:00-18:00", "2026-01-02T07:59:59", false),
            ("mon-fri 08:00-18:00", "2026-01-02T18:00", false),
            ("mon-fri 08:00-18:00", "2026-01-03T12:00", false),
            ("fri-mon 00:00-24:00", "2026-01-04T12:00", true),
            ("fri-mon 00:00-24:00", "2026-01-06T00:00", false),
            ("08:00-18:00", "2026-01-03T12:00", true),
            ("fri 22:00-06:00", "2026-01-03T05:59", true),
            ("fri 22:00-06:00", "2026-01-02T05:59", false),
            ("fri 08:00-18:00 +02:00", "2026-01-02T06:00", true),
            ("fri 08:00-18:00 +02:00", "2026-01-02T16:00", false),
            ("mon 08:00-09:00, fri 10:00-11:00", "2026-01-02T10:30", true),
        ] {
            assert_eq!(open(hours, at), expected, "{hours} {at}");
        }
    }

    #[test]
    fn malformed_windows() {
        for hours in [
            "",
            "mon",
            "mon-fri",
            "08:00",
            "funday 08:00-09:00",
            "08:00-08:00",
            "8:00-9:00",
            "08:00-25:00",
            "mon 08:00-09:00 x",
            "24:00-01:00",
            "mon 08:00-09:00 CET",
        ] {
            assert_eq!(Window::default().set_hours(hours), None, "{hours}");
        }
        for valid in ["", "2026-01-01", "2026-02-01/2026-01-01", "2026-01-01/2026-01-01", "x/y"] {
            assert_eq!(Window::default().set_valid(valid), None, "{valid}");
        }
    }

    #[test]
    fn the_next_change() {
        let mut window = Window::default();
        window.set_valid("2026-01-01/2026-02-01").unwrap();
        window.set_hours("mon-fri 08:00-18:00").unwrap();
        for (at, expected) in [
            ("2025-01-01", "2025-01-01T08:00"),
            ("2026-01-02T08:00", "2026-01-02T18:00"),
            ("2026-01-02T18:00", "2026-01-05T08:00"),
        ] {
            assert_eq!(window.next_change(instant(at).unwrap()), instant(expected), "{at}");
        }
        let mut window = Window::default();
        window.set_valid("2026-01-01/2026-02-01").unwrap();
        assert_eq!(window.next_change(instant("2026-02-01").unwrap()), None);
        assert_eq!(Window::default().next_change(0), None);
    }
}
