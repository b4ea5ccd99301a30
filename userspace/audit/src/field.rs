//! The one table of a payload's fields. A number never changes its meaning; a new field takes a new number.
//!
//! A payload is a run of fields, each `number u8 | length LEB128 | bytes`. A reader skips the numbers that it does not know.

/// How a field's bytes are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Unsigned, little endian, 0 to 8 bytes, without zero bytes at the end (so 0 has no bytes).
    Number,
    /// UTF-8, masked before it was encoded.
    Text,
    /// [`Form::Text`], and the field may occur many times.
    List,
    /// An IP address of 4 or 16 bytes in network order, then the port, u16 little endian.
    Address,
    /// The shard, u16 little endian, and the seq, a [`Form::Number`].
    Id,
    /// 32 bytes of SHA-256.
    Hash,
    /// The shard, u16 little endian, 32 bytes of the root, and the size, a [`Form::Number`]; the field may occur many times.
    Head,
    /// 64 bytes of Ed25519 (RFC 8032).
    Signature,
    /// 16 bytes of the kernel's boot id.
    Boot,
    /// 32 bytes of an Ed25519 public key (RFC 8032).
    Key,
    /// Any bytes, in COBS: no zero byte is in them.
    Bytes,
    /// 4 bytes of a key's name and 16 of an HMAC-SHA-256; the field may occur many times.
    Token,
    /// Pairs of LEB128, each one more than it says: microseconds since the pair before, and bytes.
    Timing,
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// The number on disk.
    pub number: u8,
    /// The key in JSON.
    pub name: &'static str,
    /// How the bytes are read.
    pub form: Form,
    /// What it says.
    pub doc: &'static str,
}

/// The row of a number, if this version knows it.
pub fn known(number: u8) -> Option<&'static Field> {
    FIELDS.iter().find(|field| field.number == number)
}

macro_rules! fields {
    ($($number:literal $constant:ident $name:literal $form:ident $doc:literal;)*) => {
        $(#[doc = $doc] pub const $constant: u8 = $number;)*
        /// Every field, by number.
        pub const FIELDS: &[Field] = &[$(Field { number: $number, name: $name, form: Form::$form, doc: $doc }),*];
    };
}

fields! {
    1 SUCCESS "success" Number "PCI DSS 10.2.2 success (1) or failure (0); a decision succeeds when the statement goes on; what only begins has none";
    2 AGENT "agent" Text "the agent's configured name";
    3 CGROUP "cgroup" Number "the cgroup's id, frozen at connect";
    4 PID "pid" Number "the process (of an agent at connect; of an operator at the command)";
    5 UID "uid" Number "its user id";
    6 EXE_DEVICE "exe_device" Number "the device of its executable";
    7 EXE_INODE "exe_inode" Number "the inode of its executable";
    8 EXE_NAME "exe_name" Text "the name of its executable";
    9 DATABASE "database" Text "the configured name of the database's endpoint";
    10 DBNAME "dbname" Text "the database named at startup";
    11 DATABASE_USER "database_user" Text "the role named at startup";
    12 APPLICATION "application" Text "application_name, as the agent claims it";
    13 AGENT_ADDRESS "agent_address" Address "the agent's end of its socket";
    14 DATABASE_ADDRESS "database_address" Address "the address that the agent dialled";
    15 REQUEST "request" Text "how a statement came: query, parse, bind, execute, function-call, own, …";
    16 KIND "kinds" List "a statement kind of policy";
    17 TABLE "tables" List "a table or function that the statement names";
    18 OMITTED "omitted" Number "entries of lists that were left off, all lists together";
    19 TEXT "text" Text "the statement's text, masked";
    20 TEXT_BYTES "text_bytes" Number "the length of the whole text as it came";
    21 REDACTED "redacted" Number "1: literals were replaced before the text was kept";
    22 VERDICT "verdict" Number "1 allow, 2 hold, 3 block, 4 would-block, 5 unjudged";
    23 REASON "reason" Text "why that verdict, where no rule says it";
    24 RULE "rule" Text "the rule that decided";
    25 POLICY "policy" Text "the version of the policy";
    26 NUMBER "number" Number "the session's own count of its records, from 1: a session's missing record shows";
    27 DECISION "decision" Id "the record of the decision that this is the outcome of, or of the ask that was decided";
    28 ROWS "rows" Number "rows that passed to the agent, or that the command reports";
    29 BYTES "bytes" Number "bytes that passed to the agent";
    30 MASKED "masked" Number "values that were masked by content";
    31 SENSITIVE "sensitive" Number "values that were masked because policy names their column";
    32 SQLSTATE "sqlstate" Text "the SQLSTATE of the answer";
    33 DURATION_NS "duration_ns" Number "from the decision to the end of the answer, or the session's length";
    34 CAUSE "cause" Text "why it ended, or what it was for";
    35 TARGET "target" Number "the session that a cancel request is for";
    36 UNIT "unit" Text "the unit, cgroup or user that was admitted";
    37 MESSAGE "message" Text "what went wrong, or what was done";
    38 OPERATOR "operator" Text "who did it: the service, or an operator's name";
    39 VERSION "version" Text "the program's version";
    40 KERNEL "kernel" Text "the kernel's release";
    41 PREVIOUS_POLICY "previous_policy" Text "the version of the policy before";
    42 RULES "rules" Number "how many rules the policy has";
    43 COUNTER "counters" List "name=value of one counter";
    44 STATEMENTS "statements" Number "statements of the session that were decided";
    45 REFUSED "refused" Number "of them, those that did not go on";
    46 SENT "sent" Number "bytes that passed to the database";
    47 OBJECT "object" Text "what was loaded, attached or checked";
    48 STAGE "stage" Number "of what root does: 1 begins (no success yet: a later record has it), 2 done, 3 failed";
    49 AGENT_TLS "agent_tls" Text "TLS of the agent's leg, version and suite; absent: plain";
    50 DATABASE_TLS "database_tls" Text "TLS of the database's leg, version and suite; absent: plain";
    51 DATABASE_PEER "database_peer" Text "the name that the database's certificate was verified for; absent: it was not";
    52 APPROVAL "approval" Text "the id of the approval that a held statement waits for, or was approved under";
    53 EXPIRES "expires" Number "when a held statement is denied if nobody decides, seconds since 1970 UTC: the time limit of PCI DSS 8.6.1";
    54 NEED "need" Text "why a person is asked: the rule's message, the exceptional need of PCI DSS 8.6.1";
    55 APPROVERS "approvers" List "who may approve: a reviewer or group:NAME; absent: any reviewer";
    56 APPROVALS "approvals" Number "how many people must approve";
    57 PARAMETERS "parameters" List "a parameter's value, or an argument's of a FunctionCall, as it is shown, masked; in an ask, and in decisions where results are recorded";
    58 TRANSACTION "transaction" Text "the transaction that a held statement would run in: none, open";
    59 APPROVED "approved" Number "1: the reviewer approves; 0: the reviewer denies";
    60 REVIEWER "reviewer" Text "the person who decided; of a policy, who signed it off, as its file says";
    61 REVIEWER_LOGIN "reviewer_login" Text "how that person's identity was confirmed";
    62 JUSTIFICATION "justification" Text "the reason that the person gave; of a policy, that of its file";
    64 TREE_SIZE "tree_size" Number "how many records of the series the root covers: all before this one";
    65 TREE_ROOT "tree_root" Hash "RFC 6962 root of those records";
    66 HEADER_HASH "header_hash" Hash "of the header of the segment that it stands in";
    69 DURABLE_SEQ "durable_seq" Number "the last record that was known to be on disk when this one was written";
    70 TORN_BYTES "torn_bytes" Number "bytes of unfinished records that were cleared when writing went on";
    71 HEADS "heads" Head "how far one shard's series was on disk: its size, and the root of so many records";
    72 PROGRAM_HASH "program_hash" Hash "SHA-256 of the running program, the kernel half in it included";
    73 AUTHENTICATION "authentication" Text "how the login was made: what the database asked for (none, password, md5, gss, sspi, sasl), or `scram ended …` where SCRAM ended here, `scram passed on` where it could have";
    74 CERTIFICATE "certificate" Text "the subject of the certificate that the agent showed, RFC 4514; absent: none";
    75 CERTIFICATE_SERIAL "certificate_serial" Text "its serial number, hexadecimal";
    76 CERTIFICATE_SHA256 "certificate_sha256" Hash "its SHA-256";
    80 ESTIMATED_ROWS "estimated_rows" Number "the most rows that the planner expects of any step of a held statement; absent: it was not asked, or did not say";
    81 ESTIMATED_COST "estimated_cost" Number "the cost of all of it in the planner's units, rounded";
    90 NEXT_WITHIN_S "next_within_s" Number "the next checkpoint comes within so many seconds; 0: none is due, the service stops";
    91 OBJECTS_HASH "objects_hash" Hash "SHA-256 of the kernel half as the program holds it";
    92 CLOCK_SYNCED "clock_synced" Number "1: the kernel's clock follows a source of time; 0: it does not";
    93 CLOCK_OFFSET_US "clock_offset_us" Number "the offset that the kernel is still correcting, microseconds, without its sign";
    94 CLOCK_ERROR_US "clock_error_us" Number "how far the clock may be off at most, microseconds";
    110 UNDER "under" Text "the approval, given before, that this word is taken from: one that covers further runs, or a grant";
    111 REVEAL "reveal" Text "the id of the approval under which clear values are shown";
    112 TRANSACTION_NS "transaction_ns" Number "how long the transaction of a held statement was open when it was held, with its locks";
    113 ROWS_BOUND "rows_bound" Number "so many rows may leave under the approval";
    114 UNTIL "until" Number "when a grant, or what is shown, is over at the latest, seconds since 1970 UTC";
    115 COLUMNS "columns" List "a column whose clear values may be shown";
    116 REVEALED "revealed" List "column=count: clear values of one column that a statement was shown";
    117 BINDING "binding" Hash "HMAC-SHA256, by a key of this host, of all that an approval which covers further runs is bound to";
    118 HELD_BY "held_by" List "a rule that takes the grant";
    119 GIVEN "given" Number "when the approval that stands was given, seconds since 1970 UTC";
    120 REMOVED "removed" Head "up to where a series was removed: its tree's size and root, the removed segment's last record included";
    121 REMOVED_FIRST "removed_first" Number "the first record of the removed segment";
    122 REMOVED_SEGMENT "removed_segment" Number "the removed segment's number";
    123 REMOVED_SHA256 "removed_sha256" Hash "SHA-256 of the removed segment's file";
    124 REMOVED_UNTIL "removed_until" Number "the time of the removed segment's last record, seconds since 1970 UTC";
    125 SIGNATURE "signature" Signature "by the root key, over what a tombstone says (see *Tombstones*)";
    126 RESULT "result" Bytes "what the agent received of the statement, as it left: messages of the protocol; packed as `packing` says";
    127 PACKING "packing" Number "1: zstd (RFC 8878); absent: as they were";
    128 RESULT_BYTES "result_bytes" Number "how many bytes `result` is when it is unpacked";
    129 LEFT_OFF "left_off" Number "bytes that were received beyond those and are not kept";
    130 LEFT_OFF_BLAKE3 "left_off_blake3" Hash "their BLAKE3; absent where they have two (`left_off_first`)";
    131 TIMING "timing" Timing "when pieces of the result left, the first since the decision";
    132 STARRED "starred" Number "cards that only the strict scan finds: masked in `result`, though the agent was shown by the balanced one";
    133 BREAK_GLASS "break_glass" Number "1: the person let the statement go on alone, in an emergency (break-glass)";
    134 LEFT_OFF_FIRST "left_off_first" Number "so many of the bytes left off, the first, have a hash of their own: it was clear only later that they are not kept either";
    135 LEFT_OFF_FIRST_BLAKE3 "left_off_first_blake3" Hash "their BLAKE3";
    136 LEFT_OFF_BEHIND_BLAKE3 "left_off_behind_blake3" Hash "the BLAKE3 of those behind the first";
    140 LOG "log" Hash "SHA-256 of the log's name: of which log a key is";
    141 KEY "key" Key "the key that is told of";
    142 BOOT "boot" Boot "the boot of the host that the run with this key is of";
    143 ISSUED "issued" Number "when the root key signed it, seconds since 1970 UTC";
    144 BASE "base" Head "the node's own tree when the root key signed it: all of it is so signed too";
    145 KEY_SIGNATURE "key_signature" Signature "by the root key, over what is told of the key (see *Keys*)";
    146 KEY_CONSENT "key_consent" Signature "by the new root key, over the same";
    147 RESULT_FOLLOWS "result_follows" Number "1: what the agent received of it follows in a record of its own, a `result` with the same `decision`";
    150 ISSUER "issuer" Text "who signed the token that is bound to the agent's job: an issuer's name in the configuration; absent: no token is bound";
    151 SUBJECT "subject" Text "the token's subject, as its issuer writes it";
    152 PRINCIPAL "principal" Text "the issuer and the ids that make one run of a job, and nobody else's";
    153 TOKEN_HASH "token_hash" Hash "SHA-256 of the token's issuer and jti, or without one of what was signed";
    154 SIGNED_GROUPS "signed_groups" List "a group that the token's claims put the agent into";
    155 CLAIMS "claims" List "name=value of a claim that is kept";
    156 TOKEN_EXPIRES "token_expires" Number "when the token counts no more, seconds since 1970 UTC";
    157 CHANGE "change" Text "what became of a token: bound, refreshed, refused, revoked, disagrees (it is not one that the agent may have); keys: its issuer shows others than before; or of a login of ours: issued, created, dropped, kept, refused";
    160 GRANTS "grants" List "a role of the database whose rights the login has";
    161 CARD_TOKENS "card_tokens" Token "a card number in the statement's text or parameters, as a keyed token (see *Tokens*); of a text each once, and of the parameters";
    162 CARD_TOKENS_OMITTED "card_tokens_omitted" Number "card numbers behind the first 256 different ones";
    163 PARAMETERS_UNREAD "parameters_unread" Number "bytes of parameters in which no card number was looked for";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_are_unique_and_ascend() {
        assert!(FIELDS.windows(2).all(|pair| pair[0].number < pair[1].number));
        for field in FIELDS {
            assert_eq!(FIELDS.iter().filter(|other| other.name == field.name).count(), 1, "{}", field.name);
        }
    }

    #[test]
    fn the_document_has_every_field() {
        let document = include_str!("../../../docs/AUDIT-FORMAT.md");
        for field in FIELDS {
            let row = format!("| {} | `{}` | {:?} | {} |", field.number, field.name, field.form, field.doc);
            assert!(document.contains(&row), "docs/AUDIT-FORMAT.md lacks: {row}");
        }
        for kind in crate::RecordType::ALL {
            let row = format!("| {} | `{}` | ", kind.code(), kind.name());
            assert!(document.contains(&row), "docs/AUDIT-FORMAT.md lacks: {row}");
        }
    }
}
