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

/// How many words come before this one; `None` for a word that never comes.
pub(crate) fn words_before(word: &str) -> Option<u64> {
    WORDS.iter().position(|known| known.trim_end() == word.trim()).map(|position| position as u64)
}

/// The word with this number, counted without end.
pub(crate) fn word(number: u64) -> &'static str {
    let index = usize::try_from(number % WORDS.len() as u64).unwrap_or(0);
    WORDS.get(index).copied().unwrap_or_default().trim_end()
}
