//! CORS: the headers that let a page from an allowed origin read our responses (Fetch, section 3.3, "HTTP
//! CORS protocol").
//!
//! A page may send any header, as tracing libraries do: we ignore all but a few, and requests are
//! authenticated by their token. We use no cookies, so credentials (`withCredentials`) make no difference to
//! us; a browser accepts them only if the response names the origin, never with `*`.

use super::origin::{AllowedOrigins, OriginVerdict};

/// Response headers as names and values.
pub type Headers = Vec<(&'static str, String)>;

/// The headers allowed by the response to a preflight that requests none.
const USUAL_HEADERS: &str = "Authorization, Content-Type";

/// How long a browser may cache the response to a preflight: a day, in seconds. Browsers may cap it.
const MAX_AGE: &str = "86400";

/// Returns the CORS headers that every response carries.
pub fn headers(allowed: &AllowedOrigins, verdict: &OriginVerdict) -> Headers {
    let mut headers = Headers::new();
    let is_listed = *allowed != AllowedOrigins::Any;
    if let OriginVerdict::Allowed(origin) = verdict {
        headers.push(("Access-Control-Allow-Origin", origin.clone()));
        if is_listed {
            headers.push(("Access-Control-Allow-Credentials", "true".to_owned()));
        }
    }
    // Needed even if the origin was refused or missing: another origin gets a different response.
    if is_listed {
        headers.push(("Vary", "Origin".to_owned()));
    }
    headers
}

/// Returns the additional headers of the response to a preflight. `requested` is the preflight's
/// `Access-Control-Request-Headers`: all of them are allowed by name, because `*` does not cover
/// Authorization, nor any header of a request with credentials.
pub fn preflight(requested: Option<&str>) -> Headers {
    let requested = requested.filter(|names| !names.trim().is_empty());
    let names = requested.unwrap_or(USUAL_HEADERS).to_owned();
    vec![
        (
            "Access-Control-Allow-Methods",
            "GET, POST, OPTIONS".to_owned(),
        ),
        ("Access-Control-Allow-Headers", names),
        ("Access-Control-Max-Age", MAX_AGE.to_owned()),
        ("Vary", "Access-Control-Request-Headers".to_owned()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(allowed: &str, origin: Option<&str>) -> Vec<String> {
        let allowed = AllowedOrigins::parse(allowed).unwrap();
        let verdict = allowed.judge(origin, "https://api.example");
        headers(&allowed, &verdict)
            .into_iter()
            .map(|(name, value)| format!("{name}: {value}"))
            .collect()
    }

    #[test]
    fn a_listed_origin_is_named_and_may_send_credentials() {
        for (allowed, origin) in [
            ("https://a.example", "https://a.example"),
            ("https://*.a.example", "https://b.a.example"),
            ("null", "null"),
            ("https://a.example", "https://api.example"),
        ] {
            assert_eq!(
                answer(allowed, Some(origin)),
                [
                    format!("Access-Control-Allow-Origin: {origin}"),
                    "Access-Control-Allow-Credentials: true".to_owned(),
                    "Vary: Origin".to_owned(),
                ]
            );
        }
    }

    #[test]
    fn with_a_list_every_answer_depends_on_the_origin() {
        let list = "https://a.example";
        assert_eq!(answer(list, Some("https://b.example")), ["Vary: Origin"]);
        assert_eq!(answer(list, None), ["Vary: Origin"]);
    }

    #[test]
    fn any_origin_is_answered_by_a_star() {
        assert_eq!(
            answer("*", Some("https://a.example")),
            ["Access-Control-Allow-Origin: *"]
        );
        assert_eq!(answer("*", None), [""; 0]);
    }

    #[test]
    fn a_preflight_gets_what_it_asks_for() {
        let allowed = |requested| {
            let headers = preflight(requested);
            let find = |name| headers.iter().find(|(one, _)| *one == name).unwrap();
            assert_eq!(find("Access-Control-Max-Age").1, "86400");
            assert_eq!(find("Vary").1, "Access-Control-Request-Headers");
            find("Access-Control-Allow-Headers").1.clone()
        };
        let tracing = "authorization,baggage,sentry-trace,traceparent,x-anything";
        assert_eq!(allowed(Some(tracing)), tracing);
        for nothing in [None, Some(""), Some(" ")] {
            assert_eq!(allowed(nothing), USUAL_HEADERS);
        }
    }
}
