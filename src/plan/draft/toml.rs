//! Writing TOML: every name of a schema that enters a draft passes through here.

use crate::policy::mask::{DateFloor, Mask};

/// A text as a basic string. Characters that hide or turn text round are written as escapes.
pub(super) fn string(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        let hidden = c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if hidden => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// A key, bare where TOML admits it.
pub(super) fn key(name: &str) -> String {
    let bare = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    if bare { name.to_owned() } else { string(name) }
}

/// A list of texts under a key, on as many lines as it takes.
pub(super) fn list(name: &str, items: &[&str]) -> String {
    let items: Vec<String> = items.iter().map(|i| string(i)).collect();
    let one = format!("{name} = [{}]", items.join(", "));
    if one.chars().count() <= 110 {
        return one + "\n";
    }
    let mut out = format!("{name} = [");
    let mut width = usize::MAX;
    for item in items {
        let n = item.chars().count() + 2;
        if width.saturating_add(n) > 106 {
            out.push_str("\n   ");
            width = 0;
        }
        out.push_str(&format!(" {item},"));
        width += n;
    }
    out + "\n]\n"
}

/// A mask as a data map writes it.
pub(super) fn mask(mask: &Mask) -> String {
    match mask {
        Mask::Null => "\"null\"".to_owned(),
        Mask::Fixed(text) => format!("{{ fixed = {} }}", string(text)),
        Mask::Token { prefix, suffix, digits } | Mask::Pseudonym { prefix, suffix, digits } => {
            let kind = if mask.is_pseudonym() { "pseudonym" } else { "token" };
            let suffix = if suffix.is_empty() { String::new() } else { format!(", suffix = {}", string(suffix)) };
            format!("{{ {kind} = {{ prefix = {}{suffix}, digits = {digits} }} }}", string(prefix))
        }
        Mask::DateFloor(DateFloor::Month) => "\"month\"".to_owned(),
        Mask::DateFloor(DateFloor::Year) => "\"year\"".to_owned(),
        Mask::DateFloor(DateFloor::Decade) => "\"decade\"".to_owned(),
        Mask::Band(step) => format!("{{ band = {step} }}"),
        Mask::First(n) => format!("{{ first = {n} }}"),
        Mask::IpPrefix { v4, v6 } => format!("{{ ip_prefix = {{ v4 = {v4}, v6 = {v6} }} }}"),
        Mask::JsonRemove(paths) => {
            let paths: Vec<String> = paths.iter().map(|p| string(&p.join("."))).collect();
            format!("{{ json_remove = [{}] }}", paths.join(", "))
        }
    }
}
