//! What agents may do and did not (PCI DSS v4.0.1 7.2.4, 7.2.5.1): rules that give an agent something, and privileges that the database's
//! own catalog gives the roles that agents logged in as, each with how often the record says that it was used.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::Result;
use pan::Masked;
use serde_json::json;

use super::catalogue::Asked;
use super::{Pack, Shown};
use crate::config::Config;
use crate::record::figures::{Of, Span, each};
use crate::{check, explain};

/// Roles, each on one database, that are looked up.
const LOGINS_MAX: usize = 64;
/// Privileges of one role that are told.
const RIGHTS_MAX: usize = 500;

/// Privileges, and the kinds of statements that use them. An UPDATE, DELETE or MERGE may read what it changes.
const PRIVILEGES: [(&str, &str); 8] = [
    ("SELECT", "select|copy-out|update|delete|merge"),
    ("INSERT", "insert|copy-in|merge"),
    ("UPDATE", "update|merge"),
    ("DELETE", "delete|merge"),
    ("TRUNCATE", "truncate"),
    ("REFERENCES", "create-table|alter-table"),
    ("TRIGGER", "create-trigger"),
    ("MAINTAIN", "vacuum|analyze|refresh|maintenance|lock"),
];
/// What a role may do at all.
const POWERS: [(&str, &str); 6] = [
    ("SUPERUSER", "copy-program|copy-file|load|alter-system"),
    ("CREATEROLE", "create-role|alter-role|drop-role|create-user|alter-user|drop-user"),
    ("CREATEDB", "create-database|drop-database"),
    ("REPLICATION", "replication"),
    ("CREATE in a schema", "create-*"),
    ("CREATE in the database", "create-schema|create-extension|create-publication"),
];

/// A role of one database, as agents named it at login.
pub(super) type Login = (String, String, String);

/// A privilege of a role.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Right {
    login: Login,
    privilege: String,
    /// `schema.table`; empty: of the role itself.
    object: String,
}

impl Right {
    fn asked(&self) -> Asked {
        let (database, dbname, role) = &self.login;
        let known = PRIVILEGES.iter().chain(&POWERS).find(|(name, _)| *name == self.privilege);
        let mut wants = vec![
            "type=decision".to_owned(),
            "success=true".to_owned(),
            format!("database={database}"),
            format!("dbname={dbname}"),
            format!("database_user={role}"),
            format!("kinds={}", known.map_or("none", |(_, kinds)| kinds)),
        ];
        let mut title = format!("{role} on {database}/{dbname} may {}", self.privilege);
        if let Some((_, table)) = self.object.split_once('.') {
            // A name without its schema may mean it.
            wants.push(format!("tables={}|{table}", self.object));
            title += &format!(" {}", self.object);
        }
        let wants: Vec<&str> = wants.iter().map(String::as_str).collect();
        Asked::new("7.2.5.1", &title, &wants, Of::Count)
    }
}

/// Puts what was read of the catalogs; the figures, what was never used first.
pub(super) fn put(
    pack: &mut Pack,
    config: &Config,
    path: &Path,
    folders: &[PathBuf],
    span: Span,
    logins: &BTreeSet<Login>,
) -> Result<Vec<Shown>> {
    let mut shown = given(config, path, span)?;
    let mut read = Vec::new();
    let mut rights: BTreeSet<Right> = BTreeSet::new();
    let mut by_database: BTreeMap<(&str, &str), Vec<&Login>> = BTreeMap::new();
    for login in logins.iter().take(LOGINS_MAX) {
        by_database.entry((&login.0, &login.1)).or_default().push(login);
    }
    for ((database, dbname), logins) in by_database {
        let roles: Vec<&str> = logins.iter().map(|(_, _, role)| role.as_str()).collect();
        let question = question(&roles);
        let mut told = json!({ "database": database, "dbname": dbname, "roles": roles, "question": question });
        match explain::live(config, database, dbname, &question) {
            Ok(rows) => {
                told["privileges"] = rows.len().into();
                let found = rows.into_iter().filter_map(|(_, values)| right(database, dbname, values));
                rights.extend(found);
            }
            Err(why) => told["not read"] = Masked::of(&format!("{why:#}")).as_str().into(),
        }
        read.push(told);
    }
    for right in &rights {
        shown.push(Shown::new(right.asked(), span, path)?);
    }
    each(folders, span, |record| {
        if record["type"] == "decision" {
            shown.iter_mut().for_each(|shown| shown.figure.add(&mut shown.tally, record));
        }
    })?;
    let is_used = |shown: &Shown| shown.tally.value() != 0;
    shown.sort_by_key(|shown| (shown.requirement, is_used(shown)));
    let of = |used: bool| {
        let which = shown.iter().filter(|shown| is_used(shown) == used);
        which.map(Shown::value).collect::<Vec<_>>()
    };
    let content = json!({
        "catalogs": read, "logins left off": logins.len().saturating_sub(LOGINS_MAX), "never used": of(false), "used": of(true),
        "counted as used": "a statement that went on, of a kind that the privilege is for, and with the table among those that it names: more than may have used it, never less",
        "not counted": "privileges on functions, types, languages, sequences and large objects; tables that a view or a function reads for a statement",
    });
    let verb = super::catalogue::evidence(path, span);
    pack.put_json("access-rights.json", "7.2.4, 7.2.5.1", &verb, &content)?;
    Ok(shown)
}

/// What rules give each agent.
fn given(config: &Config, path: &Path, span: Span) -> Result<Vec<Shown>> {
    let policy = check::load_policy(config)?;
    let mut shown = Vec::new();
    for agent in &config.agents {
        for rule in policy.given(&agent.name, &agent.groups) {
            let wants = ["type=decision", &format!("agent={}", agent.name), &format!("rule={rule}")];
            let title = format!("{} by the rule {rule}: decisions that name it", agent.name);
            shown.push(Shown::new(Asked::new("7.2.4", &title, &wants, Of::Count), span, path)?);
        }
    }
    Ok(shown)
}

/// Who may make a table may give it a card number for a name: it is masked here, as the record has it.
fn right(database: &str, dbname: &str, values: Vec<Option<String>>) -> Option<Right> {
    let mut values = values.into_iter().map(|value| value.map(|text| Masked::of(&text).as_str().to_owned()));
    let (role, privilege, object) = (values.next()??, values.next()??, values.next()??);
    Some(Right { login: (database.to_owned(), dbname.to_owned(), role), privilege, object })
}

/// What the catalog gives these roles, inherited and PUBLIC's included: role, privilege, object.
fn question(roles: &[&str]) -> String {
    let quoted: Vec<String> = roles.iter().map(|role| format!("'{}'", role.replace('\'', "''"))).collect();
    let of_tables = PRIVILEGES.iter().filter(|(name, _)| *name != "MAINTAIN");
    let names: Vec<String> = of_tables.map(|(name, _)| format!("('{name}')")).collect();
    format!(
        "WITH r AS (SELECT * FROM pg_catalog.pg_roles WHERE rolname IN ({roles})), \
         c AS (SELECT c.oid, n.nspname, c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname NOT IN ('pg_catalog', 'information_schema') \
         AND n.nspname !~ '^pg_(toast|temp)'), \
         p(name) AS (VALUES {privileges}) \
         SELECT * FROM (\
         SELECT r.rolname, p.name, c.nspname || '.' || c.relname AS object FROM r CROSS JOIN c CROSS JOIN p \
         WHERE pg_catalog.has_table_privilege(r.oid, c.oid, p.name) \
         OR (p.name IN ('SELECT', 'INSERT', 'UPDATE', 'REFERENCES') AND pg_catalog.has_any_column_privilege(r.oid, c.oid, p.name)) \
         UNION SELECT r.rolname, 'CREATE in a schema', '' FROM r WHERE EXISTS (SELECT 1 FROM pg_catalog.pg_namespace n \
         WHERE n.nspname !~ '^pg_' AND pg_catalog.has_schema_privilege(r.oid, n.oid, 'CREATE')) \
         UNION SELECT r.rolname, 'CREATE in the database', '' FROM r WHERE pg_catalog.has_database_privilege(r.oid, pg_catalog.current_database(), 'CREATE') \
         UNION SELECT rolname, 'SUPERUSER', '' FROM r WHERE rolsuper UNION SELECT rolname, 'CREATEROLE', '' FROM r WHERE rolcreaterole \
         UNION SELECT rolname, 'CREATEDB', '' FROM r WHERE rolcreatedb UNION SELECT rolname, 'REPLICATION', '' FROM r WHERE rolreplication \
         ) AS found ORDER BY 1, 3, 2 LIMIT {most}",
        roles = quoted.join(", "),
        privileges = names.join(", "),
        most = roles.len() * RIGHTS_MAX,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_right_asks_for_statements_that_use_it() {
        let login: Login = ("payments".into(), "shop".into(), "app".into());
        let right = |privilege: &str, object: &str| {
            let right = Right { login: login.clone(), privilege: privilege.into(), object: object.into() };
            right.asked().command(Span::ALL, Path::new(crate::config::DEFAULT_PATH))
        };
        let told = right("DELETE", "public.payments");
        assert!(told.contains("'kinds=delete|merge' --where 'tables=public.payments|payments' --count"), "{told}");
        assert!(told.contains("--where database_user=app") || told.contains("'database_user=app'"), "{told}");
        assert!(!right("CREATEROLE", "").contains("tables="));
    }

    #[test]
    fn a_name_of_the_catalog_that_is_a_card_is_masked() {
        let row = ["app", "SELECT", "public.4111111111111111"].map(|text| Some(text.to_owned())).to_vec();
        let asked = right("payments", "shop", row).unwrap().asked();
        let told = asked.command(Span::ALL, Path::new(crate::config::DEFAULT_PATH));
        assert!(told.contains("411111******1111") && !told.contains("41111111"), "the number is told");
    }

    #[test]
    fn a_role_is_a_literal_in_the_question() {
        let question = question(&["app", "o'neil"]);
        assert!(question.contains("IN ('app', 'o''neil')"), "{question}");
    }
}
