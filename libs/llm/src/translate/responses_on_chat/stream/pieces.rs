//! Which call a piece of a call belongs to.
//!
//! By the book each piece has the `index` of its call, and the first also `id` and `name`. Servers differ: some leave
//! the index out, some give each whole call the index 0, some repeat the id on each piece, some give none.

use super::super::settings::ResponseSettings;
use crate::translate::chat::ChatToolCall;

/// More calls than this in one answer are no answer.
const MAX_CALLS: usize = 1_024;

/// A call of which pieces have come.
#[derive(Debug)]
pub(super) struct Call {
    upstream_index: Option<u64>,
    upstream_id: Option<String>,
    /// The client's id: the upstream's, or one made here.
    pub call_id: String,
    /// The upstream's name of the tool; empty until it comes.
    pub chat_name: String,
    pub arguments: String,
    /// Where its item stands, once there is one.
    pub output_index: Option<usize>,
}

/// The calls of an answer in the order in which they began.
#[derive(Debug, Default)]
pub(super) struct Calls(Vec<Call>);

impl Calls {
    /// The call that the piece belongs to, begun if it is a new one. The piece's arguments are not yet added.
    pub fn find_or_begin(&mut self, piece: &ChatToolCall, settings: &ResponseSettings) -> usize {
        let number = self.find(piece).unwrap_or(self.0.len());
        if number == self.0.len() {
            self.0.push(Call {
                upstream_index: piece.index,
                upstream_id: None,
                call_id: id_of(piece).map_or_else(|| settings.call_id(number), str::to_owned),
                chat_name: String::new(),
                arguments: String::new(),
                output_index: None,
            });
        }
        if let Some(call) = self.0.get_mut(number) {
            call.upstream_id = call.upstream_id.take().or_else(|| id_of(piece).map(str::to_owned));
            if call.chat_name.is_empty() {
                call.chat_name = piece.function.name.clone().unwrap_or_default();
            }
        }
        number
    }

    pub fn get_mut(&mut self, number: usize) -> Option<&mut Call> {
        self.0.get_mut(number)
    }

    pub const fn len(&self) -> usize {
        self.0.len()
    }

    pub const fn are_too_many(&self) -> bool {
        self.0.len() > MAX_CALLS
    }

    pub fn take(&mut self) -> Vec<Call> {
        std::mem::take(&mut self.0)
    }

    fn find(&self, piece: &ChatToolCall) -> Option<usize> {
        let id = id_of(piece);
        if let Some(known) = self.0.iter().rposition(|call| id.is_some() && call.upstream_id.as_deref() == id) {
            return Some(known);
        }
        let number = match piece.index {
            Some(_) => self.0.iter().rposition(|call| call.upstream_index == piece.index)?,
            None => self.0.len().checked_sub(1)?,
        };
        let call = self.0.get(number)?;
        (!begins_another(call, piece)).then_some(number)
    }
}

/// Whether a piece that seems to continue `call` is the beginning of the next one.
fn begins_another(call: &Call, piece: &ChatToolCall) -> bool {
    if id_of(piece).is_some() && call.upstream_id.is_some() {
        return true;
    }
    let named_again = piece.function.name.as_ref().is_some_and(|name| !name.is_empty()) && !call.chat_name.is_empty();
    let arguments = piece.function.arguments.as_deref().unwrap_or_default();
    // One JSON object does not directly follow another.
    let object_again = call.arguments.trim_end().ends_with('}') && arguments.trim_start().starts_with('{');
    named_again && (object_again || piece.index.is_none())
}

fn id_of(piece: &ChatToolCall) -> Option<&str> {
    piece.id.as_deref().filter(|id| !id.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names and arguments of the calls that the pieces make.
    fn calls(pieces: &str) -> Vec<(String, String)> {
        let settings = ResponseSettings::from_request(b"{}", "resp_1".into(), "m".into(), 0).unwrap();
        let mut calls = Calls::default();
        for piece in serde_json::from_str::<Vec<ChatToolCall>>(pieces).unwrap() {
            let number = calls.find_or_begin(&piece, &settings);
            calls.get_mut(number).unwrap().arguments.push_str(&piece.function.arguments.unwrap_or_default());
        }
        calls.take().into_iter().map(|call| (call.chat_name, call.arguments)).collect()
    }

    fn two_calls() -> Vec<(String, String)> {
        vec![("a".to_owned(), r#"{"x":1}"#.to_owned()), ("b".to_owned(), r#"{"y":2}"#.to_owned())]
    }

    #[test]
    fn interleaved_pieces_are_told_apart_by_index() {
        let pieces = r#"[{"index":0,"id":"c0","function":{"name":"a","arguments":""}},
            {"index":1,"id":"c1","function":{"name":"b","arguments":"{\"y\""}},
            {"index":0,"function":{"arguments":"{\"x\":1}"}}, {"index":1,"function":{"arguments":":2}"}}]"#;
        assert_eq!(calls(pieces), two_calls());
    }

    #[test]
    fn pieces_without_index_belong_to_the_last_call() {
        let pieces = r#"[{"id":"c0","function":{"name":"a","arguments":"{\"x\""}}, {"function":{"arguments":":1}"}},
            {"id":"c1","function":{"name":"b","arguments":"{\"y\":"}}, {"id":"c1","function":{"arguments":"2}"}}]"#;
        assert_eq!(calls(pieces), two_calls());
    }

    #[test]
    fn whole_calls_that_all_have_the_index_zero_stay_apart() {
        let with_ids = r#"[{"index":0,"id":"c0","function":{"name":"a","arguments":"{\"x\":1}"}},
            {"index":0,"id":"c1","function":{"name":"b","arguments":"{\"y\":2}"}}]"#;
        assert_eq!(calls(with_ids), two_calls());
        assert_eq!(calls(&with_ids.replace(r#""c0""#, r#""""#).replace(r#""c1""#, r#""""#)), two_calls());
    }

    #[test]
    fn a_name_that_is_repeated_on_each_piece_begins_nothing() {
        let pieces = r#"[{"index":0,"function":{"name":"a","arguments":"{\"x\""}},
            {"index":0,"function":{"name":"a","arguments":":1}"}}, {"index":1,"function":{"name":"b","arguments":"{\"y\":2}"}}]"#;
        assert_eq!(calls(pieces), two_calls());
    }
}
