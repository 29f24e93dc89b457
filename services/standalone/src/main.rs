//! `maas`: the five services in one process, with SQLite and the in-process bus. Everything it keeps is in one folder.
//!
//! It is the only crate that sees several services; it composes them and has no logic of its own about keys, models
//! or usage.
#![forbid(unsafe_code)]

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod audit_actions;
mod command_line;
mod compose;
mod configuration;
mod data_folder;
mod documents;
mod quick_start;
mod upstreams;

use std::process::ExitCode;

use maas_host::block_on;
use maas_runtime::exit::{self, StartError};

use crate::command_line::Command;

/// The allocator that costs the least on the request path; measured against the system's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let command = match command_line::parse() {
        Ok(command) => command,
        Err(code) => return code,
    };
    match command {
        Command::Standalone(arguments) => block_on(compose::run(arguments)),
        Command::Openapi => report(documents::print_merged()),
        Command::CheckConfig(arguments) => report(configuration::check(&arguments)),
    }
}

fn report(result: Result<(), StartError>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => exit::report(&error),
    }
}
