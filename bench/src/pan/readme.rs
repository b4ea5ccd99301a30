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
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let mut time = audit::show::time(u64::try_from(now.as_nanos()).unwrap_or(0));
    time.truncate("2026-11-26".len());
    time
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
