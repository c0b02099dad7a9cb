//! The WebSocket subprotocol (RFC 6455, section 4.2.2): what to answer a client that requests some.
//!
//! They make no difference to us, since every connection speaks Engine.IO. But a client that requests
//! subprotocols and gets none must fail the connection, so we choose the first one that it names, as the
//! reference server does.

use std::collections::HashSet;

/// Returns the first name in a `Sec-WebSocket-Protocol` header, or `None` if the header is not a list of
/// distinct names.
pub fn choose(asked: &str) -> Option<&str> {
    let names: Vec<&str> = asked.split(',').map(str::trim).collect();
    let distinct: HashSet<&&str> = names.iter().collect();
    if distinct.len() < names.len() || !names.iter().all(|name| is_token(name)) {
        return None;
    }
    names.into_iter().next()
}

/// Checks the syntax of a token (RFC 9110, section 5.6.2).
fn is_token(text: &str) -> bool {
    let is_of_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(is_of_token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_one_is_chosen() {
        assert_eq!(choose("chat"), Some("chat"));
        assert_eq!(
            choose("v2.chat.example, v1,\tchat"),
            Some("v2.chat.example")
        );
        assert_eq!(choose(" b ,a"), Some("b"));
    }

    #[test]
    fn what_is_no_list_of_names_is_refused() {
        for bad in ["", " ", "a,", "a,,b", "a b", "a;b", "a,a", "ü", "a\"b\""] {
            assert_eq!(choose(bad), None, "{bad}");
        }
    }
}
