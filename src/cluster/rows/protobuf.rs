//! Kubernetes' protobuf as another notation of the same models: a `serde` deserializer that finds
//! the fields by the tables of `fields`, so that an object is read by one model however it was
//! written. For a server it is a fraction of the work of JSON. Must not know what fields mean.

use std::fmt;

use jiff::Timestamp;
use serde::Deserialize;
use serde::de::value::BorrowedStrDeserializer;
use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::forward_to_deserialize_any;

/// Fields that are read of a message: number, name in JSON, form.
pub(super) type Message = &'static [Field];
type Field = (u32, &'static str, Form);

/// How a field is written.
#[derive(Clone, Copy)]
pub(super) enum Form {
    /// An empty one is as good as none: servers write all that is no pointer.
    Text,
    /// The same of zero.
    Number,
    Flag,
    /// A pointer: what is empty or zero was meant so.
    Optional(&'static Form),
    /// `metav1.Time` and `metav1.MicroTime`; without content it is none.
    Time,
    One(Message),
    /// A message whose fields are the outer one's in JSON.
    Inline(Message),
    Many(Message),
    Texts,
    /// A map of text.
    Pairs,
    /// A map of `resource.Quantity`.
    Quantities,
}

/// Why something is no object: for a log, nobody can mend it.
#[derive(Debug)]
pub(crate) struct Garbled(String);

impl fmt::Display for Garbled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Garbled {}

impl de::Error for Garbled {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

pub(super) fn garbled(why: &str) -> Garbled {
    Garbled(why.to_owned())
}

/// What `k8s\0` leads: an envelope around an object (`runtime.Unknown`).
const MAGIC: &[u8] = b"k8s\0";

/// The object inside the envelope in which servers send one.
pub(super) fn unwrap(bytes: &[u8]) -> Result<&[u8], Garbled> {
    let envelope = bytes.strip_prefix(MAGIC);
    inner(
        envelope.ok_or_else(|| garbled("not Kubernetes' protobuf"))?,
        2,
    )
}

/// Word and object of a `metav1.WatchEvent`.
pub(super) fn event(bytes: &[u8]) -> Result<(&str, &[u8]), Garbled> {
    let raw = inner(bytes, 2)?;
    Ok((text(inner(bytes, 1)?)?, unwrap(inner(raw, 1)?)?))
}

/// Reads a message by its table.
pub(super) fn read<'de, T: Deserialize<'de>>(
    bytes: &'de [u8],
    message: Message,
) -> Result<T, Garbled> {
    T::deserialize(Value {
        form: Form::One(message),
        found: Found::One(Wire::Bytes(bytes)),
    })
}

/// A value as it is on the wire. Fixed-width numbers occur in nothing that is read.
#[derive(Clone, Copy)]
enum Wire<'de> {
    Varint(u64),
    Bytes(&'de [u8]),
    Fixed,
}

fn varint(rest: &mut &[u8]) -> Result<u64, Garbled> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, after) = rest.split_first().ok_or_else(|| garbled("cut off"))?;
        *rest = after;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(garbled("a number is too long"))
}

fn take<'de>(rest: &mut &'de [u8], length: u64) -> Result<&'de [u8], Garbled> {
    let length = usize::try_from(length).map_err(de::Error::custom)?;
    let (taken, after) = rest
        .split_at_checked(length)
        .ok_or_else(|| garbled("cut off"))?;
    *rest = after;
    Ok(taken)
}

/// The next field: its number and its value.
fn next<'de>(rest: &mut &'de [u8]) -> Result<Option<(u32, Wire<'de>)>, Garbled> {
    if rest.is_empty() {
        return Ok(None);
    }
    let key = varint(rest)?;
    let number = u32::try_from(key >> 3).map_err(de::Error::custom)?;
    let value = match key & 7 {
        0 => Wire::Varint(varint(rest)?),
        1 => take(rest, 8).map(|_| Wire::Fixed)?,
        2 => {
            let length = varint(rest)?;
            Wire::Bytes(take(rest, length)?)
        }
        5 => take(rest, 4).map(|_| Wire::Fixed)?,
        _ => return Err(garbled("a field of a form that is not used")),
    };
    Ok(Some((number, value)))
}

fn text(bytes: &[u8]) -> Result<&str, Garbled> {
    std::str::from_utf8(bytes).map_err(de::Error::custom)
}

/// The first field with that number.
fn first(bytes: &[u8], wanted: u32) -> Result<Option<Wire<'_>>, Garbled> {
    let mut rest = bytes;
    while let Some((number, value)) = next(&mut rest)? {
        if number == wanted {
            return Ok(Some(value));
        }
    }
    Ok(None)
}

/// The text or message that is the field of that number; without it, an empty one.
fn inner(message: &[u8], wanted: u32) -> Result<&[u8], Garbled> {
    first(message, wanted)?.map_or(Ok(&[]), bytes)
}

/// Seconds and nanoseconds since 1970, in the words that JSON has for it.
fn time(bytes: &[u8]) -> Result<String, Garbled> {
    let part = |wanted| first(bytes, wanted)?.map_or(Ok(0), number);
    let nanoseconds = i32::try_from(part(2)?).map_err(de::Error::custom)?;
    let at = Timestamp::new(part(1)?, nanoseconds);
    at.map(|at| at.to_string()).map_err(de::Error::custom)
}

fn number(wire: Wire<'_>) -> Result<i64, Garbled> {
    match wire {
        Wire::Varint(value) => Ok(value.cast_signed()),
        _ => Err(garbled("not a number")),
    }
}

fn bytes(wire: Wire<'_>) -> Result<&[u8], Garbled> {
    match wire {
        Wire::Bytes(bytes) => Ok(bytes),
        _ => Err(garbled("not a text or message")),
    }
}

enum Found<'de> {
    One(Wire<'de>),
    All(Vec<Wire<'de>>),
}

/// A field's value, or the values of a field that is repeated.
struct Value<'de> {
    form: Form,
    found: Found<'de>,
}

impl<'de> Value<'de> {
    fn one(&self) -> Result<Wire<'de>, Garbled> {
        match self.found {
            Found::One(wire) => Ok(wire),
            Found::All(_) => Err(garbled("repeated")),
        }
    }

    fn all(self) -> std::vec::IntoIter<Wire<'de>> {
        match self.found {
            Found::All(all) => all.into_iter(),
            Found::One(wire) => vec![wire].into_iter(),
        }
    }
}

impl<'de> Deserializer<'de> for Value<'de> {
    type Error = Garbled;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Garbled> {
        let form = match self.form {
            Form::Optional(form) => *form,
            form => form,
        };
        match form {
            Form::Text | Form::Optional(_) => {
                visitor.visit_borrowed_str(text(bytes(self.one()?)?)?)
            }
            Form::Number => visitor.visit_i64(number(self.one()?)?),
            Form::Flag => visitor.visit_bool(number(self.one()?)? != 0),
            Form::Time => visitor.visit_string(time(bytes(self.one()?)?)?),
            Form::One(message) | Form::Inline(message) => {
                visitor.visit_map(Fields::of(bytes(self.one()?)?, message))
            }
            Form::Many(message) => visitor.visit_seq(List {
                items: self.all(),
                form: Form::One(message),
            }),
            Form::Texts => visitor.visit_seq(List {
                items: self.all(),
                form: Form::Text,
            }),
            Form::Pairs | Form::Quantities => visitor.visit_map(Entries {
                is_quantity: matches!(form, Form::Quantities),
                items: self.all(),
                value: "",
            }),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Garbled> {
        visitor.visit_some(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

/// The fields of a message that the table knows, in the order in which they were written.
struct Fields<'de> {
    rest: &'de [u8],
    message: Message,
    /// What follows after the fields of an inline message.
    outer: Option<(&'de [u8], Message)>,
    value: Option<Value<'de>>,
}

impl<'de> Fields<'de> {
    const fn of(rest: &'de [u8], message: Message) -> Self {
        Self {
            rest,
            message,
            outer: None,
            value: None,
        }
    }

    fn known(&self, number: u32) -> Option<&'static Field> {
        self.message.iter().find(|field| field.0 == number)
    }

    /// This value and those of the same field that follow it at once, as servers write them.
    fn run(&mut self, number: u32, first: Wire<'de>) -> Result<Vec<Wire<'de>>, Garbled> {
        let mut all = vec![first];
        loop {
            let mut ahead = self.rest;
            match next(&mut ahead)? {
                Some((found, value)) if found == number => all.push(value),
                _ => return Ok(all),
            }
            self.rest = ahead;
        }
    }

    fn find(&mut self) -> Result<Option<(&'static str, Value<'de>)>, Garbled> {
        loop {
            let Some((number, wire)) = next(&mut self.rest)? else {
                let Some((rest, message)) = self.outer.take() else {
                    return Ok(None);
                };
                (self.rest, self.message) = (rest, message);
                continue;
            };
            let Some(&(_, name, form)) = self.known(number) else {
                continue;
            };
            let is_none = match (form, wire) {
                (Form::Text | Form::Time, Wire::Bytes(bytes)) => bytes.is_empty(),
                (Form::Number, Wire::Varint(number)) => number == 0,
                _ => false,
            };
            if is_none {
                continue;
            }
            let found = match form {
                Form::Inline(message) => {
                    if self.outer.is_some() {
                        return Err(garbled("inline in inline"));
                    }
                    self.outer = Some((self.rest, self.message));
                    (self.rest, self.message) = (bytes(wire)?, message);
                    continue;
                }
                Form::Many(_) | Form::Texts | Form::Pairs | Form::Quantities => {
                    Found::All(self.run(number, wire)?)
                }
                _ => Found::One(wire),
            };
            return Ok(Some((name, Value { form, found })));
        }
    }
}

impl<'de> MapAccess<'de> for Fields<'de> {
    type Error = Garbled;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Garbled> {
        let Some((name, value)) = self.find()? else {
            return Ok(None);
        };
        self.value = Some(value);
        seed.deserialize(BorrowedStrDeserializer::new(name))
            .map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Garbled> {
        let value = self.value.take();
        seed.deserialize(value.ok_or_else(|| garbled("a value without its field"))?)
    }
}

struct List<'de> {
    items: std::vec::IntoIter<Wire<'de>>,
    form: Form,
}

impl<'de> SeqAccess<'de> for List<'de> {
    type Error = Garbled;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Garbled> {
        let Some(wire) = self.items.next() else {
            return Ok(None);
        };
        let value = Value {
            form: self.form,
            found: Found::One(wire),
        };
        seed.deserialize(value).map(Some)
    }
}

/// A map: each entry a message of key (1) and value (2).
struct Entries<'de> {
    items: std::vec::IntoIter<Wire<'de>>,
    is_quantity: bool,
    value: &'de str,
}

impl<'de> MapAccess<'de> for Entries<'de> {
    type Error = Garbled;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Garbled> {
        let Some(entry) = self.items.next() else {
            return Ok(None);
        };
        let entry = bytes(entry)?;
        let mut value = inner(entry, 2)?;
        if self.is_quantity {
            value = inner(value, 1)?;
        }
        self.value = text(value)?;
        let key = text(inner(entry, 1)?)?;
        seed.deserialize(BorrowedStrDeserializer::new(key))
            .map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Garbled> {
        seed.deserialize(BorrowedStrDeserializer::new(self.value))
    }
}

#[cfg(test)]
mod tests;
