//! The JSON of the contract, read the way Go reads it.
//!
//! Field names match in any case, unknown fields are ignored, a missing or `null` field is its
//! type's zero value. Nesting is bounded by the parser (128 levels), so no body can exhaust the
//! stack.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::{
    AddressRelease, AddressRequest, AllocatedAddress, AllocatedPool, IpamError, Options, PoolId,
    PoolRequest, PoolSpec, Result,
};

/// A JSON object of the contract.
pub(crate) struct Fields(Map<String, Value>);

impl Fields {
    /// Reads a body that must be an object: a request that changes something. An engine that
    /// retries after a dropped connection sends an empty body, which must never mean "all
    /// defaults".
    pub(crate) fn of_request(body: &[u8]) -> Result<Self> {
        if body.is_empty() {
            return Err(IpamError::bad_request(
                "empty body: send the request as a JSON object (engines that retry after a \
                 dropped connection send it empty: repeat the whole operation)",
            ));
        }
        match parse(body)? {
            Value::Object(fields) => Ok(Self(fields)),
            other => Err(wrong_type("the body", "an object", &other)),
        }
    }

    /// Reads an answer. `null` is one, with no fields.
    pub(crate) fn of_answer(body: &[u8]) -> Result<Self> {
        match parse(body)? {
            Value::Object(fields) => Ok(Self(fields)),
            Value::Null => Ok(Self(Map::new())),
            other => Err(wrong_type("the body", "an object", &other)),
        }
    }

    pub(crate) fn string(&self, name: &str) -> Result<&str> {
        match self.field(name) {
            Value::Null => Ok(""),
            Value::String(text) => Ok(text),
            other => Err(wrong_type(name, "a string", other)),
        }
    }

    pub(crate) fn bool(&self, name: &str) -> Result<bool> {
        match self.field(name) {
            Value::Null => Ok(false),
            Value::Bool(value) => Ok(*value),
            other => Err(wrong_type(name, "true or false", other)),
        }
    }

    pub(crate) fn strings(&self, name: &str) -> Result<BTreeMap<String, String>> {
        let pairs = match self.field(name) {
            Value::Null => return Ok(BTreeMap::new()),
            Value::Object(pairs) => pairs,
            other => return Err(wrong_type(name, "an object of strings", other)),
        };
        let text = |(key, value): (&String, &Value)| match value {
            Value::Null => Ok((key.clone(), String::new())),
            Value::String(text) => Ok((key.clone(), text.clone())),
            other => Err(wrong_type(&format!("{name}[{key:?}]"), "a string", other)),
        };
        pairs.iter().map(text).collect()
    }

    pub(crate) fn list(&self, name: &str) -> Result<Vec<String>> {
        let items = match self.field(name) {
            Value::Null => return Ok(Vec::new()),
            Value::Array(items) => items,
            other => return Err(wrong_type(name, "an array of strings", other)),
        };
        let text = |item: &Value| match item {
            Value::String(text) => Ok(text.clone()),
            other => Err(wrong_type(name, "an array of strings", other)),
        };
        items.iter().map(text).collect()
    }

    fn options(&self) -> Result<Options> {
        Ok(self.strings("Options")?.into_iter().collect())
    }

    fn field(&self, name: &str) -> &Value {
        let folded = || self.0.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        self.0.get(name).or_else(|| folded().map(|(_, value)| value)).unwrap_or(&Value::Null)
    }
}

pub(crate) fn pool_request(body: &[u8]) -> Result<PoolRequest> {
    let fields = Fields::of_request(body)?;
    let (space, v6) = (fields.string("AddressSpace")?, fields.bool("V6")?);
    let (pool, sub_pool) = (fields.string("Pool")?, fields.string("SubPool")?);
    let options = fields.options()?;
    Ok(PoolRequest::parse(space, pool, sub_pool, v6)?.with_options(options))
}

pub(crate) fn pool_release(body: &[u8]) -> Result<PoolId> {
    PoolId::new(Fields::of_request(body)?.string("PoolID")?)
}

pub(crate) fn address_request(body: &[u8]) -> Result<AddressRequest> {
    let fields = Fields::of_request(body)?;
    let options = fields.options()?;
    let request = AddressRequest::parse(fields.string("PoolID")?, fields.string("Address")?)?;
    Ok(request.with_options(options))
}

pub(crate) fn address_release(body: &[u8]) -> Result<AddressRelease> {
    let fields = Fields::of_request(body)?;
    AddressRelease::parse(fields.string("PoolID")?, fields.string("Address")?)
}

/// The request as the engine writes it.
pub(crate) fn of_pool_request(request: &PoolRequest) -> Value {
    let (pool, sub_pool, v6) = match request.pool {
        PoolSpec::Automatic { family, prefix_len: None } => {
            (String::new(), None, family.bits() == 128)
        }
        PoolSpec::Automatic { family, prefix_len: Some(length) } => {
            let unspecified = if family.bits() == 128 { "::" } else { "0.0.0.0" };
            (format!("{unspecified}/{length}"), None, family.bits() == 128)
        }
        PoolSpec::Exact { prefix, sub_pool } => (prefix.to_string(), sub_pool, false),
    };
    json!({
        "AddressSpace": request.space,
        "Pool": pool,
        "SubPool": sub_pool.map(|prefix| prefix.to_string()).unwrap_or_default(),
        "Options": of_options(&request.options),
        "V6": v6,
    })
}

/// The request as the engine writes it.
pub(crate) fn of_address_request(request: &AddressRequest) -> Value {
    json!({
        "PoolID": request.pool_id.as_str(),
        "Address": request.address.map(|address| address.to_string()).unwrap_or_default(),
        "Options": of_options(&request.options),
    })
}

pub(crate) fn of_pool(pool: &AllocatedPool) -> Value {
    json!({ "PoolID": pool.id.as_str(), "Pool": pool.pool.to_string(), "Data": pool.data })
}

pub(crate) fn of_address(given: &AllocatedAddress) -> Value {
    json!({ "Address": given.address.to_string(), "Data": {} })
}

/// Both forms of an error at once: `Err` goes with a status other than 200, `Error` with 200.
pub(crate) fn of_error(text: &str) -> Value {
    json!({ "Err": text, "Error": text })
}

fn of_options(options: &Options) -> Value {
    if options.is_empty() {
        return Value::Null;
    }
    options.iter().map(|(key, value)| (key.to_owned(), Value::from(value))).collect()
}

fn parse(body: &[u8]) -> Result<Value> {
    serde_json::from_slice(body)
        .map_err(|error| IpamError::bad_request(format!("malformed JSON: {error}")))
}

fn wrong_type(what: &str, expected: &str, found: &Value) -> IpamError {
    let found = match found {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    };
    IpamError::bad_request(format!("malformed request: {what} must be {expected}, not {found}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    #[test]
    fn requests_are_read_as_go_reads_them() {
        let body = br#"{"addressspace":"cl","POOL":"10.9.1.0/16","SubPool":null,
                        "Options":{"k":"v","n":null},"V6":false,"Later":[{}]}"#;
        let request = pool_request(body).unwrap();
        assert_eq!(request.space, "cl");
        assert_eq!(request.options.get("k"), Some("v"));
        assert_eq!(request.options.get("n"), Some(""));
        let exact = PoolSpec::parse("10.9.0.0/16", "", false).unwrap();
        assert_eq!(request.pool, exact);
    }

    #[test]
    fn what_is_no_object_is_refused() {
        let nested = "[".repeat(100_000);
        let inside = format!(r#"{{"PoolID":"p","x":{nested}"#);
        for body in ["", "null", "[]", "1", "\"x\"", "{", "{} {}", "\u{0}", &nested, &inside] {
            let error = pool_release(body.as_bytes()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::BadRequest, "{error}");
        }
        for body in [r#"{"PoolID":7}"#, r#"{"PoolID":["p"]}"#, r#"{"PoolID":""}"#, "{}"] {
            assert!(pool_release(body.as_bytes()).is_err(), "{body}");
        }
        assert!(address_request(br#"{"PoolID":"p","Options":{"k":1}}"#).is_err());
        assert!(address_request(br#"{"PoolID":"p","Options":"k"}"#).is_err());
        assert!(pool_request(br#"{"AddressSpace":"s","V6":"yes"}"#).is_err());
        assert!(pool_request(b"{\"AddressSpace\":\"\xff\"}").is_err());
    }

    #[test]
    fn requests_survive_the_way_over_the_wire() {
        for (pool, sub_pool, v6) in [
            ("", "", false),
            ("", "", true),
            ("0.0.0.0/24", "", false),
            ("::/64", "", false),
            ("10.9.0.0/16", "10.9.5.0/24", false),
            ("fd00:9::/64", "", true),
        ] {
            let request = PoolRequest::parse("s", pool, sub_pool, v6)
                .unwrap()
                .with_options([("k", "v")].into_iter().collect());
            let body = of_pool_request(&request).to_string();
            assert_eq!(pool_request(body.as_bytes()), Ok(request));
        }
    }
}
