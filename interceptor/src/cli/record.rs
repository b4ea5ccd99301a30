//! What is asked of the record.

use std::path::PathBuf;

use clap::Subcommand;

use super::From;

/// What can be done with the record.
#[derive(Debug, Subcommand)]
pub enum Audit {
    /// Check every record: exit 0 whole, 1 tampered, 4 only a torn tail, 5 cannot tell.
    Verify {
        /// Where the configuration is.
        #[command(flatten)]
        from: From,
        /// The folder of the segments; without it the configuration's.
        #[arg(value_name = "DIR")]
        folder: Option<PathBuf>,
        /// The public key that must have signed it, or a file that holds it; without it the one beside the record.
        #[arg(long, value_name = "KEY")]
        key: Option<String>,
        /// A signed checkpoint that was kept elsewhere: the record must go on from there. May be given often.
        #[arg(long, value_name = "FILE")]
        kept: Vec<PathBuf>,
        /// The public key of a witness, or a file that holds it: the record must go on from a checkpoint that it cosigned.
        #[arg(long, value_name = "KEY")]
        witness: Option<String>,
        /// For a program to read.
        #[arg(long)]
        json: bool,
    },
    /// Move segments that are old to cold storage and remove those whose time is over, each with a signed tombstone (root; by its timer).
    /// Exit 1 where something due was not done.
    Retain {
        /// Where the configuration is.
        #[command(flatten)]
        from: From,
        /// Do nothing; say what is due.
        #[arg(long)]
        dry_run: bool,
    },
    /// A fresh key for the next run of the service, certified by the root key (root; called by the unit before each start).
    Certify(From),
    /// Replace the root key of the record, by a record that the one before signs (root). Prints the new public key; the first one still
    /// verifies everything.
    RotateKey(From),
    /// Print the newest signed checkpoint: keep it on another host.
    Checkpoint {
        /// Where the configuration is.
        #[command(flatten)]
        from: From,
        /// The folder of the segments; without it the configuration's.
        #[arg(value_name = "DIR")]
        folder: Option<PathBuf>,
    },
    /// Print the first public key of the record, from which all others follow: keep it on another host.
    Key {
        /// Where the configuration is.
        #[command(flatten)]
        from: From,
        /// The folder of the segments; without it the configuration's.
        #[arg(value_name = "DIR")]
        folder: Option<PathBuf>,
    },
    /// Print the token of a card number, by which records about that card are found (root): `sessions search card:TOKEN`. The number is read
    /// from standard input, and who asked is in the record.
    Token(From),
    /// Print one record with the proof that it is in the signed record; `check-proof` needs nothing else of this host.
    Prove {
        /// Where the configuration is.
        #[command(flatten)]
        from: From,
        /// The record, as `export` names it: SHARD-SEQ.
        #[arg(value_name = "SHARD-SEQ")]
        record: audit::RecordId,
        /// The folder of the segments; without it the configuration's.
        #[arg(value_name = "DIR")]
        folder: Option<PathBuf>,
    },
    /// Check what `prove` printed: exit 0 proven, 1 not.
    CheckProof {
        /// What `prove` printed.
        file: PathBuf,
        /// The public key, or a file that holds it.
        #[arg(long, value_name = "KEY")]
        key: String,
    },
    /// Does the record, or a later checkpoint, go on from a checkpoint that was kept elsewhere? Prints the proof: exit 0 yes, 1 no.
    Consistency {
        /// Where the configuration is.
        #[command(flatten)]
        from: From,
        /// The kept checkpoint.
        kept: PathBuf,
        /// A later one that was kept too; without it the newest of the record.
        later: Option<PathBuf>,
        /// The folder of the segments; without it the configuration's.
        #[arg(long = "folder", value_name = "DIR")]
        folder: Option<PathBuf>,
        /// The public key that must have signed both, or a file that holds it; without it the one beside the record.
        #[arg(long, value_name = "KEY")]
        key: Option<String>,
    },
    /// Print the records, oldest first, one line each.
    Export {
        /// Where the configuration is.
        #[command(flatten)]
        from: From,
        /// The folder of the segments; without it the configuration's.
        #[arg(value_name = "DIR")]
        folder: Option<PathBuf>,
        /// JSON lines, for a program to read.
        #[arg(long)]
        json: bool,
        /// OCSF 1.5.0 events, one JSON object a line, for a SIEM.
        #[arg(long, conflicts_with = "json")]
        ocsf: bool,
        /// From then on: 2026-01-31, 2026-01-31T08:00Z, or @ and seconds since 1970.
        #[arg(long = "from", value_name = "WHEN")]
        since: Option<String>,
        /// Before then; a date is with that day.
        #[arg(long, value_name = "WHEN")]
        to: Option<String>,
        /// Only records where this holds: FIELD=VALUE, FIELD=A|B*, FIELD>N, by the names of --json. May be given often.
        #[arg(long = "where", value_name = "WHAT")]
        wants: Vec<String>,
        /// How many they are, instead of the records.
        #[arg(long, conflicts_with_all = ["json", "ocsf"])]
        count: bool,
        /// With --count: this field's numbers, added up.
        #[arg(long, value_name = "FIELD", requires = "count")]
        sum: Option<String>,
        /// With --count: how many for each value of this field.
        #[arg(long, value_name = "FIELD", requires = "count", conflicts_with = "sum")]
        distinct: Option<String>,
    },
}
