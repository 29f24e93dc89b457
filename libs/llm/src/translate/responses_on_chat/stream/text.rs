//! Text: reasoning, what is said, refusals. One part of one item is open at a time.

use super::{
    ITEM_WEIGHT, Translator,
    events::{PartEvent, PartPlace, TextDelta, TextDone, TextKind},
};
use crate::translate::responses_on_chat::items::{ItemStatus, OutputItem};

/// Where text is added.
#[derive(Debug, Clone, Copy)]
pub(super) struct OpenText {
    kind: TextKind,
    output_index: usize,
    content_index: usize,
}

impl OpenText {
    const fn place(self, item_id: &str) -> PartPlace<'_> {
        PartPlace { item_id, output_index: self.output_index, content_index: self.content_index }
    }
}

impl Translator {
    pub(super) fn text(&mut self, kind: TextKind, text: &str, out: &mut Vec<u8>) {
        if text.is_empty() || !self.keep(text.len(), out) {
            return;
        }
        let Some(open) = self.open_part(kind, out) else { return };
        let Some(item) = self.output.get_mut(open.output_index) else { return };
        if let Some(part) = item.parts_mut().and_then(|parts| parts.last_mut()) {
            part.text_mut().push_str(text);
        }
        self.events.write(out, kind.delta_event(), TextDelta::new(open.place(item.id()), kind, text));
    }

    /// Ends the item that takes text, if there is one.
    pub(super) fn end_text(&mut self, status: ItemStatus, out: &mut Vec<u8>) {
        if let Some(open) = self.open_text.take() {
            self.end_part(open, out);
            self.end_item(open.output_index, status, out);
        }
    }

    /// The part that takes text of this kind. If it must be begun, what is open is ended before: the part, when both
    /// belong to a message, else the item.
    fn open_part(&mut self, kind: TextKind, out: &mut Vec<u8>) -> Option<OpenText> {
        let before = self.open_text;
        if let Some(open) = before.filter(|open| open.kind == kind) {
            return Some(open);
        }
        if !self.keep(ITEM_WEIGHT, out) {
            return None;
        }
        let open = match before.filter(|open| open.kind.is_reasoning() == kind.is_reasoning()) {
            Some(open) => {
                self.end_part(open, out);
                OpenText { kind, content_index: open.content_index + 1, ..open }
            }
            None => {
                self.end_text(ItemStatus::Completed, out);
                OpenText { kind, output_index: self.begin_text_item(kind, out), content_index: 0 }
            }
        };
        let item = self.output.get_mut(open.output_index)?;
        let part = kind.empty_part();
        let event = PartEvent { place: open.place(item.id()), part: &part };
        self.events.write(out, "response.content_part.added", event);
        item.parts_mut()?.push(part);
        self.open_text = Some(open);
        Some(open)
    }

    fn begin_text_item(&mut self, kind: TextKind, out: &mut Vec<u8>) -> usize {
        let new = if kind.is_reasoning() { OutputItem::reasoning } else { OutputItem::message };
        let output_index = self.output.len();
        self.add_item(new(&self.settings, output_index, Vec::new(), ItemStatus::InProgress), out);
        output_index
    }

    fn end_part(&mut self, open: OpenText, out: &mut Vec<u8>) {
        let Some(item) = self.output.get(open.output_index) else { return };
        let Some(part) = item.parts().last() else { return };
        let place = open.place(item.id());
        self.events.write(out, open.kind.done_event(), TextDone::new(place, part));
        self.events.write(out, "response.content_part.done", PartEvent { place, part });
    }
}
