//! What a person or a script needs for the first call.

use std::{io::Write as _, path::Path};

use maas_runtime::exit::StartError;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;

/// How to reach and use the platform. Password and key are there only when they were made right now.
pub struct QuickStart {
    pub url: String,
    pub ops_url: String,
    pub admin_user: String,
    pub admin_password: Option<SecretString>,
    pub admin_token: SecretString,
    pub api_key: Option<SecretString>,
    /// A model to call, if there is one.
    pub model: Option<String>,
    pub simulated: bool,
}

#[derive(Serialize)]
struct BootstrapFile<'a> {
    url: &'a str,
    ops_url: &'a str,
    admin_user: &'a str,
    admin_password: Option<&'a str>,
    admin_token: &'a str,
    api_key: Option<&'a str>,
}

impl QuickStart {
    /// Writes the bootstrap file: whole or not at all, since scripts wait for it to appear.
    pub fn write(&self, path: &Path) -> Result<(), StartError> {
        let contents = BootstrapFile {
            url: &self.url,
            ops_url: &self.ops_url,
            admin_user: &self.admin_user,
            admin_password: self.admin_password.as_ref().map(|password| password.expose_secret()),
            admin_token: self.admin_token.expose_secret(),
            api_key: self.api_key.as_ref().map(|key| key.expose_secret()),
        };
        let text = serde_json::to_string_pretty(&contents).map_err(anyhow::Error::from)?;
        maas_host::write_private(path, text.as_bytes()).map_err(|error| {
            let what = format!("the bootstrap file cannot be written: {}", path.display());
            StartError::unavailable(what, error, "name another place with --bootstrap-file")
        })
    }

    /// Tells the person at the terminal.
    pub fn print(&self) -> std::io::Result<()> {
        let mut out = std::io::stdout().lock();
        writeln!(out, "\n  Models as a Service is ready at {}   (explorer: {}/docs)\n", self.url, self.url)?;
        match &self.admin_password {
            Some(password) => {
                let password = password.expose_secret();
                writeln!(out, "  first admin      {}   one-time password: {password}", self.admin_user)?;
            }
            None => writeln!(out, "  admin            {} (password as you set it)", self.admin_user)?,
        }
        match &self.api_key {
            Some(key) => writeln!(out, "  API key          {}   (shown once)", key.expose_secret())?,
            None => writeln!(out, "  API keys         those you made before")?,
        }
        if self.simulated {
            writeln!(out, "  models           simulated; MAAS_UPSTREAM=http://host:port/v1 connects a real server")?;
        }
        match (&self.model, &self.api_key) {
            (Some(model), Some(key)) => {
                let (url, key) = (&self.url, key.expose_secret());
                writeln!(out, "\n  Try it:\n")?;
                writeln!(out, "    curl -N {url}/v1/chat/completions -H 'Authorization: Bearer {key}' \\")?;
                writeln!(out, "      -H 'Content-Type: application/json' \\")?;
                let model = serde_json::Value::from(model.as_str());
                let message = r#"{"role":"user","content":"Say hello"}"#;
                let body = format!(r#"{{"model":{model},"stream":true,"messages":[{message}]}}"#);
                // A model's name comes from its server: it must not end the quotes of a line that people paste.
                writeln!(out, "      -d '{}'\n", body.replace('\'', r"'\''"))?;
            }
            (Some(_), None) => writeln!(out)?,
            (None, _) => writeln!(out, "\n  No model is there yet; see the log above.\n")?,
        }
        out.flush()
    }
}
