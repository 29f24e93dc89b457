use maas_auth::{AuthSettings, generate_signing_key};
use maas_runtime::config::{Faults, Sources, Validate, load};
use serde::{Deserialize, Serialize};

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
