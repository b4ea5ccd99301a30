//! The one door to libpg_query, PostgreSQL 18's own grammar and scanner in C. All `unsafe` of this crate is here.
//!
//! The `pg_query` crate builds and links the library; its own `parse` is not used because it drops the error's position
//! and decodes through protobuf, whose nesting limit refuses chains of some 30 operators. The tree is read where it lies
//! (`node.rs`) once it was gone through (`measure.rs`), and lives until the text is judged (`arena.rs`). The declarations below are those of
//! `pg_query.h`, `pg_query_internal.h` and PostgreSQL's `memutils.h` in pg_query 18.1.0, the version that Cargo.toml pins. The library keeps all state per thread, checks
//! the C stack that is left (`pg_query.c`, `set_max_stack_depth`) and does not touch stderr (`DEBUG` in
//! `pg_query_internal.h`).
#![allow(unsafe_code)]

mod arena;
mod measure;
mod node;

use std::ffi::{CStr, CString, c_char, c_int, c_void};

use std::ptr::NonNull;

use pg_query as _; // links the C library

pub(crate) use arena::Arena;
pub(crate) use measure::Tree;
pub(crate) use node::{List, Node};

use crate::tree::{Literals, Unreadable};

/// Why the C library gave no result.
#[derive(Debug)]
pub(crate) struct Fault {
    /// Its own words: may quote the text.
    pub(crate) message: String,
    /// Characters from 1; 0: not known.
    pub(crate) cursor: usize,
}

/// One token of the scanner.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Token {
    /// First byte.
    pub(crate) start: usize,
    /// The byte after its last.
    pub(crate) end: usize,
    /// The grammar's number of it (`pg_query_scan_tokens.h`).
    pub(crate) number: i32,
}

#[repr(C)]
struct CError {
    message: *mut c_char,
    funcname: *mut c_char,
    filename: *mut c_char,
    lineno: c_int,
    cursorpos: c_int,
    context: *mut c_char,
}

#[repr(C)]
struct CParseResult {
    parse_tree: *mut c_char,
    stderr_buffer: *mut c_char,
    error: *mut CError,
}

#[repr(C)]
struct CToken {
    start: c_int,
    end: c_int,
    token: c_int,
    keyword_kind: c_int,
}

#[repr(C)]
struct CTokens {
    tokens: *mut CToken,
    n_tokens: c_int,
    error: *mut CError,
}

#[repr(C)]
struct CRawTree {
    tree: *mut c_void,
    stderr_buffer: *mut c_char,
    error: *mut CError,
}

unsafe extern "C" {
    fn pg_query_enter_memory_context() -> *mut c_void;
    fn pg_query_exit_memory_context(context: *mut c_void);
    fn pg_query_raw_parse(input: *const c_char, options: c_int) -> CRawTree;
    fn AllocSetContextCreateInternal(
        parent: *mut c_void,
        name: *const c_char,
        min_bytes: usize,
        first_bytes: usize,
        max_bytes: usize,
    ) -> *mut c_void;
    fn MemoryContextDelete(context: *mut c_void);
    #[cfg(test)]
    fn pg_query_parse_opts(input: *const c_char, options: c_int) -> CParseResult;
    fn pg_query_free_parse_result(result: CParseResult);
    fn pg_query_scan_tokens(input: *const c_char) -> CTokens;
    fn pg_query_free_scan_tokens_result(result: CTokens);
}

/// `PG_QUERY_PARSE_DEFAULT`: statements, `standard_conforming_strings` on, `backslash_quote` as for UTF-8 clients.
const PARSE_DEFAULT: c_int = 0;

/// Why a text has no tree here.
#[derive(Debug)]
pub(crate) enum Refused {
    /// The grammar rejects it.
    Fault(Fault),
    /// Its tree is deeper or larger than asked for, or not what the library makes.
    Unreadable(Unreadable),
}

/// What a text is read as.
pub(crate) struct Parsed<'t> {
    /// The list of its statements, each in its `RawStmt`.
    pub(crate) statements: List<'t>,
    /// Its constants.
    pub(crate) literals: Literals<'t>,
}

/// The parse tree of `text`: at most so deep and of about so many bytes. It lives as long as the arena.
pub(crate) fn parse<'t>(
    text: &str,
    arena: &'t Arena,
    depth_max: usize,
    bytes_max: usize,
) -> Result<Parsed<'t>, Refused> {
    let mut input = bumpalo::collections::Vec::with_capacity_in(text.len() + 1, arena);
    input.extend_from_slice_copy(text.as_bytes());
    input.push(0);
    let input = CStr::from_bytes_with_nul(&input).map_err(|_| Refused::Fault(nul()))?;
    let entered = Entered::enter();
    let list = entered.parse(input).map_err(Refused::Fault)?;
    let room = entered.leave();
    let tree = arena.alloc(Tree::new(arena));
    let Some(list) = NonNull::new(list.cast::<u8>()) else {
        return Ok(Parsed { statements: List::default(), literals: Literals::new(tree, &[]) });
    };
    // SAFETY: without an error it is what `raw_parser` made; it lives as long as its room.
    let measured = unsafe { measure::Measure::new(tree, depth_max, bytes_max).list(list) };
    let (constants, bytes) = measured.map_err(Refused::Unreadable)?;
    arena.hold(room, bytes);
    // SAFETY: it was measured, and its room lives as long as the arena, which is borrowed for as long as the list.
    let statements = unsafe { List::at(list, tree) };
    Ok(Parsed { statements, literals: Literals::new(tree, constants) })
}

/// Whether the grammar takes `text`.
pub(crate) fn takes(text: &str) -> bool {
    CString::new(text).is_ok_and(|input| Entered::enter().parse(&input).is_ok())
}

/// The library's memory for one parse, entered. Never one inside another.
struct Entered(*mut c_void);

impl Entered {
    fn enter() -> Entered {
        // SAFETY: no other context is entered on this thread: nothing that parses is called before it is left.
        Entered(unsafe { pg_query_enter_memory_context() })
    }

    /// The raw tree, null for no statement; it lives as long as the memory.
    fn parse(&self, input: &CStr) -> Result<*mut c_void, Fault> {
        // SAFETY: `input` is a NUL-terminated string that outlives the call; the library's memory context is entered.
        let CRawTree { tree, stderr_buffer, error } = unsafe { pg_query_raw_parse(input.as_ptr(), PARSE_DEFAULT) };
        let result = ParseResult(CParseResult { parse_tree: std::ptr::null_mut(), stderr_buffer, error });
        fault(result.0.error).map_or(Ok(tree), Err)
    }

    /// Leaves it with all that is in it. The library leaves a context by deleting it: it is given another one, a child without anything in
    /// it (of `ALLOCSET_DEFAULT_SIZES`, as those that it keeps for the next).
    fn leave(self) -> Room {
        let context = std::mem::ManuallyDrop::new(self).0;
        // SAFETY: `context` was made by `enter` and is the current one; leaving makes the thread's own current and ends the check of the stack,
        // whatever context is named, and deletes that one, which nothing points into.
        unsafe {
            let empty = AllocSetContextCreateInternal(context, c"interceptor".as_ptr(), 0, 8 << 10, 8 << 20);
            pg_query_exit_memory_context(empty);
        }
        Room(context)
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        // SAFETY: entered by `enter`, left once, here.
        unsafe { pg_query_exit_memory_context(self.0) }
    }
}

/// The library's memory of one parse, left.
struct Room(*mut c_void);

impl Drop for Room {
    fn drop(&mut self) {
        // SAFETY: it was left, so it is not the current one; what points into it lives no longer than the arena that drops it. A room stays
        // on its thread.
        unsafe { MemoryContextDelete(self.0) }
    }
}

/// The library's own JSON of a tree: what the tests compare with.
#[cfg(test)]
fn json(text: &str) -> Result<String, Fault> {
    let input = CString::new(text).map_err(|_| nul())?;
    // SAFETY: `input` is a NUL-terminated string that outlives the call; the library copies what it keeps.
    let result = ParseResult(unsafe { pg_query_parse_opts(input.as_ptr(), PARSE_DEFAULT) });
    if let Some(fault) = fault(result.0.error) {
        return Err(fault);
    }
    // SAFETY: not null without an error, NUL-terminated (strdup in pg_query_parse.c), freed when `result` drops.
    Ok(unsafe { CStr::from_ptr(result.0.parse_tree) }.to_string_lossy().into_owned())
}

/// The tokens of `text`, comments included.
pub(crate) fn scan(text: &str) -> Result<Vec<Token>, Fault> {
    let input = CString::new(text).map_err(|_| nul())?;
    // SAFETY: as in `parse`.
    let result = Tokens(unsafe { pg_query_scan_tokens(input.as_ptr()) });
    if let Some(fault) = fault(result.0.error) {
        return Err(fault);
    }
    let Ok(count) = usize::try_from(result.0.n_tokens) else {
        return Err(Fault { message: "no tokens".to_owned(), cursor: 0 });
    };
    if result.0.tokens.is_null() || count == 0 {
        return Ok(Vec::new());
    }
    // SAFETY: the library allocated `n_tokens` elements at `tokens` and they live until `result` drops.
    let tokens = unsafe { std::slice::from_raw_parts(result.0.tokens, count) };
    let at = |position: c_int| usize::try_from(position).unwrap_or(0).min(text.len());
    Ok(tokens.iter().map(|t| Token { start: at(t.start), end: at(t.end), number: t.token }).collect())
}

fn nul() -> Fault {
    Fault { message: "the text contains a NUL byte".to_owned(), cursor: 0 }
}

fn fault(error: *mut CError) -> Option<Fault> {
    if error.is_null() {
        return None;
    }
    // SAFETY: not null, so it points to an error that the library filled and that lives until the result is freed.
    let error = unsafe { &*error };
    let message = if error.message.is_null() {
        String::new()
    } else {
        // SAFETY: not null, NUL-terminated (strdup), lives as long as `error`.
        unsafe { CStr::from_ptr(error.message) }.to_string_lossy().into_owned()
    };
    Some(Fault { message, cursor: usize::try_from(error.cursorpos).unwrap_or(0) })
}

struct ParseResult(CParseResult);

impl Drop for ParseResult {
    fn drop(&mut self) {
        let CParseResult { parse_tree, stderr_buffer, error } = self.0;
        // SAFETY: made by `pg_query_parse_opts`, freed once, here. (`context`, which parse errors leave NULL, included.)
        unsafe { pg_query_free_parse_result(CParseResult { parse_tree, stderr_buffer, error }) }
    }
}

struct Tokens(CTokens);

impl Drop for Tokens {
    fn drop(&mut self) {
        let CTokens { tokens, n_tokens, error } = self.0;
        // SAFETY: made by `pg_query_scan_tokens`, freed once, here.
        unsafe { pg_query_free_scan_tokens_result(CTokens { tokens, n_tokens, error }) }
    }
}

#[cfg(test)]
mod tests {
    use bumpalo::Bump;

    use super::{Arena, List, Parsed};
    use crate::tree::json::{self, Value as Told};
    use crate::tree::{At, Node, Value, at};

    const TEXTS: &[&str] = &[
        include_str!("../../policy/testdata/psql.sql"),
        include_str!("../../policy/testdata/pg_dump.sql"),
        include_str!("../tests/lineage/data/django.sql"),
        include_str!("../tests/lineage/data/sqlalchemy.sql"),
        include_str!("../tests/lineage/data/tpc.sql"),
        include_str!("../tests/lineage/data/orm.sql"),
        include_str!("../data/tree-statements.sql"),
    ];

    /// Where it is not what the library's JSON says. There a node whose field can hold one type only has no name.
    fn difference(read: Value<'_>, told: Told<'_>) -> Option<String> {
        let is_same = match (read, told) {
            (Value::Node(_) | Value::Literal(_), Told::Node(told)) => {
                return node_difference(read.as_node().unwrap(), told);
            }
            (Value::List(read), Told::List(told)) if read.len() == told.len() => {
                let mut pairs = read.iter().zip(told).enumerate();
                return pairs.find_map(|(at, (read, told))| Some(format!("[{at}]{}", difference(read, *told)?)));
            }
            (Value::Text(read), Told::Text(told)) => read == told,
            (Value::Bool(read), Told::Bool(told)) => read == told,
            (Value::Int(read), Told::Int(told)) => read == told,
            _ => false,
        };
        (!is_same).then(|| format!(": {read:?}, not {told:?}"))
    }

    fn node_difference(read: Node<'_>, told: &json::Node<'_>) -> Option<String> {
        let is_left_out = |value: Told<'_>| matches!(value, Told::Text(""));
        let base = match told.get(at!("base")) {
            Told::Node(base) => base.fields,
            _ => &[],
        };
        let is_own = |name: At| base.is_empty() || ![at!("base"), at!("options")].contains(&name);
        let own = told.fields.iter().filter(|(name, _)| is_own(*name));
        let told_fields: Vec<(At, Told<'_>)> =
            base.iter().chain(own).copied().filter(|(_, value)| !is_left_out(*value)).collect();
        // The JSON's reader takes an operator class's `name` for a relation's.
        let is_renamed = (read.name(), told.name) == ("ObjectWithArgs", "RangeVar");
        let is_other = read.name() != told.name && !told.name.is_empty() && !is_renamed;
        if is_other || told_fields.len() != read.fields().count() {
            return Some(format!(": {read:?}, not {told:?}"));
        }
        let mut fields = told_fields.into_iter();
        fields.find_map(|(name, value)| Some(format!(".{name:?}{}", difference(read.get(name), value)?)))
    }

    /// Where the statements are not what the JSON says; without one it says nothing of them.
    fn text_difference(read: List<'_>, told: &str) -> Option<String> {
        let bump = Bump::new();
        let told = json::read(told, &bump, 1_000).unwrap();
        match told.get(at!("stmts")) {
            Told::List(_) => difference(Value::List(read), told.get(at!("stmts"))),
            _ => (!read.is_empty()).then(|| format!("{read:?}")),
        }
    }

    #[test]
    fn the_tree_is_what_the_json_says() {
        for text in TEXTS.iter().flat_map(|texts| texts.split("-- @\n")) {
            let arena = Arena::take();
            let (Ok(Parsed { statements, .. }), Ok(told)) =
                (super::parse(text, &arena, 1_000, 1 << 24), super::json(text))
            else {
                panic!("{text}: refused")
            };
            assert_eq!(text_difference(statements, &told), None, "{text}");
            assert!(arena.is_sound());
        }
    }

    /// The same of random pieces of the texts, as far as the grammar takes them.
    #[test]
    fn pieces_of_texts_too() {
        let mut state = 0x9E37_79B9_7F4A_7C15_u64;
        let mut below = |n: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            usize::try_from(state % n.max(1) as u64).unwrap_or(0)
        };
        let texts: Vec<&str> = TEXTS.iter().flat_map(|texts| texts.split("-- @\n")).collect();
        let mut taken = 0;
        for _ in 0..3_000 {
            let mut words: Vec<&str> = texts[below(texts.len())].split(' ').collect();
            for _ in 0..=below(3) {
                let at = below(words.len());
                match below(3) {
                    0 => drop(words.drain(at..(at + below(6)).min(words.len()))),
                    1 => words.truncate(at.max(1)),
                    _ => words.insert(at, ["NOT", "NULL,", "(", ")", "x,", "DISTINCT", "'a'::text", "*"][below(8)]),
                }
            }
            let text = words.join(" ");
            let arena = Arena::take();
            match (super::parse(&text, &arena, 1_000, 1 << 24), super::json(&text)) {
                (Ok(read), Ok(told)) => {
                    assert_eq!(text_difference(read.statements, &told), None, "{text}");
                    taken += 1;
                }
                (Err(_), Err(_)) => {}
                (read, told) => panic!("{text}: {} {}", read.is_ok(), told.is_ok()),
            }
        }
        assert!(taken > 100, "{taken}");
    }
}
