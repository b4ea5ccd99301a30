//! The types of records, by the byte of their frame.

use std::fmt;

macro_rules! record_types {
    ($($code:literal $variant:ident $name:literal $doc:literal;)*) => {
        /// The type byte of a frame.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum RecordType { $(#[doc = $doc] $variant),* }

        impl RecordType {
            /// Every type.
            pub const ALL: &'static [RecordType] = &[$(RecordType::$variant),*];
            /// The byte on disk.
            pub const fn code(self) -> u8 { match self { $(RecordType::$variant => $code),* } }
            /// The name in JSON and in a line.
            pub const fn name(self) -> &'static str { match self { $(RecordType::$variant => $name),* } }
            /// From the byte on disk; `None`: written by a later version.
            pub const fn of(code: u8) -> Option<RecordType> {
                match code { $($code => Some(RecordType::$variant),)* _ => None }
            }
        }
    };
}

record_types! {
    1 SessionStart "session-start" "A connection was accepted.";
    2 SessionEnd "session-end" "A connection ended.";
    3 Login "login" "The database accepted or refused the login.";
    4 Decision "decision" "A statement was judged.";
    5 Outcome "outcome" "A statement that went on ended.";
    6 Own "own" "A statement of ours to the database.";
    7 Cancel "cancel" "A cancel request.";
    8 Finding "finding" "A column holds card numbers plainly and no rule names it.";
    9 Ask "ask" "A statement is held: a person is asked.";
    10 Approval "approval" "A person approved or denied a held statement.";
    11 AskOver "ask-over" "A held statement waits no more, and nobody decided.";
    12 Result "result" "What an agent received of a statement, where a rule or its database asks for that.";
    13 Reveal "reveal" "People agreed: clear values of some columns are shown from now on, for a while.";
    14 Revealed "revealed" "A statement was shown clear values: how many, of which column.";
    15 RevealOver "reveal-over" "Clear values are shown no more.";
    16 Admission "admission" "An agent was put under protection.";
    17 PolicyLoad "policy-load" "A policy was loaded or refused.";
    18 Attach "attach" "The kernel half was attached.";
    19 Detach "detach" "The kernel half was removed.";
    20 ServiceStart "service-start" "The service started.";
    21 ServiceStop "service-stop" "The service stops.";
    22 Canary "canary" "Redirection was found broken, or works again.";
    23 Counters "counters" "What was swept, dropped, refused.";
    24 Checkpoint "checkpoint" "How far all series are, in the node's own series; a signed checkpoint binds it.";
    25 Reading "reading" "Somebody read the record, or checked it.";
    26 Alert "alert" "Something that a person must look at, found in the record or in its shipping.";
    27 Tombstone "tombstone" "A segment was removed for good: which, and up to where its series went.";
    28 Retention "retention" "Segments were moved to cold storage, or kept though their time was over.";
    30 Grant "grant" "A person's approval stands for a while: of further runs of one statement, or of what a rule holds.";
    31 GrantOver "grant-over" "Such an approval was taken back.";
    32 RunKey "run-key" "A key that signs the checkpoints of one run of the service, certified by the root key.";
    33 RootKey "root-key" "The root key was replaced: which one certifies from here on, signed by both.";
    40 Identity "identity" "What a token says of a session's agent: bound, refreshed, revoked, or not one that the agent may have.";
    41 Token "token" "A token was bound to a job, refreshed, refused or revoked.";
    45 Credential "credential" "A login of ours: a plugin gave one, a role was made for a job or dropped, or neither could be.";
    240 Root "root" "The root of all records so far. Written by the appender alone.";
    241 Stop "stop" "A root after which the writer stopped in order.";
    242 Seal "seal" "A root after which nothing follows in this segment.";
    243 Recovered "recovered" "Writing went on after a kill or a power cut; unfinished bytes were cleared.";
}

impl RecordType {
    /// Whether the appender writes it to close a batch.
    pub const fn closes_batch(self) -> bool {
        matches!(self, RecordType::Root | RecordType::Stop | RecordType::Seal)
    }
}

impl fmt::Display for RecordType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
