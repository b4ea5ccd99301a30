//! Claims by their path, as text.

use serde_json::{Map, Value};

use crate::{Refused, VALUE_BYTES_MAX};

/// Of a list so many values count; a longer one is refused.
const LIST_MAX: usize = 256;

/// The claim at this path: `a/b` is `b` of the object `a`, unless a claim is called `a/b` itself.
pub(crate) fn find<'a>(claims: &'a Map<String, Value>, path: &str) -> Option<&'a Value> {
    if let Some(value) = claims.get(path) {
        return Some(value);
    }
    path.match_indices('/').find_map(|(at, _)| {
        let (name, rest) = (path.get(..at)?, path.get(at + 1..)?);
        find(claims.get(name)?.as_object()?, rest)
    })
}

/// Its values as text: one, or those of a list. `None`: it is not there, or null.
pub(crate) fn values(claims: &Map<String, Value>, path: &str) -> Result<Option<Vec<String>>, Refused> {
    let all: &[Value] = match find(claims, path) {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Array(all)) if all.len() > LIST_MAX => return Err(Refused::TooMuch(path.to_owned())),
        Some(Value::Array(all)) => all,
        Some(one) => std::slice::from_ref(one),
    };
    all.iter().map(|value| text(value, path)).collect::<Result<Vec<_>, _>>().map(Some)
}

fn text(value: &Value, path: &str) -> Result<String, Refused> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Bool(flag) => flag.to_string(),
        Value::Null | Value::Array(_) | Value::Object(_) => return Err(Refused::Claim(path.to_owned())),
    };
    if text.len() > VALUE_BYTES_MAX {
        return Err(Refused::TooMuch(path.to_owned()));
    }
    if text.chars().any(char::is_control) {
        return Err(Refused::Claim(path.to_owned()));
    }
    Ok(text)
}

/// A time of RFC 7519, seconds since 1970; `None`: it is not there.
pub(crate) fn time(claims: &Map<String, Value>, name: &str) -> Result<Option<u64>, Refused> {
    let wrong = || Refused::Claim(name.to_owned());
    let Some(value) = claims.get(name) else { return Ok(None) };
    if let Some(whole) = value.as_u64() {
        return Ok(Some(whole));
    }
    let float = value.as_f64().filter(|float| (0.0..9e15).contains(float)).ok_or_else(wrong)?;
    Ok(Some(float as u64))
}

/// One line of text that must be there.
pub(crate) fn required(claims: &Map<String, Value>, name: &str) -> Result<String, Refused> {
    let wrong = || Refused::Claim(name.to_owned());
    let text = claims.get(name).and_then(Value::as_str).ok_or_else(wrong)?;
    let fits = !text.is_empty() && text.len() <= VALUE_BYTES_MAX && !text.chars().any(char::is_control);
    fits.then(|| text.to_owned()).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_into_objects() {
        let claims = crate::strict::object(
            br#"{"kubernetes.io":{"pod":{"uid":"u"}},"a/b":"whole","a":{"b":"part","c":1},"list":["x",2,true],"bad":[[1]],"null":null}"#,
        )
        .unwrap();
        let found = |path: &str| values(&claims, path).map(|all| all.map(|all| all.join(",")));
        for (path, expected) in [
            ("kubernetes.io/pod/uid", Some("u")),
            ("a/b", Some("whole")),
            ("a/c", Some("1")),
            ("list", Some("x,2,true")),
            ("null", None),
            ("a/d", None),
            ("kubernetes.io/pod/uid/x", None),
        ] {
            assert_eq!(found(path), Ok(expected.map(str::to_owned)), "{path}");
        }
        assert_eq!(found("bad"), Err(Refused::Claim("bad".into())));
        assert_eq!(found("a"), Err(Refused::Claim("a".into())));
    }
}
