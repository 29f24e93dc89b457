//! What is counted, in the width that the database holds.

use super::event::Event;

/// The columns of [`Measures::values`], in its order, in every table of sums.
pub const MEASURE_COLUMNS: [&str; 11] = [
    "requests",
    "unpriced_requests",
    "input_tokens",
    "cached_input_tokens",
    "cache_write_input_tokens",
    "audio_input_tokens",
    "output_tokens",
    "reasoning_output_tokens",
    "audio_output_tokens",
    "images",
    "cost_nanos",
];

/// Counts of an event, or of many, or a signed difference of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Measures {
    pub requests: i64,
    pub unpriced_requests: i64,
    pub input: i64,
    pub cached_input: i64,
    pub cache_write_input: i64,
    pub audio_input: i64,
    pub output: i64,
    pub reasoning_output: i64,
    pub audio_output: i64,
    pub images: i64,
    pub cost_nanos: i64,
}

impl Measures {
    pub fn of(event: &Event) -> Self {
        let tokens = &event.tokens;
        // Validation keeps counts far below i64.
        let count = maas_store::ids::unsigned_to_db;
        Self {
            requests: 1,
            unpriced_requests: i64::from(event.price.is_none()),
            input: count(tokens.input),
            cached_input: count(tokens.cached_input),
            cache_write_input: count(tokens.cache_write_input),
            audio_input: count(tokens.audio_input),
            output: count(tokens.output),
            reasoning_output: count(tokens.reasoning_output),
            audio_output: count(tokens.audio_output),
            images: count(tokens.images),
            cost_nanos: event.cost_nanos,
        }
    }

    pub fn add(&mut self, other: &Self) {
        *self = Self::from_values(zipped(self.values(), other.values(), |mine, theirs| mine + theirs));
    }

    pub fn minus(&self, other: &Self) -> Self {
        Self::from_values(zipped(self.values(), other.values(), |mine, theirs| mine - theirs))
    }

    pub fn is_zero(&self) -> bool {
        *self == Self::default()
    }

    /// In the order of [`MEASURE_COLUMNS`].
    pub const fn values(&self) -> [i64; 11] {
        [
            self.requests,
            self.unpriced_requests,
            self.input,
            self.cached_input,
            self.cache_write_input,
            self.audio_input,
            self.output,
            self.reasoning_output,
            self.audio_output,
            self.images,
            self.cost_nanos,
        ]
    }

    /// From the order of [`MEASURE_COLUMNS`].
    pub const fn from_values(values: [i64; 11]) -> Self {
        let [requests, unpriced_requests, input, cached_input, cache_write_input, audio_input, ..] = values;
        let [.., output, reasoning_output, audio_output, images, cost_nanos] = values;
        Self {
            requests,
            unpriced_requests,
            input,
            cached_input,
            cache_write_input,
            audio_input,
            output,
            reasoning_output,
            audio_output,
            images,
            cost_nanos,
        }
    }
}

fn zipped(mine: [i64; 11], theirs: [i64; 11], operation: impl Fn(i64, i64) -> i64) -> [i64; 11] {
    let mut result = mine;
    for (value, other) in result.iter_mut().zip(theirs) {
        *value = operation(*value, other);
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_keep_their_places() {
        let values = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];
        let measures = Measures::from_values(values);
        assert_eq!(measures.values(), values);
        assert_eq!((measures.input, measures.output, measures.cost_nanos), (3, 7, 11));
        let mut doubled = measures;
        doubled.add(&measures);
        assert_eq!(doubled.minus(&measures), measures);
    }
}
