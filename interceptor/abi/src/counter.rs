//! What the kernel half counts.

/// One counter; its number is its index in the map `COUNTERS`.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counter {
    /// Connections pointed at the proxy.
    Redirected,
    /// Canary connections pointed at the proxy.
    Canary,
    /// Refused: `FLOWS` is full.
    FlowsFull,
    /// Refused: the kernel had no memory for the socket's storage.
    NoMemory,
    /// Connections that reached the proxy without an entry, because two took the last place: the proxy closes them.
    FlowLost,
    /// Refused: uid 0 inside an agent's cgroup.
    RootRefused,
    /// Refused: an agent in another network namespace.
    NetnsRefused,
    /// Refused: a datagram or another protocol towards a protected address.
    DatagramRefused,
    /// Refused: not an agent, not allowed, and the database says `others = "refuse"`.
    OtherRefused,
    /// Refused: an agent asked for a raw, MPTCP, SCTP or other socket.
    SocketRefused,
    /// Refused: somebody tried to bind the proxy's port.
    BindRefused,
    /// Redirected connections whose handshake was completed.
    Established,
}

impl Counter {
    /// All counters, by their index.
    pub const ALL: [Counter; 12] = [
        Counter::Redirected,
        Counter::Canary,
        Counter::FlowsFull,
        Counter::NoMemory,
        Counter::FlowLost,
        Counter::RootRefused,
        Counter::NetnsRefused,
        Counter::DatagramRefused,
        Counter::OtherRefused,
        Counter::SocketRefused,
        Counter::BindRefused,
        Counter::Established,
    ];

    /// How many there are.
    pub const COUNT: u32 = Counter::ALL.len() as u32;

    /// Its name in `status` and in the metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Counter::Redirected => "redirected",
            Counter::Canary => "canary",
            Counter::FlowsFull => "refused_flows_full",
            Counter::NoMemory => "refused_no_memory",
            Counter::FlowLost => "flow_lost",
            Counter::RootRefused => "refused_root",
            Counter::NetnsRefused => "refused_netns",
            Counter::DatagramRefused => "refused_datagram",
            Counter::OtherRefused => "refused_other",
            Counter::SocketRefused => "refused_socket",
            Counter::BindRefused => "refused_bind",
            Counter::Established => "established",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Counter;

    #[test]
    fn the_number_of_a_counter_is_its_place() {
        for (index, counter) in Counter::ALL.iter().enumerate() {
            assert_eq!(*counter as usize, index);
        }
    }
}
