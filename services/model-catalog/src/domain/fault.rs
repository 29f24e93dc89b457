//! Faults as one text.

use maas_types::input::InputFault;

/// All faults on one line, for logs and for a source's last error.
pub fn join(faults: &[InputFault]) -> String {
    faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}
