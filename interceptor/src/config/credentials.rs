//! `[database.credentials]`: whose login reaches the database.

use std::path::PathBuf;

use serde::Deserialize;

use super::{Error, meaning};

/// Whose login reaches the database.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Credentials {
    /// Ours, by the user that the agent writes; empty: the agent's own.
    pub logins: Vec<InjectedLogin>,
    /// The database hears the agent's name and its token's principal (`interceptor.agent`, `interceptor.principal`).
    pub tell_agent: bool,
}

/// One `[[database.credentials.login]]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InjectedLogin {
    /// The users that agents write for which it is, a star matches inside a name; empty: any.
    #[serde(default, rename = "for")]
    pub users: Vec<String>,
    /// The role.
    pub user: String,
    /// The file of its password, one line; below `${CREDENTIALS_DIRECTORY}/` a credential of the unit.
    pub passfile: PathBuf,
    /// The verifier of what agents must have in place of a password, as `pg_authid.rolpassword` has it; absent: they are asked for nothing.
    pub placeholder: Option<String>,
}

/// The table as it is written.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Typed {
    #[serde(default)]
    mode: Option<String>,
    #[serde(default)]
    tell_agent: bool,
    #[serde(default)]
    login: Vec<InjectedLogin>,
}

impl Typed {
    /// `verifiers`: SCRAM of the agents' own logins ends here.
    pub(super) fn resolve(self, place: &str, verifiers: bool) -> Result<Credentials, Error> {
        let refused = |why: String| Err(meaning(format!("{place}: [database.credentials]"), why));
        match self.mode.as_deref() {
            None | Some("relay") if self.login.is_empty() => {}
            None | Some("relay") => {
                return refused(
                    "login has a meaning only with mode = \"inject\"; \"relay\" passes the agent's own on".into(),
                );
            }
            Some("inject") if self.login.is_empty() => {
                return refused("mode = \"inject\" needs [[database.credentials.login]] with user and passfile".into());
            }
            Some("inject") if verifiers => {
                return refused(
                    "mode = \"inject\" does not go with scram_verifiers: the agent's own password is not asked for"
                        .into(),
                );
            }
            Some("inject") => {}
            Some(mode @ ("ephemeral" | "command")) => {
                return refused(format!("mode = \"{mode}\" is not built in this version; it has `relay` and `inject`"));
            }
            Some(mode) => return refused(format!("mode = \"{mode}\" is not known; it is `relay` or `inject`")),
        }
        for (at, login) in self.login.iter().enumerate() {
            if login.user.is_empty() || login.user.contains(char::is_control) {
                return refused("user of a login is empty or has a control character".into());
            }
            if login.users.iter().any(|name| name.is_empty() || name.contains(char::is_control)) {
                return refused(format!(
                    "`for` of the login {} has an empty name, or one with a control character",
                    login.user
                ));
            }
            if login.placeholder.as_deref().is_some_and(|text| session::Placeholder::parse(text).is_none()) {
                return refused(format!(
                    "placeholder of the login {} is no verifier of the form SCRAM-SHA-256$ITERATIONS:SALT$STOREDKEY:SERVERKEY (a password has no place here)",
                    login.user
                ));
            }
            if login.users.is_empty() && at + 1 < self.login.len() {
                return refused(format!(
                    "the login {} is for any user (no `for`): those behind it are for nobody",
                    login.user
                ));
            }
        }
        Ok(Credentials { logins: self.login, tell_agent: self.tell_agent })
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{Config, Credentials};

    fn parse(lines: &str, more: &str) -> Result<Credentials, String> {
        let text = format!(
            "[[database]]\nname = \"payments\"\nprotocol = \"postgres\"\naddresses = [\"127.0.0.1:5432\"]\n{more}\n[database.credentials]\n{lines}"
        );
        let config = Config::parse(&text).map_err(|why| why.to_string())?;
        Ok(config.databases.into_iter().next().expect("one").credentials)
    }

    const LOGIN: &str = "[[database.credentials.login]]\nuser = \"real\"\npassfile = \"/x\"\n";

    #[test]
    fn relay_is_usual_and_inject_has_logins() {
        assert_eq!(parse("", "").unwrap(), Credentials::default());
        assert!(parse("mode = \"relay\"\ntell_agent = true", "").unwrap().tell_agent);
        let some = LOGIN.replace("user =", "for = [\"report*\"]\nuser =");
        let logins = parse(&format!("mode = \"inject\"\n{some}{LOGIN}"), "").unwrap().logins;
        assert_eq!((logins[0].users.as_slice(), logins[1].users.len()), (["report*".to_owned()].as_slice(), 0));
    }

    #[test]
    fn what_is_not_built_and_what_is_doubtful_is_refused() {
        let tls = "agent_tls = \"allow\"\ntls = \"require\"\nscram_verifiers = \"/v\"";
        for (lines, more, says) in [
            (format!("mode = \"ephemeral\"\n{LOGIN}"), "", "\"ephemeral\" is not built"),
            ("mode = \"command\"".to_owned(), "", "\"command\" is not built"),
            ("mode = \"injekt\"".to_owned(), "", "is not known"),
            ("mode = \"inject\"".to_owned(), "", "needs [[database.credentials.login]]"),
            (LOGIN.to_owned(), "", "only with mode = \"inject\""),
            (format!("mode = \"relay\"\n{LOGIN}"), "", "only with mode = \"inject\""),
            (format!("mode = \"inject\"\n{LOGIN}{LOGIN}"), "", "those behind it are for nobody"),
            (format!("mode = \"inject\"\n{}", LOGIN.replace("real", "")), "", "user of a login is empty"),
            (format!("mode = \"inject\"\n{}", LOGIN.replace("user", "for = [\"\"]\nuser")), "", "has an empty name"),
            (format!("mode = \"inject\"\n{LOGIN}placeholder = \"secret\"\n"), "", "is no verifier of the form"),
            (format!("mode = \"inject\"\n{LOGIN}"), tls, "does not go with scram_verifiers"),
            (format!("mode = \"inject\"\npassword = \"x\"\n{LOGIN}"), "", "unknown field `password`"),
        ] {
            let why = parse(&lines, more).expect_err("must be refused");
            assert!(why.contains(says) && !why.contains("secret"), "{lines}: {why}");
        }
    }
}
