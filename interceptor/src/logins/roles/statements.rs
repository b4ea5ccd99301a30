//! What the owner says. Names are quoted and texts are literals, whatever they are; standard_conforming_strings is on in its sessions.

/// How every name of ours begins.
const PREFIX: &str = "icpt_";
/// Crockford's base 32, in lower case: names are read by people.
const LETTERS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// PostgreSQL cuts longer names (NAMEDATALEN).
const NAME_MAX: usize = 63;

/// `icpt_<agent>_<run>`. What is not a letter, a digit, `-` or `.` of ASCII becomes `_`: scripts of others read names, too.
pub(super) fn name(agent: &str, run: &[u8; 10]) -> String {
    let bits = run.iter().fold(0_u128, |all, byte| all << 8 | u128::from(*byte));
    let run: String = (0..16)
        .rev()
        .map(|at| char::from(LETTERS.get((bits >> (5 * at)) as usize & 31).copied().unwrap_or(b'0')))
        .collect();
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '-' || c == '.' { c } else { '_' };
    let agent: String = agent.chars().map(plain).take(NAME_MAX - PREFIX.len() - 1 - run.len()).collect();
    format!("{PREFIX}{agent}_{run}")
}

/// What stands in the comment of each role of this host's: two hosts never drop each other's.
pub(super) fn marker(host: &str) -> String {
    format!("interceptor {host}: a role of one job, dropped when the job is over")
}

/// An identifier.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn array(texts: &[String]) -> String {
    let all: Vec<String> = texts.iter().map(|text| literal(text)).collect();
    format!("ARRAY[{}]::text[]", all.join(", "))
}

/// One implicit transaction: a role of ours is never there without its mark. The server's log has the verifier, and no password.
pub(super) fn create(role: &str, verifier: &str, until: &str, grants: &[String], marker: &str) -> String {
    let grants: Vec<String> = grants.iter().map(|grant| quoted(grant)).collect();
    format!(
        "CREATE ROLE {role} LOGIN INHERIT PASSWORD {verifier} VALID UNTIL {until} IN ROLE {grants}; COMMENT ON ROLE {role} IS {marker}",
        role = quoted(role),
        verifier = literal(verifier),
        until = literal(until),
        grants = grants.join(", "),
        marker = literal(marker),
    )
}

/// Nobody logs in by it any more, and the owner may end its sessions (which wants its rights, `pg_terminate_backend`).
pub(super) fn lock(role: &str) -> String {
    let role = quoted(role);
    format!("ALTER ROLE {role} NOLOGIN PASSWORD NULL; GRANT {role} TO CURRENT_USER")
}

/// Ends its sessions, then waits for each.
pub(super) fn end_sessions(role: &str) -> String {
    let of = format!(
        "FROM pg_stat_activity AS a JOIN pg_roles AS r ON r.oid = a.usesysid WHERE r.rolname = {}",
        literal(role)
    );
    format!("SELECT pg_terminate_backend(a.pid) {of}; SELECT pg_terminate_backend(a.pid, 1000) {of}")
}

/// How many are left.
pub(super) fn sessions(role: &str) -> String {
    format!(
        "SELECT count(*) FROM pg_stat_activity AS a JOIN pg_roles AS r ON r.oid = a.usesysid WHERE r.rolname = {}",
        literal(role)
    )
}

/// In which databases something depends on it, and whether it owns it (`o`). Memberships go with the role.
pub(super) fn dependencies(role: &str) -> String {
    format!(
        "SELECT DISTINCT coalesce(b.datname, ''), d.deptype = 'o' FROM pg_shdepend AS d JOIN pg_roles AS r ON r.oid = d.refobjid \
         LEFT JOIN pg_database AS b ON b.oid = d.dbid WHERE d.refclassid = 'pg_authid'::regclass \
         AND d.classid <> 'pg_auth_members'::regclass AND r.rolname = {}",
        literal(role)
    )
}

/// What it owns in this database becomes the heir's. Its temporary tables went with its sessions.
pub(super) fn reassign(role: &str, heir: &str) -> String {
    format!("REASSIGN OWNED BY {} TO {}", quoted(role), quoted(heir))
}

/// Rights that it was given itself, and default ones. It owns nothing any more.
pub(super) fn disown(role: &str) -> String {
    format!("DROP OWNED BY {}", quoted(role))
}

/// Where something still depends on it, the database refuses.
pub(super) fn drop_role(role: &str) -> String {
    format!("DROP ROLE {}", quoted(role))
}

/// Those with this mark.
pub(super) fn marked(marker: &str) -> String {
    format!(
        "SELECT r.rolname FROM pg_roles AS r JOIN pg_shdescription AS d ON d.objoid = r.oid \
         WHERE d.classoid = 'pg_authid'::regclass AND d.description = {}",
        literal(marker)
    )
}

/// What keeps the owner from making roles with these grants, a row for each reason.
pub(super) fn doubts(grants: &[String]) -> String {
    let grants = array(grants);
    format!(
        "SELECT 'the owner is a superuser: CREATEROLE is enough' FROM pg_roles WHERE rolname = current_user AND rolsuper \
         UNION ALL SELECT 'the owner has no CREATEROLE' FROM pg_roles WHERE rolname = current_user AND NOT rolcreaterole AND NOT rolsuper \
         UNION ALL SELECT 'there is no role ' || g FROM unnest({grants}) AS g WHERE NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = g) \
         UNION ALL SELECT 'the owner has no ADMIN OPTION on ' || g FROM unnest({grants}) AS g JOIN pg_roles ON rolname = g \
         WHERE current_setting('server_version_num')::int >= 160000 AND NOT pg_has_role(g, 'MEMBER WITH ADMIN OPTION') \
         UNION ALL SELECT 'this is a standby: no role can be made here' WHERE pg_is_in_recovery()"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTILE: &str = "\"; drop role postgres; --";

    #[test]
    fn names_are_plain_short_and_their_own() {
        assert_eq!(name("reconciler", &[0; 10]), "icpt_reconciler_0000000000000000");
        assert_eq!(name(HOSTILE, &[255; 10]), "icpt____drop_role_postgres__--_zzzzzzzzzzzzzzzz");
        assert_eq!(
            name("\u{e9}\u{4e2d}'", &[1; 10]),
            "icpt_____0420420420420420".to_owned().replace("0420420420420420", &name("", &[1; 10])[6..])
        );
        let long = name(&"a".repeat(500), &[7; 10]);
        assert_eq!((long.len(), &long[..6]), (63, "icpt_a"));
        assert_eq!(long[47..], name("", &[7; 10])[6..], "the run is never cut");
    }

    #[test]
    fn whatever_a_name_is_it_stays_one() {
        let said = create(
            HOSTILE,
            "SCRAM-SHA-256$1:a$b:c",
            "2026-11-26T12:00:00Z",
            &[HOSTILE.to_owned(), "ro".to_owned()],
            "it's",
        );
        assert_eq!(
            said,
            "CREATE ROLE \"\"\"; drop role postgres; --\" LOGIN INHERIT PASSWORD 'SCRAM-SHA-256$1:a$b:c' VALID UNTIL '2026-11-26T12:00:00Z' \
             IN ROLE \"\"\"; drop role postgres; --\", \"ro\"; COMMENT ON ROLE \"\"\"; drop role postgres; --\" IS 'it''s'"
        );
        assert_eq!(reassign("a\"b", "c"), "REASSIGN OWNED BY \"a\"\"b\" TO \"c\"");
        assert!(sessions("a' OR true --").ends_with("r.rolname = 'a'' OR true --'"));
        for text in
            [lock(HOSTILE), end_sessions(HOSTILE), dependencies(HOSTILE), marked(HOSTILE), doubts(&[HOSTILE.into()])]
        {
            assert!(sql::parses(&text), "{text}");
        }
    }
}
