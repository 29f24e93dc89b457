//! The command line that the five services share.

use clap::Parser;

/// What a service binary is asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::Subcommand)]
pub enum ServiceCommand {
    /// Serve until told to stop.
    Serve,
    /// Bring database and bus up to date, then end.
    Migrate,
    /// Print the OpenAPI document of this service.
    Openapi,
    /// Check the configuration and say everything that is wrong with it.
    CheckConfig,
}

#[derive(Debug, Parser)]
#[command(version, about = "A service of the Models-as-a-Service platform.")]
struct CommandLine {
    #[command(subcommand)]
    command: ServiceCommand,
}

/// The command of this process; a wrong command line prints the usage and gives the exit code for that.
pub fn parse() -> Result<ServiceCommand, std::process::ExitCode> {
    parse_as::<CommandLine>().map(|line| line.command)
}

/// The same for a process that has commands of its own besides.
pub fn parse_as<L: Parser>() -> Result<L, std::process::ExitCode> {
    L::try_parse().map_err(|error| {
        // Help and version are errors to clap too, with exit code 0; nobody is left to tell when printing fails.
        let _ = error.print();
        std::process::ExitCode::from(if error.use_stderr() { crate::exit::USAGE } else { 0 })
    })
}
