//! Times as RFC 3339 writes them, to seconds since 1970 and back.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Seconds since 1970 of `2026-11-26T12:00:00Z`; a fraction is cut off, an offset counts. `None`: it is no such time, or before 1970.
pub(crate) fn seconds(text: &str) -> Option<u64> {
    u64::try_from(OffsetDateTime::parse(text, &Rfc3339).ok()?.unix_timestamp()).ok()
}

/// In UTC, to the second; the latest that can be written (in the year 9999) stands for what is beyond.
pub(crate) fn text(seconds: u64) -> String {
    const LATEST: i64 = 253_402_300_799;
    let seconds = i64::try_from(seconds).map_or(LATEST, |seconds| seconds.min(LATEST));
    let at = OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    at.format(&Rfc3339).unwrap_or_default()
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
