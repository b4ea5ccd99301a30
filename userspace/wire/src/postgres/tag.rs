//! The messages of each side: their type byte, and the bounds that the protocol sets to their bodies.

use super::limits::{
    AUTHENTICATION_BODY_MAX, BACKEND_BODY_MAX, BACKEND_SMALL_BODY_MAX, CANCEL_KEY_MAX, CANCEL_KEY_MIN, COUNT_MAX,
    FRONTEND_LARGE_BODY_MAX, FRONTEND_SMALL_BODY_MAX, STARTUP_BODY_MAX,
};

/// One side's message types.
pub trait Tag: Copy + Eq + core::fmt::Debug + 'static {
    /// Every type of this side.
    const ALL: &'static [Self];
    /// The type of a byte; `None` for one that this side never sends.
    fn of_byte(byte: u8) -> Option<Self>;
    /// The type's byte.
    fn byte(self) -> u8;
    /// Fewest bytes of a body of this type.
    fn body_min(self) -> usize;
    /// Most bytes of a body of this type.
    fn body_max(self) -> usize;
}

macro_rules! tags {
    ($(#[$about:meta])* $side:ident { $($(#[$doc:meta])* $name:ident = $byte:literal, $min:expr, $max:expr;)+ }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $side { $($(#[$doc])* $name,)+ }

        impl Tag for $side {
            const ALL: &'static [$side] = &[$($side::$name,)+];

            fn of_byte(byte: u8) -> Option<$side> {
                match byte { $($byte => Some($side::$name),)+ _ => None }
            }

            fn byte(self) -> u8 {
                match self { $($side::$name => $byte,)+ }
            }

            fn body_min(self) -> usize {
                match self { $($side::$name => $min,)+ }
            }

            fn body_max(self) -> usize {
                match self { $($side::$name => $max,)+ }
            }
        }
    };
}

tags! {
    /// What a client may send once the connection is open. Bounds: `SocketBackend` in src/backend/tcop/postgres.c.
    FrontendTag {
        /// Parameter values for a prepared statement.
        Bind = b'B', 8, FRONTEND_LARGE_BODY_MAX;
        /// Drop a prepared statement or portal.
        Close = b'C', 2, FRONTEND_SMALL_BODY_MAX;
        /// A piece of the data of COPY FROM STDIN.
        CopyData = b'd', 0, FRONTEND_LARGE_BODY_MAX;
        /// The data of COPY FROM STDIN is complete.
        CopyDone = b'c', 0, 0;
        /// COPY FROM STDIN is given up.
        CopyFail = b'f', 1, FRONTEND_SMALL_BODY_MAX;
        /// What does a prepared statement or portal return?
        Describe = b'D', 2, FRONTEND_SMALL_BODY_MAX;
        /// Run a portal.
        Execute = b'E', 5, FRONTEND_SMALL_BODY_MAX;
        /// Send what is there.
        Flush = b'H', 0, 0;
        /// Call a function by its OID.
        FunctionCall = b'F', 10, FRONTEND_LARGE_BODY_MAX;
        /// Prepare a statement.
        Parse = b'P', 4, FRONTEND_LARGE_BODY_MAX;
        /// An answer to an authentication request: PasswordMessage, SASLInitialResponse, SASLResponse and GSSResponse share the byte.
        Authentication = b'p', 0, AUTHENTICATION_BODY_MAX;
        /// A text of one or more statements.
        Query = b'Q', 1, FRONTEND_LARGE_BODY_MAX;
        /// End of a series of extended-query messages.
        Sync = b'S', 0, 0;
        /// Goodbye.
        Terminate = b'X', 0, 0;
    }
}

tags! {
    /// What a server may send.
    BackendTag {
        /// All kinds of authentication request.
        Authentication = b'R', 4, 4 + AUTHENTICATION_BODY_MAX;
        /// Process number and secret for a CancelRequest.
        BackendKeyData = b'K', 4 + CANCEL_KEY_MIN, 4 + CANCEL_KEY_MAX;
        /// Bind succeeded.
        BindComplete = b'2', 0, 0;
        /// Close succeeded.
        CloseComplete = b'3', 0, 0;
        /// A statement is complete.
        CommandComplete = b'C', 1, BACKEND_SMALL_BODY_MAX;
        /// A piece of the data of COPY TO STDOUT.
        CopyData = b'd', 0, BACKEND_BODY_MAX;
        /// The data of COPY TO STDOUT is complete.
        CopyDone = b'c', 0, 0;
        /// COPY FROM STDIN begins.
        CopyInResponse = b'G', 3, 3 + 2 * COUNT_MAX;
        /// COPY TO STDOUT begins.
        CopyOutResponse = b'H', 3, 3 + 2 * COUNT_MAX;
        /// Streaming replication begins.
        CopyBothResponse = b'W', 3, 3 + 2 * COUNT_MAX;
        /// One row.
        DataRow = b'D', 2, BACKEND_BODY_MAX;
        /// The text of a Query was empty.
        EmptyQueryResponse = b'I', 0, 0;
        /// An error.
        ErrorResponse = b'E', 1, BACKEND_BODY_MAX;
        /// What a function call returned.
        FunctionCallResponse = b'V', 4, BACKEND_BODY_MAX;
        /// The server speaks an older minor version, or lacks options that were asked for.
        NegotiateProtocolVersion = b'v', 8, STARTUP_BODY_MAX;
        /// A statement or portal returns no rows.
        NoData = b'n', 0, 0;
        /// A warning or remark.
        NoticeResponse = b'N', 1, BACKEND_BODY_MAX;
        /// A NOTIFY of some session.
        NotificationResponse = b'A', 6, BACKEND_BODY_MAX;
        /// The types of a prepared statement's parameters.
        ParameterDescription = b't', 2, 2 + 4 * COUNT_MAX;
        /// A setting's value.
        ParameterStatus = b'S', 2, BACKEND_BODY_MAX;
        /// Parse succeeded.
        ParseComplete = b'1', 0, 0;
        /// Execute stopped at its row limit.
        PortalSuspended = b's', 0, 0;
        /// The server waits for the next command.
        ReadyForQuery = b'Z', 1, 1;
        /// The columns of the rows that follow.
        RowDescription = b'T', 2, BACKEND_BODY_MAX;
    }
}
