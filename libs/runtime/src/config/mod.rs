//! Settings: defaults, then the file that `MAAS_CONFIG` names, then the environment (`MAAS__SECTION__FIELD`).
//!
//! The structs are the only list of names: the serialised default says which settings exist, and the environment name
//! of `http.port` is `MAAS__HTTP__PORT`. Unknown names and wrong values stop the start, all of them told at once.
//!
//! What a section may hold: other sections; numbers, booleans, texts; `Option`s (serialised as null, so their name is
//! known); lists (comma separated in the environment); maps that are empty by default (any key below them is accepted);
//! [`Secret`]s (also from `<field>_file`). Structs inside lists, maps and options check their own names with
//! `#[serde(deny_unknown_fields)]`.

mod duration;
mod fault;
mod load;
mod secret;
pub mod sections;
mod sources;

pub use duration::{HumanDuration, HumanDurationError};
pub use fault::{ConfigFaults, Fault, Faults, Validate};
pub use load::load;
pub use secret::Secret;
pub use sources::Sources;
