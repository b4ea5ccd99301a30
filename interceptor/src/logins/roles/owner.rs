//! The login that makes and drops roles: one connection, made when it is needed.

use std::fmt;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use session::Row;
use session::planner::{Credentials, Heard, Planner, Why};

use crate::estimates::{Connection, login};

/// How long one thing may take, a login before it included.
const PATIENCE: Duration = Duration::from_secs(6);

/// Why it did not happen, or may not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// The database says no: its SQLSTATE. Nothing has happened.
    Refused([u8; 5]),
    /// Nobody knows what has happened.
    Lost(String),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let code = match self {
            Trouble::Refused(code) => code,
            Trouble::Lost(why) => return f.write_str(why),
        };
        let why = match code {
            b"42501" => {
                "the owner has no right to do that; on PostgreSQL 16 and newer it wants ADMIN OPTION on every role of `grants`"
            }
            b"42704" => "there is no role of that name",
            b"25006" => "it is a standby",
            b"2BP01" => "something still depends on the role",
            b"57014" | b"55P03" => "it took too long",
            _ => "it refuses",
        };
        write!(f, "{why} ({})", String::from_utf8_lossy(code))
    }
}

/// It.
pub(super) struct Owner {
    credentials: Credentials,
    tls: Option<proxy::DatabaseTls>,
    dbname: String,
    connection: Option<(SocketAddr, String, Connection)>,
}

impl Owner {
    pub(super) fn new(credentials: Credentials, tls: Option<proxy::DatabaseTls>, dbname: String) -> Owner {
        Owner { credentials, tls, dbname, connection: None }
    }

    /// Another connection of the same login.
    pub(super) fn another(&self) -> Owner {
        let Credentials { user, password } = &self.credentials;
        let credentials = Credentials { user: user.clone(), password: password.clone() };
        Owner::new(credentials, self.tls.clone(), self.dbname.clone())
    }

    /// Says what must not be said twice: on a connection that has just answered.
    pub(super) fn say_anew(&mut self, origin: SocketAddr, text: &str) -> Result<Vec<Row>, Trouble> {
        // One that has died meanwhile is found out by a question, and not by what changes something.
        if self.connection.is_some() && self.say(origin, "SELECT 1").is_err() {
            self.connection = None;
        }
        self.say(origin, text)
    }

    /// Says it in the owner's own database.
    pub(super) fn say(&mut self, origin: SocketAddr, text: &str) -> Result<Vec<Row>, Trouble> {
        let dbname = self.dbname.clone();
        self.say_in(origin, &dbname, text)
    }

    /// Says it in this database of the server's.
    pub(super) fn say_in(&mut self, origin: SocketAddr, dbname: &str, text: &str) -> Result<Vec<Row>, Trouble> {
        let until = Instant::now() + PATIENCE;
        let lost = |why: &dyn fmt::Display| Trouble::Lost(why.to_string());
        let known = self.connection.take().filter(|(at, name, _)| *at == origin && name == dbname);
        let mut connection = match known {
            Some((.., connection)) => connection,
            None => login(&self.credentials, self.tls.as_ref(), (origin, dbname), until, Planner::owner)
                .map_err(|why| lost(&format!("the owner's login fails: {why}")))?,
        };
        let heard = connection.say(text, until).map_err(|why| lost(&why))?;
        self.connection = Some((origin, dbname.to_owned(), connection));
        match heard {
            Heard::Rows(rows) => Ok(rows),
            Heard::None(Why::Refused(code)) => Err(Trouble::Refused(code)),
            _ => Err(Trouble::Lost("the database's answer cannot be read".to_owned())),
        }
    }
}

/// The first value of the first row.
pub(super) fn first(rows: &[Row]) -> Option<&str> {
    rows.first().and_then(|(_, values)| values.first()?.as_deref())
}
