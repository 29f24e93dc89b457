//! Cursor pages: a limit that is checked, and a cursor that is opaque to clients.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Serialize, de::DeserializeOwned};

/// How many rows a page may have: 1 to 1000.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageLimit(u32);

impl PageLimit {
    pub const MIN: u32 = 1;
    pub const MAX: u32 = 1_000;
    pub const DEFAULT: Self = Self(50);

    pub const fn new(limit: u32) -> Option<Self> {
        if limit >= Self::MIN && limit <= Self::MAX { Some(Self(limit)) } else { None }
    }

    pub const fn get(self) -> u32 {
        self.0
    }
}

/// The place in a list where the next page starts: the sort key of the last row, base64url over JSON. It carries no
/// rights: a forged cursor reads nothing that the caller could not list anyway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor(String);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a cursor of this list: pass `next_cursor` of the previous page unchanged")]
pub struct CursorError;

impl Cursor {
    pub fn encode<T: Serialize>(position: &T) -> Self {
        // Positions are small structs of ids and numbers; writing those to JSON cannot fail.
        let json = serde_json::to_vec(position).unwrap_or_default();
        Self(URL_SAFE_NO_PAD.encode(json))
    }

    pub fn decode<T: DeserializeOwned>(text: &str) -> Result<T, CursorError> {
        if text.len() > 1_024 {
            return Err(CursorError);
        }
        let json = URL_SAFE_NO_PAD.decode(text).map_err(|_| CursorError)?;
        serde_json::from_slice(&json).map_err(|_| CursorError)
    }

    pub fn into_string(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_round_trips_and_a_foreign_one_is_refused() {
        let cursor = Cursor::encode(&(17_u64, "key_x")).into_string();
        assert_eq!(Cursor::decode::<(u64, String)>(&cursor), Ok((17, "key_x".to_owned())));
        assert_eq!(Cursor::decode::<u64>(&cursor), Err(CursorError));
        assert_eq!(Cursor::decode::<u64>("%%%"), Err(CursorError));
    }

    #[test]
    fn limits_have_both_bounds() {
        assert_eq!(PageLimit::new(0), None);
        assert_eq!(PageLimit::new(1_001), None);
        assert_eq!(PageLimit::new(1_000).map(PageLimit::get), Some(1_000));
    }
}
