//! The model servers of a standalone process: those that `MAAS_UPSTREAM` names, or a simulated one to try things with.

use std::{collections::BTreeMap, io};

use maas_model_catalog::{ListUpstream, SourcePrice};
use maas_runtime::exit::StartError;
use maas_simulated_upstream::SimulatedUpstream;
use maas_types::Nanos;

const URLS: &str = "MAAS_UPSTREAM";
const KEY: &str = "MAAS_UPSTREAM_KEY";

/// The servers in `MAAS_UPSTREAM`, a list separated by commas of base URLs that end in `/v1`. One `MAAS_UPSTREAM_KEY` is
/// for all of them.
pub fn from_environment(environment: &BTreeMap<String, String>) -> Result<Vec<ListUpstream>, StartError> {
    let Some(urls) = environment.get(URLS).filter(|urls| !urls.trim().is_empty()) else { return Ok(Vec::new()) };
    let credential_variable = environment.contains_key(KEY).then(|| KEY.to_owned());
    let named = urls.split(',').map(str::trim).filter(|url| !url.is_empty());
    named
        .map(|url| {
            let name = name_of(url).ok_or_else(|| StartError::InvalidInput {
                what: format!("{URLS} has `{url}`"),
                hint: "give base URLs such as http://127.0.0.1:8000/v1, separated by commas".to_owned(),
            })?;
            Ok(ListUpstream {
                name,
                url: url.trim_end_matches('/').to_owned(),
                credential_variable: credential_variable.clone(),
                ..ListUpstream::default()
            })
        })
        .collect()
}

/// A simulated model server, so that the first answer streams before any model is connected.
pub fn simulated() -> io::Result<(SimulatedUpstream, ListUpstream)> {
    let upstream = SimulatedUpstream::start()?;
    let listed = ListUpstream {
        name: "simulated".to_owned(),
        url: upstream.base_url(),
        // So that costs show.
        price: Some(SourcePrice { input: Nanos(150_000_000), output: Nanos(600_000_000) }),
        ..ListUpstream::default()
    };
    Ok((upstream, listed))
}

/// Host and port, in the characters that the name of a source may have.
fn name_of(url: &str) -> Option<String> {
    let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"))?;
    let authority = rest.split('/').next().filter(|authority| !authority.is_empty() && !authority.contains('@'))?;
    Some(authority.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).collect())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn several_servers_share_one_key() {
        let environment = [(URLS, "http://127.0.0.1:8000/v1, https://gpu.example/v1/"), (KEY, "secret")];
        let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let upstreams = from_environment(&environment).unwrap();
        assert_eq!(upstreams[0].name, "127-0-0-1-8000");
        assert_eq!(upstreams[1].url, "https://gpu.example/v1");
        assert!(upstreams.iter().all(|upstream| upstream.credential_variable.as_deref() == Some(KEY)));
    }

    #[test]
    fn what_is_no_url_is_refused() {
        for url in ["localhost:8000", "ftp://x/v1", "http://", "http://user:password@host/v1"] {
            assert!(from_environment(&[(URLS.to_owned(), url.to_owned())].into()).is_err(), "{url}");
        }
    }
}
