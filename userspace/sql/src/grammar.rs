//! The one door to libpg_query, PostgreSQL 18's own grammar and scanner in C. All `unsafe` of this crate is here.
//!
//! The `pg_query` crate builds and links the library; its own `parse` is not used because it drops the error's position
//! and decodes through protobuf, whose nesting limit refuses chains of some 30 operators. The declarations below are those
//! of `pg_query.h` in pg_query 18.1.0, the version that Cargo.toml pins. The library keeps all state per thread, checks
//! the C stack that is left (`pg_query.c`, `set_max_stack_depth`) and does not touch stderr (`DEBUG` in
//! `pg_query_internal.h`).
#![allow(unsafe_code)]

use std::ffi::{CStr, CString, c_char, c_int};

use pg_query as _; // links the C library

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

unsafe extern "C" {
    fn pg_query_parse_opts(input: *const c_char, options: c_int) -> CParseResult;
    fn pg_query_free_parse_result(result: CParseResult);
    fn pg_query_scan_tokens(input: *const c_char) -> CTokens;
    fn pg_query_free_scan_tokens_result(result: CTokens);
}

/// `PG_QUERY_PARSE_DEFAULT`: statements, `standard_conforming_strings` on, `backslash_quote` as for UTF-8 clients.
const PARSE_DEFAULT: c_int = 0;

/// The parse tree of `text` as the library's JSON, handed to `read`.
pub(crate) fn parse<T>(text: &str, read: impl FnOnce(&str) -> T) -> Result<T, Fault> {
    let input = CString::new(text).map_err(|_| nul())?;
    // SAFETY: `input` is a NUL-terminated string that outlives the call; the library copies what it keeps.
    let result = ParseResult(unsafe { pg_query_parse_opts(input.as_ptr(), PARSE_DEFAULT) });
    if let Some(fault) = fault(result.0.error) {
        return Err(fault);
    }
    if result.0.parse_tree.is_null() {
        return Err(Fault { message: "no parse tree".to_owned(), cursor: 0 });
    }
    // SAFETY: not null, NUL-terminated (strdup in pg_query_parse.c), freed only when `result` drops after `read`.
    let tree = unsafe { CStr::from_ptr(result.0.parse_tree) };
    match tree.to_str() {
        Ok(tree) => Ok(read(tree)),
        Err(_) => Err(Fault { message: "parse tree is not UTF-8".to_owned(), cursor: 0 }),
    }
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
