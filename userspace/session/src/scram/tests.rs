//! The exchange of RFC 7677, and what is refused.

use super::keys::{Key, Verifier};
use super::server::Proof;
use super::*;

/// RFC 7677, section 3: user `user`, password `pencil`.
const NONCE: &str = "rOprNGfwEbeRWgbNEkqO";
const SALT: &str = "W22ZaJ0SNY7soEsUEjb6gQ==";
const CLIENT_FIRST: &str = "n,,n=user,r=rOprNGfwEbeRWgbNEkqO";
const SERVER_NONCE: &str = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
const SERVER_FIRST: &str = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
const CLIENT_FINAL: &str =
    "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
const SERVER_FINAL: &str = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";
/// What PostgreSQL keeps of that password with that salt.
const VERIFIER: &str = "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";

fn verifier() -> Verifier {
    Verifier::parse(VERIFIER).unwrap()
}

fn begun() -> Server {
    let mut server = Server::begin(CLIENT_FIRST.as_bytes(), Mechanism::Plain, false).unwrap();
    let first = server.challenge(SERVER_NONCE.as_bytes(), SALT.as_bytes(), 4096);
    assert_eq!(first, SERVER_FIRST.as_bytes());
    server
}

fn proof() -> Proof {
    begun().answered(CLIENT_FINAL.as_bytes(), b"").unwrap()
}

fn client_key() -> Key {
    proof().client_key(&verifier()).unwrap()
}

#[test]
fn the_exchange_of_the_rfc_as_its_server() {
    assert_eq!(proof().signature(&verifier()).unwrap(), SERVER_FINAL.as_bytes());
}

#[test]
fn the_key_that_a_proof_reveals_makes_the_proof_of_another_exchange() {
    // The RFC's client says `n=user`; ours leaves the name to the startup packet, so here it is put in.
    let mut client = Client::new(NONCE.into(), None);
    client.be(b"n,,", b"n=user,r=rOprNGfwEbeRWgbNEkqO");
    assert_eq!(client.first(), CLIENT_FIRST.as_bytes());
    let challenge = client.challenged(SERVER_FIRST.as_bytes()).unwrap();
    assert!(challenge.is_of(&verifier()));
    assert_eq!(client.proven(&verifier(), &client_key()).unwrap(), CLIENT_FINAL.as_bytes());
    assert!(client.is_signed(SERVER_FINAL.as_bytes(), &verifier()));
    for other in ["v=", "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G5=", "e=other-error", "v=AAAA", ""] {
        assert!(!client.is_signed(other.as_bytes(), &verifier()), "{other}");
    }
    assert!(!client.is_signed(format!("{SERVER_FINAL},x=y").as_bytes(), &verifier()));
}

#[test]
fn a_wrong_proof_reveals_no_key() {
    for at in 0..32 * 8 {
        let mut wrong = proof();
        wrong.flip(at);
        assert!(wrong.client_key(&verifier()).is_none(), "bit {at}");
    }
}

#[test]
fn a_bound_client_says_so_in_both_messages() {
    let mut client = Client::new(b"abc".to_vec(), Some(&[7; 32]));
    assert_eq!(client.first(), b"p=tls-server-end-point,,n=,r=abc");
    client.challenged(b"r=abcd,s=AAAA,i=1").unwrap();
    let last = client.unproven();
    let bound = text::encoded(&[b"p=tls-server-end-point,,".as_slice(), &[7; 32]].concat());
    assert!(last.starts_with(&[b"c=".as_slice(), &bound, b",r=abcd,p="].concat()));
}

#[test]
fn first_messages_are_read_as_postgresql_does() {
    use Mechanism::{Plain, Plus};
    let read = |message: &str, mechanism, offered| {
        Server::begin(message.as_bytes(), mechanism, offered).err().map(|wrong| (wrong.code, wrong.message))
    };
    for (message, mechanism, offered) in [
        ("n,,n=,r=x", Plain, true),
        ("n,,n=,r=x", Plain, false),
        ("y,,n=,r=x", Plain, false),
        ("p=tls-server-end-point,,n=,r=x", Plus, true),
        ("n,,n=a=2Cb,r=x,e=more,f=", Plain, true),
    ] {
        assert_eq!(read(message, mechanism, offered), None, "{message}");
    }
    for (message, mechanism, says) in [
        ("y,,n=,r=x", Plain, "negotiation error"),
        ("n,,n=,r=x", Plus, "no channel binding data"),
        ("y,,n=,r=x", Plus, "no channel binding data"),
        ("p=tls-server-end-point,,n=,r=x", Plain, "has channel binding data"),
        ("p=tls-unique,,n=,r=x", Plus, "unsupported SCRAM channel-binding type"),
        ("p=tls-exporter,,n=,r=x", Plus, "unsupported SCRAM channel-binding type"),
        ("p=,,n=,r=x", Plus, "unsupported SCRAM channel-binding type"),
        ("n,a=other,n=,r=x", Plain, "authorization identity"),
        ("n,,m=must,n=,r=x", Plain, "unsupported SCRAM extension"),
        ("", Plain, "malformed"),
        ("n", Plain, "malformed"),
        ("n,", Plain, "malformed"),
        ("n,,", Plain, "malformed"),
        ("n,,n=", Plain, "malformed"),
        ("n,,n=,", Plain, "malformed"),
        ("n,,r=x,n=", Plain, "malformed"),
        ("n,,n=,r=", Plain, "malformed"),
        ("n,,n=,r=a b", Plain, "malformed"),
        ("n,,n=,r=x,", Plain, "malformed"),
        ("n,,n=,r=x,=y", Plain, "malformed"),
        ("n,,n=,r=x\0", Plain, "malformed"),
        ("x,,n=,r=x", Plain, "malformed"),
    ] {
        let (_, said) = read(message, mechanism, true).unwrap_or((b"00000", "taken"));
        assert!(said.contains(says), "{message}: {said}");
    }
    let long = format!("n,,n=,r={}", "x".repeat(NONCE_MAX + 1));
    assert!(read(&long, Plain, true).is_some());
}

#[test]
fn last_messages_are_read_as_postgresql_does() {
    let good = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
    let proof = "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
    for (message, says) in [
        (format!("{good},{proof}"), ""),
        (format!("{good},x=y,{proof}"), ""),
        (format!("{good},{proof},x=y"), "malformed"),
        (format!("{good},{proof},"), "malformed"),
        (format!("{good},p=AAAA"), "malformed"),
        (format!("{good},p=!"), "malformed"),
        (good.to_owned(), "malformed"),
        (String::new(), "malformed"),
        (good.replace("biws", "eSws"), "channel-binding attribute"),
        (good.replace("biws", ""), "channel-binding attribute"),
        (good.replace("biws", "!!"), "malformed"),
        (good.replace("rOpr", "rOpq"), "nonce does not match"),
        (good.replace("$k0", "$k"), "nonce does not match"),
    ] {
        let said = begun().answered(message.as_bytes(), b"").err().map_or("", |wrong| wrong.message);
        assert!(said.contains(says) && said.is_empty() == says.is_empty(), "{message}: {said}");
    }
}

#[test]
fn another_channel_is_refused() {
    let mut server = Server::begin(b"p=tls-server-end-point,,n=,r=x", Mechanism::Plus, true).unwrap();
    server.challenge(b"y", b"AAAA", 1);
    let said = |binding: &[u8]| {
        let bound = text::encoded(&[b"p=tls-server-end-point,,".as_slice(), binding].concat());
        let message = [b"c=".as_slice(), &bound, b",r=xy,p=", &text::encoded(&[0; 32])].concat();
        server.answered(&message, &[1; 32]).err().map_or("", |wrong| wrong.message)
    };
    assert_eq!(said(&[1; 32]), "");
    for other in [[2; 32].as_slice(), &[1; 31], &[]] {
        assert_eq!(said(other), "SCRAM channel binding check failed");
    }
}

#[test]
fn a_challenge_that_is_none_of_ours_is_refused() {
    for message in [
        "",
        "r=abc,s=AAAA,i=1",
        "r=abX,s=AAAA,i=1",
        "r=abcd,s=,i=1",
        "r=abcd,s=AAAA,i=0",
        "r=abcd,s=AAAA,i=-1",
        "r=abcd,s=AAAA,i=",
        "r=abcd,s=AAAA,i=+1",
        "r=abcd,s=AAAA,i=99999999999",
        "r=abcd,s=AAAA,i=1,x=y",
        "s=AAAA,r=abcd,i=1",
        "m=x,r=abcd,s=AAAA,i=1",
        "r=abcd,s=A,i=1",
    ] {
        assert!(Client::new(b"abc".to_vec(), None).challenged(message.as_bytes()).is_err(), "{message}");
    }
}

#[test]
fn verifiers_of_a_file() {
    let text = format!("# roles\n\napp {VERIFIER}\n\"a \"\"b\"\" c\"  \"{VERIFIER}\"\n; end\n");
    let verifiers = Verifiers::parse(&text).unwrap();
    assert_eq!(verifiers.len(), 2);
    assert!(verifiers.of("app").is_some() && verifiers.of("a \"b\" c").is_some() && verifiers.of("APP").is_none());
    let refused = |text: &str| Verifiers::parse(text).unwrap_err();
    for (text, line, says) in [
        ("app".to_owned(), 1, "a role and its verifier"),
        ("app secret".to_owned(), 1, "a password has no place"),
        (format!("\napp md5{}", "0".repeat(32)), 2, "a password has no place"),
        (format!("app {VERIFIER} more"), 1, "behind the verifier"),
        (format!("\"app {VERIFIER}"), 1, "has no end"),
        (format!("app {VERIFIER}\napp {VERIFIER}"), 2, "already"),
        (format!("app {}", VERIFIER.replace("4096", "0")), 1, "no verifier"),
        (format!("app {}", VERIFIER.replace("4096", "+1")), 1, "no verifier"),
        (format!("app {}", VERIFIER.replace("2dU=", "2dU")), 1, "no verifier"),
    ] {
        let bad = refused(&text);
        assert!(bad.line == line && bad.why.contains(says), "{says}: {bad}");
        assert!(!bad.to_string().contains("secret"));
    }
    verifiers.replace(Verifiers::parse("").unwrap());
    assert!(verifiers.is_empty());
}

#[test]
fn no_key_is_shown() {
    assert_eq!(format!("{:?}", verifier().stored), "Key");
    assert_eq!(format!("{:?}", Verifiers::parse(&format!("app {VERIFIER}")).unwrap()), "Verifiers of 1 roles");
}
