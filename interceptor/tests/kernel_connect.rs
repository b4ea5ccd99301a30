//! connect() of an agent, on this kernel: redirected, named, and shown what it asked for.
#![allow(clippy::unwrap_used)] // tests
#![allow(unsafe_code)] // the children make sockets that std does not know

mod kernel;

use std::{net::TcpListener, os::unix::fs::MetadataExt};

use interceptor::load::{AgentPlan, Destination, Who, locals::Watch};
use interceptor_abi::Counter;
use kernel::{AGENT, OTHER, PORT, Process, World, exactly, obey, world};

#[test]
fn child() {
    obey();
}

/// One connection of a fresh agent: what it dialled, as the service learned it.
#[track_caller]
fn redirected(world: &World, dial: &str, learned: &str) {
    let (mut service, mut agent) = (world.service(), world.agent());
    agent.expect(&format!("connect {dial}"), "ok");
    let arrival = service.ask("accept");
    assert!(arrival.starts_with(&format!("ok {learned} 0 payments reconciler ")), "{dial}: {arrival}");
    assert!(!world.reached(), "{dial} went directly");
}

#[test]
fn an_agent_is_redirected_and_sees_the_address_that_it_asked_for() {
    let Some(world) = world() else { return };
    let _attached = world.attach();
    let (mut service, mut agent) = (world.service(), world.agent());
    let to = world.address();

    agent.expect(&format!("connect {to}"), "ok");
    let arrival = service.ask("accept");
    let exe = std::fs::metadata("/proc/self/exe").unwrap();
    let path = std::env::current_exe().unwrap();
    // The kernel keeps 31 bytes of the executable's name.
    let name: String = path.file_name().unwrap().to_str().unwrap().chars().take(31).collect();
    assert_eq!(
        arrival.split_once(" comm=").unwrap().0,
        format!("ok {to} 0 payments reconciler cgroup={} pid={} uid={AGENT}", world.cgroup.id(), agent.pid())
    );
    assert!(arrival.ends_with(&format!(" exe={name} dev={} ino={}", exe.dev(), exe.ino())), "{arrival}");
    agent.expect("peer it", &format!("ok {to}"));
    service.expect("accepted-close", "ok");
    agent.expect("read it", "ok hello");
    assert!(!world.reached());
    assert_eq!((world.flows(), world.count(Counter::Redirected), world.count(Counter::Established)), (0, 1, 1));
}

#[test]
fn who_is_no_agent_goes_directly() {
    let Some(world) = world() else { return };
    let _attached = world.attach();
    for uid in [OTHER, 0, kernel::SERVICE] {
        Process::start(uid, None).expect(&format!("connect {}", world.address()), "ok");
        assert!(world.reached(), "uid {uid}");
    }
}

#[test]
fn ipv6_and_v4_mapped_addresses_are_redirected() {
    let Some(mut world) = world() else { return };
    let six = TcpListener::bind("[::1]:0").unwrap();
    let to = six.local_addr().unwrap();
    world.plan.databases[0].addresses.push(exactly(to));
    let _attached = world.attach();
    let (mut service, mut agent) = (world.service(), world.agent());

    let mapped = format!("[::ffff:127.0.0.1]:{}", world.address().port());
    for (dial, learned) in [(to.to_string(), to), (mapped, world.address())] {
        agent.expect(&format!("connect {dial}"), "ok");
        let arrival = service.ask("accept");
        assert!(arrival.starts_with(&format!("ok {learned} 0 payments ")), "{arrival}");
        agent.expect("peer it", &format!("ok {dial}"));
    }
    six.set_nonblocking(true).unwrap();
    assert!(six.accept().is_err() && !world.reached());
}

#[test]
fn every_local_address_is_the_database() {
    let Some(world) = world() else { return };
    let _attached = world.attach();
    let port = world.address().port();
    for (dial, learned) in [
        ("0.0.0.0", format!("127.0.0.1:{port}")),
        ("127.0.0.2", format!("127.0.0.2:{port}")),
        ("[::1]", format!("[::1]:{port}")),
        ("[::]", format!("[::1]:{port}")),
        ("[::ffff:0.0.0.0]", format!("127.0.0.1:{port}")),
    ] {
        redirected(&world, &format!("{dial}:{port}"), &learned);
    }
}

/// An address of the host that goes when dropped. From 198.51.100.0/24, a documentation network (RFC 5737).
struct Address(&'static str);

impl Address {
    fn add(address: &'static str) -> Option<Address> {
        let done = std::process::Command::new("ip").args(["address", "add", address, "dev", "lo"]).status();
        done.is_ok_and(|status| status.success()).then_some(Address(address))
    }
}

impl Drop for Address {
    fn drop(&mut self) {
        let _ = std::process::Command::new("ip").args(["address", "del", self.0, "dev", "lo"]).status();
    }
}

#[test]
fn a_changed_address_is_noticed() {
    let Some(world) = world() else { return };
    let _attached = world.attach();
    let watch = Watch::new(&world.plan.instance).unwrap();
    assert!(!watch.poll().unwrap());
    let Some(_address) = Address::add("198.51.100.7/32") else {
        return eprintln!("SKIPPED: ip(8) cannot add an address");
    };
    assert!(watch.poll().unwrap());
    let dial = format!("198.51.100.7:{}", world.address().port());
    redirected(&world, &dial, &dial);
}

#[test]
fn a_network_and_any_port_are_rules_too() {
    let Some(mut world) = world() else { return };
    let network = Destination { address: "198.51.100.0".parse().unwrap(), prefix: 24, port: None };
    let documentation = Destination { address: "2001:db8:1::".parse().unwrap(), prefix: 48, port: Some(5432) };
    world.plan.databases[0].addresses.extend([network, documentation]);
    let _attached = world.attach();
    for dial in ["198.51.100.9:1", "198.51.100.200:65535", "[2001:db8:1::7]:5432"] {
        redirected(&world, dial, dial);
    }
}

#[test]
fn other_ways_to_connect_are_redirected() {
    let Some(world) = world() else { return };
    let _attached = world.attach();
    let (mut service, mut agent) = (world.service(), world.agent());
    let to = world.address();
    for way in ["fastopen", "uring-connect"] {
        agent.expect(&format!("{way} {to}"), &format!("ok {to}"));
        assert!(service.ask("accept").starts_with(&format!("ok {to} 0 payments ")), "{way}");
    }
    assert!(!world.reached());
}

#[test]
fn neither_a_source_address_nor_a_device_leads_around() {
    let Some(world) = world() else { return };
    let _attached = world.attach();
    let (mut service, mut agent) = (world.service(), world.agent());
    let to = world.address();
    for command in [format!("bound-connect 127.0.0.7:0 {to}"), format!("device-connect lo {to}")] {
        agent.expect(&command, "ok");
        assert!(service.ask("accept").starts_with(&format!("ok {to} 0 payments ")), "{command}");
    }
    let devices = std::fs::read_dir("/sys/class/net").unwrap();
    for device in devices.map(|device| device.unwrap().file_name().into_string().unwrap()) {
        if device != "lo" && std::path::Path::new("/sys/class/net").join(&device).join("ifindex").exists() {
            assert_ne!(agent.ask(&format!("device-connect {device} {to}")), "ok", "{device}: the proxy is on lo");
        }
    }
    assert!(!world.reached());
}

#[test]
fn a_socket_that_is_connected_again_does_not_lie() {
    let Some(world) = world() else { return };
    let _attached = world.attach();
    let (mut service, mut agent) = (world.service(), world.agent());
    let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap();
    let elsewhere = elsewhere.local_addr().unwrap();

    agent.expect("socket s v4", "ok");
    agent.expect(&format!("connect-socket s {}", world.address()), "ok");
    agent.expect("peer s", &format!("ok {}", world.address()));
    service.expect("drain 1", "ok 0");
    agent.expect("disconnect s", "ok");
    agent.expect(&format!("connect-socket s {elsewhere}"), "ok");
    agent.expect("peer s", &format!("ok {elsewhere}"));
    // Straight to the proxy: its old origin must not open the door.
    agent.expect("disconnect s", "ok");
    agent.expect(&format!("connect-socket s 127.0.0.1:{PORT}"), "ok");
    agent.expect("peer s", &format!("ok 127.0.0.1:{PORT}"));
    service.expect("accept", "ok stranger");
}

#[test]
fn with_the_service_dead_an_agent_is_refused_and_never_direct() {
    let Some(world) = world() else { return };
    let _attached = world.attach();
    let mut agent = world.agent();
    agent.expect(&format!("many {} 200", world.address()), "ok 0 200 0");
    drop(world.service());
    agent.expect(&format!("many {} 200", world.address()), "ok 0 200 0");
    assert!(!world.reached());
    assert_eq!(world.flows(), 0, "a refused connection leaves nothing");
}

#[test]
fn a_process_stays_the_agent_when_it_moves_forks_or_brings_a_socket() {
    let Some(world) = world() else { return };
    let _attached = world.attach();
    let (mut service, to) = (world.service(), world.address());

    // Made outside, connected inside.
    let mut newcomer = Process::start(AGENT, None);
    newcomer.expect("socket s v4", "ok");
    world.cgroup.take_in(newcomer.pid());
    newcomer.expect(&format!("connect-socket s {to}"), "ok");
    assert!(service.ask("accept").contains(&format!(" pid={} ", newcomer.pid())));

    let mut agent = world.agent();
    for way in ["fork-connect", "double-fork-connect"] {
        agent.expect(&format!("{way} {to}"), "ok true");
        assert!(service.ask("accept").starts_with(&format!("ok {to} 0 payments reconciler ")), "{way}");
    }

    // Deeper: still the agent. Out of it: the kernel does not let it.
    let inner = world.cgroup.below("inner");
    let innermost = inner.below("innermost");
    innermost.take_in(agent.pid());
    agent.expect(&format!("connect {to}"), "ok");
    assert!(service.ask("accept").contains(&format!(" cgroup={} ", innermost.id())));
    let root = interceptor::load::cgroups::root().unwrap();
    agent.expect(&format!("move-to {}", root.display()), "EACCES");
    agent.expect(&format!("connect {to}"), "ok");
    service.expect("drain 1", "ok 0");
    assert!(!world.reached());
    drop((newcomer, agent, innermost));
}

#[test]
fn an_account_can_be_an_agent() {
    let Some(mut world) = world() else { return };
    world.plan.agents = vec![AgentPlan { name: "svc".into(), who: Who::User(AGENT) }];
    let _attached = world.attach();
    let mut service = world.service();
    let (mut agent, mut other) = (Process::start(AGENT, None), Process::start(OTHER, Some(&world.cgroup)));
    agent.expect(&format!("connect {}", world.address()), "ok");
    assert!(service.ask("accept").starts_with(&format!("ok {} 0 payments svc ", world.address())));
    assert!(!world.reached());
    other.expect(&format!("connect {}", world.address()), "ok");
    assert!(world.reached());
}

#[test]
fn root_and_other_network_namespaces_are_refused() {
    let Some(world) = world() else { return };
    let _attached = world.attach();
    let connect = format!("connect {}", world.address());
    let mut root = Process::start(0, Some(&world.cgroup));
    root.expect(&connect, "EPERM");
    assert_eq!(world.count(Counter::RootRefused), 1);
    root.expect("unshare-net", "ok");
    root.expect(&format!("become {AGENT}"), "ok");
    root.expect(&connect, "EPERM");
    assert_eq!(world.count(Counter::NetnsRefused), 1);
    assert!(!world.reached());
}

#[test]
fn a_full_map_refuses() {
    let Some(mut world) = world() else { return };
    world.plan.flows_max = 2;
    let _attached = world.attach();
    let (mut service, mut agent) = (world.service(), world.agent());
    let to = world.address();
    agent.expect(&format!("connect {to} a"), "ok");
    agent.expect(&format!("connect {to} b"), "ok");
    agent.expect(&format!("connect {to} c"), "ECONNREFUSED");
    assert_eq!((world.flows(), world.count(Counter::FlowsFull)), (2, 1));
    service.expect("drain 2", "ok 0");
    agent.expect(&format!("connect {to} c"), "ok");
    assert!(!world.reached());
}

#[test]
fn a_connection_that_waits_keeps_its_origin_until_it_is_accepted_or_dropped() {
    let Some(world) = world() else { return };
    let _attached = world.attach();
    let (mut service, mut agent) = (world.service(), world.agent());
    agent.expect(&format!("connect {}", world.address()), "ok");
    agent.expect("close it", "ok");
    assert_eq!(world.flows(), 1, "the agent has gone, its words may be in the queue");
    assert!(service.ask("accept").contains(" reconciler "));
    assert_eq!(world.flows(), 0);

    agent.expect(&format!("connect {}", world.address()), "ok");
    assert_eq!(world.flows(), 1);
    drop(service);
    assert_eq!(world.flows(), 0, "the listener has gone, and with it what it had not accepted");
}

#[test]
fn an_entry_that_nobody_takes_is_swept() {
    let Some(world) = world() else { return };
    let _attached = world.attach();
    let (mut service, mut agent) = (world.service(), world.agent());
    agent.expect(&format!("connect {}", world.address()), "ok");
    service.expect("sweep 0", "ok 0");
    service.expect(&format!("sweep {}", u64::MAX), "ok 1");
    service.expect("accept", "ok stranger");
}

#[test]
fn the_canary_proves_the_redirection() {
    let Some(world) = world() else { return };
    let attached = world.attach();
    let mut service = world.service();
    for _ in 0..3 {
        service.expect("canary", "ok");
    }
    assert_eq!(world.count(Counter::Canary), 6);
    drop(attached);
    assert_ne!(service.ask("canary-alone"), "ok");
}
