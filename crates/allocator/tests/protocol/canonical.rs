//! A state's fingerprint, up to the numbering of revisions.
//!
//! Claims and sessions are named by the revision that made them, and revisions grow for ever; but
//! the rules compare them only. So each is written as its rank among all that the state has, and
//! two states that differ in their names alone are one. What no rule asks for is left out: the
//! revision itself, time, and the clients' windows of answers.

use std::fmt::Error;
use std::hash::{DefaultHasher, Hasher};

use serde::Serialize;
use serde::ser::{Impossible, Serializer};

/// Names of the types that are revisions.
const RANKED: [&str; 4] = ["Revision", "SessionId", "ClaimId", "Incarnation"];
/// The name of [`Moment`], as it is written.
const MOMENT: &str = "Moment";
/// Fields that are left out.
const LEFT_OUT: [&str; 4] = ["revision", "now", "clients", "settings"];

/// A revision that names nothing: what counts is which came before it, itself included.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Moment(pub(crate) u64);

/// The fingerprint of anything that can be written.
pub(crate) fn fingerprint(value: &impl Serialize) -> u64 {
    let mut tokens = Tokens::default();
    value.serialize(&mut tokens).expect("what is written can be counted");
    let mut ranks: Vec<u64> = tokens.ranked.iter().map(|at| tokens.all[*at]).collect();
    ranks.sort_unstable();
    ranks.dedup();
    for at in tokens.ranked {
        tokens.all[at] = ranks.partition_point(|rank| *rank < tokens.all[at]) as u64;
    }
    for at in tokens.moments {
        tokens.all[at] = ranks.partition_point(|rank| *rank <= tokens.all[at]) as u64;
    }
    let mut hasher = DefaultHasher::new();
    tokens.all.iter().for_each(|token| hasher.write_u64(*token));
    hasher.finish()
}

/// All that was written, as numbers.
#[derive(Default)]
struct Tokens {
    all: Vec<u64>,
    /// Which of them are revisions.
    ranked: Vec<usize>,
    /// Which of them are moments.
    moments: Vec<usize>,
}

impl Tokens {
    fn put(&mut self, token: impl Into<u64>) {
        self.all.push(token.into());
    }

    fn put_bytes(&mut self, bytes: &[u8]) {
        self.all.extend(bytes.iter().map(|byte| u64::from(*byte)));
    }
}

macro_rules! number {
    ($($method:ident: $type:ty),*) => {
        $(fn $method(self, value: $type) -> Result<(), Error> {
            self.put(value);
            Ok(())
        })*
    };
}

macro_rules! not_used {
    ($($method:ident: $type:ty),*) => {
        $(fn $method(self, _: $type) -> Result<(), Error> {
            Err(Error)
        })*
    };
}

impl Serializer for &mut Tokens {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = Self;
    type SerializeTuple = Self;
    type SerializeTupleStruct = Impossible<(), Error>;
    type SerializeTupleVariant = Self;
    type SerializeMap = Self;
    type SerializeStruct = Self;
    type SerializeStructVariant = Self;

    number!(serialize_bool: bool, serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64);
    not_used!(
        serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64,
        serialize_f32: f32, serialize_f64: f64, serialize_char: char
    );

    fn serialize_u128(self, value: u128) -> Result<(), Error> {
        self.put_bytes(&value.to_le_bytes());
        Ok(())
    }

    fn serialize_str(self, value: &str) -> Result<(), Error> {
        self.serialize_bytes(value.as_bytes())
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<(), Error> {
        self.put(value.len() as u64);
        self.put_bytes(value);
        Ok(())
    }

    fn serialize_none(self) -> Result<(), Error> {
        self.put(0_u8);
        Ok(())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Error> {
        self.put(1_u8);
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), Error> {
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), Error> {
        Ok(())
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        index: u32,
        _: &'static str,
    ) -> Result<(), Error> {
        self.put(index);
        Ok(())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        if RANKED.contains(&name) {
            self.ranked.push(self.all.len());
        }
        if name == MOMENT {
            self.moments.push(self.all.len());
        }
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        index: u32,
        _: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        self.put(index);
        value.serialize(self)
    }

    fn serialize_seq(self, len: Option<usize>) -> Result<Self, Error> {
        self.put(len.ok_or(Error)? as u64);
        Ok(self)
    }

    fn serialize_tuple(self, _: usize) -> Result<Self, Error> {
        Ok(self)
    }

    fn serialize_tuple_struct(
        self,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleStruct, Error> {
        Err(Error)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        index: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self, Error> {
        self.put(index);
        Ok(self)
    }

    fn serialize_map(self, len: Option<usize>) -> Result<Self, Error> {
        self.serialize_seq(len)
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self, Error> {
        Ok(self)
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        index: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self, Error> {
        self.put(index);
        Ok(self)
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}

macro_rules! parts {
    ($($trait:ident::$method:ident),*) => {
        $(impl serde::ser::$trait for &mut Tokens {
            type Ok = ();
            type Error = Error;
            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
                value.serialize(&mut **self)
            }
            fn end(self) -> Result<(), Error> {
                Ok(())
            }
        })*
    };
}

parts!(
    SerializeSeq::serialize_element,
    SerializeTuple::serialize_element,
    SerializeTupleVariant::serialize_field
);

impl serde::ser::SerializeMap for &mut Tokens {
    type Ok = ();
    type Error = Error;
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Error> {
        key.serialize(&mut **self)
    }
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        value.serialize(&mut **self)
    }
    fn end(self) -> Result<(), Error> {
        Ok(())
    }
}

macro_rules! fields {
    ($($trait:ident),*) => {
        $(impl serde::ser::$trait for &mut Tokens {
            type Ok = ();
            type Error = Error;
            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Result<(), Error> {
                if LEFT_OUT.contains(&name) {
                    return Ok(());
                }
                value.serialize(&mut **self)
            }
            fn end(self) -> Result<(), Error> {
                Ok(())
            }
        })*
    };
}

fields!(SerializeStruct, SerializeStructVariant);
