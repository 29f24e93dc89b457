//! Labels: small texts that people sort their keys by.

use maas_types::input::{InputFault, check_text};
use std::collections::BTreeMap;

pub type Labels = BTreeMap<String, String>;

const MAX_LABELS: usize = 50;
const MAX_LABEL_KEY: usize = 63;
const MAX_LABEL_VALUE: usize = 255;

pub fn check_labels(labels: &Labels, faults: &mut Vec<InputFault>) {
    if labels.len() > MAX_LABELS {
        faults.push(InputFault::new("/labels", "too_many", format!("at most {MAX_LABELS} labels")));
        return;
    }
    for (key, value) in labels {
        let pointer = format!("/labels/{}", key.replace('~', "~0").replace('/', "~1"));
        if !is_label_key(key) {
            let detail = format!("a label key has 1 to {MAX_LABEL_KEY} letters, digits, `-`, `_`, `.` or `/`");
            faults.push(InputFault::new(&pointer, "invalid_label_key", detail));
        }
        check_text(&pointer, value, MAX_LABEL_VALUE, faults);
    }
}

/// The narrow alphabet lets filters write `label=key:value` and the store look labels up by their JSON text.
pub fn is_label_key(key: &str) -> bool {
    (1..=MAX_LABEL_KEY).contains(&key.len())
        && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_./".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(labels: impl IntoIterator<Item = (String, String)>) -> Vec<InputFault> {
        let mut faults = Vec::new();
        check_labels(&labels.into_iter().collect(), &mut faults);
        faults
    }

    #[test]
    fn label_counts_keys_and_values_are_limited() {
        let numbered = |count: usize| (0..count).map(|n| (format!("k{n}"), "v".to_owned()));
        assert!(faults(numbered(50)).is_empty());
        assert_eq!(faults(numbered(51))[0].code, "too_many");
        assert_eq!(faults([("a:b".to_owned(), "v".to_owned())])[0].code, "invalid_label_key");
        assert_eq!(faults([("k".repeat(64), "v".to_owned())])[0].code, "invalid_label_key");
        let long = faults([("a/b".to_owned(), "v".repeat(256))]);
        assert_eq!((long[0].pointer.as_str(), long[0].code), ("/labels/a~1b", "too_long"));
    }
}
