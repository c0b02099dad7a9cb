//! The URLs that others fetch because we say so: of a file in a message, of a user's picture, and of an issuer's
//! keys.
//!
//! Invariant: only `https:`, or `http:` on this machine for local work. An app may make a link or a picture of
//! such a URL without looking at it, so it must not run a script (`javascript:`), read a local file or be
//! fetched in the clear. Keys must not, either, because a network could change them. Anything that parsers read in different ways is refused: a control character, a
//! space, a backslash, or a user name before the host.

use super::origin::{is_local_host, without_implied_port};

/// Whom a request for such a URL reaches.
struct Server<'a> {
    /// `https` or `http`, in lower case.
    scheme: String,
    /// The host, with the port if there is one.
    authority: &'a str,
    host: &'a str,
}

impl<'a> Server<'a> {
    /// Returns `None` if the text is not such a URL.
    fn of(text: &'a str) -> Option<Self> {
        let is_odd = |one: char| one.is_control() || one.is_whitespace() || one == '\\';
        let (scheme, rest) = text.split_once("://")?;
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        if text.contains(is_odd) || authority.contains('@') {
            return None;
        }
        let host = match authority.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|digit| digit.is_ascii_digit()) => host,
            _ => authority,
        };
        let scheme = scheme.to_ascii_lowercase();
        let is_good = match scheme.as_str() {
            "https" => !host.is_empty(),
            "http" => is_local_host(host),
            _ => false,
        };
        is_good.then_some(Self {
            scheme,
            authority,
            host,
        })
    }
}

/// Returns whether the text is such a URL. Schemes and hosts are read in any case.
pub fn is_web_url(text: &str) -> bool {
    Server::of(text).is_some()
}

/// Returns the host of such a URL, without its port; `None` if the text is not one.
pub fn host_of(text: &str) -> Option<&str> {
    Server::of(text).map(|server| server.host)
}

/// Returns the origin of such a URL as browsers write it (RFC 6454, section 6.2), e.g. `https://a.example:8443`; `None`
/// if the text is not one.
pub fn origin_of(text: &str) -> Option<String> {
    let server = Server::of(text)?;
    let authority = server.authority.to_ascii_lowercase();
    let authority = without_implied_port(&server.scheme, &authority);
    Some(format!("{}://{authority}", server.scheme))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_https_or_local() {
        for good in [
            "https://files.example/plan.pdf?a=b#c",
            "HTTPS://Files.Example",
            "https://files.example:8443/@user/a:b",
            "https://пример.example/ü",
            "https://[2001:db8::1]/x",
            "http://localhost",
            "http://LOCALHOST:4000/x",
            "http://127.0.0.1?x",
            "http://[::1]:4000/x",
        ] {
            assert!(is_web_url(good), "{good}");
        }
        for bad in [
            "",
            "x",
            "/plan.pdf",
            "//files.example/x",
            "https:files.example",
            "https://",
            "https:///x",
            "https://:443",
            " https://files.example",
            "https://files.example/a b",
            "https://files.example/\n",
            "https://user@files.example",
            "https://files.example\\@evil.example",
            "http://files.example",
            "http://localhost@evil.example",
            "http://localhost.evil.example",
            "http://localhost:x",
            "http://127.0.0.10/",
            "javascript://localhost/%0Aalert(1)",
            "javascript:alert(1)",
            "java\tscript:alert(1)",
            "data:text/html,x",
            "file:///etc/passwd",
            "blob:https://files.example/x",
        ] {
            assert!(!is_web_url(bad), "{bad}");
        }
    }

    #[test]
    fn an_origin_is_written_as_by_browsers() {
        for (url, origin) in [
            ("https://push.example/send/1?a#b", "https://push.example"),
            ("HTTPS://Push.Example:443/Send", "https://push.example"),
            ("https://push.example:8443", "https://push.example:8443"),
            ("http://127.0.0.1:4000/x", "http://127.0.0.1:4000"),
        ] {
            assert_eq!(origin_of(url).as_deref(), Some(origin), "{url}");
        }
        assert_eq!(origin_of("http://push.example"), None);
        assert_eq!(host_of("https://Push.Example:8443/x"), Some("Push.Example"));
        assert_eq!(host_of("https://user@push.example"), None);
    }
}
