//! Which IP addresses share a limit.
//!
//! Invariant: whoever can choose among many addresses gains nothing by it. A network gives each customer a whole /64
//! of IPv6 addresses or more (RFC 6177), so these share a key.
//!
//! The platform says where a client is, so an address is taken apart but not validated, which would need a parser
//! many times as large.

/// The number of groups in an IPv6 address.
const GROUPS: usize = 8;

/// The number of groups that name the network.
const NETWORK_GROUPS: usize = 4;

/// Returns the key under which a client's address is limited: an IPv4 address, or the first four groups of an IPv6
/// address. Returns `None` for the machine itself, which only local clients of a local server are.
pub fn limit_key(address: &str) -> Option<String> {
    // An IPv4 address may be written as an IPv6 one: `::ffff:203.0.113.7`.
    let last = address.rsplit(':').next().unwrap_or_default();
    if last.contains('.') {
        return (!last.starts_with("127.")).then(|| last.to_owned());
    }
    (address.contains(':') && address != "::1").then(|| network_of(address))
}

fn network_of(address: &str) -> String {
    let (head, tail) = address.split_once("::").unwrap_or((address, ""));
    let count = |part: &str| part.split(':').filter(|group| !group.is_empty()).count();
    let missing = GROUPS.saturating_sub(count(head) + count(tail));
    let zeros = std::iter::repeat_n("0", missing);
    let groups = head.split(':').filter(|group| !group.is_empty());
    let groups = groups.chain(zeros).chain(tail.split(':'));
    let network: Vec<&str> = groups.take(NETWORK_GROUPS).collect();
    network.join(":")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv4_address_counts_by_itself_and_an_ipv6_address_by_its_network() {
        let cases = [
            ("203.0.113.7", Some("203.0.113.7")),
            ("::ffff:203.0.113.7", Some("203.0.113.7")),
            ("2001:db8:1:2:3:4:5:6", Some("2001:db8:1:2")),
            ("2001:db8:1:2::", Some("2001:db8:1:2")),
            ("2001:db8:1:3::1", Some("2001:db8:1:3")),
            ("2001:db8::5:6:7", Some("2001:db8:0:0")),
            ("2001:db8::3:4:5:6:7", Some("2001:db8:0:3")),
            ("::2", Some("0:0:0:0")),
            ("127.0.0.1", None),
            ("::ffff:127.0.0.1", None),
            ("::1", None),
            ("", None),
            ("somewhere", None),
        ];
        for (address, key) in cases {
            assert_eq!(limit_key(address).as_deref(), key, "{address}");
        }
    }
}
