//! Two databases that differ in nothing but the hidden digits of the cards: what an agent hears must be the same from both. This finds what
//! no decoder knows: any bit of a hidden digit in any answer.

use crate::client::{Client, Heard, Manner, Talk, Turn, Way};
use crate::dice::Dice;
use crate::field;
use crate::grammar::Program;
use crate::ground::Ground;
use crate::raw::Message;

/// What the other rows of a card's issuer hold is made of it.
const EXTRA: usize = 3;

/// Names of the two databases, and the cards of the first.
pub struct Twins {
    pub databases: [String; 2],
    pub pans: Vec<String>,
}

impl Twins {
    /// Fresh ones. They share the kept digits of every card, and everything else but the hidden ones; the order of the cards
    /// of one issuer is turned around.
    pub fn new(ground: &Ground, seed: u64) -> Twins {
        let mut dice = Dice::new(seed, u64::MAX);
        let public = ground.corpus.pans.clone();
        let mut pans = [public.clone(), public.iter().map(|pan| sibling(pan, &mut dice)).collect::<Vec<_>>()];
        for index in 0..EXTRA {
            let (low, high) = loop {
                let (one, other) = (sibling(&public[index], &mut dice), sibling(&public[index], &mut dice));
                if one > pans[0][index] && other < pans[1][index] && one != other {
                    break (one, other);
                }
                // A card above which there is none: another twin for it.
                pans[1][index] = sibling(&public[index], &mut dice);
            };
            pans[0].push(low);
            pans[1].push(high);
        }
        let first = ground.prepare("evasion", &fill(&pans[0]));
        let second = ground.prepare(&first, &fill(&pans[1]));
        let [pans, _] = pans;
        Twins { databases: [first, second], pans }
    }
}

impl Twins {
    /// The same once more, as they were at first.
    pub fn again(&self, ground: &Ground) -> Twins {
        let [first, second] = &self.databases;
        Twins { databases: [ground.create(first), ground.create(second)], pans: self.pans.clone() }
    }
}

/// All rows anew, in the same order.
fn fill(pans: &[String]) -> String {
    let row = |(index, pan): (usize, &String)| {
        format!("({}, 'Customer {}', '{pan}', '{:02}/30', {})", index + 1, index, index % 12 + 1, index * 10)
    };
    let rows: Vec<String> = pans.iter().enumerate().map(row).collect();
    format!(
        "TRUNCATE payments, card_events; INSERT INTO payments SELECT i, c, p, p::bigint, p::numeric, e, a,
         jsonb_build_object('brand', 'x', 'card', jsonb_build_object('pan', p, 'exp', e)), convert_to(p, 'UTF8') FROM (VALUES {}) v(i, c, p, e, a);
         INSERT INTO card_events SELECT g, (SELECT pan FROM payments WHERE id = 1 + g % 3), 'auth' FROM generate_series(1, 15) g; ANALYZE payments, card_events",
        rows.join(", ")
    )
}

/// Another card with the same kept digits: the first min(6, length - 9) and the last four; its check digit is right.
fn sibling(pan: &str, dice: &mut Dice) -> String {
    let (front, back) = (6.min(pan.len() - 9), pan.len() - 4);
    loop {
        let digit = |at: usize, old: char| if (front..back).contains(&at) { None } else { Some(old) };
        let other: String = pan
            .char_indices()
            .map(|(at, old)| {
                digit(at, old).unwrap_or_else(|| char::from(b'0' + u8::try_from(dice.below(10)).expect("a digit")))
            })
            .collect();
        if other != pan && luhn(&other) {
            return other;
        }
    }
}

/// Whether the check digit is right.
pub fn luhn(pan: &str) -> bool {
    let value = |(place, digit): (usize, u8)| {
        let digit = u32::from(digit - b'0') << (place % 2);
        digit / 10 + digit % 10
    };
    pan.bytes().rev().enumerate().map(value).sum::<u32>() % 10 == 0
}

/// Sessions with both, on one way.
pub struct Pair<'t> {
    talks: &'t [Talk<'t>; 2],
    sessions: [Client<'t>; 2],
}

/// Talks with both databases.
pub fn talks<'a>(twins: &Twins, way: Way<'a>) -> [Talk<'a>; 2] {
    let [first, second] = &twins.databases;
    [first, second].map(|name| Talk::new(way, name, "", Manner::default()))
}

impl<'t> Pair<'t> {
    pub fn new(talks: &'t [Talk<'t>; 2]) -> Pair<'t> {
        Pair { talks, sessions: [talks[0].agent(), talks[1].agent()] }
    }

    /// The answers of both.
    pub fn ask_both(&mut self, program: &Program) -> [Heard; 2] {
        [self.ask_one(0, program), self.ask_one(1, program)]
    }

    fn ask_one(&mut self, which: usize, program: &Program) -> Heard {
        let (talk, session) = (&self.talks[which], &mut self.sessions[which]);
        if !session.is_open() {
            *session = talk.agent();
        }
        talk.take();
        for step in &program.steps {
            if program.extended {
                session.extended(step, &[], &[i16::from(program.binary)], true);
            } else {
                session.q(step);
            }
        }
        session.forget();
        let turns = talk.take();
        // Objects of the session go with it.
        if program.steps.iter().any(|step| step.contains(" TEMP ")) {
            *session = talk.agent();
            talk.take();
            return Heard { turns, bytes: Vec::new() };
        }
        // An error in the middle leaves what the last step would have undone.
        if turns.last().is_some_and(|turn| turn.end != crate::client::End::Ready(b'I')) {
            session.q("ROLLBACK");
            session.forget();
            talk.take();
        }
        Heard { turns, bytes: Vec::new() }
    }
}

/// What of an answer may not depend on a hidden digit: all of it, but the number of a record and the OIDs of new objects. Behind a refusal
/// the next is refused by the service or by the server, as the one or the other comes to it first.
pub fn told(heard: &Heard) -> Vec<(u8, Vec<Vec<u8>>)> {
    let silent = |message: &Message| field::is_own(message) || message.tag == b'E' && message.code() == "25P02";
    let messages = heard.turns.iter().flat_map(|turn: &Turn| &turn.heard);
    messages.map(|message| (message.tag, if silent(message) { Vec::new() } else { field::stable(message) })).collect()
}

/// Whether an error is among the answers.
pub fn failed(heard: &Heard) -> bool {
    heard.turns.iter().any(|turn| turn.heard.iter().any(|message| message.tag == b'E'))
}

#[test]
fn a_sibling_has_the_kept_digits_and_a_right_check_digit() {
    let mut dice = Dice::new(1, 1);
    for pan in ["5555555555554444", "378282246310005", "30569309025904"] {
        let other = sibling(pan, &mut dice);
        let front = 6.min(pan.len() - 9);
        assert!(luhn(pan) && luhn(&other));
        assert_eq!((&other[..front], &other[pan.len() - 4..]), (&pan[..front], &pan[pan.len() - 4..]));
        assert_ne!(other, pan);
    }
}
