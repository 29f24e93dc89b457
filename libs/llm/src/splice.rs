//! Replaces a few ranges of a document and keeps every other byte.

use std::ops::Range;

/// One replacement. An empty range inserts.
#[derive(Debug, Clone)]
pub struct Edit<'a> {
    pub range: Range<usize>,
    pub with: &'a [u8],
}

impl<'a> Edit<'a> {
    pub const fn new(range: Range<usize>, with: &'a [u8]) -> Self {
        Self { range, with }
    }

    pub const fn insert(at: usize, with: &'a [u8]) -> Self {
        Self { range: at..at, with }
    }
}

/// Appends `source` with `edits` applied to `out`. Ranges must not overlap; their order does not matter.
pub fn splice_into(out: &mut Vec<u8>, source: &[u8], edits: &mut [Edit<'_>]) {
    edits.sort_by_key(|edit| edit.range.start);
    let added: usize = edits.iter().map(|edit| edit.with.len()).sum();
    out.reserve(source.len() + added);
    let mut at = 0;
    for edit in edits.iter() {
        out.extend_from_slice(&source[at..edit.range.start]);
        out.extend_from_slice(edit.with);
        at = edit.range.end;
    }
    out.extend_from_slice(&source[at..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_replaced_and_the_rest_is_kept() {
        let mut out = b">".to_vec();
        splice_into(
            &mut out,
            b"0123456789",
            &mut [Edit::new(6..8, b"x"), Edit::insert(0, b"ab"), Edit::new(2..3, b"")],
        );
        assert_eq!(out, b">ab01345x89");
    }
}
