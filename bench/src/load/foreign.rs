//! A user's own database (`--url`): directly, through the null relay, through us. It reads, and nothing else.

use std::fmt;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};

use crate::load::cases::{self, Case, Figure};
use crate::load::targets::Backend;
use crate::slice::Work;

/// The parts of `postgres://USER[:PASSWORD]@HOST[:PORT]/DATABASE[?sslmode=disable|require]`.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Url {
    pub(crate) user: String,
    pub(crate) password: String,
    pub(crate) to: SocketAddr,
    pub(crate) dbname: String,
    pub(crate) sealed: bool,
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Url({}, {})", self.to, self.dbname)
    }
}

/// Rows of the named table that are read at a time.
const ROWS: u32 = 100_000;

impl Url {
    /// A part that cannot be understood is an error, and none of them shows the password.
    pub(crate) fn parse(text: &str) -> Result<Url, String> {
        let wrong = || "--url is postgres://USER[:PASSWORD]@HOST[:PORT]/DATABASE[?sslmode=disable|require]".to_owned();
        let rest = text.strip_prefix("postgres://").or_else(|| text.strip_prefix("postgresql://")).ok_or_else(wrong)?;
        let (account, place) = rest.rsplit_once('@').ok_or_else(wrong)?;
        let (user, password) = account.split_once(':').unwrap_or((account, ""));
        let (host, path) = place.split_once('/').ok_or_else(wrong)?;
        let (dbname, query) = path.split_once('?').unwrap_or((path, "sslmode=disable"));
        let sealed = match query {
            "sslmode=disable" => false,
            "sslmode=require" => true,
            _ => return Err(wrong()),
        };
        if user.is_empty() || dbname.is_empty() || [user, dbname].iter().any(|part| part.contains(char::is_whitespace))
        {
            return Err(wrong());
        }
        let (user, password, dbname) = (decoded(user)?, decoded(password)?, decoded(dbname)?);
        Ok(Url { user, password, to: address(host)?, dbname, sealed })
    }

    /// With this password where it has none.
    pub(crate) fn or_password(self, other: Option<String>) -> Url {
        match other {
            Some(password) if self.password.is_empty() => Url { password, ..self },
            _ => self,
        }
    }

    /// What a worker is told, for a path that begins at this host.
    pub(crate) fn account(&self, host: IpAddr, table: Option<&str>) -> String {
        format!("account\t{host}\t{}\t{}\t{}", self.user, table.unwrap_or_default(), self.password)
    }
}

/// `bench url ADDRESS`: for who makes a configuration of it.
pub(crate) fn run(args: &[String]) -> Result<(), String> {
    let [address] = args else { return Err("url ADDRESS".into()) };
    let url = Url::parse(address)?;
    println!("{} {}", url.to, if url.sealed { "require" } else { "disable" });
    Ok(())
}

/// The first address that a name has.
fn address(host: &str) -> Result<SocketAddr, String> {
    const PORT: u16 = 5432;
    let is_bare = host.ends_with(']') || !host.contains(':');
    let with_port = if is_bare { format!("{host}:{PORT}") } else { host.to_owned() };
    let mut found = with_port.to_socket_addrs().map_err(|error| format!("--url: {host}: {error}"))?;
    found.next().ok_or_else(|| format!("--url: {host} has no address"))
}

/// Percent-encoding, as in every URL.
fn decoded(text: &str) -> Result<String, String> {
    let wrong = || "--url: a % that is not followed by two hexadecimal digits".to_owned();
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let (pair, after) = rest.split_at_checked(2).ok_or_else(wrong)?;
        let digits = std::str::from_utf8(pair).map_err(|_| wrong())?;
        bytes.push(u8::from_str_radix(digits, 16).map_err(|_| wrong())?);
        rest = after;
    }
    let text = String::from_utf8(bytes).map_err(|_| wrong())?;
    if text.contains(['\t', '\n', '\0']) { Err("--url: a control character".into()) } else { Ok(text) }
}

/// A table's name that needs no quotes, with its schema or without.
pub(crate) fn table(name: &str) -> Result<String, String> {
    let plain = |part: &str| {
        !part.is_empty()
            && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
            && !part.starts_with(|c: char| c.is_ascii_digit())
    };
    if (1..=2).contains(&name.split('.').count()) && name.split('.').all(plain) {
        Ok(name.to_owned())
    } else {
        Err(format!("--table `{name}`: a name of letters, digits and _, with its schema or without"))
    }
}

/// The statement that reads it.
pub(crate) fn rows_of(table: &str) -> String {
    format!("SELECT * FROM {table} LIMIT {ROWS}")
}

/// What is measured: no statement but `SELECT 1`, and rows of the table that was named.
pub(crate) fn cases(has_table: bool) -> Vec<Case> {
    let statements = [
        ("url-simple-1", "SELECT 1 simple, 1 connection", Work::Simple, 1),
        ("url-prepared-1", "SELECT 1 prepared, 1 connection", Work::Prepared, 1),
        ("url-prepared-8", "SELECT 1 prepared, 8 connections", Work::Prepared, 8),
        ("url-open-50", "SELECT 1, open loop at 50 %, 8 connections", Work::Open(0), 8),
        ("url-connect", "connect, SELECT 1, close", Work::Connect, 1),
    ];
    let mut all: Vec<Case> = statements
        .into_iter()
        .map(|(id, title, work, count)| cases::case(id, title, Backend::Postgres, work, count, Figure::Statements))
        .collect();
    if has_table {
        all.push(cases::case("url-rows", "rows of the table", Backend::Postgres, Work::Table, 1, Figure::Bytes));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart() {
        let url = Url::parse("postgres://app:a%40b%3Ac@127.0.0.1:6000/shop?sslmode=require").unwrap();
        assert_eq!((url.user.as_str(), url.password.as_str(), url.dbname.as_str()), ("app", "a@b:c", "shop"));
        assert_eq!((url.to.to_string(), url.sealed), ("127.0.0.1:6000".to_owned(), true));
        assert_eq!(Url::parse("postgresql://app@[::1]/shop").unwrap().to.to_string(), "[::1]:5432");
        assert!(!format!("{url:?}").contains("a@b"));
        for wrong in [
            "shop",
            "postgres://127.0.0.1/shop",
            "postgres://app@127.0.0.1",
            "postgres://a@127.0.0.1/b?x=1",
            "postgres://a%@127.0.0.1/b",
        ] {
            assert!(Url::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_table_is_a_name_and_nothing_else() {
        assert_eq!(table("public.orders_2").unwrap(), "public.orders_2");
        for wrong in ["", "a;b", "a b", "\"a\"", "a.b.c", "1a", "a."] {
            assert!(table(wrong).is_err(), "{wrong}");
        }
    }
}
