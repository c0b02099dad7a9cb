//! PUSH_HOSTS: the push services that get requests.

use crate::core::origin::{is_host, is_label};
use crate::core::web_url::host_of;

/// The push services of the browser vendors: Chrome and most others, Firefox, Edge on Windows, Safari.
pub const VENDORS: &str =
    "fcm.googleapis.com,*.push.services.mozilla.com,*.notify.windows.com,*.push.apple.com";

/// The parsed PUSH_HOSTS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushHosts(Vec<HostPattern>);

/// An allowed host, in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
enum HostPattern {
    /// `push.example`: exactly this host.
    Exactly(String),
    /// `*.push.example` or `.push.example`: its subdomains at any level. The text has a leading dot.
    Subdomains(String),
}

impl PushHosts {
    /// Parses a list such as `push.example, *.push.example`. The error names the entry that is not a host.
    pub fn parse(text: &str) -> Result<Self, String> {
        text.split(',')
            .map(str::trim)
            .filter(|host| !host.is_empty())
            .map(|host| HostPattern::parse(host).ok_or_else(|| not_a_host(host)))
            .collect::<Result<Vec<_>, _>>()
            .map(Self)
    }

    /// Returns whether the endpoint is a URL of one of these hosts: of https, or of http on this machine, where a push
    /// service in a test is.
    pub fn allow(&self, endpoint: &str) -> bool {
        let Some(host) = host_of(endpoint) else {
            return false;
        };
        let host = host.to_ascii_lowercase();
        self.0.iter().any(|pattern| pattern.matches(&host))
    }
}

impl HostPattern {
    fn parse(text: &str) -> Option<Self> {
        let text = text.to_ascii_lowercase();
        let subdomains_of = text.strip_prefix('*').unwrap_or(&text).strip_prefix('.');
        match subdomains_of {
            Some(parent) => is_host(parent).then(|| Self::Subdomains(format!(".{parent}"))),
            None => is_host(&text).then_some(Self::Exactly(text)),
        }
    }

    fn matches(&self, host: &str) -> bool {
        match self {
            Self::Exactly(one) => one == host,
            // Every label is looked at, so that nothing is let through that a URL parser would read as the end of the
            // host.
            Self::Subdomains(parent) => host
                .strip_suffix(parent.as_str())
                .is_some_and(|subdomain| subdomain.split('.').all(is_label)),
        }
    }
}

fn not_a_host(text: &str) -> String {
    format!("\"{text}\" is not a host such as push.example.com or *.push.example.com")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allow(hosts: &str, endpoint: &str) -> bool {
        PushHosts::parse(hosts).unwrap().allow(endpoint)
    }

    #[test]
    fn the_vendors_are_allowed() {
        for good in [
            "https://fcm.googleapis.com/fcm/send/abc:def",
            "https://FCM.googleapis.com:443/wp/abc",
            "https://updates.push.services.mozilla.com/wpush/v2/abc",
            "https://wns2-by3p.notify.windows.com/w/?token=abc",
            "https://web.push.apple.com/abc",
        ] {
            assert!(allow(VENDORS, good), "{good}");
        }
    }

    #[test]
    fn nobody_else_is() {
        for bad in [
            "http://fcm.googleapis.com/x",
            "https://googleapis.com/x",
            "https://storage.googleapis.com/x",
            "https://fcm.googleapis.com.evil.example/x",
            "https://fcm.googleapis.com@evil.example/x",
            "https://user@fcm.googleapis.com/x",
            "https://evil.example#.push.apple.com",
            "https://evil.example?.push.apple.com",
            "https://evil.example\\.push.apple.com",
            "https://evil.example%2f.push.apple.com",
            "https://evil.example／.push.apple.com",
            "https://evil.example:1.push.apple.com",
            "https://[::1].push.apple.com",
            "https://evilpush.apple.com",
            "https://.push.apple.com",
            "https://a..push.apple.com",
            "https://push.apple.com",
            "http://127.0.0.1:80/x",
            "https://127.0.0.1/x",
            "fcm.googleapis.com",
            "",
        ] {
            assert!(!allow(VENDORS, bad), "{bad}");
        }
    }

    #[test]
    fn this_machine_is_allowed_if_it_is_named() {
        assert!(allow("127.0.0.1", "http://127.0.0.1:4001/x"));
        assert!(allow("push.example, localhost", "http://localhost/x"));
        assert!(!allow("push.example", "http://push.example/x"));
        assert!(!allow("", "https://push.example/x"));
    }

    #[test]
    fn a_dot_stands_for_subdomains() {
        for hosts in [".push.example", "*.Push.Example"] {
            assert!(allow(hosts, "https://a.b.push.example/x"));
            assert!(!allow(hosts, "https://push.example/x"));
        }
        for bad in [
            "*",
            "*push.example",
            "https://push.example",
            "push.example:80",
            "a b",
            ".",
        ] {
            let error = PushHosts::parse(bad).unwrap_err();
            assert!(
                error.starts_with(&format!("\"{bad}\" is not a host")),
                "{error}"
            );
        }
    }
}
