//! Sections that several services share. Each service sets its own default port with `with_port`.

mod backends;
mod listeners;
mod logs;

pub use backends::{DatabaseSection, NatsSection};
pub use listeners::{CorsSection, HttpSection, InternalSection, OpsSection};
pub use logs::{LogFormat, LogSection, TelemetrySection};

/// The paths of the faults that a section finds in itself.
#[cfg(test)]
fn faulty_fields(section: &impl super::Validate) -> Vec<String> {
    let mut faults = super::Faults::default();
    section.validate(&mut faults);
    faults.into_found().into_iter().map(|(path, _)| path).collect()
}
