//! Into a folder, and to a server over HTTPS that refuses.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use audit::RecordType;
use rustls::{ServerConnection, StreamOwned};
use sha2::{Digest as _, Sha256};

use super::*;
use crate::config::{Http, HttpForm, To};
use crate::host_record::series::{self, Place as SeriesPlace};
use crate::ship::tests::{Scratch, certified};

#[test]
fn sealed_segments_are_copied_whole_and_an_open_one_is_not() {
    let scratch = Scratch::new("segments");
    let archive = scratch.0.join("archive");
    fs::create_dir(&archive).unwrap();
    fill_two(&scratch);
    assert_eq!(scratch.ship(in_folder(&archive)).unwrap().shipped, 2);
    for number in [1, 2] {
        let name = file_name(7, number);
        assert_eq!(fs::read(archive.join(&name)).unwrap(), fs::read(scratch.record().join(name)).unwrap());
    }
    assert!(!archive.join(file_name(7, 3)).exists());
    assert_eq!(scratch.ship(in_folder(&archive)).unwrap().shipped, 0);
}

fn in_folder(archive: &Path) -> To {
    To::Segments(Archive::Folder(archive.to_owned()))
}

/// Two sealed segments and the beginning of a third. Root's series has segments of 1 MiB.
fn fill_two(scratch: &Scratch) {
    let place = SeriesPlace { folder: &scratch.record(), shard: 7 };
    while !scratch.record().join(file_name(7, 3)).exists() {
        series::append(&place, RecordType::Canary.code(), &vec![0; 200_000]).unwrap();
    }
}

/// What an HTTP server was asked to keep: the request's first line and headers, and the body.
type Puts = Arc<Mutex<Vec<(String, Vec<u8>)>>>;

/// An archive over HTTPS, which answers these one after the other, and then 201.
fn http_archive(scratch: &Scratch, answers: Vec<u16>) -> (Http, Puts) {
    let (config, roots) = certified("localhost", &scratch.0);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let puts = Puts::default();
    let keeps = Arc::clone(&puts);
    std::thread::spawn(move || {
        let mut answers = answers.into_iter();
        for stream in listener.incoming() {
            let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = StreamOwned::new(connection, stream.unwrap());
            // A client that does not believe our certificate says nothing.
            let Some((head, body)) = whole_request(&mut stream) else { continue };
            let status = answers.next().unwrap_or(201);
            if status == 201 {
                keeps.lock().unwrap().push((head, body));
            }
            let _ = write!(stream, "HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n");
        }
    });
    let (host, path, token_file) = ("localhost".into(), "/host1".into(), Some(scratch.0.join("token")));
    fs::write(scratch.0.join("token"), "t0k\n").unwrap();
    (Http { tls: true, host, port, path, token_file, form: HttpForm::Lines, roots }, puts)
}

fn whole_request(stream: impl Read) -> Option<(String, Vec<u8>)> {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        (reader.read_line(&mut head).ok()? > 0).then_some(())?;
    }
    let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")?.parse().ok())?;
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((head, body))
}

#[test]
fn sealed_segments_are_put_to_a_server_and_what_it_refuses_comes_again() {
    let scratch = Scratch::new("put");
    fill_two(&scratch);
    fs::write(scratch.record().join("checkpoint"), "newest\n").unwrap();
    let (http, puts) = http_archive(&scratch, vec![201, 507]);
    let to = |http: &Http| To::Segments(Archive::Http(http.clone()));
    let refused = format!("{:#}", scratch.ship(to(&http)).unwrap_err());
    assert_eq!(refused, format!("it answers 507 to {}", file_name(7, 2)));
    // The first is there already, the second comes again.
    assert_eq!(scratch.ship(to(&http)).unwrap().shipped, 1);
    {
        let puts = puts.lock().unwrap();
        let names: Vec<&str> = puts.iter().map(|(head, _)| head.split(' ').nth(1).unwrap()).collect();
        let (first, second) = (format!("/host1/{}", file_name(7, 1)), format!("/host1/{}", file_name(7, 2)));
        assert_eq!(names, [first.as_str(), second.as_str(), "/host1/kept/checkpoint"]);
        for (number, (head, body)) in (1..).zip(&puts[..2]) {
            assert_eq!(body, &fs::read(scratch.record().join(file_name(7, number))).unwrap());
            let digest = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, Sha256::digest(body));
            assert!(head.starts_with("PUT ") && head.contains("\r\nAuthorization: Bearer t0k\r\n"), "{head}");
            assert!(head.contains(&format!("\r\nContent-Digest: sha-256=:{digest}:\r\n")), "{head}");
        }
        assert_eq!(puts[2].1, b"newest\n");
    }
    // Another name than the certificate's, or another authority: nothing is sent.
    fs::remove_file(scratch.0.join("positions/ship-siem.position")).unwrap();
    let (others, _) = http_archive(&Scratch::new("put-other"), Vec::new());
    for wrong in [Http { host: "127.0.0.1".into(), ..http.clone() }, Http { port: others.port, ..http }] {
        let why = format!("{:#}", scratch.ship(to(&wrong)).unwrap_err());
        assert!(why.contains("no answer") && why.contains("certificate"), "{why}");
    }
    assert_eq!(puts.lock().unwrap().len(), 3);
}
