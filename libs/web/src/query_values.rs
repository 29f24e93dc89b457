//! A query string as something serde can read: single values, repeated ones for lists, and several structs out of one.
//!
//! A tuple of structs takes from the same parameters, so that operations can share a struct of filters. Each struct
//! takes the parameters that it has fields for; what nobody took is unknown and told afterwards.

use std::{borrow::Cow, cell::RefCell, collections::BTreeSet};

use serde::de::{
    DeserializeSeed, Deserializer, IntoDeserializer, SeqAccess, Visitor,
    value::{Error, MapDeserializer, SeqDeserializer},
};
use serde::{de::Error as _, forward_to_deserialize_any};

/// The parameters in the order in which they came, equal names together.
#[derive(Debug)]
pub struct QueryValues<'de> {
    values: Vec<(Cow<'de, str>, Values<'de>)>,
    known: RefCell<BTreeSet<&'static str>>,
}

/// What was given under one name; at least one.
#[derive(Debug, Clone)]
struct Values<'de>(Vec<Cow<'de, str>>);

impl<'de> QueryValues<'de> {
    pub fn parse(query: &'de str) -> Self {
        let mut values: Vec<(Cow<'de, str>, Values<'de>)> = Vec::new();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match values.iter_mut().find(|(known, _)| *known == name) {
                Some((_, more)) => more.0.push(value),
                None => values.push((name, Values(vec![value]))),
            }
        }
        Self { values, known: RefCell::default() }
    }

    /// After reading: the parameters that no struct has a field for, and the names that there are.
    pub fn unknown(&self) -> (Vec<String>, Vec<&'static str>) {
        let known = self.known.borrow();
        let unknown = self.values.iter().filter(|(name, _)| !known.contains(&**name));
        (unknown.map(|(name, _)| name.to_string()).collect(), known.iter().copied().collect())
    }
}

impl<'de> Deserializer<'de> for &QueryValues<'de> {
    type Error = Error;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.known.borrow_mut().extend(fields);
        let own = self.values.iter().filter(|(name, _)| fields.contains(&&**name));
        visitor.visit_map(MapDeserializer::new(own.map(|(name, values)| (name.clone(), values.clone()))))
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_seq(Repeated { values: self, left: length })
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let all = self.values.iter().map(|(name, values)| (name.clone(), values.clone()));
        visitor.visit_map(MapDeserializer::new(all))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple_struct map enum identifier ignored_any
    }
}

/// The same parameters for each struct of a tuple.
struct Repeated<'a, 'de> {
    values: &'a QueryValues<'de>,
    left: usize,
}

impl<'de> SeqAccess<'de> for Repeated<'_, 'de> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        let Some(left) = self.left.checked_sub(1) else { return Ok(None) };
        self.left = left;
        seed.deserialize(self.values).map(Some)
    }
}

impl<'de> Values<'de> {
    /// For a field that takes one value.
    fn single(mut self) -> Result<Cow<'de, str>, Error> {
        match (self.0.pop(), self.0.is_empty()) {
            (Some(value), true) => Ok(value),
            _ => Err(Error::custom("given more than once")),
        }
    }
}

impl<'de> IntoDeserializer<'de, Error> for Values<'de> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

macro_rules! parsed {
    ($($method:ident $visit:ident $kind:ty, $expected:literal;)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            let value = self.single()?;
            let number = value.parse::<$kind>().map_err(|_| Error::custom(concat!("expected ", $expected)))?;
            visitor.$visit(number)
        }
    )*};
}

impl<'de> Deserializer<'de> for Values<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.single()? {
            Cow::Borrowed(text) => visitor.visit_borrowed_str(text),
            Cow::Owned(text) => visitor.visit_string(text),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let each = self.0.into_iter().map(|value| Self(vec![value]));
        visitor.visit_seq(SeqDeserializer::new(each))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_enum(self.single()?.into_deserializer())
    }

    parsed! {
        deserialize_bool visit_bool bool, "true or false";
        deserialize_i32 visit_i32 i32, "a whole number";
        deserialize_i64 visit_i64 i64, "a whole number";
        deserialize_u8 visit_u8 u8, "a whole number";
        deserialize_u16 visit_u16 u16, "a whole number";
        deserialize_u32 visit_u32 u32, "a whole number";
        deserialize_u64 visit_u64 u64, "a whole number";
        deserialize_f64 visit_f64 f64, "a number";
    }

    forward_to_deserialize_any! {
        i8 i16 i128 u128 f32 char str string bytes byte_buf unit unit_struct tuple tuple_struct map struct identifier
        ignored_any
    }
}
