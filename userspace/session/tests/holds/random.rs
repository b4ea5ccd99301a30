//! Random agents, people, policies and ends.

use super::*;

/// What an agent may send, and how many ReadyForQuery it brings.
fn messages() -> Vec<(Vec<u8>, usize)> {
    let parse = format!("P  {UPDATE}");
    let named = format!("P u {UPDATE}");
    vec![
        (query(UPDATE), 1),
        (query("SELECT 1"), 1),
        (query("BEGIN"), 1),
        (query("ROLLBACK"), 1),
        (query("DROP TABLE payments"), 1),
        (query(&format!("SELECT 1; {UPDATE}")), 1),
        (extended(&[&parse, "B  ", "D P ", "E ", "S"]), 1),
        (extended(&["P  SELECT 1", "B  ", "E ", &parse, "B  ", "E ", "S"]), 1),
        (extended(&[&named, "S", "B  u", "E ", "B  u", "E ", "S"]), 2),
        (extended(&["B  nobody", "E ", "S"]), 1),
        (extended(&["P  INSERT INTO payments (pan) VALUES ('twice')", "B  ", "E ", &parse, "B  ", "E ", "S"]), 1),
    ]
}

struct Run {
    world: World,
    seed: Seed,
}

impl Run {
    /// One thing that happens to whoever waits, or to nobody.
    fn happen(&mut self) {
        let asks = self.world.asking.iter().filter_map(|asking| match asking {
            Asking::Ask(ask) => Some(ask.id),
            _ => None,
        });
        let all: Vec<AskId> = asks.collect();
        let ask = if all.is_empty() || self.seed.next(8) == 0 { AskId::of(1 << 40) } else { all[all.len() - 1] };
        let vote = |approve| Vote {
            ask,
            approve,
            reviewer: "ann".into(),
            groups: vec!["leads".into()],
            login: String::new(),
            reason: "x".into(),
            standing: None,
            break_glass: false,
        };
        match self.seed.next(8) {
            0..=2 => self.world.input(Input::Vote(Box::new(vote(true)))),
            3 => self.world.input(Input::Vote(Box::new(vote(false)))),
            4 => self.world.input(Input::CancelHeld),
            5 => self.world.input(Input::Unheard(ask)),
            6 => {
                self.world.now.mono_ns += 601_000_000_000;
                self.world.input(Input::Deadline);
            }
            _ => {
                let lines = self.seed.next(3);
                self.world.policy = policy(&format!("{POLICY}{}", "\n# again".repeat(lines)));
            }
        }
        self.world.answer();
        self.check();
    }

    /// Nothing runs that was not approved, and nothing twice.
    fn check(&self) {
        let ran = self.world.server.log.iter().filter(|text| text.contains("UPDATE")).count();
        let approved = self.world.ends().iter().filter(|end| **end == AskEnd::Approved).count();
        assert!(ran <= approved, "{ran} ran, {approved} were approved");
    }

    fn waits(&self) -> bool {
        let asked = self.world.asking.iter().filter(|asking| matches!(asking, Asking::Ask(_))).count();
        asked > self.world.ends().iter().filter(|end| **end != AskEnd::Gone).count()
    }
}

#[test]
fn whatever_happens_nothing_runs_unasked_and_nobody_is_stuck() {
    let messages = messages();
    let (mut approved, mut denied) = (0, 0);
    for seed in 1..=600 {
        let mut run = Run { world: World::ready(), seed: Seed(seed * 0x9E37_79B9) };
        let leaves = run.seed.next(6) == 0;
        let mut ready = 0;
        for _ in 0..run.seed.next(12) + 1 {
            let (bytes, answers) = &messages[run.seed.next(messages.len())];
            ready += answers;
            run.world.cut = run.seed.next(60) + 1;
            run.world.send(bytes);
            run.check();
            if run.seed.next(2) == 0 {
                run.happen();
            }
        }
        if leaves {
            run.world.input(Input::AgentClosed);
        } else {
            let mut turns = 0;
            while run.waits() {
                run.happen();
                turns += 1;
                assert!(turns < 1000, "seed {seed}: stuck");
            }
            let heard = run.world.heard();
            assert_eq!(heard.iter().filter(|said| said.starts_with('Z')).count(), ready, "seed {seed}: {heard:?}");
            assert!(run.world.out.read_agent, "seed {seed}");
            let ran = run.world.server.log.iter().filter(|text| text.contains("UPDATE")).count();
            let ends = run.world.ends();
            assert_eq!(ran, ends.iter().filter(|end| **end == AskEnd::Approved).count(), "seed {seed}");
            approved += ran;
            denied += ends.len() - ran;
        }
        run.world.close();
        run.check();
        assert!(!run.waits(), "seed {seed}: somebody waits for a session that is over");
        let over = run
            .world
            .ends()
            .iter()
            .filter(|end| !matches!(end, AskEnd::Approved | AskEnd::Denied | AskEnd::Gone))
            .count();
        assert_eq!(run.world.count(RecordType::AskOver), over, "seed {seed}");
    }
    assert!(approved > 300 && denied > 300, "too tame: {approved} approved, {denied} not");
}
