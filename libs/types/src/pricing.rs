//! What a request costs: integer arithmetic, one rounding per event.

use crate::{Nanos, TokenCounts};

/// The rates of one price version, each in nano-units **per million** units (tokens, images, requests).
///
/// A subset without a rate of its own (`None`) is charged as what it is a subset of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PriceRates {
    pub input: i64,
    pub cached_input: Option<i64>,
    pub cache_write_input: Option<i64>,
    pub audio_input: Option<i64>,
    pub output: i64,
    pub reasoning_output: Option<i64>,
    pub audio_output: Option<i64>,
    pub image: i64,
    pub request: i64,
}

/// The largest cost of one event that is stored (10¹⁵ nano-units, a million currency units).
pub const MAX_EVENT_COST: i64 = 1_000_000_000_000_000;

/// The largest rate that may be entered: a million currency units per million tokens.
pub const MAX_RATE: i64 = 1_000_000_000_000_000;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the cost of one request would exceed {MAX_EVENT_COST} nano-units")]
pub struct PriceOverflow;

impl PriceRates {
    /// Σ tokens × rate, less `discount_basis_points` (0–10 000), divided once by 10⁶ and rounded half up.
    ///
    /// Counts that contradict themselves (more cached than input tokens) are charged as if the subset were the whole,
    /// so that no reported token is charged twice and none is negative.
    pub fn cost(&self, tokens: &TokenCounts, discount_basis_points: u32) -> Result<Nanos, PriceOverflow> {
        let mut input_left = tokens.input;
        let mut output_left = tokens.output;
        let product = take(&mut input_left, tokens.cached_input, self.cached_input.unwrap_or(self.input))
            + take(&mut input_left, tokens.cache_write_input, self.cache_write_input.unwrap_or(self.input))
            + take(&mut input_left, tokens.audio_input, self.audio_input.unwrap_or(self.input))
            + times(input_left, self.input)
            + take(&mut output_left, tokens.reasoning_output, self.reasoning_output.unwrap_or(self.output))
            + take(&mut output_left, tokens.audio_output, self.audio_output.unwrap_or(self.output))
            + times(output_left, self.output)
            + times(tokens.images, self.image)
            + i128::from(self.request);
        let payable = i128::from(10_000 - discount_basis_points.min(10_000));
        let divisor = 1_000_000_i128 * 10_000;
        let scaled = product.checked_mul(payable).ok_or(PriceOverflow)?;
        let cost = (scaled + divisor / 2).div_euclid(divisor);
        match i64::try_from(cost) {
            Ok(nanos) if nanos <= MAX_EVENT_COST => Ok(Nanos(nanos)),
            _ => Err(PriceOverflow),
        }
    }

    /// True when nothing is charged for anything.
    pub fn is_free(&self) -> bool {
        *self == Self::default()
    }
}

/// The product for a subset, taken off what is left of the whole.
fn take(left: &mut u64, subset: u64, rate: i64) -> i128 {
    let taken = subset.min(*left);
    *left -= taken;
    times(taken, rate)
}

fn times(count: u64, rate: i64) -> i128 {
    i128::from(count) * i128::from(rate)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATES: PriceRates = PriceRates {
        input: 150_000_000,
        cached_input: Some(75_000_000),
        cache_write_input: None,
        audio_input: None,
        output: 600_000_000,
        reasoning_output: None,
        audio_output: None,
        image: 0,
        request: 0,
    };

    #[test]
    fn cost_is_computed_by_hand() {
        // 1000 input of which 400 cached, 200 output:
        // 600 × 0.15 + 400 × 0.075 + 200 × 0.60 per million = 0.00024 currency units.
        let tokens = TokenCounts { input: 1_000, cached_input: 400, output: 200, ..Default::default() };
        assert_eq!(RATES.cost(&tokens, 0), Ok(Nanos(240_000)));
        assert_eq!(RATES.cost(&tokens, 2_500), Ok(Nanos(180_000)));
        assert_eq!(RATES.cost(&tokens, 10_000), Ok(Nanos(0)));
    }

    #[test]
    fn halves_round_up_once() {
        let rates = PriceRates { input: 500_000, ..Default::default() };
        let one = TokenCounts { input: 1, ..Default::default() };
        let three = TokenCounts { input: 3, ..Default::default() };
        assert_eq!(rates.cost(&one, 0), Ok(Nanos(1)));
        assert_eq!(rates.cost(&three, 0), Ok(Nanos(2)));
    }

    #[test]
    fn a_subset_larger_than_its_whole_is_charged_once() {
        let tokens = TokenCounts { input: 10, cached_input: 1_000_000, ..Default::default() };
        assert_eq!(RATES.cost(&tokens, 0), Ok(Nanos(750)));
    }

    #[test]
    fn absurd_counts_are_an_error_not_a_wrap() {
        let tokens = TokenCounts { input: u64::MAX, output: u64::MAX, ..Default::default() };
        assert_eq!(PriceRates { input: MAX_RATE, ..RATES }.cost(&tokens, 0), Err(PriceOverflow));
    }
}
