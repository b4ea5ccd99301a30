//! The cases that say bytes: the recipes of the corpus in Rust, in its order.

use crate::client::Talk;
use crate::raw::{frame, query, startup};

/// What a recipe does.
pub type Recipe = fn(&Talk<'_>);

const SSL: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];
const GSS: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 48];
const VERSION: u32 = 196_608;
const TAIL: &str = "SELECT pan FROM payments WHERE id=1";

/// That of a case.
pub fn of(id: &str) -> Option<Recipe> {
    Some(match id {
        "copy-from-stdin-error" => |talk| {
            let mut c = talk.agent();
            c.q("COPY card_events(n,pan,what) FROM STDIN");
            c.send(b'd', b"4111111111111111\t5555555555554444\tx\n");
            c.send(b'c', b"");
            c.drain();
            c.after();
        },
        "par-startup-options" => |talk| {
            let mut c = talk.login("agent", &[("options", "-c standard_conforming_strings=off")]);
            c.q("SELECT 'a\\'' || reverse(pan) FROM payments WHERE id=2 --'");
            c.after();
        },
        "par-encoding-sjis" => |talk| {
            let mut c = talk.login("agent", &[("client_encoding", "SJIS")]);
            c.q_bytes(b"SELECT '\x81\x5c', reverse(pan) FROM payments WHERE id=2");
            c.after();
        },
        "par-long-list" => |talk| {
            let list: Vec<String> = (1000..51000).map(|i| i.to_string()).collect();
            let mut c = talk.agent();
            c.q(&format!("SELECT reverse(pan) FROM payments WHERE id IN (2,{})", list.join(",")));
            c.after();
        },
        "ext-binary-jsonb" => |talk| extended(talk, "SELECT meta FROM payments WHERE id=1", &[1]),
        "ext-binary-array" => |talk| extended(talk, "SELECT array_agg(pan_int) FROM payments", &[1]),
        "ext-binary-record" => |talk| extended(talk, "SELECT p FROM payments p WHERE id=1", &[1]),
        "ext-mixed-formats" => {
            |talk| extended(talk, "SELECT customer, pan_int, pan FROM payments WHERE id=1", &[0, 1, 0])
        }
        "ext-no-describe" => |talk| {
            let mut c = talk.agent();
            c.extended("SELECT pan, pan_int FROM payments WHERE id=1", &[], &[0, 1], false);
            c.after();
        },
        "ext-rebind" => |talk| {
            let mut c = talk.agent();
            c.parse("s1", "SELECT pan FROM payments WHERE id=$1", &[23]);
            c.desc(b'S', "s1");
            c.sync();
            for id in ["1", "2", "3"] {
                c.bind("", "s1", &[id.as_bytes()], &[]);
                c.ex("", 0);
                c.sync();
            }
            c.after();
        },
        "ext-rebind-literal" => |talk| {
            let mut c = talk.agent();
            c.parse("s", "SELECT count(*) FROM payments WHERE pan LIKE $1", &[]);
            c.sync();
            for pattern in ["41%", "42%", "411%"] {
                c.bind("", "s", &[pattern.as_bytes()], &[]);
                c.ex("", 0);
                c.sync();
            }
            c.after();
        },
        "ext-renamed-stmt" => |talk| {
            let mut c = talk.agent();
            c.parse("s1", "SELECT 1", &[]);
            c.sync();
            c.send(b'C', b"Ss1\0");
            c.parse("s1", "SELECT reverse(pan) FROM payments WHERE id=2", &[]);
            c.bind("", "s1", &[], &[]);
            c.ex("", 0);
            c.sync();
            c.after();
        },
        "ext-unnamed-overwrite" => |talk| {
            let mut c = talk.agent();
            c.parse("", "SELECT 1", &[]);
            c.parse("", "SELECT reverse(pan) FROM payments WHERE id=2", &[]);
            c.bind("", "", &[], &[]);
            c.ex("", 0);
            c.sync();
            c.after();
        },
        "ext-portal-suspend" => |talk| {
            let mut c = talk.agent();
            c.parse("a", "SELECT pan FROM payments ORDER BY id", &[]);
            c.parse("b", "SELECT customer FROM payments", &[]);
            c.bind("pa", "a", &[], &[]);
            c.bind("pb", "b", &[], &[]);
            for portal in ["pa", "pb", "pa", "pb"] {
                c.ex(portal, 1);
            }
            c.sync();
            c.after();
        },
        "ext-portal-cross" => |talk| {
            let mut c = talk.agent();
            c.parse("a", "SELECT id FROM payments", &[]);
            c.parse("b", "SELECT pan FROM payments", &[]);
            c.bind("a", "a", &[], &[]);
            c.bind("b", "b", &[], &[]);
            c.ex("b", 2);
            c.ex("a", 2);
            c.sync();
            c.after();
        },
        "ext-execute-protocol-stmt" => |talk| {
            let mut c = talk.agent();
            c.parse("s8", "SELECT pan FROM payments WHERE id=1", &[]);
            c.sync();
            c.q("EXECUTE s8");
            c.after();
        },
        "ext-describe-mismatch" => |talk| {
            let mut c = talk.login("dba", &[]);
            c.q("CREATE TABLE dd(a text, b text); INSERT INTO dd VALUES ('x','4111111111111111')");
            c.parse("s", "SELECT * FROM dd", &[]);
            c.desc(b'S', "s");
            c.sync();
            c.q("ALTER TABLE dd DROP COLUMN a; ALTER TABLE dd ADD COLUMN a2 text");
            c.bind("", "s", &[], &[]);
            c.desc(b'P', "");
            c.ex("", 0);
            c.sync();
            c.after();
        },
        "ext-param-text-split" => |talk| {
            let mut c = talk.agent();
            c.extended("SELECT $1::text || $2::text", &[b"41111111", b"11111111"], &[], true);
            c.after();
        },
        "ext-multi-in-parse" => |talk| {
            let mut c = talk.agent();
            c.parse("", "SELECT 1; SELECT reverse(pan) FROM payments", &[]);
            c.sync();
            c.after();
        },
        "ext-copy-in-extended" => |talk| extended(talk, "COPY payments(pan) TO STDOUT", &[]),
        "ext-replan-to-protected" => |talk| {
            let mut c = talk.login("dba", &[]);
            c.q("CREATE SCHEMA sh2; CREATE VIEW sh2.payments AS SELECT id, 'none'::text AS pan FROM public.payments; SET search_path=sh2,public");
            c.parse("s", "SELECT pan FROM payments WHERE id=2", &[]);
            c.desc(b'S', "s");
            c.sync();
            c.q("SET search_path=public");
            c.bind("", "s", &[], &[]);
            c.ex("", 0);
            c.sync();
            c.after();
        },
        "wire-replication-db" => |talk| {
            let mut c = talk.login("dba", &[("replication", "database")]);
            c.q("SELECT reverse(pan) FROM payments WHERE id=2");
            c.after();
        },
        "wire-replication-identify" => |talk| {
            let mut c = talk.login("dba", &[("replication", "true")]);
            c.q("IDENTIFY_SYSTEM");
            c.q("SHOW data_directory");
            c.after();
        },
        "wire-sslrequest-twice" => |talk| {
            let mut c = talk.dial();
            c.write(&SSL);
            c.byte();
            c.write(&SSL);
            c.read_all();
        },
        "wire-sslrequest-stuffed" => |talk| {
            let mut c = talk.dial();
            c.write(&[&SSL[..], &usual(talk), &query(TAIL)].concat());
            c.read_all();
        },
        "wire-gssenc" => |talk| {
            let mut c = talk.dial();
            c.write(&GSS);
            c.byte();
        },
        "wire-cancel-wrong" => |talk| raw(talk, &[16_u32, 80_877_102, 1, 2].map(u32::to_be_bytes).concat()),
        "wire-startup-v2" => |talk| {
            raw(talk, &startup(131_072, &[("user", "agent"), ("database", &talk.database)]));
        },
        "wire-startup-huge" => |talk| {
            let head = [10_005_u32, VERSION].map(u32::to_be_bytes).concat();
            raw(talk, &[head, vec![b'a'; 9_997]].concat());
        },
        "wire-startup-dup-keys" => |talk| {
            let keys = [("user", "agent"), ("user", "dba"), ("database", talk.database.as_str())];
            raw(talk, &[startup(VERSION, &keys), query("SELECT current_user")].concat());
        },
        "wire-startup-guc" => |talk| {
            let usual = [("user", "agent"), ("database", talk.database.as_str()), ("bytea_output", "escape")];
            let and_role = [&usual[..], &[("role", "postgres")]].concat();
            for keys in [&and_role[..], &usual] {
                raw(talk, &[startup(VERSION, keys), query("SELECT raw FROM payments WHERE id=1")].concat());
            }
        },
        "wire-neg-length" => |talk| {
            for length in [-1_i32, 0, 3] {
                session(talk, &[b"Q", &length.to_be_bytes()[..], b"SELECT 1\0"].concat(), false);
            }
        },
        "wire-unknown-type" => |talk| session(talk, &frame(1, b""), false),
        "wire-smuggle-size-overflow" => |talk| session(talk, &smuggled(), false),
        "wire-terminate-then-query" => |talk| session(talk, &[frame(b'X', b""), query(TAIL)].concat(), false),
        "wire-password-as-query" => |talk| session(talk, &[frame(b'p', b"abcd\0"), query("SELECT 1")].concat(), false),
        "wire-half-close" => |talk| session(talk, &query(TAIL), true),
        "wire-many-columns" => |talk| {
            for columns in [1664, 1665] {
                let mut c = talk.agent();
                c.q(&format!("SELECT {} FROM payments WHERE id=1", vec!["pan"; columns].join(",")));
                c.after();
            }
        },
        "ctl-prepared" => |talk| {
            let mut c = talk.agent();
            c.extended("SELECT customer FROM payments WHERE id=$1::int", &[b"1"], &[], true);
            c.after();
        },
        _ => return None,
    })
}

/// Parse, Bind, Describe, Execute, Sync with these result formats.
fn extended(talk: &Talk<'_>, sql: &str, formats: &[i16]) {
    let mut c = talk.agent();
    c.extended(sql, &[], formats, true);
    c.after();
}

/// Bytes instead of a startup packet, and all that comes back.
fn raw(talk: &Talk<'_>, bytes: &[u8]) {
    let mut c = talk.dial();
    c.write(bytes);
    c.read_all();
}

/// Bytes in a session, and all that comes back.
fn session(talk: &Talk<'_>, bytes: &[u8], half: bool) {
    let mut c = talk.agent();
    c.write(bytes);
    if half {
        c.half_close();
    }
    c.read_all();
    if !half {
        c.after();
    }
}

fn usual(talk: &Talk<'_>) -> Vec<u8> {
    startup(VERSION, &[("user", "agent"), ("database", &talk.database)])
}

/// CVE-2024-27304's class: a Bind whose 32-bit length has wrapped ends before its value does, and the rest of the value is messages.
fn smuggled() -> Vec<u8> {
    let parse = frame(b'P', b"\0SELECT $1::text\0\0\0");
    let bind = frame(b'B', b"\0\0\0\0\0\x01\0\0\0\x02ab\0\0");
    [parse, bind, query(TAIL), frame(b'S', b"")].concat()
}
