//! Where the browser may be sent after a sign-in. Anything else would make the platform a link to anywhere.

use reqwest::Url;

const MAX_BYTES: usize = 2_000;

/// The addresses that people may return to; the first one is where they go when nothing was asked for.
#[derive(Debug, Clone)]
pub struct ReturnUrls {
    allowed: Vec<Url>,
    /// Against it paths are read.
    base: Url,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be an http or https URL without user name, password, query and fragment")]
pub struct InvalidReturnUrl;

impl ReturnUrls {
    /// `public_url` is the platform's own address. With an empty list it is the only one allowed.
    pub fn new(public_url: &str, listed: &[String]) -> Result<Self, InvalidReturnUrl> {
        let base = parse_listed(public_url)?;
        let mut allowed = listed.iter().map(|text| parse_listed(text)).collect::<Result<Vec<_>, _>>()?;
        if allowed.is_empty() {
            allowed.push(base.clone());
        }
        Ok(Self { allowed, base })
    }

    /// The platform's own address.
    pub fn own(&self) -> Url {
        self.base.clone()
    }

    /// The address to go to when none was asked for.
    pub fn default_url(&self) -> Url {
        self.allowed.first().unwrap_or(&self.base).clone()
    }

    /// The address in the form in which it was judged: send the browser there, never to the text that was given. A path
    /// belongs to the platform's own address. `None`: not allowed.
    pub fn check(&self, asked: &str) -> Option<Url> {
        if asked.len() > MAX_BYTES || !is_plain(asked) {
            return None;
        }
        let url = if asked.starts_with('/') { self.base.join(asked).ok()? } else { Url::parse(asked).ok()? };
        let is_clean = url.username().is_empty() && url.password().is_none() && !hides_segments(url.path());
        (is_clean && self.allowed.iter().any(|allowed| contains(allowed, &url))).then_some(url)
    }
}

/// One entry of the list.
pub fn parse_listed(text: &str) -> Result<Url, InvalidReturnUrl> {
    let url = Url::parse(text).map_err(|_| InvalidReturnUrl)?;
    let is_web = matches!(url.scheme(), "http" | "https") && url.has_host();
    let is_bare = url.username().is_empty() && url.password().is_none() && url.query().is_none();
    if is_web && is_bare && url.fragment().is_none() { Ok(url) } else { Err(InvalidReturnUrl) }
}

/// Browsers read a backslash as a slash and leave out line breaks and tabs; nobody honest sends either.
fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\')
}

/// Whether a server that decodes the path once more would find separators or dots in it that were not judged.
fn hides_segments(path: &str) -> bool {
    let path = path.to_ascii_lowercase();
    ["%2f", "%5c", "%2e", "%25", "%00"].iter().any(|hidden| path.contains(hidden))
}

/// The same origin, and the same path or one below it. The parser has resolved `.` and `..` already.
fn contains(allowed: &Url, url: &Url) -> bool {
    let prefix = allowed.path().trim_end_matches('/');
    let rest = url.path().strip_prefix(prefix);
    allowed.origin() == url.origin() && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn checked(asked: &str) -> Option<String> {
        let listed = ["https://maas.example".to_owned(), "https://portal.example:8443/app".to_owned()];
        ReturnUrls::new("https://maas.example", &listed).unwrap().check(asked).map(String::from)
    }

    #[test]
    fn listed_addresses_and_what_lies_below_them_are_allowed() {
        for (asked, judged) in [
            ("https://maas.example", "https://maas.example/"),
            ("https://maas.example/keys?team=7#new", "https://maas.example/keys?team=7#new"),
            ("https://portal.example:8443/app", "https://portal.example:8443/app"),
            ("https://portal.example:8443/app/x", "https://portal.example:8443/app/x"),
            ("https://maas.example:443/a", "https://maas.example/a"),
            ("/keys?q=1", "https://maas.example/keys?q=1"),
            ("/a/../b", "https://maas.example/b"),
        ] {
            assert_eq!(checked(asked).as_deref(), Some(judged), "{asked}");
        }
    }

    #[test]
    fn nobody_is_sent_anywhere_else() {
        for asked in [
            "https://evil.example/",
            "//evil.example",
            "///evil.example",
            "////evil.example",
            r"\\evil.example",
            r"/\evil.example",
            r"https:\\evil.example",
            r"https://maas.example\@evil.example",
            "https://maas.example@evil.example/",
            "https://user@maas.example/",
            "https://:pw@maas.example/",
            "https://maas.example.evil.example/",
            "https://maas.example:8443/",
            "http://maas.example/",
            "https:/evil.example",
            "https:evil.example",
            "//maas.example@evil.example",
            "https%3a%2f%2fevil.example",
            "%2f%2fevil.example",
            "javascript:alert(1)",
            "data:text/html,x",
            "https://portal.example:8443/",
            "https://portal.example:8443/application",
            "https://portal.example:8443/app/../admin",
            "https://portal.example:8443/app/%2e%2e/admin",
            "https://portal.example:8443/app/..%2fadmin",
            "https://portal.example:8443/app/%252e%252e/admin",
            "/\t/evil.example",
            " https://maas.example/",
            "https://maas.example/\n",
            "https://maas。example。evil/",
            "",
            "keys",
        ] {
            assert_eq!(checked(asked), None, "{asked}");
        }
        assert_eq!(checked(&format!("https://maas.example/{}", "a".repeat(2_000))), None);
    }

    #[test]
    fn the_list_holds_plain_addresses() {
        for text in ["https://a.example", "http://127.0.0.1:8080/app/"] {
            assert!(parse_listed(text).is_ok(), "{text}");
        }
        for text in
            ["", "a.example", "ftp://a.example", "https://u@a.example", "https://a.example?x", "https://a.example#x"]
        {
            assert!(parse_listed(text).is_err(), "{text}");
        }
    }
}
