//! Tables of the README that a command regenerates: what stands between two markers is the command's.

/// Replaces what stands between `<!-- NAME: … -->` and `<!-- /NAME -->` in the README.
pub(crate) fn replace(name: &str, body: &str) -> Result<(), String> {
    replace_in("README.md", name, body)
}

/// The same in another file.
pub(crate) fn replace_in(path: &str, name: &str, body: &str) -> Result<(), String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
    let replaced = replaced(&text, name, body).ok_or_else(|| format!("{path}: no markers for `{name}`"))?;
    std::fs::write(path, replaced).map_err(|error| format!("{path}: {error}"))?;
    println!("\n  written: {path}, between the markers of `{name}`");
    Ok(())
}

fn replaced(text: &str, name: &str, body: &str) -> Option<String> {
    let open = text.find(&format!("<!-- {name}:"))?;
    let from = open + text.get(open..)?.find("-->")? + "-->".len();
    let to = from + text.get(from..)?.find(&format!("<!-- /{name} -->"))?;
    Some(format!("{}\n{}\n{}", text.get(..from)?, body.trim_end(), text.get(to..)?))
}

/// The day of a report, by the machine's clock.
pub(crate) fn today() -> String {
    let seconds = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |now| now.as_secs());
    // Days since 1970 to a date of the Gregorian calendar, in years that begin in March.
    let days = seconds / 86_400 + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let of_year = day - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let (date, month) = (of_year - (153 * month + 2) / 5 + 1, if month < 10 { month + 3 } else { month - 9 });
    format!("{}-{month:02}-{date:02}", era * 400 + year + u64::from(month <= 2))
}

/// What the figures were measured on.
pub(crate) fn processor() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let line = info.lines().find(|line| line.starts_with("model name")).unwrap_or("model name: unknown");
    line.split_once(':').map_or(line, |(_, name)| name).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn between_its_markers() {
        let text = "a\n<!-- t: made by x -->\nold\n<!-- /t -->\nb\n";
        assert_eq!(replaced(text, "t", "new").unwrap(), "a\n<!-- t: made by x -->\nnew\n<!-- /t -->\nb\n");
        assert_eq!(replaced(text, "u", "new"), None);
    }
}
