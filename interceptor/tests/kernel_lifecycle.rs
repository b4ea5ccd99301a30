//! attach and detach, again and under load, and what they leave.
#![allow(clippy::unwrap_used)] // tests
#![allow(unsafe_code)] // the children make sockets that std does not know

mod kernel;

use std::fs;

use interceptor::{
    doctor::{self, Inquiry, State},
    load::{self, AgentPlan, Pins, Who},
};
use kernel::{Cgroup, PORT, Process, SERVICE, exactly, obey, world};

#[test]
fn child() {
    obey();
}

#[test]
fn detach_leaves_nothing() {
    let Some(world) = world() else { return };
    let before = fs::metadata("/sys/fs/bpf").map(|found| found.permissions());
    let attached = world.attach();
    drop(attached);
    assert!(!world.plan.instance.exists());
    if let Ok(before) = before {
        assert_eq!(fs::metadata("/sys/fs/bpf").unwrap().permissions(), before);
    }
    assert!(!load::detach(&world.plan.instance).unwrap(), "there is nothing to detach");
    let mut agent = world.agent();
    agent.expect(&format!("connect {}", world.address()), "ok");
    assert!(world.reached(), "no program is left to redirect");
    Process::start(kernel::OTHER, None).expect(&format!("bind 127.0.0.1:{PORT}"), "ok");
}

#[test]
fn an_attach_that_fails_leaves_nothing_and_a_later_one_leaves_the_old() {
    let Some(mut world) = world() else { return };
    let good = world.plan.clone();
    world.plan.agents.push(AgentPlan { name: "x".repeat(64), who: Who::Exec });
    assert!(load::attach(&world.plan).is_err());
    assert!(!world.plan.instance.exists());

    let bad = std::mem::replace(&mut world.plan, good);
    let _attached = world.attach();
    assert!(load::attach(&bad).is_err());
    load::verify(&world.plan.instance).unwrap();
    let mut service = world.service();
    world.agent().expect(&format!("connect {}", world.address()), "ok");
    service.expect("drain 1", "ok 0");
}

#[test]
fn a_new_plan_takes_the_place_of_the_old() {
    let Some(mut world) = world() else { return };
    let _attached = world.attach();
    let mut service = world.service();
    let second = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    world.plan.databases[0].addresses = vec![exactly(second)];
    world.plan.databases[0].name = "ledger".into();
    let report = load::attach(&world.plan).unwrap();
    assert!(report.programs.iter().all(|program| program.replaced));

    let mut agent = world.agent();
    agent.expect(&format!("connect {}", world.address()), "ok");
    assert!(world.reached(), "no longer protected");
    agent.expect(&format!("connect {second}"), "ok");
    assert!(service.ask("accept").starts_with(&format!("ok {second} 0 ledger reconciler ")));

    world.plan.agents.clear();
    load::attach(&world.plan).unwrap();
    agent.expect(&format!("connect {second}"), "ECONNREFUSED"); // nobody listens there, and nobody redirects
}

#[test]
fn another_layout_is_taken_over_without_a_gap() {
    let Some(mut world) = world() else { return };
    let admitted = Cgroup::new("exec");
    world.plan.agents.push(AgentPlan { name: "other".into(), who: Who::Exec });
    let _attached = world.attach();
    let pins = Pins::current(&world.plan.instance);
    let name = interceptor_abi::padded("other").unwrap();
    pins.agents().unwrap().set(&admitted.id(), &interceptor_abi::Agent { name }).unwrap();

    let older = world.plan.instance.join("v0");
    fs::rename(pins.folder(), &older).unwrap();
    let report = load::attach(&world.plan).unwrap();
    assert!(report.programs.iter().all(|program| program.replaced), "each link was updated, none made anew");
    assert!(!older.exists());
    let mut service = world.service();
    let mut agent = Process::start(kernel::AGENT, Some(&admitted));
    agent.expect(&format!("connect {}", world.address()), "ok");
    assert!(service.ask("accept").contains(" payments other "), "admitted before, admitted now");
}

#[test]
fn attaching_again_under_load_lets_nothing_through() {
    let Some(world) = world() else { return };
    let _attached = world.attach();
    let (mut service, mut agent) = (world.service(), world.agent());
    for _ in 0..8 {
        agent.say(&format!("many {} 1000", world.address()));
        service.say("drain 1000");
        let report = load::attach(&world.plan).unwrap();
        assert!(report.programs.iter().all(|program| program.replaced));
        assert_eq!(agent.answer(), "ok 1000 0 0");
        assert_eq!(service.answer(), "ok 0", "every connection had its origin");
    }
    assert!(!world.reached());
    assert_eq!(world.flows(), 0);
}

#[test]
fn a_service_killed_under_load_lets_nothing_through() {
    let Some(world) = world() else { return };
    let _attached = world.attach();
    let mut agent = world.agent();
    agent.expect(&format!("hammer {}", world.address()), "ok");
    for _ in 0..10 {
        let mut service = world.service();
        service.expect("drain 20", "ok 0");
        service.say("drain 100000");
        service.child.kill().unwrap();
    }
    let answer = agent.ask("hammer-stop");
    let made: u32 = answer.split(' ').nth(1).unwrap().parse().unwrap();
    assert!(made >= 200, "{answer}");
    assert!(!world.reached());
    assert_eq!(world.flows(), 0, "what the dead had not accepted is gone");
}

#[test]
fn many_connections_at_once_all_have_their_origin() {
    let Some(world) = world() else { return };
    let _attached = world.attach();
    let mut service = world.service();
    let mut agents: Vec<Process> = (0..4).map(|_| world.agent()).collect();
    for agent in &mut agents {
        agent.say(&format!("many {} 3000", world.address()));
    }
    service.say("drain 12000");
    for agent in &mut agents {
        assert_eq!(agent.answer(), "ok 3000 0 0");
    }
    assert_eq!(service.answer(), "ok 0");
    assert_eq!(world.flows(), 0);
}

#[test]
fn the_doctor_sees_what_is_attached() {
    let Some(world) = world() else { return };
    let inquiry = Inquiry {
        instance: world.plan.instance.clone(),
        port: PORT,
        service_uid: Some(SERVICE),
        state_dir: std::env::temp_dir(),
        hidden: Vec::new(),
        locked_bytes: 0,
        descriptors: 64,
    };
    let state = |name: &str| {
        let abilities = doctor::examine(&inquiry);
        abilities.iter().filter(|ability| ability.name == name).map(|ability| ability.state).collect::<Vec<_>>()
    };
    assert_eq!(state("kernel half"), [State::Warning]);
    let attached = world.attach();
    assert_eq!(state("kernel half"), [State::Ok]);
    assert_eq!(state("cgroup v2"), [State::Ok]);
    assert_eq!(state("closing older sockets"), [State::Ok]);
    assert_eq!(state("agents' processes"), [State::Ok]);
    let _root = Process::start(0, Some(&world.cgroup));
    assert_eq!(state("agents' processes"), [State::Warning]);
    fs::remove_file(Pins::current(&world.plan.instance).links().join("interceptor_sockops")).unwrap();
    assert_eq!(state("kernel half"), [State::Missing]);
    drop(attached);
}
