#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{collections::BTreeMap, io::Write};

use serde::{Deserialize, Serialize};

use super::*;
use crate::config::{
    HumanDuration, Secret,
    sections::{HttpSection, TelemetrySection},
};

#[derive(Debug, Serialize, Deserialize)]
struct Settings {
    http: HttpSection,
    telemetry: TelemetrySection,
    timeout: HumanDuration,
    note: Option<String>,
    retries: Option<u32>,
    token: Secret,
    ports: Vec<u16>,
    labels: BTreeMap<String, String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            http: HttpSection::with_port(8080),
            telemetry: TelemetrySection::default(),
            timeout: HumanDuration::from_secs(30),
            note: None,
            retries: None,
            token: Secret::default(),
            ports: vec![],
            labels: BTreeMap::new(),
        }
    }
}

impl Validate for Settings {
    fn validate(&self, faults: &mut Faults) {
        faults.section("http", &self.http);
        faults.section("telemetry", &self.telemetry);
        if self.timeout.get().is_zero() {
            faults.add("timeout", "must not be zero");
        }
    }
}

fn load_from(variables: &[(&str, &str)]) -> Result<Settings, ConfigFaults> {
    load(&Sources::from_environment(variables.iter().copied()))
}

fn file(suffix: &str, text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::Builder::new().suffix(suffix).tempfile().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

#[test]
fn defaults_hold_without_any_source() {
    let settings = load_from(&[]).unwrap();
    assert_eq!(settings.http.port, 8080);
    assert!(!settings.token.is_set());
}

#[test]
fn the_environment_wins_over_the_file_and_the_file_over_defaults() {
    let file = file(".toml", "timeout = '1m'\nnote = 'from file'\n[http]\nport = 9000\n");
    let path = file.path().to_str().unwrap();
    let settings = load_from(&[("MAAS_CONFIG", path), ("MAAS__HTTP__PORT", "9001")]).unwrap();
    assert_eq!(settings.http.port, 9001);
    assert_eq!(settings.timeout, HumanDuration::from_secs(60));
    assert_eq!(settings.note.as_deref(), Some("from file"));
}

#[test]
fn yaml_is_read_as_well() {
    let file = file(".yaml", "http:\n  port: 9000\nlabels:\n  team: blue\nports: [1, 2]\n");
    let settings = load_from(&[("MAAS_CONFIG", file.path().to_str().unwrap())]).unwrap();
    assert_eq!((settings.http.port, settings.ports), (9000, vec![1, 2]));
    assert_eq!(settings.labels["team"], "blue");
}

#[test]
fn environment_texts_become_the_field_s_type() {
    let settings = load_from(&[
        ("MAAS__RETRIES", "3"),
        ("MAAS__NOTE", "7"),
        ("MAAS__PORTS", "1, 2,3"),
        ("MAAS__LABELS__TEAM", "blue"),
        ("MAAS__HTTP__CORS__ALLOWED_ORIGINS", "https://a.example,https://b.example"),
    ])
    .unwrap();
    assert_eq!(settings.retries, Some(3));
    assert_eq!(settings.note.as_deref(), Some("7"));
    assert_eq!(settings.ports, [1, 2, 3]);
    assert_eq!(settings.labels["team"], "blue");
    assert_eq!(settings.http.cors.allowed_origins, ["https://a.example", "https://b.example"]);
}

#[test]
fn every_fault_is_told_at_once_with_origin_and_hint() {
    let file = file(".toml", "timeout = '0s'\n[http]\nprt = 1\nport = 'many'\n");
    let faults = load_from(&[
        ("MAAS_CONFIG", file.path().to_str().unwrap()),
        ("MAAS__HTTP__POTR", "9001"),
        ("MAAS__PORTS", "1,x"),
        ("MAAS__TELEMETRY", "x"),
    ])
    .unwrap_err();
    let told: Vec<&str> = faults.0.iter().map(|fault| fault.path.as_str()).collect();
    assert_eq!(told, ["http.port", "http.prt", "http.potr", "ports", "telemetry", "timeout"], "{faults}");
    assert_eq!(faults.0[2].origin, "environment MAAS__HTTP__POTR");
    assert_eq!(faults.0[2].hint, "did you mean MAAS__HTTP__PORT?");
    assert_eq!(faults.0[1].hint, "did you mean http.port?");
    assert!(faults.0[5].origin.ends_with("key timeout"), "{faults}");
}

#[test]
fn secrets_come_from_files_and_never_show() {
    let secret = file("", "hunter2\n");
    let path = secret.path().to_str().unwrap();
    let settings = load_from(&[("MAAS__TOKEN_FILE", path)]).unwrap();
    assert_eq!(settings.token.expose(), "hunter2");
    assert!(!format!("{settings:?}").contains("hunter2"));
    assert!(!serde_json::to_string(&settings).unwrap().contains("hunter2"));

    let config = file(".toml", &format!("token_file = '{path}'"));
    let settings = load_from(&[("MAAS_CONFIG", config.path().to_str().unwrap())]).unwrap();
    assert_eq!(settings.token.expose(), "hunter2");
}

#[test]
fn a_secret_of_a_wrong_type_is_refused_without_quoting_it() {
    let config = file(".toml", "token = 424242");
    let faults = load_from(&[("MAAS_CONFIG", config.path().to_str().unwrap())]).unwrap_err();
    assert!(!faults.to_string().contains("424242"), "{faults}");
}

#[test]
fn a_missing_secret_file_and_a_missing_configuration_are_faults() {
    let faults = load_from(&[("MAAS__TOKEN_FILE", "/nonexistent/x"), ("MAAS_CONFIG", "/nonexistent/y.toml")]);
    assert_eq!(faults.unwrap_err().0.len(), 2);
}

#[test]
fn a_field_that_is_no_secret_has_no_file_form() {
    assert_eq!(load_from(&[("MAAS__NOTES_FILE", "/x")]).unwrap_err().0.len(), 1);
}
