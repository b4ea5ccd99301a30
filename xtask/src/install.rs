//! `install` and `uninstall`: the service on this host, or below another root for a package or an image.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::shell;

/// What is installed: from the build or the checkout, to, mode. Configuration that is there already stays.
struct File {
    from: &'static str,
    to: &'static str,
    mode: u32,
    keep: bool,
}

const FILES: &[File] = &[
    File { from: "target/release/interceptor", to: "usr/bin/interceptor", mode: 0o755, keep: false },
    File {
        from: "systemd/interceptor-attach.service",
        to: "usr/lib/systemd/system/interceptor-attach.service",
        mode: 0o644,
        keep: false,
    },
    File {
        from: "systemd/interceptor.service",
        to: "usr/lib/systemd/system/interceptor.service",
        mode: 0o644,
        keep: false,
    },
    File {
        from: "systemd/interceptor-ship.service",
        to: "usr/lib/systemd/system/interceptor-ship.service",
        mode: 0o644,
        keep: false,
    },
    File {
        from: "systemd/interceptor-retain.service",
        to: "usr/lib/systemd/system/interceptor-retain.service",
        mode: 0o644,
        keep: false,
    },
    File {
        from: "systemd/interceptor-retain.timer",
        to: "usr/lib/systemd/system/interceptor-retain.timer",
        mode: 0o644,
        keep: false,
    },
    File { from: "systemd/sysusers.conf", to: "usr/lib/sysusers.d/interceptor.conf", mode: 0o644, keep: false },
    File { from: "systemd/tmpfiles.conf", to: "usr/lib/tmpfiles.d/interceptor.conf", mode: 0o644, keep: false },
    File { from: "docs/OPERATING.md", to: "usr/share/doc/interceptor/OPERATING.md", mode: 0o644, keep: false },
    File { from: "LICENSE", to: "usr/share/doc/interceptor/LICENSE", mode: 0o644, keep: false },
    File { from: "systemd/interceptor.toml", to: "etc/interceptor/interceptor.toml", mode: 0o640, keep: true },
    File { from: "systemd/policy.toml", to: "etc/interceptor/policy.toml", mode: 0o640, keep: true },
];

/// Folders that are ours alone and go with the last file.
const FOLDERS: &[&str] = &["etc/interceptor", "usr/share/doc/interceptor"];

/// The folders of the record: the service's, and root's own beside it.
const RECORD: &[&str] = &["var/lib/interceptor", "var/lib/interceptor-host"];

/// The most exposure that each unit may have, in tenths (`systemd-analyze security`). The service's was 13 before it read the clock's
/// state: adjtimex counts as @clock, @privileged and ProtectClock, 0.5 in all, though nobody sets a clock without CAP_SYS_TIME (0127).
const EXPOSURE: &[(&str, u32)] = &[
    ("systemd/interceptor.service", 14),
    ("systemd/interceptor-attach.service", 20),
    ("systemd/interceptor-ship.service", 20),
    ("systemd/interceptor-retain.service", 13),
];

struct Options {
    root: PathBuf,
    host: bool,
    purge: bool,
    keep_records: bool,
}

fn options(args: &[String]) -> Result<Options> {
    let mut options = Options { root: "/".into(), host: true, purge: false, keep_records: false };
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--root" => {
                options.root = args.next().context("--root needs a folder")?.into();
                options.host = options.root == Path::new("/");
            }
            "--purge" => options.purge = true,
            "--keep-records" => options.keep_records = true,
            other => bail!("`{other}` is not known; there are --root DIR, --purge and --keep-records"),
        }
    }
    Ok(options)
}

/// `cargo xtask install [--root DIR]`.
pub(crate) fn install(args: &[String]) -> Result<()> {
    let options = options(args)?;
    crate::setup::ensure()?;
    shell::step("build");
    shell::run(shell::cargo(&["build", "--release", "--package", "interceptor", "--features", "saml"]))?;
    shell::step(&format!("install below {}", options.root.display()));
    for file in FILES {
        let to = options.root.join(file.to);
        if file.keep && to.exists() {
            println!("  {} stays as it is", to.display());
            continue;
        }
        let from = if file.from.starts_with("target/") {
            shell::target().join(&file.from[7..])
        } else {
            shell::root().join(file.from)
        };
        let mode = format!("{:o}", file.mode);
        shell::run(rights(&options, "install", &["-D", "-m", &mode, &from.to_string_lossy(), &to.to_string_lossy()])?)?;
    }
    if options.host {
        shell::run(shell::as_root("systemd-sysusers", &["/usr/lib/sysusers.d/interceptor.conf"])?)?;
        shell::run(shell::as_root("systemd-tmpfiles", &["--create", "/usr/lib/tmpfiles.d/interceptor.conf"])?)?;
        for file in ["/etc/interceptor/interceptor.toml", "/etc/interceptor/policy.toml"] {
            shell::run(shell::as_root("chgrp", &["interceptor", file])?)?;
        }
        if under_systemd() {
            shell::run(shell::as_root("systemctl", &["daemon-reload"])?)?;
        }
        println!("\n  Next: edit /etc/interceptor/interceptor.toml, `interceptor check`, `interceptor doctor`,");
        println!("  then `systemctl enable --now interceptor-attach interceptor`.");
    }
    Ok(())
}

/// `cargo xtask uninstall [--root DIR] [--purge | --keep-records]`.
pub(crate) fn uninstall(args: &[String]) -> Result<()> {
    let options = options(args)?;
    let mut states = RECORD.iter().map(|folder| options.root.join(folder));
    let kept = states.find(|state| state.read_dir().is_ok_and(|mut entries| entries.next().is_some()));
    if let Some(state) = kept.filter(|_| !options.purge && !options.keep_records) {
        bail!("{} holds records, which are evidence: say --purge to delete them, or --keep-records", state.display());
    }
    if options.host && under_systemd() {
        // A unit that is not there is no failure of its removal.
        let _ = shell::as_root("systemctl", &["disable", "--now", "interceptor", "interceptor-attach"])?.status();
    }
    if options.host && Path::new("/usr/bin/interceptor").exists() {
        shell::run(shell::as_root("/usr/bin/interceptor", &["detach"])?)?;
    }
    for file in FILES {
        shell::run(rights(&options, "rm", &["-f", &options.root.join(file.to).to_string_lossy()])?)?;
    }
    let mut folders: Vec<&str> = FOLDERS.to_vec();
    if !options.keep_records {
        folders.extend(RECORD);
    }
    for folder in folders {
        shell::run(rights(&options, "rm", &["-rf", &options.root.join(folder).to_string_lossy()])?)?;
    }
    if options.host {
        shell::run(shell::as_root("rm", &["-rf", "/run/interceptor"])?)?;
        if !options.keep_records && shell::output("id", &["interceptor"]).is_some() {
            shell::run(shell::as_root("userdel", &["interceptor"])?)?;
        }
        if under_systemd() {
            shell::run(shell::as_root("systemctl", &["daemon-reload"])?)?;
        }
    } else {
        remove_empty_parents(&options.root);
    }
    println!("  removed");
    Ok(())
}

/// Below another root the folders that we had to make go too, deepest first, where they are empty.
fn remove_empty_parents(root: &Path) {
    let mut parents: Vec<PathBuf> = FILES
        .iter()
        .flat_map(|f| Path::new(f.to).ancestors().skip(1).map(|a| root.join(a)).collect::<Vec<_>>())
        .filter(|p| p != root)
        .collect();
    parents.sort_by_key(|p| std::cmp::Reverse(p.components().count()));
    parents.dedup();
    for parent in parents {
        let _ = std::fs::remove_dir(parent); // fails where it is not empty: then it is not ours
    }
}

/// Another root is the caller's own folder; the host's needs root.
fn rights(options: &Options, program: &str, args: &[&str]) -> Result<std::process::Command> {
    if options.host { shell::as_root(program, args) } else { Ok(shell::command(program, args)) }
}

fn under_systemd() -> bool {
    Path::new("/run/systemd/system").exists()
}

/// The units' exposure, judged offline; a part of `test`.
pub(crate) fn check_exposure() -> Result<()> {
    shell::step("exposure of the units");
    if shell::output("systemd-analyze", &["--version"]).is_none() {
        if shell::is_ci() {
            bail!("systemd-analyze is not here: install the package `systemd`");
        }
        println!("  SKIPPED: systemd-analyze is not on this machine");
        return Ok(());
    }
    for (unit, tenths) in EXPOSURE {
        let threshold = format!("--threshold={tenths}");
        let verdict =
            shell::command("systemd-analyze", &["security", "--offline=true", "--no-pager", &threshold, unit])
                .output()?;
        let text = String::from_utf8_lossy(&verdict.stdout);
        println!(
            "  {unit}: {}",
            text.lines().rfind(|l| l.contains("exposure level")).unwrap_or("?").trim_start_matches(['→', ' '])
        );
        if !verdict.status.success() {
            bail!("{unit} is more exposed than {}.{}", tenths / 10, tenths % 10);
        }
    }
    Ok(())
}
