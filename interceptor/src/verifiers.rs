//! Files of roles' verifiers: read at start and at each reload, by the service's account.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use session::Verifiers;
use zeroize::Zeroizing;

use crate::config::Config;

/// How a path below systemd's folder of credentials begins.
const CREDENTIALS: &str = "${CREDENTIALS_DIRECTORY}/";
/// The longest file, bytes.
const FILE_MAX: u64 = 16 << 20;

/// The verifiers of all databases that have some.
#[derive(Default)]
pub(crate) struct Files(HashMap<String, (PathBuf, Arc<Verifiers>)>);

impl Files {
    /// Reads what the configuration names.
    pub(crate) fn read(config: &Config) -> Result<Files> {
        let mut files = HashMap::new();
        for database in &config.databases {
            if let Some(path) = &database.tls.verifiers {
                let place = || format!("[[database]] {}: scram_verifiers", database.name);
                let path = resolved(path).with_context(place)?;
                let verifiers = Arc::new(read(&path).with_context(place)?);
                files.insert(database.name.clone(), (path, verifiers));
            }
        }
        Ok(Files(files))
    }

    /// One database's.
    pub(crate) fn of(&self, database: &str) -> Option<Arc<Verifiers>> {
        self.0.get(database).map(|(_, verifiers)| Arc::clone(verifiers))
    }

    /// Folders that are read again later.
    pub(crate) fn folders(&self) -> Vec<PathBuf> {
        self.0.values().filter_map(|(path, _)| path.parent()).map(Path::to_path_buf).collect()
    }

    /// Reads all of them again; what cannot be read stays as it was. How many roles there are, or the first reason why not.
    pub(crate) fn reload(&self) -> Result<usize> {
        let mut outcome = Ok(());
        for (path, verifiers) in self.0.values() {
            match read(path) {
                Ok(fresh) => verifiers.replace(fresh),
                Err(why) => outcome = outcome.and(Err(why)),
            }
        }
        outcome.map(|()| self.0.values().map(|(_, verifiers)| verifiers.len()).sum())
    }
}

/// What `check` says of them. A credential is there for the service alone.
pub(crate) fn describe(config: &Config) -> Result<String> {
    let mut out = String::new();
    for database in &config.databases {
        let Some(path) = &database.tls.verifiers else { continue };
        let place = || format!("[[database]] {}: scram_verifiers", database.name);
        let said = match resolved(path) {
            Ok(path) => format!("{} roles", read(&path).with_context(place)?.len()),
            Err(_) => "a credential, which the service alone can read".to_owned(),
        };
        out.push_str(&format!("verifiers  {:<16} {said}\n", database.name));
    }
    Ok(out)
}

/// Where a path of the configuration is.
pub(crate) fn resolved(path: &Path) -> Result<PathBuf> {
    let Some(name) = path.to_str().and_then(|text| text.strip_prefix(CREDENTIALS)) else {
        return Ok(path.to_path_buf());
    };
    let folder = std::env::var_os("CREDENTIALS_DIRECTORY").context(
        "CREDENTIALS_DIRECTORY is not set: systemd sets it for a unit with LoadCredential=, and for nobody else",
    )?;
    Ok(Path::new(&folder).join(name))
}

/// One file of verifiers.
fn read(path: &Path) -> Result<Verifiers> {
    Verifiers::parse(&text(path)?).with_context(|| path.display().to_string())
}

/// A file that the configuration names, or a credential, which nobody else can read.
pub(crate) fn secret(path: &Path) -> Result<Zeroizing<String>> {
    text(&resolved(path)?)
}

/// The longest password.
const PASSWORD_MAX: usize = 1024;

/// A password: one line of printable ASCII, which SASLprep leaves as it is.
pub(crate) fn password(path: &Path) -> Result<Zeroizing<String>> {
    let text = secret(path)?;
    let password = text.strip_suffix('\n').unwrap_or(&text);
    let fits = (1..=PASSWORD_MAX).contains(&password.len()) && password.bytes().all(|b| (b' '..=b'~').contains(&b));
    if !fits {
        bail!("the password is one line of 1 to {PASSWORD_MAX} printable ASCII characters");
    }
    Ok(Zeroizing::new(password.to_owned()))
}

/// One file. No byte of it is in an error.
fn text(path: &Path) -> Result<Zeroizing<String>> {
    let shown = path.display();
    let mut file = File::open(path).with_context(|| format!("cannot read {shown}"))?;
    let held = file.metadata().with_context(|| format!("cannot look at {shown}"))?;
    if !held.is_file() {
        bail!("{shown} is no regular file");
    }
    // The group may read: the service's own, of a file that is root's, or the mask of a credential's access list.
    if held.permissions().mode() & 0o037 != 0 {
        bail!("{shown} can be read by others, or written by its group: chmod 0640 or 0600 it");
    }
    if held.len() > FILE_MAX {
        bail!("{shown} is longer than {FILE_MAX} bytes");
    }
    let mut text = Zeroizing::new(String::with_capacity(usize::try_from(held.len()).unwrap_or(0) + 1));
    file.read_to_string(&mut text).with_context(|| format!("cannot read {shown}"))?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::fs::{Permissions, set_permissions, write};

    use super::*;

    const LINE: &str = "app SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=\n";

    #[test]
    fn a_file_is_read_where_only_the_service_can_and_again_at_a_reload() {
        let folder = std::env::temp_dir().join(format!("interceptor-verifiers-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("payments");
        write(&path, LINE).unwrap();
        for (mode, fits) in [(0o644, false), (0o660, false), (0o640, true), (0o600, true), (0o400, true)] {
            set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            assert_eq!(read(&path).is_ok(), fits, "{mode:o}");
        }
        set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        let text = format!(
            "[[database]]\nname = \"payments\"\nprotocol = \"postgres\"\naddresses = [\"127.0.0.1:5432\"]\nagent_tls = \"allow\"\ntls = \"require\"\nscram_verifiers = \"{}\"",
            path.display()
        );
        let files = Files::read(&Config::parse(&text).unwrap()).unwrap();
        let held = files.of("payments").unwrap();
        assert!(held.len() == 1 && files.of("other").is_none() && files.folders() == [folder.as_path()]);
        write(&path, "# none\n").unwrap();
        assert!(files.reload().unwrap() == 0 && held.is_empty(), "what sessions hold is renewed");
        write(&path, "app secret\n").unwrap();
        let why = format!("{:#}", files.reload().unwrap_err());
        assert!(why.contains("line 1") && !why.contains("secret"), "{why}");
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
