//! The host's own certificate authority: what agents trust, so that TLS between them and us holds. Its key never leaves the host and is
//! the service's alone; certificates are minted for the names that the configuration gives a database, and live for days.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    date_time_ymd,
};

use crate::config::{AgentTls, Config};
use crate::privileges::Account;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// The authority itself.
const AUTHORITY_DAYS: u32 = 3650;
/// A certificate for a database's names. The service mints anew each day.
const LEAF_DAYS: u32 = 30;

/// The authority, able to sign.
pub struct Authority {
    certificate: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and its key, PEM.
pub struct Minted {
    /// The leaf, then the authority.
    pub chain: String,
    /// The leaf's key.
    pub key: String,
}

/// Where the authority is kept.
pub fn folder(config: &Config) -> PathBuf {
    config.service.state_dir.join("ca")
}

/// Whether an agent may meet a certificate of ours.
pub fn is_needed(config: &Config) -> bool {
    config.databases.iter().any(|database| database.tls.agent != AgentTls::Disable)
}

/// The authority's certificate, PEM.
pub fn certificate(config: &Config) -> Result<String> {
    let path = folder(config).join("ca.pem");
    fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
}

/// How agents come to trust it, for a person.
pub fn directions(config: &Config) -> String {
    let mut out = String::from(
        "\nAgents that verify (sslmode=verify-ca, verify-full) need the certificate above. Put it where they may read it, such as\n\
         /etc/interceptor/ca.pem, mode 0644:   interceptor ca 2>/dev/null > /etc/interceptor/ca.pem\n\n\
         libpq (psql, psycopg, most drivers)   sslmode=verify-full sslrootcert=/etc/interceptor/ca.pem\n\
         a systemd unit                        Environment=PGSSLROOTCERT=/etc/interceptor/ca.pem PGSSLMODE=verify-full\n\
         a container                           -v /etc/interceptor/ca.pem:/ca.pem:ro -e PGSSLROOTCERT=/ca.pem\n\
         JDBC                                  sslmode=verify-full&sslrootcert=/etc/interceptor/ca.pem\n\
         Node, Python, Go                      ssl.ca, ssl_context.load_verify_locations, sslrootcert: the same file\n\n",
    );
    for database in &config.databases {
        let what = match database.tls.agent {
            AgentTls::Disable => "no TLS for agents (agent_tls = \"disable\")".to_owned(),
            AgentTls::Allow | AgentTls::Require => format!("is shown as {}", database.tls.names.join(", ")),
        };
        out.push_str(&format!("{:<16} {what}\n", database.name));
    }
    out
}

/// Makes the authority where there is none; true if it did. One that is half there is not touched: agents may trust it.
pub fn ensure(config: &Config, account: Account) -> Result<bool> {
    let folder = folder(config);
    let (certificate, key) = (folder.join("ca.pem"), folder.join("ca.key"));
    match (certificate.exists(), key.exists()) {
        (true, true) => return Ok(false),
        (false, false) => {}
        _ => bail!(
            "{} holds a certificate or a key, but not both: bring the other back, or remove the folder and let every agent trust the new authority",
            folder.display()
        ),
    }
    let made = KeyPair::generate().context("cannot make a key")?;
    let pem = parameters(&made)?.self_signed(&made).context("cannot sign")?.pem();
    if !folder.exists() {
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o700))?;
    // The key first: a certificate without its key would be trusted for nothing.
    write(&key, &made.serialize_pem(), 0o600)?;
    write(&certificate, &pem, 0o644)?;
    if nix::unistd::Uid::effective().is_root() {
        for path in [&folder, &key, &certificate] {
            chown(path, Some(account.uid), Some(account.gid))
                .with_context(|| format!("cannot give {} to the service's account", path.display()))?;
        }
    }
    Ok(true)
}

fn write(path: &Path, text: &str, mode: u32) -> Result<()> {
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all().with_context(|| format!("cannot write {}", path.display()))
}

impl Authority {
    /// The one of this host.
    pub fn load(config: &Config) -> Result<Authority> {
        let certificate = certificate(config)?;
        let path = folder(config).join("ca.key");
        let open = fs::metadata(&path).is_ok_and(|held| held.permissions().mode() & 0o077 != 0);
        if open {
            bail!(
                "{} can be read by others than the service's account: chmod 0600 it, or make a new authority",
                path.display()
            );
        }
        let key = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let key = KeyPair::from_pem(&key).with_context(|| format!("{} is no key", path.display()))?;
        Ok(Authority { certificate, issuer: Issuer::new(parameters(&key)?, key) })
    }

    /// A certificate for these names and addresses, with a key of its own that is written nowhere.
    pub fn mint(&self, names: &[String]) -> Result<Minted> {
        let mut leaf = CertificateParams::new(names).context("a name that a certificate cannot have")?;
        last(&mut leaf, LEAF_DAYS)?;
        leaf.distinguished_name.push(DnType::CommonName, "interceptor");
        leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        leaf.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate().context("cannot make a key")?;
        let signed = leaf.signed_by(&key, &self.issuer).context("cannot sign")?;
        Ok(Minted { chain: format!("{}{}", signed.pem(), self.certificate), key: key.serialize_pem() })
    }
}

/// What the authority says of itself. Its name follows from its key, so that it need not be read back from the certificate.
fn parameters(key: &KeyPair) -> Result<CertificateParams> {
    let mut ca = CertificateParams::new(Vec::<String>::new()).context("a certificate without names")?;
    ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    last(&mut ca, AUTHORITY_DAYS)?;
    let id: String = ca.key_identifier(key).iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    ca.distinguished_name = rcgen::DistinguishedName::new();
    ca.distinguished_name.push(DnType::CommonName, format!("interceptor authority {id}"));
    Ok(ca)
}

/// From yesterday on, for clocks that are late.
fn last(certificate: &mut CertificateParams, days: u32) -> Result<()> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock is before 1970")?;
    let now = date_time_ymd(1970, 1, 1) + now;
    (certificate.not_before, certificate.not_after) = (now - DAY, now + DAY * days);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(folder: &Path) -> Config {
        let text = format!(
            "[service]\nstate_dir = \"{}\"\n[[database]]\nname = \"payments\"\nprotocol = \"postgres\"\naddresses = [\"127.0.0.1:5432\"]\nagent_tls = \"allow\"\nnames = [\"db.example\"]",
            folder.display()
        );
        Config::parse(&text).unwrap()
    }

    #[test]
    fn made_once_kept_secret_and_what_it_mints_is_trusted() {
        let folder = std::env::temp_dir().join(format!("interceptor-ca-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        let config = config(&folder);
        let account = Account { uid: nix::unistd::getuid().as_raw(), gid: nix::unistd::getgid().as_raw() };
        assert!(ensure(&config, account).unwrap());
        assert!(!ensure(&config, account).unwrap(), "it is there already");
        let key = self::folder(&config).join("ca.key");
        assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
        let minted = Authority::load(&config).unwrap().mint(&config.databases[0].tls.names).unwrap();
        assert_eq!(minted.chain.matches("BEGIN CERTIFICATE").count(), 2);
        proxy::AgentTls::new(&minted.chain, &minted.key, None).unwrap();
        proxy::DatabaseTls::verified(&certificate(&config).unwrap(), Some("db.example"), None).unwrap();
        fs::set_permissions(&key, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(Authority::load(&config).is_err(), "others may read the key");
        fs::remove_file(&key).unwrap();
        assert!(ensure(&config, account).is_err(), "half an authority is not replaced");
        fs::remove_dir_all(&folder).unwrap();
    }
}
