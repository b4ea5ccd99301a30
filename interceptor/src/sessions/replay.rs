//! `sessions replay`: a session's records in the time that they took, or a key for each.

use std::io::{BufRead, BufWriter, IsTerminal, Write};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use audit::RecordId;

use super::{Asked, play};

/// How a session is played.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// So much faster than it was.
    pub speed: f64,
    /// A key for each record instead.
    pub step: bool,
}

/// What passes before a record is shown.
enum Between<'a> {
    /// A line of whoever looks on.
    Key(&'a mut dyn BufRead),
    /// The time since the record before, so much faster.
    Time { speed: f64, pause: &'a mut dyn FnMut(Duration) },
}

/// `sessions replay`: exit 1 where there is none.
pub fn replay(asked: Asked<'_>, id: RecordId, pace: Pace) -> Result<u8> {
    if !(pace.speed.is_finite() && pace.speed > 0.0) {
        bail!("--speed wants a number above 0, such as 10");
    }
    let keys = std::io::stdin();
    if pace.step && !keys.is_terminal() {
        bail!("--step waits for a key: it wants a terminal");
    }
    let (mut keys, mut pause) = (keys.lock(), std::thread::sleep);
    let between = match pace.step {
        true => Between::Key(&mut keys),
        false => Between::Time { speed: pace.speed, pause: &mut pause },
    };
    paced(asked, id, between, &mut BufWriter::new(std::io::stdout().lock()))
}

fn paced(asked: Asked<'_>, id: RecordId, mut between: Between<'_>, out: &mut impl Write) -> Result<u8> {
    let mut last = None;
    play(asked, &format!("sessions replay {id}"), id, out, |wall_ns, out| {
        // What was written is seen before anybody waits.
        out.flush().context("cannot write")?;
        match &mut between {
            Between::Key(keys) => _ = keys.read_line(&mut String::new()).context("cannot read a key")?,
            Between::Time { speed, pause } => {
                // A record that is gone took no time that anybody knows of.
                let Some(wall_ns) = wall_ns else { return Ok(()) };
                let waited = last.replace(wall_ns).map_or(0, |last| wall_ns.saturating_sub(last));
                pause(faster(Duration::from_nanos(waited), *speed));
            }
        }
        Ok(())
    })
}

/// At a speed near 0 it is longer than a duration can be.
fn faster(waited: Duration, speed: f64) -> Duration {
    Duration::try_from_secs_f64(waited.as_secs_f64() / speed).unwrap_or(Duration::MAX)
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::io::{self, BufReader, Read};
    use std::path::Path;

    use audit::segment::file_name;
    use serde_json::Value;

    use super::*;
    use crate::search::tests::{Record, Told};

    /// A session of a second between two records, and its id.
    fn session(name: &str, statements: usize) -> (Record, RecordId) {
        let mut record = Record::new(name, 1);
        let id = record.begins(0, 1, "reconciler");
        for number in 0..statements {
            record.statement(0, 1, &Told::allowed(&format!("SELECT {number}"), 1, 0));
        }
        record.segments();
        (record, id)
    }

    fn asked(record: &Record, as_json: bool) -> Asked<'_> {
        Asked { config: Path::new("/nowhere/interceptor.toml"), folder: Some(&record.folder), as_json }
    }

    /// What is shown, and what was waited before each record.
    fn timed(record: &Record, id: RecordId, speed: f64) -> (Vec<String>, Vec<Duration>) {
        let (mut pauses, mut out) = (Vec::new(), Vec::new());
        let mut pause = |pause| pauses.push(pause);
        let between = Between::Time { speed, pause: &mut pause };
        assert_eq!(paced(asked(record, true), id, between, &mut out).unwrap(), 0);
        (String::from_utf8(out).unwrap().lines().map(str::to_owned).collect(), pauses)
    }

    #[test]
    fn the_time_between_records_is_divided_by_the_speed() {
        let (record, id) = session("replay-speed", 2);
        // A statement is shown with its outcome, which came a second after it.
        for (speed, millis) in [(1.0, [0, 1000, 2000]), (10.0, [0, 100, 200]), (0.5, [0, 2000, 4000])] {
            let (lines, pauses) = timed(&record, id, speed);
            assert_eq!(lines.len(), 3);
            assert_eq!(pauses, millis.map(Duration::from_millis), "{speed}");
        }
    }

    #[test]
    fn speeds_near_nought_and_beyond_all_measure_are_no_fault() {
        let (second, long) = (Duration::from_secs(1), Duration::from_nanos(u64::MAX));
        assert_eq!(faster(long, f64::MIN_POSITIVE), Duration::MAX);
        assert_eq!(faster(second, f64::MAX), Duration::ZERO);
        assert_eq!(faster(Duration::ZERO, f64::MIN_POSITIVE), Duration::ZERO);
    }

    #[test]
    fn a_record_that_is_gone_takes_no_time() {
        let (record, id) = session("replay-gone", 200);
        let (whole, _) = timed(&record, id, 1.0);
        std::fs::remove_file(record.folder.join(file_name(0, 2))).unwrap();
        let (lines, pauses) = timed(&record, id, 1.0);
        let gone = lines.iter().filter(|line| line.contains("\"gone\":true")).count();
        assert_eq!((lines.len(), pauses.len()), (whole.len(), whole.len() - gone));
        assert!(gone > 0 && gone < 200, "{gone}");
        // Two seconds a statement, the last ones after the hole.
        assert_eq!(pauses.iter().sum::<Duration>(), Duration::from_secs(399));
    }

    /// What happened, in its order: a key that was read, a line that was seen.
    #[derive(Default)]
    struct Screen {
        seen: RefCell<Vec<String>>,
    }

    impl Read for &Screen {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.seen.borrow_mut().push("key".to_owned());
            buffer[0] = b'\n';
            Ok(1)
        }
    }

    /// What is written is seen when it is flushed.
    struct Out<'a>(&'a Screen, Vec<u8>);

    impl Write for Out<'_> {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.1.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            let text = String::from_utf8(std::mem::take(&mut self.1)).unwrap();
            self.0.seen.borrow_mut().extend(text.lines().map(str::to_owned));
            Ok(())
        }
    }

    #[test]
    fn a_step_shows_one_record_behind_each_key() {
        let (record, id) = session("replay-step", 2);
        let screen = Screen::default();
        let mut keys = BufReader::new(&screen);
        let between = Between::Key(&mut keys);
        assert_eq!(paced(asked(&record, true), id, between, &mut Out(&screen, Vec::new())).unwrap(), 0);
        let seen = screen.seen.borrow();
        let types = seen.iter().map(|line| match line.as_str() {
            "key" => "key".to_owned(),
            line => {
                let record: Value = serde_json::from_str(line).unwrap();
                assert_eq!(record["session_record"], id.to_string());
                record["type"].as_str().unwrap().to_owned()
            }
        });
        let types: Vec<String> = types.collect();
        assert_eq!(types, ["key", "session-start", "key", "decision", "key", "decision"]);
    }

    #[test]
    fn a_speed_that_is_none_is_refused() {
        let (record, id) = session("replay-refused", 0);
        for speed in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            let why = replay(asked(&record, false), id, Pace { speed, step: false }).unwrap_err();
            assert!(why.to_string().contains("--speed wants a number above 0"), "{speed}: {why}");
        }
    }
}
