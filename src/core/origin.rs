//! Which web pages may connect: the `Origin` of a request against ALLOWED_ORIGINS.
//!
//! Only browsers send `Origin`, and a page cannot forge it; a request without one (an app, a
//! server) is let through, since its token is what counts.

/// ALLOWED_ORIGINS, parsed: `*`, or origins separated by commas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AllowedOrigins {
    /// `*`: pages of every origin.
    Any,
    /// Pages of these origins, and of the server's own.
    List(Vec<String>),
}

/// What to answer a request's `Origin` with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OriginVerdict {
    /// The request has no `Origin`: no CORS headers.
    NotABrowser,
    /// Allowed: this is the value of `Access-Control-Allow-Origin`.
    Allowed(String),
    /// Refused.
    Refused,
}

impl AllowedOrigins {
    /// Parses `*` or a list such as `https://a.example, https://b.example:8443`.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.trim() == "*" {
            return Ok(Self::Any);
        }
        text.split(',')
            .map(str::trim)
            .filter(|origin| !origin.is_empty())
            .map(parse_origin)
            .collect::<Result<Vec<_>, _>>()
            .map(Self::List)
    }

    /// Judges the `Origin` header of a request that came in at `own`, e.g. `https://host:port`.
    pub fn judge(&self, origin: Option<&str>, own: &str) -> OriginVerdict {
        let Some(origin) = origin else {
            return OriginVerdict::NotABrowser;
        };
        match self {
            Self::Any => OriginVerdict::Allowed("*".to_owned()),
            Self::List(list) if list.iter().any(|one| one.eq_ignore_ascii_case(origin)) => {
                OriginVerdict::Allowed(origin.to_owned())
            }
            Self::List(_) if own.eq_ignore_ascii_case(origin) => {
                OriginVerdict::Allowed(origin.to_owned())
            }
            Self::List(_) => OriginVerdict::Refused,
        }
    }
}

fn parse_origin(origin: &str) -> Result<String, String> {
    let host = origin
        .strip_prefix("https://")
        .or_else(|| origin.strip_prefix("http://"));
    match host {
        Some(host) if !host.is_empty() && !host.contains(['/', ' ', '*']) => Ok(origin.to_owned()),
        _ => Err(format!(
            "\"{origin}\" is not an origin such as https://www.example.com"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_allows_every_page() {
        let any = AllowedOrigins::parse(" * ").unwrap();
        assert_eq!(any.judge(None, ""), OriginVerdict::NotABrowser);
        assert_eq!(
            any.judge(Some("https://x.example"), ""),
            OriginVerdict::Allowed("*".into())
        );
    }

    #[test]
    fn a_list_allows_its_members_and_the_own_origin() {
        let list = AllowedOrigins::parse("https://a.example, http://b.example:81").unwrap();
        let own = "https://api.example";
        for origin in ["https://a.example", "http://b.example:81", own] {
            assert_eq!(
                list.judge(Some(origin), own),
                OriginVerdict::Allowed(origin.into())
            );
        }
        for origin in ["https://a.example.evil", "http://a.example", "null"] {
            assert_eq!(list.judge(Some(origin), own), OriginVerdict::Refused);
        }
    }

    #[test]
    fn what_is_not_an_origin_is_refused_by_name() {
        assert!(
            AllowedOrigins::parse("a.example")
                .unwrap_err()
                .contains("a.example")
        );
        assert!(AllowedOrigins::parse("https://a.example/").is_err());
    }
}
