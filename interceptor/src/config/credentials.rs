//! `[database.credentials]`: whose login reaches the database.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde::Deserialize;

use super::{DatabaseTls, Endpoint, Error, Tls, meaning};

mod plugin;
mod roles;

pub use plugin::Plugin;
pub use roles::{Owner, RoleRule, Roles};

/// Whose login reaches the database.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Credentials {
    /// Ours, by the user that the agent writes; empty: the agent's own.
    pub logins: Vec<InjectedLogin>,
    /// What a program prints; `None`: there is none.
    pub plugin: Option<Plugin>,
    /// A role for each job; `None`: there are none.
    pub roles: Option<Roles>,
    /// The database hears the agent's name and its token's principal (`interceptor.agent`, `interceptor.principal`).
    pub tell_agent: bool,
}

impl Credentials {
    /// A session asks for its login when it starts.
    pub fn asks_login(&self) -> bool {
        self.plugin.is_some() || self.roles.is_some()
    }
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
    plugin: Option<Plugin>,
    owner: Option<Owner>,
    #[serde(default)]
    role: Vec<RoleRule>,
}

impl Typed {
    /// With what is known of the database.
    pub(super) fn resolve(self, place: &str, tls: &Tls, addresses: &BTreeSet<Endpoint>) -> Result<Credentials, Error> {
        let refused = |why: String| Err(meaning(format!("{place}: [database.credentials]"), why));
        let verifiers = tls.verifiers.is_some();
        let mode = self.mode.as_deref().unwrap_or("relay");
        if mode != "command" && self.plugin.is_some() {
            return refused("plugin has a meaning only with mode = \"command\"".into());
        }
        if mode != "ephemeral" && (self.owner.is_some() || !self.role.is_empty()) {
            return refused("owner and role have a meaning only with mode = \"ephemeral\"".into());
        }
        match self.mode.as_deref() {
            Some("command" | "ephemeral") if verifiers => {
                return refused(format!(
                    "mode = \"{mode}\" does not go with scram_verifiers: the agent's own password is not asked for"
                ));
            }
            Some("command" | "ephemeral") if !self.login.is_empty() => {
                return refused(format!("login has no meaning with mode = \"{mode}\""));
            }
            Some("command") => {
                let Some(plugin) = &self.plugin else {
                    return refused("mode = \"command\" needs [database.credentials.plugin] with run".into());
                };
                if let Err(why) = plugin.fits(matches!(tls.database, DatabaseTls::VerifyFull { .. })) {
                    return refused(why);
                }
            }
            Some("ephemeral") => {
                if let Err(why) = roles::fit(self.owner.as_ref(), &self.role, addresses) {
                    return refused(why);
                }
            }
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
            Some(mode) => {
                return refused(format!(
                    "mode = \"{mode}\" is not known; it is `relay`, `inject`, `command` or `ephemeral`"
                ));
            }
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
        let roles = self.owner.map(|owner| Roles { owner, rules: self.role });
        Ok(Credentials { logins: self.login, plugin: self.plugin, roles, tell_agent: self.tell_agent })
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

    const VERIFIED: &str = "tls = \"verify-full\"\nroots = \"/r\"";
    const RUN: &str = "mode = \"command\"\n[database.credentials.plugin]\nrun = [\"/p\", \"a b\"]\n";
    const OWNER: &str = "mode = \"ephemeral\"\n[database.credentials.owner]\nuser = \"o\"\npassfile = \"/o\"\n";
    const ROLE: &str = "[[database.credentials.role]]\ngrants = [\"ro\"]\n";

    #[test]
    fn a_plugin_is_a_list_of_words_with_bounds() {
        let plugin = parse(RUN, "").unwrap().plugin.unwrap();
        assert_eq!(
            (plugin.run.as_slice(), plugin.timeout_seconds),
            (["/p".to_owned(), "a b".to_owned()].as_slice(), 5)
        );
        assert!(parse(&format!("{RUN}cleartext = true"), VERIFIED).unwrap().asks_login());
        for (lines, says) in [
            ("mode = \"command\"".to_owned(), "needs [database.credentials.plugin]"),
            (RUN.replace("command", "relay"), "only with mode = \"command\""),
            (RUN.replace("\"/p\"", "\"p\""), "no shell reads it"),
            (RUN.replace("\"/p\", \"a b\"", ""), "no shell reads it"),
            (format!("{RUN}timeout_seconds = 9"), "is 1 to 8"),
            (format!("{RUN}env = {{ LD_PRELOAD = \"/x\" }}"), "neither PATH nor"),
            (format!("{RUN}env = {{ \"a b\" = \"/x\" }}"), "env has a name"),
            (format!("{RUN}cleartext = true"), "wants tls = \"verify-full\""),
            (format!("{RUN}{LOGIN}"), "login has no meaning"),
            (format!("{RUN}shell = true"), "unknown field `shell`"),
        ] {
            let why = parse(&lines, "").expect_err("must be refused");
            assert!(why.contains(says), "{lines}: {why}");
        }
    }

    #[test]
    fn roles_have_an_owner_and_rights() {
        let roles = parse(&format!("{OWNER}{ROLE}"), "").unwrap().roles.unwrap();
        assert_eq!(
            (roles.owner.dbname.as_str(), roles.owner.lifetime_minutes, roles.rules.len()),
            ("postgres", 720, 1)
        );
        for (lines, says) in [
            (OWNER.to_owned(), "needs [[database.credentials.role]]"),
            (format!("mode = \"ephemeral\"\n{ROLE}"), "needs [database.credentials.owner]"),
            (format!("{}{ROLE}", OWNER.replace("ephemeral", "relay")), "only with mode = \"ephemeral\""),
            (format!("{OWNER}lifetime_minutes = 0\n{ROLE}"), "is 1 to"),
            (format!("{OWNER}heir = \"\"\n{ROLE}"), "owner: a name has 1 to 63"),
            (format!("{OWNER}{}", ROLE.replace("\"ro\"", "")), "has no rights"),
            (format!("{OWNER}{}", ROLE.replace("\"ro\"", "\"o\"")), "a job would make roles itself"),
            (
                format!("{OWNER}{}", ROLE.replace("\"ro\"", &format!("\"{}\"", "r".repeat(64)))),
                "role: a name has 1 to 63",
            ),
            (format!("{OWNER}{ROLE}{ROLE}"), "are for nobody"),
        ] {
            let why = parse(&lines, "").expect_err("must be refused");
            assert!(why.contains(says), "{lines}: {why}");
        }
        let of_network = |text: &str| {
            let text = format!(
                "[[database]]\nname = \"p\"\nprotocol = \"postgres\"\naddresses = [\"{text}\"]\n[database.credentials]\n{OWNER}{ROLE}"
            );
            Config::parse(&text).map(|_| ()).map_err(|why| why.to_string())
        };
        assert!(of_network("127.0.0.0/8:5432").unwrap_err().contains("and no networks"));
        assert!(of_network("127.0.0.1:*").unwrap_err().contains("with a port"));
    }
}
