//! As much of JSON Schema 2020-12 as the published schemas use. A keyword that is not known here fails the test.

use regex_lite::Regex;
use serde_json::Value;

/// What is wrong with `value`, each with its path; empty if it is valid.
pub fn validate(schema: &Value, value: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    check(schema, schema, value, "", &mut faults);
    faults
}

fn valid(root: &Value, schema: &Value, value: &Value) -> bool {
    let mut faults = Vec::new();
    check(root, schema, value, "", &mut faults);
    faults.is_empty()
}

fn check(root: &Value, schema: &Value, value: &Value, at: &str, faults: &mut Vec<String>) {
    let Value::Object(keywords) = schema else {
        if schema == &Value::Bool(false) {
            faults.push(format!("{at}: not allowed"));
        }
        return;
    };
    for (keyword, rule) in keywords {
        let right = match keyword.as_str() {
            "$schema" | "$id" | "$defs" | "title" | "description" | "examples" => true,
            "$ref" => {
                let target = root.pointer(rule.as_str().unwrap().trim_start_matches('#')).unwrap_or_else(|| panic!("{rule}"));
                check(root, target, value, at, faults);
                true
            }
            "type" => match rule {
                Value::Array(types) => types.iter().any(|t| is(t.as_str().unwrap(), value)),
                one => is(one.as_str().unwrap(), value),
            },
            "enum" => rule.as_array().unwrap().contains(value),
            "const" => rule == value,
            "oneOf" => rule.as_array().unwrap().iter().filter(|s| valid(root, s, value)).count() == 1,
            "anyOf" => rule.as_array().unwrap().iter().any(|s| valid(root, s, value)),
            "not" => !valid(root, rule, value),
            "pattern" => value.as_str().is_none_or(|s| Regex::new(rule.as_str().unwrap()).unwrap().is_match(s)),
            "minLength" => value.as_str().is_none_or(|s| s.chars().count() as u64 >= rule.as_u64().unwrap()),
            "maxLength" => value.as_str().is_none_or(|s| s.chars().count() as u64 <= rule.as_u64().unwrap()),
            "minimum" => value.as_i64().is_none_or(|n| n >= rule.as_i64().unwrap()),
            "maximum" => value.as_i64().is_none_or(|n| n <= rule.as_i64().unwrap()),
            "multipleOf" => value.as_i64().is_none_or(|n| n % rule.as_i64().unwrap() == 0),
            "minItems" => value.as_array().is_none_or(|a| a.len() as u64 >= rule.as_u64().unwrap()),
            "uniqueItems" => value.as_array().is_none_or(|a| a.iter().enumerate().all(|(i, v)| !a[..i].contains(v))),
            "minProperties" => value.as_object().is_none_or(|o| o.len() as u64 >= rule.as_u64().unwrap()),
            "maxProperties" => value.as_object().is_none_or(|o| o.len() as u64 <= rule.as_u64().unwrap()),
            "required" => {
                value.as_object().is_none_or(|o| rule.as_array().unwrap().iter().all(|k| o.contains_key(k.as_str().unwrap())))
            }
            "dependentRequired" => value.as_object().is_none_or(|o| {
                let missing = |then: &Value| then.as_array().unwrap().iter().any(|k| !o.contains_key(k.as_str().unwrap()));
                !rule.as_object().unwrap().iter().any(|(k, then)| o.contains_key(k) && missing(then))
            }),
            "propertyNames" => value.as_object().is_none_or(|o| o.keys().all(|k| valid(root, rule, &k.as_str().into()))),
            "items" => {
                for (i, item) in value.as_array().into_iter().flatten().enumerate() {
                    check(root, rule, item, &format!("{at}/{i}"), faults);
                }
                true
            }
            "properties" => {
                for (key, inner) in value.as_object().into_iter().flatten() {
                    if let Some(rule) = rule.get(key) {
                        check(root, rule, inner, &format!("{at}/{key}"), faults);
                    }
                }
                true
            }
            "additionalProperties" => {
                let named = keywords.get("properties");
                for (key, inner) in value.as_object().into_iter().flatten() {
                    if named.is_none_or(|n| n.get(key).is_none()) {
                        check(root, rule, inner, &format!("{at}/{key}"), faults);
                    }
                }
                true
            }
            other => panic!("the schemas use `{other}`, which this test does not know"),
        };
        if !right {
            faults.push(format!("{at}: {keyword} {rule}"));
        }
    }
}

fn is(kind: &str, value: &Value) -> bool {
    match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64(),
        "boolean" => value.is_boolean(),
        other => panic!("type {other}"),
    }
}
