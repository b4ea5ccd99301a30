//! What agents dial: addresses, networks and host names with a port, as they are typed and as they are meant.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};

/// A network and a port that agents dial.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Endpoint {
    /// The network's address, host bits zero.
    pub address: IpAddr,
    /// Leading bits that count: 32 or 128 for one address.
    pub prefix: u8,
    /// `None`: any port.
    pub port: Option<u16>,
}

impl Endpoint {
    /// Whether every address of it is on this host's loopback.
    pub fn is_loopback(&self) -> bool {
        match self.address {
            IpAddr::V4(v4) => v4.is_loopback() && self.prefix >= 8,
            IpAddr::V6(v6) => v6.is_loopback() && self.prefix == 128,
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let single = self.prefix == if self.address.is_ipv4() { 32 } else { 128 };
        match (self.address, single) {
            (IpAddr::V4(a), true) => write!(f, "{a}")?,
            (IpAddr::V6(a), true) => write!(f, "[{a}]")?,
            (IpAddr::V4(a), false) => write!(f, "{a}/{}", self.prefix)?,
            (IpAddr::V6(a), false) => write!(f, "[{a}/{}]", self.prefix)?,
        }
        match self.port {
            Some(port) => write!(f, ":{port}"),
            None => write!(f, ":*"),
        }
    }
}

/// `10.0.0.1:5432`, `10.20.0.0/16:5432`, `[::1]:5432`, `[fd00::/8]:5432`, `db.example:5432`; the port may be `*`.
pub(super) fn endpoints(text: &str) -> Result<Vec<Endpoint>, String> {
    let (host, port) = text.rsplit_once(':').ok_or("a port is missing; write `address:port` or `address:*`")?;
    let port = match port {
        "*" => None,
        number => {
            Some(number.parse::<u16>().ok().filter(|p| *p != 0).ok_or("the port is not a number from 1 to 65535")?)
        }
    };
    let host = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
    if let Some((address, prefix)) = host.split_once('/') {
        let address: IpAddr = address.parse().map_err(|_| "what stands before `/` is no address")?;
        let prefix: u8 = prefix.parse().map_err(|_| "what stands after `/` is no number")?;
        return network(address, prefix).map(|(address, prefix)| vec![Endpoint { address, prefix, port }]);
    }
    let addresses: Vec<IpAddr> = match host.parse::<IpAddr>() {
        Ok(address) => vec![address],
        Err(_) => (host, 0)
            .to_socket_addrs()
            .map_err(|e| format!("does not resolve: {e}"))?
            .map(|s: SocketAddr| s.ip())
            .collect(),
    };
    if addresses.is_empty() {
        return Err("resolves to no address".into());
    }
    Ok(addresses
        .into_iter()
        .map(|address| Endpoint { address, prefix: if address.is_ipv4() { 32 } else { 128 }, port })
        .collect())
}

fn network(address: IpAddr, prefix: u8) -> Result<(IpAddr, u8), String> {
    let masked = match address {
        IpAddr::V4(a) if (1..=32).contains(&prefix) => {
            IpAddr::V4(Ipv4Addr::from(u32::from(a) & (u32::MAX << (32 - prefix))))
        }
        IpAddr::V6(a) if (1..=128).contains(&prefix) => {
            IpAddr::V6(Ipv6Addr::from(u128::from(a) & (u128::MAX << (128 - prefix))))
        }
        _ => {
            return Err(format!(
                "/{prefix} is no prefix length of this family (1 to {})",
                if address.is_ipv4() { 32 } else { 128 }
            ));
        }
    };
    if masked == address {
        Ok((masked, prefix))
    } else {
        Err(format!("host bits are set; did you mean {masked}/{prefix}?"))
    }
}
