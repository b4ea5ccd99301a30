//! connect() of an agent, on this kernel: redirected, named, and shown what it asked for.
#![allow(unsafe_code)] // the children make sockets that std does not know

mod kernel;

use kernel::{AGENT, Process, obey, world};

#[test]
fn child() {
    obey();
}

#[test]
fn an_agent_is_redirected_and_sees_the_address_that_it_asked_for() {
    let Some(world) = world() else { return };
    let _attached = world.attach();
    let (mut service, mut agent) = (world.service(), world.agent());
    let to = world.address();

    agent.expect(&format!("connect {to}"), "ok");
    let arrival = service.ask("accept");
    let expected = format!("ok {to} 0 payments reconciler cgroup={} pid={} uid={AGENT}", world.cgroup.id(), agent.pid());
    assert!(arrival.starts_with(&expected), "{arrival}");
    agent.expect("peer it", &format!("ok {to}"));
    service.expect("accepted-close", "ok");
    agent.expect("read it", "ok hello");
    assert!(!world.reached());
    assert_eq!(world.flows(), 0);
}

#[test]
fn who_is_no_agent_goes_directly() {
    let Some(world) = world() else { return };
    let _attached = world.attach();
    let mut other = Process::start(kernel::OTHER, None);
    other.expect(&format!("connect {}", world.address()), "ok");
    assert!(world.reached());
}
