//! What is booked under one event id, and what another content under the same id means for it.
//!
//! Guarantee: the best content wins, whatever order the contents come in and however often: the entries of the id always
//! sum up to the content of the best quality seen. Of two contents of equal quality the first stays.

use std::collections::BTreeMap;

use maas_types::EventId;

use super::{
    correction::{Content, Correction, CorrectionKind, id_of_change},
    dimensions::Dimensions,
    event::Event,
    measures::Measures,
};

/// Who books corrections by better quality.
pub const PLATFORM: &str = "platform";

/// The entries of one event id: the event, and its corrections by better quality. Corrections by people come on top and
/// are not in here.
#[derive(Debug, Clone, Default)]
pub struct Booked {
    contents: Vec<Content>,
    entries: BTreeMap<Dimensions, Measures>,
}

/// What to do with a content that comes under an id that is booked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is booked already.
    Repeated,
    /// It is better than what is booked: these make up the difference.
    Better(Vec<Correction>),
    /// It contradicts what is booked.
    Conflict(String),
}

impl Booked {
    pub fn add(&mut self, content: Content, dimensions: Dimensions, measures: &Measures) {
        self.contents.push(content);
        self.entries.entry(dimensions).or_default().add(measures);
    }

    /// A correction of [`Verdict::Better`] is booked.
    pub fn correct(&mut self, correction: &Correction) {
        if let Some(content) = correction.better {
            self.add(content, correction.dimensions.clone(), &correction.measures);
        }
    }

    pub fn judge(&self, event: &Event) -> Verdict {
        let Some(best) = self.contents.iter().map(|content| content.quality).min() else {
            return Verdict::Conflict("the database has the id and does not show it".to_owned());
        };
        if self.contents.iter().any(|content| content.fingerprint == event.fingerprint) {
            return Verdict::Repeated;
        }
        let (quality, new) = (event.quality, Dimensions::of(event));
        if quality >= best {
            let (quality, best) = (quality.as_str(), best.as_str());
            return Verdict::Conflict(format!("{quality} differs from what is booked under this id ({best})"));
        }
        if !self.entries.keys().all(|booked| booked.same_payer(&new)) {
            return Verdict::Conflict(format!("{} names another payer than what is booked", quality.as_str()));
        }
        let reason = format!("{} instead of {}", quality.as_str(), best.as_str());
        Verdict::Better(self.corrections(event, new, &reason))
    }

    /// The difference between the event and what is booked, one row for each group of dimensions that changes. There is
    /// always one for the new dimensions, even if nothing changes: it remembers the quality.
    fn corrections(&self, event: &Event, new: Dimensions, reason: &str) -> Vec<Correction> {
        let none = Measures::default();
        let mut change: BTreeMap<_, _> = self.entries.iter().map(|(of, old)| (of, none.minus(old))).collect();
        change.entry(&new).or_default().add(&Measures::of(event));
        change.retain(|of, measures| *of == &new || !measures.is_zero());
        let rows = change.into_iter().zip(0_u8..);
        rows.map(|((dimensions, measures), part)| correction(event, dimensions, measures, part, reason)).collect()
    }
}

fn correction(event: &Event, dimensions: &Dimensions, measures: Measures, part: u8, reason: &str) -> Correction {
    let id: EventId = event.id;
    Correction {
        id: id_of_change(id, &event.fingerprint, part),
        admitted_at: event.admitted_at(),
        event: Some(id),
        kind: CorrectionKind::Quality,
        reason: reason.to_owned(),
        actor: None,
        actor_name: PLATFORM.to_owned(),
        dimensions: dimensions.clone(),
        measures,
        better: Some(Content { quality: event.quality, fingerprint: event.fingerprint }),
    }
}
