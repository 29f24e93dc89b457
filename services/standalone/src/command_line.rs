//! The command line of `maas`.

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(name = "maas", version, about = "Models as a Service: the whole platform in one process.")]
struct CommandLine {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the platform (the default).
    Standalone(StandaloneArguments),
    /// Print the OpenAPI document of the whole platform.
    Openapi,
    /// Check the configuration and say everything that is wrong with it.
    CheckConfig(StandaloneArguments),
}

#[derive(Debug, Clone, Args)]
pub struct StandaloneArguments {
    /// The folder that keeps everything.
    #[arg(long, default_value = "./data")]
    pub data_dir: PathBuf,
    /// Port of the API; instead of MAAS__HTTP__PORT.
    #[arg(long)]
    pub port: Option<u16>,
    /// Port of /livez, /readyz and /metrics; instead of MAAS__OPERATIONS__PORT.
    #[arg(long)]
    pub ops_port: Option<u16>,
    /// Write how to reach and use the platform as JSON to this file (mode 0600) once it is ready.
    #[arg(long)]
    pub bootstrap_file: Option<PathBuf>,
}

impl Default for StandaloneArguments {
    fn default() -> Self {
        Self { data_dir: "./data".into(), port: None, ops_port: None, bootstrap_file: None }
    }
}

/// The command, or the code to exit with: help and version are shown with 0, a wrong command line with 64.
pub fn parse() -> Result<Command, ExitCode> {
    match CommandLine::try_parse() {
        Ok(line) => Ok(line.command.unwrap_or_else(|| Command::Standalone(StandaloneArguments::default()))),
        Err(error) => {
            // Nobody is left to tell when printing fails.
            let _ = error.print();
            Err(ExitCode::from(if error.use_stderr() { maas_runtime::exit::USAGE } else { 0 }))
        }
    }
}
