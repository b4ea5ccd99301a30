//! The ways around connect(), and who else is kept out.
#![allow(clippy::unwrap_used)] // tests
#![allow(unsafe_code)] // the children make sockets that std does not know

mod kernel;

use interceptor_abi::Counter;
use kernel::{AGENT, Cgroup, OTHER, PORT, Process, SERVICE, exactly, obey, world};

#[test]
fn child() {
    obey();
}

/// `socket(domain, kind, protocol)` as a command.
fn create(domain: i32, kind: i32, protocol: i32) -> String {
    format!("create {domain} {kind} {protocol}")
}

#[test]
fn an_agent_gets_no_raw_mptcp_or_sctp_socket() {
    let Some(world) = world() else { return };
    let _attached = world.attach();
    // Root may make a raw socket, so what refuses one in the agent's cgroup is our hook.
    let (mut root, mut caged) = (Process::start(0, None), Process::start(0, Some(&world.cgroup)));
    for domain in [libc::AF_INET, libc::AF_INET6] {
        let raw = create(domain, libc::SOCK_RAW, libc::IPPROTO_TCP);
        root.expect(&raw, "ok");
        caged.expect(&raw, "EPERM");
    }
    assert_eq!(world.count(Counter::SocketRefused), 2);

    let mut agent = world.agent();
    for protocol in [libc::IPPROTO_MPTCP, libc::IPPROTO_SCTP] {
        agent.expect(&create(libc::AF_INET, libc::SOCK_STREAM, protocol), "EPROTONOSUPPORT");
    }
    for (kind, protocol) in [(libc::SOCK_STREAM, 0), (libc::SOCK_STREAM, libc::IPPROTO_TCP), (libc::SOCK_DGRAM, 0)] {
        agent.expect(&create(libc::AF_INET, kind, protocol), "ok");
        agent.expect(&create(libc::AF_INET6, kind, protocol), "ok");
    }
}

#[test]
fn an_mptcp_socket_from_before_is_redirected() {
    let Some(world) = world() else { return };
    let _attached = world.attach();
    let mut service = world.service();
    let mut newcomer = Process::start(AGENT, None);
    if newcomer.ask("mptcp s") != "ok" {
        return eprintln!("SKIPPED: this kernel has no MPTCP");
    }
    world.cgroup.take_in(newcomer.pid());
    newcomer.expect(&format!("connect-socket s {}", world.address()), "ok");
    assert!(service.ask("accept").starts_with(&format!("ok {} 0 payments reconciler ", world.address())));
    assert!(!world.reached());
}

#[test]
fn datagrams_to_a_protected_address_are_refused() {
    let Some(mut world) = world() else { return };
    world.plan.databases[0].addresses.push(exactly("[::1]:9".parse().unwrap()));
    let _attached = world.attach();
    let (mut agent, mut other) = (world.agent(), Process::start(OTHER, None));
    let (four, port) = (world.address(), world.address().port());
    let cases = [
        ("127.0.0.1:0", four.to_string()),
        ("0.0.0.0:0", format!("127.0.0.3:{port}")),
        ("[::1]:0", "[::1]:9".to_owned()),
        ("[::]:0", format!("[::ffff:127.0.0.1]:{port}")),
    ];
    for (refused, (from, to)) in (1..).zip(&cases) {
        agent.expect(&format!("udp-send {from} {to}"), "EPERM");
        agent.expect(&format!("udp-connect {from} {to}"), "EPERM");
        assert_eq!(world.count(Counter::DatagramRefused), refused * 2);
        other.expect(&format!("udp-connect {from} {to}"), "ok");
    }
    // What is not protected is not our business.
    agent.expect("udp-send 127.0.0.1:0 127.0.0.1:9999", "ok");
}

#[test]
fn nobody_but_the_service_may_take_its_port() {
    let Some(world) = world() else { return };
    let _attached = world.attach();
    let mut agent = world.agent();
    let (mut other, mut root) = (Process::start(OTHER, None), Process::start(0, None));
    let mptcp = other.ask("bind-mptcp 127.0.0.1:0") == "ok";
    for process in [&mut agent, &mut other, &mut root] {
        for at in ["127.0.0.1", "0.0.0.0", "[::1]", "[::]", "127.0.0.9"] {
            process.expect(&format!("bind {at}:{PORT}"), "EPERM");
            process.expect(&format!("bind-udp {at}:{PORT}"), "EPERM");
        }
        process.expect("bind 127.0.0.1:0", "ok");
    }
    if mptcp {
        other.expect(&format!("bind-mptcp 127.0.0.1:{PORT}"), "EPERM");
    }
    assert!(world.count(Counter::BindRefused) >= 30);
    drop(world.service());
    world.service();
}

#[test]
fn a_port_of_another_network_namespace_is_not_ours() {
    let Some(world) = world() else { return };
    let _attached = world.attach();
    let mut root = Process::start(0, None);
    root.expect("unshare-net", "ok");
    root.expect(&format!("bind 0.0.0.0:{PORT}"), "ok");
}

#[test]
fn who_dials_the_proxy_itself_is_a_stranger() {
    let Some(world) = world() else { return };
    let _attached = world.attach();
    let (mut service, mut agent) = (world.service(), world.agent());
    let mut other = Process::start(OTHER, None);
    for process in [&mut agent, &mut other] {
        for address in ["127.0.0.1", "[::1]"] {
            process.expect(&format!("connect {address}:{PORT}"), "ok");
            service.expect("accept", "ok stranger");
        }
    }
}

#[test]
fn a_closed_database_refuses_all_but_agents_the_service_and_the_allowed() {
    let Some(mut world) = world() else { return };
    let allowed = Cgroup::new("allowed.service");
    let unit = allowed.0.file_name().unwrap().to_str().unwrap().to_owned();
    world.plan.databases[0].refuse_others = true;
    world.plan.databases[0].allow = vec![unit];
    let _attached = world.attach();
    let connect = format!("connect {}", world.address());
    let datagram = format!("udp-send 0.0.0.0:0 {}", world.address());

    for uid in [OTHER, 0] {
        let mut other = Process::start(uid, None);
        other.expect(&connect, "EPERM");
        other.expect(&datagram, "EPERM");
    }
    assert_eq!(world.count(Counter::OtherRefused), 4);
    assert!(!world.reached());
    for mut process in [Process::start(OTHER, Some(&allowed)), Process::start(SERVICE, None)] {
        process.expect(&connect, "ok");
        assert!(world.reached());
        process.expect(&datagram, "ok");
    }
    let (mut service, mut agent) = (world.service(), world.agent());
    agent.expect(&connect, "ok");
    assert!(service.ask("accept").contains(" payments reconciler "));
}

#[test]
fn an_agent_can_open_neither_maps_nor_links_and_the_service_no_links() {
    let Some(world) = world() else { return };
    let _attached = world.attach();
    let instance = world.plan.instance.display();
    let (mut service, mut agent) = (Process::start(SERVICE, None), world.agent());
    service.expect(&format!("open {instance}"), "ok");
    for process in [&mut service, &mut agent] {
        process.expect(&format!("open-link {instance}"), "EACCES");
        process.expect(&format!("remove {instance}/v{}/links/interceptor_connect4", interceptor_abi::LAYOUT), "EACCES");
        process.expect(&format!("remove {instance}/v{}/maps/RULES", interceptor_abi::LAYOUT), "EACCES");
    }
    // kernel.unprivileged_bpf_disabled answers EPERM, the file's mode EACCES; either will do.
    let answer = agent.ask(&format!("open {instance}"));
    assert!(["EACCES", "EPERM"].contains(&answer.as_str()), "{answer}");
}
