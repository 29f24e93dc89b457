//! Tool calls. They stay open until the end of the stream, since their pieces may come interleaved.
//!
//! A function call is shown as soon as its name is known, with its arguments as they come. Calls of other tools are
//! shown whole at the end: what they contain must first be unpacked from arguments that are then complete.

use super::{
    ITEM_WEIGHT, Translator,
    events::{ArgumentsDone, CallDelta, InputDone},
    pieces::Call,
};
use crate::translate::{
    chat::ChatToolCall,
    responses_on_chat::{
        items::{ItemStatus, OutputItem, WholeCall, call_status},
        tools::ToolKind,
    },
};

impl Translator {
    pub(super) fn call_piece(&mut self, piece: &ChatToolCall, out: &mut Vec<u8>) {
        self.end_text(ItemStatus::Completed, out);
        let before = self.calls.len();
        let number = self.calls.find_or_begin(piece, &self.settings);
        if self.calls.are_too_many() {
            return self.fail_for_size(out);
        }
        let arguments = piece.function.arguments.as_deref().unwrap_or_default();
        let weight = (self.calls.len() - before) * ITEM_WEIGHT;
        let Some(call) = self.calls.get_mut(number) else { return };
        call.arguments.push_str(arguments);
        let (output_index, is_shown_early) = (call.output_index, call.is_shown_early(&self.settings));
        if !self.keep(arguments.len() + weight, out) || !is_shown_early {
            return;
        }
        match output_index {
            Some(output_index) => self.write_arguments_delta(output_index, arguments, out),
            None => self.show_call(number, out),
        }
    }

    pub(super) fn end_calls(&mut self, end: ItemStatus, out: &mut Vec<u8>) {
        for call in self.calls.take() {
            let status = call_status(&call.arguments, end);
            match call.output_index {
                Some(output_index) => self.end_shown_call(output_index, call.arguments, status, out),
                None => self.show_whole_call(&call, status, out),
            }
        }
    }

    /// Puts what has come of the arguments into the items, for a stream that ends without ending them.
    pub(super) fn abandon_calls(&mut self) {
        for call in self.calls.take() {
            let item = call.output_index.and_then(|output_index| self.output.get_mut(output_index));
            if let Some(OutputItem::FunctionCall(function)) = item {
                function.arguments = call.arguments;
            }
        }
    }

    fn show_call(&mut self, number: usize, out: &mut Vec<u8>) {
        let output_index = self.output.len();
        let Some(call) = self.calls.get_mut(number) else { return };
        call.output_index = Some(output_index);
        let so_far = call.arguments.clone();
        let empty = WholeCall { call_id: &call.call_id, chat_name: &call.chat_name, arguments: "" };
        let item = OutputItem::call(&self.settings, output_index, empty, ItemStatus::InProgress);
        self.add_item(item, out);
        self.write_arguments_delta(output_index, &so_far, out);
    }

    fn write_arguments_delta(&mut self, output_index: usize, delta: &str, out: &mut Vec<u8>) {
        if let Some(item) = self.output.get(output_index).filter(|_| !delta.is_empty()) {
            let event = CallDelta { item_id: item.id(), output_index, delta };
            self.events.write(out, "response.function_call_arguments.delta", event);
        }
    }

    fn end_shown_call(&mut self, output_index: usize, arguments: String, status: ItemStatus, out: &mut Vec<u8>) {
        if let Some(OutputItem::FunctionCall(function)) = self.output.get_mut(output_index) {
            function.arguments = arguments;
        }
        self.write_input_done(output_index, out);
        self.end_item(output_index, status, out);
    }

    fn show_whole_call(&mut self, call: &Call, status: ItemStatus, out: &mut Vec<u8>) {
        let output_index = self.output.len();
        let whole = WholeCall { call_id: &call.call_id, chat_name: &call.chat_name, arguments: &call.arguments };
        let mut item = OutputItem::call(&self.settings, output_index, whole, ItemStatus::InProgress);
        let input = item.take_input();
        self.add_item(item, out);
        if let Some(input) = input {
            self.write_input_delta(output_index, &input, out);
            if let Some(item) = self.output.get_mut(output_index) {
                item.put_input(input);
            }
        }
        self.write_input_done(output_index, out);
        self.end_item(output_index, status, out);
    }

    fn write_input_delta(&mut self, output_index: usize, delta: &str, out: &mut Vec<u8>) {
        match self.output.get(output_index) {
            Some(OutputItem::CustomToolCall { id, .. }) if !delta.is_empty() => {
                let event = CallDelta { item_id: id, output_index, delta };
                self.events.write(out, "response.custom_tool_call_input.delta", event);
            }
            _ => self.write_arguments_delta(output_index, delta, out),
        }
    }

    fn write_input_done(&mut self, output_index: usize, out: &mut Vec<u8>) {
        match self.output.get(output_index) {
            Some(OutputItem::FunctionCall(function)) => {
                let (item_id, name, arguments) = (&*function.id, &*function.name, &*function.arguments);
                let event = ArgumentsDone { item_id, output_index, name, arguments };
                self.events.write(out, "response.function_call_arguments.done", event);
            }
            Some(OutputItem::CustomToolCall { id, input, .. }) => {
                let event = InputDone { item_id: id, output_index, input };
                self.events.write(out, "response.custom_tool_call_input.done", event);
            }
            _ => {}
        }
    }
}

impl Call {
    fn is_shown_early(&self, settings: &super::ResponseSettings) -> bool {
        !self.chat_name.is_empty() && settings.tools.kind(&self.chat_name) == ToolKind::Function
    }
}
