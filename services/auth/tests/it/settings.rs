use maas_auth::{AuthSettings, generate_signing_key};
use maas_runtime::config::{Faults, Sources, Validate, load};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// The settings as a process holds them.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Settings {
    auth: AuthSettings,
}

impl Validate for Settings {
    fn validate(&self, faults: &mut Faults) {
        faults.section("auth", &self.auth);
    }
}

fn faults_of(environment: &[(&str, &str)]) -> Vec<String> {
    let loaded = load::<Settings>(&Sources::from_environment(environment.iter().copied()));
    loaded.unwrap_err().0.into_iter().map(|fault| fault.path).collect()
}

#[test]
fn the_signing_key_comes_from_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("signing-key.pem");
    let key = generate_signing_key().unwrap();
    std::fs::write(&path, &key).unwrap();
    let environment = [("MAAS__AUTH__SIGNING_KEY_FILE", path.display().to_string())];
    let settings = load::<Settings>(&Sources::from_environment(environment)).unwrap();
    assert_eq!(settings.auth.signing_key.expose().trim(), key.trim());
    assert!(!format!("{settings:?}").contains(key.lines().nth(1).unwrap()));
}

#[test]
fn every_wrong_setting_is_told() {
    assert_eq!(faults_of(&[]), ["auth.signing_key"]);
    let mut faults = faults_of(&[
        ("MAAS__AUTH__SIGNING_KEY", "secret"),
        ("MAAS__AUTH__PREVIOUS_SIGNING_KEY", "secret"),
        ("MAAS__AUTH__SESSIONS__IDLE", "1m"),
        ("MAAS__AUTH__SESSIONS__ABSOLUTE", "30s"),
        ("MAAS__AUTH__TOKENS__DEFAULT", "5m"),
        ("MAAS__AUTH__TOKENS__LONGEST", "1m"),
    ]);
    faults.sort();
    let expected = [
        "auth.previous_signing_key",
        "auth.sessions.absolute",
        "auth.sessions.idle",
        "auth.signing_key",
        "auth.tokens.default",
        "auth.tokens.longest",
    ];
    assert_eq!(faults, expected);
    // The public URL belongs to the section `http`.
    let stray = [("MAAS__AUTH__PUBLIC_URL", "https://maas.example"), ("MAAS__AUTH__CURRENCY", "euro")];
    assert!(faults_of(&stray).iter().any(|path| path == "auth.public_url"));
}

/// A list of tables is one JSON array in the environment.
fn provider_faults(providers: serde_json::Value) -> Vec<String> {
    let (key, providers) = (generate_signing_key().unwrap(), providers.to_string());
    faults_of(&[("MAAS__AUTH__SIGNING_KEY", &key), ("MAAS__AUTH__PROVIDERS", &providers)])
}

#[test]
fn a_provider_needs_settings_that_work() {
    let key = generate_signing_key().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    std::fs::write(&secret, "s3cret\n").unwrap();
    let corp = json!({"id": "corp", "url": "https://id.example/realms/a", "client_id": "maas"});
    let cluster = json!({
        "id": "cluster", "kind": "openshift", "url": "https://api.example:6443", "client_id": "maas",
        "client_secret_file": secret,
    });
    let providers = json!([corp, cluster]).to_string();
    let good = [("MAAS__AUTH__SIGNING_KEY", key.as_str()), ("MAAS__AUTH__PROVIDERS", providers.as_str())];
    let settings = load::<Settings>(&Sources::from_environment(good)).unwrap();
    assert_eq!(settings.auth.providers.len(), 2);

    for (field, value, path) in [
        ("id", json!("local"), "id"),
        ("id", json!("a/b"), "id"),
        ("url", json!("http://id.example"), "url"),
        ("url", json!("https://user@id.example"), "url"),
        ("url", json!("id.example"), "url"),
        ("client_id", json!(""), "client_id"),
        ("client_secret_file", json!("/nowhere"), "client_secret_file"),
        ("scopes", json!(["a b"]), "scopes"),
    ] {
        let mut provider = corp.clone();
        provider[field] = value.clone();
        assert_eq!(provider_faults(json!([provider])), [format!("auth.providers.0.{path}")], "{field} {value}");
    }
    let mut cluster = cluster;
    cluster["claims"] = json!({"groups": "roles"});
    assert_eq!(provider_faults(json!([cluster])), ["auth.providers.0.claims"]);
    assert_eq!(provider_faults(json!([corp, corp])), ["auth.providers.1.id", "auth.providers.1.url"]);
    assert_eq!(provider_faults(json!([{"id": "corp", "colour": "red"}])), ["auth.providers"]);
    let stray = [("MAAS__AUTH__SIGNING_KEY", key.as_str()), ("MAAS__AUTH__RETURN_URLS", "https://a.example?x=1")];
    assert_eq!(faults_of(&stray), ["auth.return_urls.0"]);
}
