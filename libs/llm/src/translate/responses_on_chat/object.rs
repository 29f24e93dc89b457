//! The client's JSON, member by member, with the path of whatever is wrong in it.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::{
    scan::{Cursor, Kind, ScanError, Text, Value},
    translate::TranslationError,
};

/// One object of the request. `null` members count as absent; of a repeated member the last one counts, here and in
/// what is made of it, since the upstream never sees the client's bytes.
pub(super) struct Object<'a> {
    /// `input.0.content.1`; empty for the body itself.
    path: String,
    members: Vec<(Text<'a>, Value<'a>)>,
}

impl<'a> Object<'a> {
    /// Checks the whole body, also how deep it is nested.
    pub fn parse(body: &'a [u8]) -> Result<Self, TranslationError> {
        let mut cursor = Cursor::new(body);
        let value = cursor.value().map_err(|error| not_json(&error))?;
        cursor.finish().map_err(|error| not_json(&error))?;
        Self::of(value, String::new())
    }

    fn of(value: Value<'a>, path: String) -> Result<Self, TranslationError> {
        if value.kind() != Kind::Object {
            return Err(wrong_type(&path, "an object"));
        }
        let mut members = Vec::new();
        let walk = Cursor::new(value.raw()).members::<ScanError>(|cursor, name| {
            members.push((name, cursor.value()?));
            Ok(())
        });
        walk.map_err(|error| not_json(&error))?;
        Ok(Self { path, members })
    }

    pub fn path(&self) -> &str {
        &self.path
    }

    pub fn path_of(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    /// The names of the members that are not `null`.
    pub fn names(&self) -> impl Iterator<Item = &Text<'a>> {
        self.members.iter().filter(|(_, value)| value.kind() != Kind::Null).map(|(name, _)| name)
    }

    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    pub fn kind_of(&self, name: &str) -> Option<Kind> {
        self.get(name).map(|value| value.kind())
    }

    pub fn text(&self, name: &str) -> Result<Option<Cow<'a, str>>, TranslationError> {
        self.read(name, "a string", |value| value.as_text()?.decode())
    }

    pub fn required_text(&self, name: &str) -> Result<Cow<'a, str>, TranslationError> {
        self.text(name)?.ok_or_else(|| self.missing(name))
    }

    pub fn flag(&self, name: &str) -> Result<Option<bool>, TranslationError> {
        self.read(name, "a boolean", |value| value.as_bool())
    }

    pub fn count(&self, name: &str) -> Result<Option<u64>, TranslationError> {
        self.read(name, "a whole number", |value| value.as_whole())
    }

    /// A number as it is written.
    pub fn number(&self, name: &str) -> Result<Option<&'a RawValue>, TranslationError> {
        self.read(name, "a number", |value| (value.kind() == Kind::Number).then_some(raw(value)).flatten())
    }

    /// A value as it is written, so that members keep their order.
    pub fn raw(&self, name: &str) -> Result<Option<&'a RawValue>, TranslationError> {
        self.read(name, "valid JSON in UTF-8", raw)
    }

    pub fn raw_object(&self, name: &str) -> Result<Option<&'a RawValue>, TranslationError> {
        self.read(name, "an object", |value| (value.kind() == Kind::Object).then_some(raw(value)).flatten())
    }

    pub fn object(&self, name: &str) -> Result<Option<Object<'a>>, TranslationError> {
        self.get(name).map(|value| Object::of(value, self.path_of(name))).transpose()
    }

    /// Visits the objects of an array, one at a time: a list of millions never exists as a list of ours. Answers
    /// whether there was a list.
    pub fn each_object(
        &self,
        name: &str,
        mut visit: impl FnMut(Object<'a>) -> Result<(), TranslationError>,
    ) -> Result<bool, TranslationError> {
        self.each(name, |value, path| visit(Object::of(value, path)?))
    }

    pub fn each_text(
        &self,
        name: &str,
        mut visit: impl FnMut(Cow<'a, str>, String) -> Result<(), TranslationError>,
    ) -> Result<bool, TranslationError> {
        self.each(name, |value, path| match value.as_text().and_then(|text| text.decode()) {
            Some(text) => visit(text, path),
            None => Err(wrong_type(&path, "a string")),
        })
    }

    pub fn missing(&self, name: &str) -> TranslationError {
        let path = self.path_of(name);
        let message = format!("missing required field `{path}`");
        TranslationError::invalid(path, message)
    }

    pub fn invalid(&self, name: &str, problem: &str) -> TranslationError {
        let path = self.path_of(name);
        let message = format!("`{path}` {problem}");
        TranslationError::invalid(path, message)
    }

    pub fn unsupported(&self, name: &str, reason: impl Into<String>) -> TranslationError {
        TranslationError::unsupported(self.path_of(name), reason)
    }

    fn get(&self, name: &str) -> Option<Value<'a>> {
        let member = self.members.iter().rev().find(|(key, _)| key.is(name));
        member.map(|(_, value)| *value).filter(|value| value.kind() != Kind::Null)
    }

    fn read<T>(
        &self,
        name: &str,
        expected: &str,
        read: impl FnOnce(Value<'a>) -> Option<T>,
    ) -> Result<Option<T>, TranslationError> {
        let Some(value) = self.get(name) else { return Ok(None) };
        read(value).map(Some).ok_or_else(|| wrong_type(&self.path_of(name), expected))
    }

    fn each(
        &self,
        name: &str,
        mut visit: impl FnMut(Value<'a>, String) -> Result<(), TranslationError>,
    ) -> Result<bool, TranslationError> {
        let Some(value) = self.get(name) else { return Ok(false) };
        let path = self.path_of(name);
        if value.kind() != Kind::Array {
            return Err(wrong_type(&path, "an array"));
        }
        let mut index = 0_usize;
        let walk = Cursor::new(value.raw()).elements::<Fault>(|cursor| {
            visit(cursor.value()?, format!("{path}.{index}"))?;
            index += 1;
            Ok(())
        });
        walk.map(|_| true).map_err(|Fault(error)| error)
    }
}

/// Lets faults of the JSON and faults of its content leave a walk by the same way.
struct Fault(TranslationError);

impl From<ScanError> for Fault {
    fn from(error: ScanError) -> Self {
        Self(not_json(&error))
    }
}

impl From<TranslationError> for Fault {
    fn from(error: TranslationError) -> Self {
        Self(error)
    }
}

fn raw(value: Value<'_>) -> Option<&RawValue> {
    serde_json::from_slice(value.raw()).ok()
}

fn not_json(error: &ScanError) -> TranslationError {
    TranslationError::Invalid { param: None, message: format!("the request body is not valid JSON: {error}") }
}

fn wrong_type(path: &str, expected: &str) -> TranslationError {
    if path.is_empty() {
        return TranslationError::Invalid { param: None, message: format!("the request body must be {expected}") };
    }
    TranslationError::invalid(path, format!("`{path}` must be {expected}"))
}
