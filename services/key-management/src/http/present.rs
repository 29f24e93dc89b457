//! Fields where "left out" and "null" mean different things.

use serde::{Deserialize, Deserializer};

/// With `#[serde(default, deserialize_with = "present")]`: left out is `None`, everything else is `Some` of what `T`
/// makes of it. So null is refused where `T` is a text, and is `Some(None)` where `T` is an option.
pub fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}
