//! The URLs that others fetch because we say so: of a file in a message, of a user's picture, and of an issuer's
//! keys.
//!
//! Invariant: only `https:`, or `http:` on this machine for local work. An app may make a link or a picture of
//! such a URL without looking at it, so it must not run a script (`javascript:`), read a local file or be
//! fetched in the clear. Keys must not, either, because a network could change them. Anything that parsers read in different ways is refused: a control character, a
//! space, a backslash, or a user name before the host.

use super::origin::is_local_host;

/// Returns whether the text is such a URL. Schemes and hosts are read in any case.
pub fn is_web_url(text: &str) -> bool {
    let is_odd = |one: char| one.is_control() || one.is_whitespace() || one == '\\';
    let Some((scheme, rest)) = text.split_once("://") else {
        return false;
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if text.contains(is_odd) || authority.contains('@') {
        return false;
    }
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|digit| digit.is_ascii_digit()) => host,
        _ => authority,
    };
    match scheme.to_ascii_lowercase().as_str() {
        "https" => !host.is_empty(),
        "http" => is_local_host(host),
        _ => false,
    }
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
}
