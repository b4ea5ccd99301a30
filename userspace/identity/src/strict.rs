//! JSON in which no name is there twice, at any depth. Parsers differ in which of two they take, and so would whoever checked the token before us.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// What the parser says of a name that is there twice; the name follows.
const TWICE: &str = "twice:";

/// Why it is no such object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It is no JSON object, or one that is nested too deeply.
    Malformed,
    /// This name is there twice.
    Twice(String),
}

/// Reads one object.
pub(crate) fn object(bytes: &[u8]) -> Result<Map<String, Value>, Fault> {
    match serde_json::from_slice::<Strict>(bytes) {
        Ok(Strict(Value::Object(map))) => Ok(map),
        Ok(_) => Err(Fault::Malformed),
        Err(error) => Err(fault(&error.to_string())),
    }
}

/// `duplicate` errors carry the name, and behind it the place.
fn fault(words: &str) -> Fault {
    match words.strip_prefix(TWICE) {
        Some(rest) => Fault::Twice(rest.rsplit_once(" at line ").map_or(rest, |(name, _)| name).to_owned()),
        None => Fault::Malformed,
    }
}

struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Strict, D::Error> {
        deserializer.deserialize_any(Any).map(Strict)
    }
}

struct Any;

impl<'de> Visitor<'de> for Any {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("no number"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut all = Vec::new();
        while let Some(Strict(one)) = seq.next_element()? {
            all.push(one);
        }
        Ok(Value::Array(all))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(name) = entries.next_key::<String>()? {
            if map.contains_key(&name) {
                let shown: String = name.chars().filter(|c| !c.is_control()).take(64).collect();
                return Err(A::Error::custom(format!("{TWICE}{shown}")));
            }
            let Strict(value) = entries.next_value()?;
            map.insert(name, value);
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_there_once() {
        let twice = |name: &str| Err(Fault::Twice(name.to_owned()));
        assert!(object(br#"{"a":1,"b":{"a":[true,null,-1,1.5,"x"]}}"#).is_ok());
        assert_eq!(object(br#"{"sub":"a","sub":"b"}"#), twice("sub"));
        assert_eq!(object(br#"{"a":{"b":1,"\u0062":2}}"#), twice("b"));
        assert_eq!(object(br#"{"a":[{"c":1,"c":1}]}"#), twice("c"));
        for text in ["", "[]", "1", "{", r#"{"a":1}x"#, r#"{"a":1e999}"#] {
            assert_eq!(object(text.as_bytes()), Err(Fault::Malformed), "{text}");
        }
        let deep = [vec![b'['; 1000], vec![b']'; 1000]].concat();
        assert_eq!(object(&deep), Err(Fault::Malformed));
    }
}
