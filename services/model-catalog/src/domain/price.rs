//! Versions of a model's price. A version is never edited: usage that was priced by it must stay explicable.

use maas_types::input::InputFault;
use std::time::Duration;

use maas_types::{Currency, ModelId, Nanos, PriceId, PriceRates, Timestamp, UserId, pricing::MAX_RATE};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How far in the past a new version may start: clocks differ.
const TOLERANCE: Duration = Duration::from_secs(60);
/// Rates of images and requests are entered for one and stored for a million, as all others are.
const UNITS: i64 = 1_000_000;

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Price {
    pub id: PriceId,
    pub model_id: ModelId,
    pub effective_from: Timestamp,
    pub currency: Currency,
    #[serde(serialize_with = "rates_as_input")]
    pub rates: PriceRates,
    pub created_at: Timestamp,
    pub created_by: Option<UserId>,
}

/// The rates of a price as decimal strings: per million tokens; `image` and `request` for one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CatalogPriceInput)]
pub struct PriceInput {
    /// When the version begins; now when left out, and never in the past.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effective_from: Option<Timestamp>,
    /// The platform's currency; nothing else is accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<Currency>,
    pub input: Nanos,
    /// As `input` when left out, as for the other subsets of input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached_input: Option<Nanos>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write_input: Option<Nanos>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audio_input: Option<Nanos>,
    pub output: Nanos,
    /// As `output` when left out, as for the other subsets of output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning_output: Option<Nanos>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audio_output: Option<Nanos>,
    /// For one image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<Nanos>,
    /// For one request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<Nanos>,
}

impl PriceInput {
    pub fn of_tokens(input: Nanos, output: Nanos) -> Self {
        Self {
            effective_from: None,
            currency: None,
            input,
            cached_input: None,
            cache_write_input: None,
            audio_input: None,
            output,
            reasoning_output: None,
            audio_output: None,
            image: None,
            request: None,
        }
    }

    /// The rates in the stored unit. Faults point below `at`; with one of them, the result is of no use.
    pub fn rates(&self, at: &str, faults: &mut Vec<InputFault>) -> PriceRates {
        let mut rate = |field: &str, amount: Nanos, units: i64| match amount.0.checked_mul(units) {
            Some(rate) if (0..=MAX_RATE).contains(&rate) => rate,
            _ => {
                let detail = format!("must be 0 to {}", Nanos(MAX_RATE / units));
                faults.push(InputFault::new(format!("{at}/{field}"), "out_of_range", detail));
                0
            }
        };
        PriceRates {
            input: rate("input", self.input, 1),
            cached_input: self.cached_input.map(|amount| rate("cached_input", amount, 1)),
            cache_write_input: self.cache_write_input.map(|amount| rate("cache_write_input", amount, 1)),
            audio_input: self.audio_input.map(|amount| rate("audio_input", amount, 1)),
            output: rate("output", self.output, 1),
            reasoning_output: self.reasoning_output.map(|amount| rate("reasoning_output", amount, 1)),
            audio_output: self.audio_output.map(|amount| rate("audio_output", amount, 1)),
            image: rate("image", self.image.unwrap_or_default(), UNITS),
            request: rate("request", self.request.unwrap_or_default(), UNITS),
        }
    }

    /// The checked version that starts now or later.
    pub fn checked(
        &self,
        at: &str,
        currency: Currency,
        now: Timestamp,
        faults: &mut Vec<InputFault>,
    ) -> (Timestamp, PriceRates) {
        if self.currency.is_some_and(|given| given != currency) {
            let detail = format!("this platform's currency is {currency}");
            faults.push(InputFault::new(format!("{at}/currency"), "wrong_currency", detail));
        }
        let effective_from = self.effective_from.unwrap_or(now);
        if effective_from < now.minus(TOLERANCE) {
            let detail = "must not lie in the past: what was used is priced already";
            faults.push(InputFault::new(format!("{at}/effective_from"), "in_the_past", detail));
        }
        (effective_from, self.rates(at, faults))
    }

    /// The outside form of stored rates.
    pub fn from_rates(rates: &PriceRates) -> Self {
        let per_one = |rate: i64| (rate != 0).then_some(Nanos(rate / UNITS));
        Self {
            effective_from: None,
            currency: None,
            input: Nanos(rates.input),
            cached_input: rates.cached_input.map(Nanos),
            cache_write_input: rates.cache_write_input.map(Nanos),
            audio_input: rates.audio_input.map(Nanos),
            output: Nanos(rates.output),
            reasoning_output: rates.reasoning_output.map(Nanos),
            audio_output: rates.audio_output.map(Nanos),
            image: per_one(rates.image),
            request: per_one(rates.request),
        }
    }
}

fn rates_as_input<S: serde::Serializer>(rates: &PriceRates, serializer: S) -> Result<S::Ok, S::Error> {
    PriceInput::from_rates(rates).serialize(serializer)
}

/// The version in force at `time`; `prices` in ascending `effective_from`.
pub fn in_force(prices: &[Price], time: Timestamp) -> Option<&Price> {
    prices.iter().rev().find(|price| price.effective_from <= time)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn parse(json: &str) -> PriceInput {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn rates_are_kept_per_million_units() {
        let mut faults = Vec::new();
        let rates =
            parse(r#"{"input":"0.15","output":"0.60","request":"0.000001","image":"0.04"}"#).rates("", &mut faults);
        assert!(faults.is_empty());
        assert_eq!((rates.input, rates.output), (150_000_000, 600_000_000));
        assert_eq!((rates.request, rates.image), (1_000_000_000, 40_000_000_000_000));
        assert_eq!(PriceInput::from_rates(&rates).request, Some(Nanos(1_000)));
    }

    #[test]
    fn negative_and_absurd_rates_are_refused_all_at_once() {
        let mut faults = Vec::new();
        parse(r#"{"input":"-1","output":"1000000.000000001","image":"9000000000"}"#).rates("/price", &mut faults);
        let pointers: Vec<_> = faults.iter().map(|fault| fault.pointer.as_str()).collect();
        assert_eq!(pointers, ["/price/input", "/price/output", "/price/image"]);
    }

    #[test]
    fn a_version_starts_now_or_later_in_our_currency() {
        let now = Timestamp::from_unix_ms(1_763_630_998_000);
        let mut faults = Vec::new();
        let past = PriceInput {
            effective_from: Some(now.minus(Duration::from_secs(61))),
            currency: "EUR".parse().ok(),
            ..PriceInput::of_tokens(Nanos(1), Nanos(1))
        };
        past.checked("", Currency::USD, now, &mut faults);
        let codes: Vec<_> = faults.iter().map(|fault| fault.code).collect();
        assert_eq!(codes, ["wrong_currency", "in_the_past"]);
    }
}
