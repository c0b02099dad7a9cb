//! Which addresses share a limit.
//!
//! Invariant: whoever can choose among many addresses gains nothing by it. A network gives each customer a whole /64
//! of IPv6 addresses or more (RFC 6177), so these share a key.

use std::net::{IpAddr, Ipv6Addr};

/// The number of bytes in the part of an IPv6 address that names the network.
const NETWORK_BYTES: usize = 8;

/// Returns the key under which a client's address is limited: an IPv4 address, or an IPv6 network of 64 bits in
/// hexadecimal. Returns `None` for the machine itself, which only local clients of a local server are, and for
/// what is not an address.
pub fn limit_key(address: &str) -> Option<String> {
    let address = address.parse::<IpAddr>().ok()?.to_canonical();
    if address.is_loopback() {
        return None;
    }
    match address {
        IpAddr::V4(address) => Some(address.to_string()),
        IpAddr::V6(address) => Some(network_of(address)),
    }
}

fn network_of(address: Ipv6Addr) -> String {
    let network = address.octets().into_iter().take(NETWORK_BYTES);
    network.map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv4_address_counts_by_itself_and_an_ipv6_address_by_its_network() {
        let cases = [
            ("203.0.113.7", Some("203.0.113.7")),
            ("::ffff:203.0.113.7", Some("203.0.113.7")),
            ("2001:db8:1:2:3:4:5:6", Some("20010db800010002")),
            ("2001:db8:1:2::", Some("20010db800010002")),
            ("2001:db8:1:3::1", Some("20010db800010003")),
            ("127.0.0.1", None),
            ("::1", None),
            ("", None),
            ("somewhere", None),
        ];
        for (address, key) in cases {
            assert_eq!(limit_key(address).as_deref(), key, "{address}");
        }
    }
}
