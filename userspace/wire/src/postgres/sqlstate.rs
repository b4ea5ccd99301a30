//! The error codes that we send or act on (manual, appendix A "PostgreSQL Error Codes").

use core::fmt;

/// Five characters, digits and upper-case letters.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SqlState([u8; 5]);

impl SqlState {
    /// successful_completion: the code of a notice that is no warning.
    pub const SUCCESSFUL_COMPLETION: SqlState = SqlState(*b"00000");
    /// warning.
    pub const WARNING: SqlState = SqlState(*b"01000");
    /// connection_failure: the connection to the database broke.
    pub const CONNECTION_FAILURE: SqlState = SqlState(*b"08006");
    /// protocol_violation: a malformed message, or one that has no place here.
    pub const PROTOCOL_VIOLATION: SqlState = SqlState(*b"08P01");
    /// feature_not_supported: an unknown protocol version, replication, a second SSLRequest.
    pub const FEATURE_NOT_SUPPORTED: SqlState = SqlState(*b"0A000");
    /// character_not_in_repertoire: text that is not valid in its encoding.
    pub const CHARACTER_NOT_IN_REPERTOIRE: SqlState = SqlState(*b"22021");
    /// invalid_parameter_value: a setting that may not have this value.
    pub const INVALID_PARAMETER_VALUE: SqlState = SqlState(*b"22023");
    /// in_failed_sql_transaction: the transaction waits for its ROLLBACK.
    pub const IN_FAILED_SQL_TRANSACTION: SqlState = SqlState(*b"25P02");
    /// invalid_sql_statement_name: no such prepared statement.
    pub const INVALID_SQL_STATEMENT_NAME: SqlState = SqlState(*b"26000");
    /// invalid_authorization_specification: no user, a user named twice, a database that is not allowed.
    pub const INVALID_AUTHORIZATION_SPECIFICATION: SqlState = SqlState(*b"28000");
    /// invalid_cursor_name: no such portal.
    pub const INVALID_CURSOR_NAME: SqlState = SqlState(*b"34000");
    /// insufficient_privilege: policy blocks the statement.
    pub const INSUFFICIENT_PRIVILEGE: SqlState = SqlState(*b"42501");
    /// syntax_error: the statement cannot be parsed.
    pub const SYNTAX_ERROR: SqlState = SqlState(*b"42601");
    /// insufficient_resources: some budget is spent.
    pub const INSUFFICIENT_RESOURCES: SqlState = SqlState(*b"53000");
    /// disk_full: the record cannot be written, so nothing is forwarded.
    pub const DISK_FULL: SqlState = SqlState(*b"53100");
    /// out_of_memory: a buffer's budget is spent.
    pub const OUT_OF_MEMORY: SqlState = SqlState(*b"53200");
    /// too_many_connections: no room for one more session.
    pub const TOO_MANY_CONNECTIONS: SqlState = SqlState(*b"53300");
    /// program_limit_exceeded: a statement or message over a limit.
    pub const PROGRAM_LIMIT_EXCEEDED: SqlState = SqlState(*b"54000");
    /// statement_too_complex: nesting over the limit.
    pub const STATEMENT_TOO_COMPLEX: SqlState = SqlState(*b"54001");
    /// query_canceled: a hold that its agent cancelled.
    pub const QUERY_CANCELED: SqlState = SqlState(*b"57014");
    /// admin_shutdown: the service stops, or an operator ended the session.
    pub const ADMIN_SHUTDOWN: SqlState = SqlState(*b"57P01");
    /// cannot_connect_now: the database cannot be reached.
    pub const CANNOT_CONNECT_NOW: SqlState = SqlState(*b"57P03");
    /// idle_session_timeout, in use for a client that never finishes what it began.
    pub const IDLE_SESSION_TIMEOUT: SqlState = SqlState(*b"57P05");
    /// io_error: the record's disk failed.
    pub const IO_ERROR: SqlState = SqlState(*b"58030");
    /// internal_error: our own fault.
    pub const INTERNAL_ERROR: SqlState = SqlState(*b"XX000");

    /// The code of five bytes; `None` when they are not digits and upper-case letters.
    pub fn of_bytes(bytes: &[u8]) -> Option<SqlState> {
        let code: [u8; 5] = bytes.try_into().ok()?;
        code.iter().all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase()).then_some(SqlState(code))
    }

    /// The five bytes.
    pub fn as_bytes(&self) -> &[u8; 5] {
        &self.0
    }

    /// The five characters.
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(&self.0).unwrap_or("XX000") // never taken: every constructor admits ASCII alone
    }

    /// The first two characters: the class of the error.
    pub fn class(&self) -> &str {
        self.as_str().get(..2).unwrap_or_default()
    }
}

impl fmt::Display for SqlState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for SqlState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
