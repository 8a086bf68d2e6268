//! Standard output: what a closed pipe, a full disk and hostile names do to it.

use std::io::{ErrorKind, Write as _};

use super::exit::{Exit, Failure};
use crate::policy::reader::hostile;

/// Writes text to standard output. A reader that has gone (`| head`) is no failure.
///
/// # Errors
/// [`Exit::Unavailable`] when the text cannot be written.
pub fn say(text: impl AsRef<str>) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_ref().as_bytes()).and_then(|()| out.flush()) {
        Err(e) if e.kind() != ErrorKind::BrokenPipe => Err(Failure::new(Exit::Unavailable, format!("standard output: {e}"))),
        _ => Ok(()),
    }
}

/// Writes a line to standard output; see [`say`].
///
/// # Errors
/// [`Exit::Unavailable`] when the line cannot be written.
pub fn line(text: impl std::fmt::Display) -> Result<(), Failure> {
    say(format!("{text}\n"))
}

/// Writes a JSON value on one line; see [`say`].
///
/// # Errors
/// [`Exit::Unavailable`] when the line cannot be written.
pub fn json(value: &serde_json::Value) -> Result<(), Failure> {
    line(inert_json(&value.to_string()))
}

/// Writes JSON values as one list on one line; see [`say`].
///
/// # Errors
/// [`Exit::Unavailable`] when the line cannot be written.
pub fn json_list(values: &[Box<str>]) -> Result<(), Failure> {
    say("[")?;
    for (n, value) in values.iter().enumerate() {
        say(format!("{}{}", if n == 0 { "" } else { "," }, inert_json(value)))?;
    }
    line("]")
}

/// JSON that a terminal can show: control and direction characters stand only in texts, where `\u` means the same.
#[must_use]
pub fn inert_json(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        if hostile(c) && c != '\n' {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                out.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_with_hostile_characters_is_inert_and_means_the_same() {
        let value = serde_json::json!({ "n\u{202e}\u{9b}": "a\u{1b}[2J\u{200f}\u{7f}\u{2028}\u{e0041}é\n" });
        let text = inert_json(&value.to_string());
        assert!(!text.chars().any(hostile), "{text}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).ok(), Some(value));
    }
}
