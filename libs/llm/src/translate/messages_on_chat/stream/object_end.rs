//! Where a JSON object ends that comes in pieces.

/// Counts what is open. It does not check: text that is no JSON ends somewhere or nowhere.
#[derive(Debug)]
pub(super) struct ObjectEnd {
    depth: u64,
    in_string: bool,
    escaped: bool,
    reached: bool,
}

impl ObjectEnd {
    pub const fn new() -> Self {
        Self { depth: 0, in_string: false, escaped: false, reached: false }
    }

    pub const fn is_reached(&self) -> bool {
        self.reached
    }

    pub fn feed(&mut self, text: &str) {
        for byte in text.bytes() {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' if self.in_string => self.escaped = true,
                b'"' => self.in_string = !self.in_string,
                _ if self.in_string => {}
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => {
                    self.depth = self.depth.saturating_sub(1);
                    self.reached |= self.depth == 0;
                }
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_seen_in_any_pieces_and_not_inside_a_string() {
        let object = r#"{"a":["}\\\"}"],"b":{}}"#;
        for cut in 1..object.len() {
            let mut end = ObjectEnd::new();
            end.feed(&object[..cut]);
            assert!(!end.is_reached(), "{}", &object[..cut]);
            end.feed(&object[cut..]);
            assert!(end.is_reached(), "{object} cut at {cut}");
        }
    }
}
