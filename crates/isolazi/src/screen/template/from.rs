//! Any document of ours becomes a value for templates: structs stay structs, with their fields in order, maps maps.

use super::value::{Shape, Struct, Value};
use serde::ser::{self, Error as _, Impossible, Serialize, Serializer};
use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};
use std::rc::Rc;

/// The document as a value.
pub(crate) fn of(document: &impl Serialize) -> Value {
    // Only a document with maps whose keys are no texts could fail, and we have none.
    document.serialize(Builder).unwrap_or(Value::Nil)
}

struct Builder;

/// Why a document cannot be a value.
#[derive(Debug)]
pub(super) struct Unfit(String);

impl Display for Unfit {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unfit {}

impl ser::Error for Unfit {
    fn custom<T: Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

type Built = Result<Value, Unfit>;

impl Serializer for Builder {
    type Ok = Value;
    type Error = Unfit;
    type SerializeSeq = List;
    type SerializeTuple = List;
    type SerializeTupleStruct = List;
    type SerializeTupleVariant = Impossible<Value, Unfit>;
    type SerializeMap = Map;
    type SerializeStruct = Fields;
    type SerializeStructVariant = Impossible<Value, Unfit>;

    fn serialize_bool(self, value: bool) -> Built {
        Ok(Value::Bool(value))
    }

    fn serialize_i8(self, value: i8) -> Built {
        self.serialize_i64(value.into())
    }

    fn serialize_i16(self, value: i16) -> Built {
        self.serialize_i64(value.into())
    }

    fn serialize_i32(self, value: i32) -> Built {
        self.serialize_i64(value.into())
    }

    fn serialize_i64(self, value: i64) -> Built {
        Ok(Value::Int(value))
    }

    fn serialize_u8(self, value: u8) -> Built {
        self.serialize_i64(value.into())
    }

    fn serialize_u16(self, value: u16) -> Built {
        self.serialize_i64(value.into())
    }

    fn serialize_u32(self, value: u32) -> Built {
        self.serialize_i64(value.into())
    }

    fn serialize_u64(self, value: u64) -> Built {
        #[expect(clippy::cast_precision_loss, reason = "beyond i64 no digit matters to a reader")]
        Ok(i64::try_from(value).map_or(Value::Float(value as f64), Value::Int))
    }

    fn serialize_f32(self, value: f32) -> Built {
        Ok(Value::Float(value.into()))
    }

    fn serialize_f64(self, value: f64) -> Built {
        Ok(Value::Float(value))
    }

    fn serialize_char(self, value: char) -> Built {
        Ok(value.to_string().into())
    }

    fn serialize_str(self, value: &str) -> Built {
        Ok(value.into())
    }

    fn serialize_bytes(self, value: &[u8]) -> Built {
        Ok(Value::List(value.iter().map(|&byte| Value::Int(byte.into())).collect()))
    }

    fn serialize_none(self) -> Built {
        Ok(Value::Null(Shape::Pointer))
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Built {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Built {
        Ok(Value::Nil)
    }

    fn serialize_unit_struct(self, _: &'static str) -> Built {
        Ok(Value::Nil)
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Built {
        Ok(variant.into())
    }

    /// `api::inspect` says by such names what a null could have been.
    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, name: &'static str, value: &T) -> Built {
        match (name, value.serialize(self)?) {
            (api::inspect::NULL_LIST, Value::Nil) => Ok(Value::Null(Shape::List)),
            (api::inspect::NULL_MAP, Value::Nil) => Ok(Value::Null(Shape::Map)),
            (_, value) => Ok(value),
        }
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Built {
        Ok(Value::Map(Rc::new(BTreeMap::from([(variant.to_owned(), value.serialize(self)?)]))))
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<List, Unfit> {
        Ok(List(Vec::new()))
    }

    fn serialize_tuple(self, _: usize) -> Result<List, Unfit> {
        Ok(List(Vec::new()))
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<List, Unfit> {
        Ok(List(Vec::new()))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, Unfit> {
        Err(Unfit::custom(variant))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Map, Unfit> {
        Ok(Map { entries: BTreeMap::new(), key: String::new() })
    }

    fn serialize_struct(self, name: &'static str, _: usize) -> Result<Fields, Unfit> {
        Ok(Fields(Struct { name, fields: Vec::new(), absent: Vec::new() }))
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, Unfit> {
        Err(Unfit::custom(variant))
    }
}

struct List(Vec<Value>);

impl ser::SerializeSeq for List {
    type Ok = Value;
    type Error = Unfit;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unfit> {
        self.0.push(value.serialize(Builder)?);
        Ok(())
    }

    fn end(self) -> Built {
        Ok(Value::List(self.0.into()))
    }
}

impl ser::SerializeTuple for List {
    type Ok = Value;
    type Error = Unfit;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unfit> {
        ser::SerializeSeq::serialize_element(self, value)
    }

    fn end(self) -> Built {
        ser::SerializeSeq::end(self)
    }
}

impl ser::SerializeTupleStruct for List {
    type Ok = Value;
    type Error = Unfit;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unfit> {
        ser::SerializeSeq::serialize_element(self, value)
    }

    fn end(self) -> Built {
        ser::SerializeSeq::end(self)
    }
}

struct Map {
    entries: BTreeMap<String, Value>,
    key: String,
}

impl ser::SerializeMap for Map {
    type Ok = Value;
    type Error = Unfit;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Unfit> {
        match key.serialize(Builder)? {
            Value::Text(key) => self.key = (*key).to_owned(),
            other => self.key = other.printed(),
        }
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unfit> {
        self.entries.insert(std::mem::take(&mut self.key), value.serialize(Builder)?);
        Ok(())
    }

    fn end(self) -> Built {
        Ok(Value::Map(Rc::new(self.entries)))
    }
}

struct Fields(Struct);

impl ser::SerializeStruct for Fields {
    type Ok = Value;
    type Error = Unfit;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), Unfit> {
        self.0.fields.push((name.into(), value.serialize(Builder)?));
        Ok(())
    }

    /// The field is not in the JSON; Go's struct has it, with nothing in it.
    fn skip_field(&mut self, name: &'static str) -> Result<(), Unfit> {
        let nothing = match name {
            "Annotations" | "ExposedPorts" | "Sysctls" | "Tmpfs" => Value::Null(Shape::Map),
            "Mounts" | "Shell" => Value::Null(Shape::List),
            "ReadOnly" => Value::Bool(false),
            "Driver" | "Name" | "Source" | "StopSignal" | "Variant" | "status" | "id" | "from" => "".into(),
            _ => Value::Null(Shape::Pointer),
        };
        self.0.absent.push((name, nothing));
        Ok(())
    }

    fn end(self) -> Built {
        Ok(Value::Struct(Rc::new(self.0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Serialize;

    #[derive(Serialize)]
    struct Outer {
        #[serde(rename = "Id")]
        id: &'static str,
        labels: BTreeMap<&'static str, u64>,
        ports: Vec<Inner>,
        #[serde(skip_serializing_if = "Option::is_none")]
        health: Option<bool>,
        memory: Option<i64>,
    }

    #[derive(Serialize)]
    struct Inner {
        number: u16,
    }

    #[test]
    fn documents_keep_the_order_of_their_fields() {
        let outer = Outer {
            id: "ab",
            labels: BTreeMap::from([("b", 2), ("a", u64::MAX)]),
            ports: vec![Inner { number: 80 }],
            health: None,
            memory: None,
        };
        let value = of(&outer);
        assert_eq!(value.printed(), "{ab map[a:1.8446744073709552e+19 b:2] [{80}] <nil>}");
        assert_eq!(of(&Inner { number: 7 }).json(), "{\"number\":7}");
        let Value::Struct(fields) = value else { panic!("a struct is one") };
        assert_eq!(fields.field("health"), Some(Value::Null(Shape::Pointer)));
        assert_eq!(fields.field("ID"), Some("ab".into()));
        assert_eq!(fields.field("id"), None);
    }
}
