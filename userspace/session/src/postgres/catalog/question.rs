//! The texts of the session's own question. Behind `SET LOCAL search_path = pg_catalog` functions and operators without a schema are
//! the server's own; relations are written with theirs, since a temporary one would come first.

use std::fmt::Write as _;

use policy::Policy;

/// Not `current_schemas()`: where the path begins with `pg_temp` it makes the session's temporary schema, which the agent would see.
/// Whether the session has one is asked, and its relations only where it has: to plan that takes longer than all of this.
const SCHEMAS: &str = "/* interceptor */ SET TRANSACTION READ ONLY; \
SELECT n.nspname FROM pg_catalog.pg_namespace AS n \
WHERE pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND (n.nspname OPERATOR(pg_catalog.=) CURRENT_USER \
OR pg_catalog.strpos(pg_catalog.replace(pg_catalog.lower(pg_catalog.current_setting('search_path')), '\"\"', '\"'), \
pg_catalog.lower(n.nspname::pg_catalog.text)) \
OPERATOR(pg_catalog.>) 0); \
SELECT CURRENT_USER, pg_catalog.current_setting('search_path'), pg_catalog.current_setting('server_version_num'), \
pg_catalog.pg_my_temp_schema() OPERATOR(pg_catalog.<>) 0::pg_catalog.oid";

/// In front of all that names no schema. Without jit: compiling what is planned as much work takes longer than all of it (27 of 31 ms
/// at 750 relations).
const SETTINGS: &str = "; SET LOCAL search_path = pg_catalog; SET LOCAL jit = off; SET LOCAL lock_timeout = 500";

/// Which relations: the session's own temporary ones.
const TEMPORARY: &str = "n.oid = pg_my_temp_schema()";
/// All others that are not the server's own. What begins with `pg_` is reserved for it.
const LASTING: &str = "left(n.nspname::text, 3) <> 'pg_' AND n.nspname <> 'information_schema'";
/// Tables, partitioned and foreign ones, views of both kinds, sequences: what a query may name.
const KINDS: &str = "c.relkind IN ('r', 'p', 'f', 'v', 'm', 'S')";

/// What a relation makes of its rows by itself, a row each: a letter that says what it is, the numbers of the columns that it looks at (none,
/// or 0: it may be all), and the expression of a generated column. Keys, checks and foreign keys; indexes, the columns of their expressions
/// and predicates among them (a key that is deferrable bounds nothing before the end of the transaction: it counts as an exclusion); bounds of partitions; triggers; row level security; types with constraints of their own; generated columns.
const COMPUTATIONS: &str = "SELECT CASE WHEN k.contype IN ('p', 'u') AND k.condeferrable THEN 'x' ELSE k.contype::text END AS what, coalesce(array_to_string(k.conkey, ' '), '') AS columns, '' AS words \
FROM pg_catalog.pg_constraint AS k WHERE k.conrelid = c.oid AND k.contype IN ('c', 'f', 'p', 'u', 'x') \
UNION ALL SELECT 'i', i.indkey::text || coalesce((SELECT string_agg(' ' || d.refobjsubid::text, '') FROM pg_catalog.pg_depend AS d \
WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = i.indexrelid AND d.refobjid = c.oid AND d.refobjsubid > 0), ''), '' \
FROM pg_catalog.pg_index AS i WHERE i.indrelid = c.oid \
UNION ALL SELECT 'b', p.partattrs::text, '' FROM pg_catalog.pg_partitioned_table AS p WHERE p.partrelid = c.oid \
UNION ALL SELECT 'b', '', '' WHERE c.relispartition \
UNION ALL SELECT 't', '', '' WHERE c.relhastriggers \
AND EXISTS (SELECT 1 FROM pg_catalog.pg_trigger AS t WHERE t.tgrelid = c.oid AND NOT t.tgisinternal) \
UNION ALL SELECT 's', '', '' WHERE c.relrowsecurity \
UNION ALL SELECT 'd', a.attnum::text, '' FROM pg_catalog.pg_attribute AS a JOIN pg_catalog.pg_type AS t ON t.oid = a.atttypid \
LEFT JOIN pg_catalog.pg_type AS e ON e.oid = t.typelem WHERE a.attrelid = c.oid AND a.attnum > 0 AND a.atttypid >= 16384 \
AND NOT a.attisdropped AND (t.typtype IN ('c', 'd') OR e.typtype IN ('c', 'd')) \
UNION ALL SELECT 'g', a.attnum::text, left({expression}, 65536) FROM pg_catalog.pg_attribute AS a \
JOIN pg_catalog.pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum \
WHERE a.attrelid = c.oid AND a.attgenerated <> ''";

/// The longest definition of a view, and the longest body of a function, that is asked for; one of this length counts as cut off.
pub(super) const TEXT_MAX: usize = 1 << 16;

/// Whether the definitions of views and of generated columns are asked for.
///
/// They alone can fail, and wait: the server writes one out by opening what it is over, which another session may drop or hold locked
/// meanwhile (`make_viewdef`, ruleutils.c). All else is read from the catalogs as they stood when the question began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Definitions {
    Asked,
    /// A view's is not known then: who reads it is refused.
    LeftOut,
}

/// What a result set of the answer holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// Schemas of the path that may be used, and perhaps others.
    Usable,
    /// The user, the path, the server's version, whether there is a temporary schema.
    Path,
    /// The session's own temporary relations,
    OwnRelations,
    /// and their columns.
    OwnColumns,
    /// Tables that have a column which policy names, with all of their columns.
    Named,
    /// Types that are not built in.
    Types,
    /// Relations that last,
    Relations,
    /// and their columns.
    Columns,
    Functions,
    Operators,
    Keys,
    /// What columns are called of which only the numbers were known.
    Names,
}

/// The question as it is sent, and what its result sets will be, in their order.
#[derive(Debug)]
pub(super) struct Question {
    pub(super) text: String,
    pub(super) parts: Vec<Part>,
}

impl Question {
    pub(super) fn new() -> Question {
        Question { text: String::from(SCHEMAS), parts: vec![Part::Usable, Part::Path] }
    }

    /// The result sets of what is written behind this.
    fn and(&mut self, parts: &[Part]) {
        if self.parts.len() == 2 {
            self.text.push_str(SETTINGS);
        }
        self.parts.extend_from_slice(parts);
    }

    /// The session's own temporary relations and their columns.
    pub(super) fn and_temporary(&mut self, columns_max: usize, definitions: Definitions) {
        self.and(&[Part::OwnRelations, Part::OwnColumns]);
        write_relations(&mut self.text, TEMPORARY, columns_max, definitions);
    }

    /// The columns of every table that has one that policy names, and the types.
    pub(super) fn and_tables(&mut self, policy: &Policy, database: &str, rows_max: usize) {
        self.and(&[Part::Named, Part::Types]);
        write_tables(&mut self.text, policy, database, rows_max);
    }

    /// What the database holds: relations, columns, functions, operators, keys.
    pub(super) fn and_holdings(&mut self, columns_max: usize, definitions: Definitions) {
        self.and(&[Part::Relations, Part::Columns, Part::Functions, Part::Operators, Part::Keys]);
        write_holdings(&mut self.text, columns_max, definitions);
    }

    /// What columns are called, of which only the numbers are known.
    pub(super) fn and_names(&mut self, columns: &[(u32, i16)]) {
        if !columns.is_empty() {
            self.and(&[Part::Names]);
            write_names(&mut self.text, columns);
        }
    }
}

fn write_holdings(into: &mut String, columns_max: usize, definitions: Definitions) {
    write_relations(into, LASTING, columns_max, definitions);
    // Written to a String: cannot fail.
    let _ = write!(
        into,
        "; SELECT n.nspname, p.proname, CASE WHEN l.lanname = 'sql' THEN left(nullif(p.prosrc, ''), {TEXT_MAX}) END, \
(SELECT string_agg(a.name, chr(31) ORDER BY a.at) FROM ROWS FROM (unnest(p.proargnames), unnest(p.proargmodes)) \
WITH ORDINALITY AS a(name, mode, at) WHERE a.mode IS NULL OR a.mode IN ('i', 'b', 'v')) \
FROM pg_catalog.pg_proc AS p JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace \
JOIN pg_catalog.pg_language AS l ON l.oid = p.prolang WHERE p.oid >= 16384 AND left(n.nspname::text, 8) <> 'pg_temp_' \
LIMIT {}; \
SELECT DISTINCT o.oprname FROM pg_catalog.pg_operator AS o WHERE o.oid >= 16384",
        columns_max.saturating_add(1)
    );
    write_keys(into, columns_max);
}

/// Columns by number of which no two rows of a relation have the same values: unique indexes that hold for every row at every moment.
/// Of a table that others inherit none does: their rows are read with it, and have indexes of their own. What lies beyond the limit is
/// no key.
fn write_keys(into: &mut String, columns_max: usize) {
    // Written to a String: cannot fail.
    let _ = write!(
        into,
        "; SELECT i.indrelid, (SELECT string_agg(k.number::text, ' ' ORDER BY k.at) \
FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS k(number, at) WHERE k.at <= i.indnkeyatts) \
FROM pg_catalog.pg_index AS i JOIN pg_catalog.pg_class AS c ON c.oid = i.indrelid \
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
WHERE i.indisunique AND i.indisvalid AND i.indisready AND i.indimmediate AND i.indpred IS NULL AND i.indexprs IS NULL \
AND (c.relkind = 'p' OR NOT c.relhassubclass) AND {LASTING} LIMIT {columns_max}"
    );
}

fn write_relations(into: &mut String, which: &str, columns_max: usize, definitions: Definitions) {
    let limit = columns_max.saturating_add(1);
    let (query, expression) = match definitions {
        Definitions::Asked => ("pg_get_viewdef(c.oid)", "pg_get_expr(d.adbin, d.adrelid)"),
        Definitions::LeftOut => ("NULL::text", "''"),
    };
    let computations = COMPUTATIONS.replace("{expression}", expression);
    let _ = write!(
        into,
        "; SELECT c.oid, n.nspname, c.relname, c.relkind, \
(SELECT string_agg(i.inhparent::int8::text, ' ') FROM pg_catalog.pg_inherits AS i WHERE i.inhrelid = c.oid), \
c.relhasrules AND EXISTS (SELECT 1 FROM pg_catalog.pg_rewrite AS r WHERE r.ev_class = c.oid AND r.rulename <> '_RETURN'), \
CASE WHEN c.relkind IN ('v', 'm') THEN left({query}, {TEXT_MAX}) END, \
(SELECT string_agg(w.what || chr(31) || w.columns || chr(31) || w.words, chr(30)) FROM ({computations}) AS w) \
FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
WHERE {KINDS} AND {which} ORDER BY c.oid LIMIT {limit}; \
SELECT a.attrelid, a.attnum, a.attname, a.atttypid \
FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid \
WHERE {KINDS} AND {which} AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attrelid, a.attnum LIMIT {limit}"
    );
}

fn write_names(into: &mut String, columns: &[(u32, i16)]) {
    let one = |&(table, number): &(u32, i16)| format!("(c.oid = {table}::oid AND a.attnum = {number})");
    let wanted: Vec<String> = columns.iter().map(one).collect();
    // Written to a String: cannot fail.
    let _ = write!(
        into,
        "; SELECT c.oid, a.attnum, n.nspname, c.relname, a.attname FROM pg_catalog.pg_class AS c \
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid WHERE {}",
        wanted.join(" OR ")
    );
}

/// The columns of every table that has one that policy names, then the types that are not built in.
fn write_tables(text: &mut String, policy: &Policy, database: &str, rows_max: usize) {
    let mut hits = String::new();
    let sensitive = policy.sensitive(database).map(|s| (&s.schema, &s.table, &s.column));
    let named = policy.patterns(database).flat_map(|pattern| &pattern.columns);
    let sought = policy.scans(database).map(|scan| &scan.column).chain(named);
    for (schema, table, column) in sensitive.chain(sought.map(|c| (&c.schema, &c.table, &c.column))) {
        if !hits.is_empty() {
            hits.push_str(" OR ");
        }
        hits.push('(');
        like(&mut hits, "n.nspname", schema);
        hits.push_str(" AND ");
        like(&mut hits, "c.relname", table);
        hits.push_str(" AND ");
        like(&mut hits, "s.attname", column);
        hits.push(')');
    }
    if hits.is_empty() {
        hits.push_str("false");
    }
    let limit = rows_max.saturating_add(1);
    // Written to a String: cannot fail.
    let _ = write!(
        text,
        "; \
SELECT c.oid, n.nspname, c.relname, a.attnum, a.attname, a.atttypid \
FROM pg_catalog.pg_class AS c \
JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace \
JOIN pg_catalog.pg_attribute AS a ON a.attrelid OPERATOR(pg_catalog.=) c.oid \
WHERE a.attnum OPERATOR(pg_catalog.>) 0 AND NOT a.attisdropped AND EXISTS (\
SELECT 1 FROM pg_catalog.pg_attribute AS s WHERE s.attrelid OPERATOR(pg_catalog.=) c.oid \
AND s.attnum OPERATOR(pg_catalog.>) 0 AND NOT s.attisdropped AND ({hits})) \
ORDER BY c.oid, a.attnum LIMIT {limit}; \
SELECT t.oid, p.proname, COALESCE(r.rngsubtype, 0::pg_catalog.oid) \
FROM pg_catalog.pg_type AS t \
JOIN pg_catalog.pg_proc AS p ON p.oid OPERATOR(pg_catalog.=) t.typsend::pg_catalog.oid \
LEFT JOIN pg_catalog.pg_range AS r ON r.rngtypid OPERATOR(pg_catalog.=) t.oid \
WHERE t.oid OPERATOR(pg_catalog.>=) 16384::pg_catalog.oid LIMIT {limit}"
    );
}

/// `pattern` as a comparison: equal, or LIKE where it has a star.
fn like(text: &mut String, column: &str, pattern: &str) {
    if pattern == "*" {
        text.push_str("true");
        return;
    }
    let star = pattern.contains('*');
    text.push_str(column);
    text.push_str(if star { " OPERATOR(pg_catalog.~~) " } else { " OPERATOR(pg_catalog.=) " });
    let mut value = String::with_capacity(pattern.len());
    for letter in pattern.chars() {
        match letter {
            '*' => value.push('%'),
            '%' | '_' | '\\' if star => value.extend(['\\', letter]),
            letter => value.push(letter),
        }
    }
    literal(text, &value);
}

/// A string constant in ASCII alone: it means the same in every client_encoding. (Letters that the server's own encoding lacks are an
/// error there, and no such name exists.)
fn literal(text: &mut String, value: &str) {
    let plain = value.is_ascii();
    text.push_str(if plain { "'" } else { "U&'" });
    for letter in value.chars() {
        match letter {
            '\'' => text.push_str("''"),
            '\\' if !plain => text.push_str("\\\\"),
            letter if letter.is_ascii() => text.push(letter),
            // Written to a String: cannot fail.
            letter => _ = write!(text, "\\+{:06x}", u32::from(letter)),
        }
    }
    text.push('\'');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_compared_in_any_encoding() {
        for (pattern, expected) in [
            ("pan", "c OPERATOR(pg_catalog.=) 'pan'"),
            ("a_b*", r"c OPERATOR(pg_catalog.~~) 'a\_b%'"),
            (r"o'\x", r"c OPERATOR(pg_catalog.=) 'o''\x'"),
            ("größe", r"c OPERATOR(pg_catalog.=) U&'gr\+0000f6\+0000dfe'"),
            ("ł_'*", r"c OPERATOR(pg_catalog.~~) U&'\+000142\\_''%'"),
            ("*", "true"),
        ] {
            let mut text = String::new();
            like(&mut text, "c", pattern);
            assert_eq!(text, expected);
        }
    }
}
