//! Which web pages may connect: checks the `Origin` of a request against ALLOWED_ORIGINS.
//!
//! Only browsers send `Origin`, and a page cannot forge it. A request without one (from an app or a
//! server) is let through, because it is authenticated by its token.

/// Returns whether the host, without a port, is this machine.
pub fn is_local_host(host: &str) -> bool {
    ["localhost", "127.0.0.1", "[::1]"]
        .iter()
        .any(|local| host.eq_ignore_ascii_case(local))
}

/// The parsed ALLOWED_ORIGINS: `*`, or origins separated by commas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AllowedOrigins {
    /// `*`: pages from any origin.
    Any,
    /// Pages from these origins and from the server's own origin.
    List(Vec<OriginPattern>),
}

/// An allowed origin, in lower case and without the default port of its scheme.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OriginPattern {
    /// `https://a.example`: exactly this origin.
    Exactly(String),
    /// `https://*.a.example:8443`: this scheme, a subdomain at any level, and this port.
    Subdomains {
        /// The scheme with its separator, e.g. `https://`.
        scheme: String,
        /// The parent domain and port, with a leading dot, e.g. `.a.example:8443`.
        parent: String,
    },
}

/// How to respond to a request's `Origin`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OriginVerdict {
    /// The request has no `Origin`, so the response has no CORS headers.
    NotABrowser,
    /// The origin is allowed; this is the value for `Access-Control-Allow-Origin`.
    Allowed(String),
    /// The origin is not on the list; the response is 403.
    Refused,
}

impl AllowedOrigins {
    /// Parses `*` or a list such as `https://a.example, https://*.b.example:8443, capacitor://localhost`. The
    /// error names the entry that is not an origin.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.trim() == "*" {
            return Ok(Self::Any);
        }
        text.split(',')
            .map(str::trim)
            .filter(|origin| !origin.is_empty())
            .map(|origin| OriginPattern::parse(origin).ok_or_else(|| not_an_origin(origin)))
            .collect::<Result<Vec<_>, _>>()
            .map(Self::List)
    }

    /// Checks the `Origin` header of a request to the server's own origin `own`, e.g. `https://host:port`.
    pub fn judge(&self, origin: Option<&str>, own: &str) -> OriginVerdict {
        let Some(origin) = origin else {
            return OriginVerdict::NotABrowser;
        };
        match self {
            Self::Any => OriginVerdict::Allowed("*".to_owned()),
            Self::List(entries) => {
                let lower = origin.to_ascii_lowercase();
                let is_listed = entries.iter().any(|entry| entry.matches(&lower));
                if is_listed || own.eq_ignore_ascii_case(origin) {
                    OriginVerdict::Allowed(origin.to_owned())
                } else {
                    OriginVerdict::Refused
                }
            }
        }
    }
}

impl OriginPattern {
    fn parse(text: &str) -> Option<Self> {
        let text = text.to_ascii_lowercase();
        // Sent by sandboxed frames and by pages loaded from files.
        if ["null", "file://"].contains(&text.as_str()) {
            return Some(Self::Exactly(text));
        }
        let (scheme, authority) = text.split_once("://").filter(|(it, _)| is_scheme(it))?;
        let authority = without_implied_port(scheme, authority);
        match authority.strip_prefix("*.") {
            Some(parent) => is_authority(parent).then(|| Self::Subdomains {
                scheme: format!("{scheme}://"),
                parent: format!(".{parent}"),
            }),
            None => {
                is_authority(authority).then(|| Self::Exactly(format!("{scheme}://{authority}")))
            }
        }
    }

    fn matches(&self, origin: &str) -> bool {
        match self {
            Self::Exactly(one) => one == origin,
            Self::Subdomains { scheme, parent } => origin
                .strip_prefix(scheme.as_str())
                .and_then(|host| host.strip_suffix(parent.as_str()))
                .is_some_and(|subdomain| subdomain.split('.').all(is_label)),
        }
    }
}

fn not_an_origin(text: &str) -> String {
    format!("\"{text}\" is not an origin such as https://www.example.com")
}

/// Checks the syntax of a scheme (RFC 3986, section 3.1).
fn is_scheme(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}

/// Removes a default port: browsers omit it (RFC 6454, section 6.2).
pub(super) fn without_implied_port<'a>(scheme: &str, authority: &'a str) -> &'a str {
    let port = match scheme {
        "https" => ":443",
        "http" => ":80",
        _ => return authority,
    };
    authority.strip_suffix(port).unwrap_or(authority)
}

/// Checks the syntax of a host with an optional port.
fn is_authority(text: &str) -> bool {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (text, None),
    };
    let is_port = |port: &str| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    is_host(host) && port.is_none_or(is_port)
}

/// Checks the syntax of a host: a name, an IPv4 address, or an IPv6 address in brackets.
pub(super) fn is_host(text: &str) -> bool {
    let address = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'));
    match address {
        Some(address) => address
            .bytes()
            .all(|byte| byte.is_ascii_hexdigit() || byte == b':'),
        None => !text.is_empty() && text.bytes().all(|byte| byte == b'.' || is_of_label(byte)),
    }
}

/// Checks the syntax of one part of a name, between its dots.
pub(super) fn is_label(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(is_of_label)
}

fn is_of_label(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &str = "https://api.example";

    fn verdict(list: &str, origin: &str) -> OriginVerdict {
        AllowedOrigins::parse(list)
            .unwrap()
            .judge(Some(origin), OWN)
    }

    fn allows(list: &str, origin: &str) -> bool {
        match verdict(list, origin) {
            OriginVerdict::Allowed(answer) => {
                assert_eq!(answer, origin);
                true
            }
            OriginVerdict::Refused => false,
            OriginVerdict::NotABrowser => panic!("{origin}"),
        }
    }

    #[test]
    fn any_allows_every_page() {
        let any = AllowedOrigins::parse(" * ").unwrap();
        assert_eq!(any.judge(None, ""), OriginVerdict::NotABrowser);
        for origin in ["https://x.example", "null", "capacitor://localhost"] {
            assert_eq!(verdict("*", origin), OriginVerdict::Allowed("*".into()));
        }
    }

    #[test]
    fn a_list_allows_its_members_and_the_own_origin() {
        let list = "https://a.example, http://b.example:81";
        for origin in ["https://a.example", "http://b.example:81", OWN] {
            assert!(allows(list, origin), "{origin}");
        }
        for origin in ["https://a.example.evil", "http://a.example", "null", ""] {
            assert!(!allows(list, origin), "{origin}");
        }
    }

    #[test]
    fn apps_have_origins_of_their_own() {
        for origin in [
            "capacitor://localhost",
            "ionic://localhost",
            "tauri://localhost",
            "app://-",
            "chrome-extension://aapbdbdomjkkjkaonfhkkikfgjllcleb",
            "moz-extension://0c2ec2a5-1f4b-4a3f-9e0a-3a0d4f3b1b7e",
            "http://localhost",
            "http://[::1]:3000",
            "file://",
            "null",
        ] {
            assert!(allows(origin, origin), "{origin}");
            assert!(allows(&format!("https://a.example, {origin}"), origin));
            assert!(!allows(origin, "https://a.example"), "{origin}");
            assert!(!allows(origin, "capacitor://other"), "{origin}");
        }
    }

    #[test]
    fn the_case_of_letters_and_the_schemes_own_port_make_no_difference() {
        assert!(allows("HTTPS://A.Example", "https://a.example"));
        assert!(allows("https://*.A.Example", "https://b.a.example"));
        // Browsers omit the default port (RFC 6454, section 6.2).
        assert!(allows("https://a.example:443", "https://a.example"));
        assert!(allows("http://*.a.example:80", "http://b.a.example"));
        assert!(!allows("http://a.example:443", "http://a.example"));
    }

    #[test]
    fn a_star_stands_for_subdomains_on_any_level() {
        let list = "https://*.example.com, http://*.localhost:3000";
        for origin in [
            "https://www.example.com",
            "https://a.b.example.com",
            "https://xn--bcher-kva.example.com",
            "https://deploy-preview-7_x.example.com",
            "http://tenant.localhost:3000",
        ] {
            assert!(allows(list, origin), "{origin}");
        }
        for origin in [
            // The domain itself needs its own entry.
            "https://example.com",
            "https://.example.com",
            "https://evilexample.com",
            "https://example.com.evil.com",
            "https://www.example.com.evil.com",
            "https://evil.com/.example.com",
            "https://evil.com#.example.com",
            "https://evil.com?.example.com",
            "https://evil.com:443.example.com",
            "https://user@evil.example.com",
            "https://a..example.com",
            "https://.a.example.com",
            "https://*.example.com",
            // Another scheme, another port.
            "http://www.example.com",
            "https://www.example.com:8443",
            "http://tenant.localhost",
            "http://tenant.localhost:3001",
            "https://WWW.example.com.",
        ] {
            assert!(!allows(list, origin), "{origin}");
        }
    }

    #[test]
    fn what_is_not_an_origin_is_refused_by_name() {
        for bad in [
            "a.example",
            "https://a.example/",
            "https://a.example/path",
            "https://",
            "://a.example",
            "https://*",
            "https://*.",
            "https://*a.example",
            "https://a.*.example",
            "https://*.*.example",
            "*.example.com",
            "*://a.example",
            "1x://a.example",
            "https://a b",
            "https://user@a.example",
            "https://a.example?x",
            "https://a.example:port",
            "https://a.example:",
            "https://a.example, *",
        ] {
            let error = AllowedOrigins::parse(bad).unwrap_err();
            let named = bad.rsplit(", ").next().unwrap();
            assert!(error.contains(&format!("\"{named}\"")), "{error}");
        }
    }
}
