//! Every bound of a session in one place. Over a bound the answer is a refusal, never growth and never an eviction.

/// Bounds on what one session may hold or ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The longest statement text (Query, Parse), bytes. Longer: 54000.
    pub statement: usize,
    /// The longest frame of the agent that must be whole (Bind, FunctionCall), bytes.
    pub frame: usize,
    /// The longest startup packet, bytes; the server's own bound is 10,000 (MAX_STARTUP_PACKET_LENGTH, pqcomm.h).
    pub startup: usize,
    /// The longest password or SASL message of the agent, bytes; the server's own bound is 65,535 (PG_MAX_AUTH_TOKEN_LENGTH).
    pub password: usize,
    /// The longest message of the database that must be whole before it is understood (RowDescription, errors), bytes.
    pub control: usize,
    /// Agent bytes that may wait while the session is not ready for them, bytes.
    pub inbox: usize,
    /// Messages of the agent whose answers are outstanding. Full: the agent is not read.
    pub pipelined: usize,
    /// Values of a statement's parameters that are told: to a reviewer of a held one, and in the record.
    pub told_parameters: usize,
    /// Prepared statements of one session.
    pub statements: usize,
    /// Bytes of text of one session's prepared statements.
    pub statements_bytes: usize,
    /// Portals of one session.
    pub portals: usize,
    /// Rows that our own catalog query may return.
    pub catalog_rows: usize,
    /// Columns of the database, and its relations and functions, that our own catalog query asks for. What lies beyond is unknown.
    pub catalog_columns: usize,
    /// Questions about the values of sensitive columns that an agent may ask in an hour, beside those that policy lets it ask.
    pub probes_per_hour: u32,
    /// Statements of an agent that may fail in an hour with an error that a sensitive value decides.
    pub value_errors_per_hour: u32,
    /// From the first byte to the end of the login, milliseconds.
    pub login_ms: u64,
    /// How long our own catalog query may take, milliseconds.
    pub catalog_ms: u64,
    /// How long a statement waits for the planner's estimate, milliseconds.
    pub estimate_ms: u64,
    /// How long a large statement waits for its verdict, milliseconds.
    pub large_ms: u64,
    /// How long the agent's next statement waits for a cancel of ours to be worked off, milliseconds.
    pub cancel_ms: u64,
    /// After this long the sensitive columns are asked for anew while the session is idle, milliseconds.
    pub catalog_age_ms: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            statement: 1 << 20,
            frame: 64 << 20,
            startup: 10_000,
            password: 65_535,
            control: 1 << 20,
            inbox: 256 << 10,
            pipelined: 8192,
            told_parameters: 128,
            statements: 4096,
            statements_bytes: 16 << 20,
            portals: 1024,
            catalog_rows: 20_000,
            catalog_columns: 50_000,
            probes_per_hour: 0,
            value_errors_per_hour: 8,
            login_ms: 10_000,
            catalog_ms: 10_000,
            estimate_ms: 1_000,
            large_ms: 30_000,
            cancel_ms: 3_000,
            catalog_age_ms: 300_000,
        }
    }
}
