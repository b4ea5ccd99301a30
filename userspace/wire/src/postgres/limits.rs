//! Every limit of this protocol in one place. They are the protocol's and the server's; a session sets tighter ones of its own.

/// Bytes of a typed message in front of its body: one for the type, four for the length.
pub const HEADER: usize = 5;

/// The length word counts itself.
pub const LENGTH_WORD: usize = 4;

/// Most bytes of a first packet behind its length word (`MAX_STARTUP_PACKET_LENGTH`, src/include/libpq/pqcomm.h).
pub const STARTUP_BODY_MAX: usize = 10_000;

/// Most parameters of one startup packet. Ours: the server stops at the packet's end. Drivers send fewer than twenty.
pub const STARTUP_PARAMETERS_MAX: usize = 128;

/// Body of the messages that carry names alone (`PQ_SMALL_MESSAGE_LIMIT` = 10,000 counts the length word, src/include/libpq/libpq.h).
pub const FRONTEND_SMALL_BODY_MAX: usize = 10_000 - LENGTH_WORD;

/// Body of the messages that carry statements, values or data (`PQ_LARGE_MESSAGE_LIMIT` = `MaxAllocSize` - 1, the same file).
pub const FRONTEND_LARGE_BODY_MAX: usize = 0x3fff_ffff - 1 - LENGTH_WORD;

/// Body of an answer to an authentication request (`PG_MAX_AUTH_TOKEN_LENGTH` = 65,535, src/include/libpq/auth.h).
pub const AUTHENTICATION_BODY_MAX: usize = 65_535 - LENGTH_WORD;

/// Body of a server's message: a `StringInfo` cannot outgrow `MaxAllocSize` (src/include/utils/memutils.h).
pub const BACKEND_BODY_MAX: usize = 0x3fff_ffff;

/// Body of a server's short message: libpq takes a longer one for lost synchronisation (fe-protocol3.c, `VALID_LONG_MESSAGE_TYPE`).
pub const BACKEND_SMALL_BODY_MAX: usize = 30_000;

/// Fewest bytes of a cancel key: protocol 3.0 has exactly these.
pub const CANCEL_KEY_MIN: usize = 4;

/// Most bytes of a cancel key in protocol 3.2 (message BackendKeyData: "maximum key length is 256").
pub const CANCEL_KEY_MAX: usize = 256;

/// A count on the wire is two bytes, read as unsigned by the server (`pq_getmsgint(msg, 2)`).
pub const COUNT_MAX: usize = u16::MAX as usize;

/// One value cannot be longer than its length word says; -1 is NULL.
pub const VALUE_MAX: usize = i32::MAX as usize;

const _: () = assert!(
    STARTUP_BODY_MAX + LENGTH_WORD < 1 << 24,
    "the first byte of a startup packet is zero: `startup` relies on it"
);
const _: () = assert!(BACKEND_BODY_MAX + LENGTH_WORD <= VALUE_MAX, "a body's length fits the length word");
const _: () = assert!(FRONTEND_LARGE_BODY_MAX < BACKEND_BODY_MAX && CANCEL_KEY_MAX + 16 < STARTUP_BODY_MAX);
