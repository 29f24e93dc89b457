//! The words of every answer.

const WORDS: [&str; 12] = [
    "steady ", "rivers ", "carry ", "small ", "bright ", "leaves ", "past ", "quiet ", "stones ", "toward ", "open ",
    "water ",
];

/// Appends the words `first .. first + count`; the same on every call. Nothing in them needs escaping in JSON.
pub(crate) fn push_words(into: &mut String, first: u64, count: u64) {
    let skipped = usize::try_from(first % WORDS.len() as u64).unwrap_or(0);
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    for word in WORDS.iter().cycle().skip(skipped).take(count) {
        into.push_str(word);
    }
}
