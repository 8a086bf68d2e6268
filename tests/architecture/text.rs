//! Rust source as text: its code without comments and literals, and the paths that the code names.

/// The text with comments and the contents of strings and characters blanked out.
pub fn code_of(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let skipped = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            block_comment(rest)
        } else if c == '"' {
            string(rest)
        } else if c == 'r' && ["", "b", "c"].contains(&last_word(&out)) {
            raw_string(rest)
        } else if c == '\'' {
            character(rest)
        } else {
            0
        };
        if skipped == 0 {
            out.push(c);
            rest = &rest[c.len_utf8()..];
        } else {
            out.push(' ');
            rest = &rest[skipped..];
        }
    }
    out
}

fn last_word(code: &str) -> &str {
    &code[code.trim_end_matches(|c: char| c.is_alphanumeric() || c == '_').len()..]
}

fn block_comment(text: &str) -> usize {
    let mut depth = 0_usize;
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        match bytes.get(at..at + 2) {
            Some(b"/*") => (depth, at) = (depth + 1, at + 2),
            Some(b"*/") => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    text.len()
}

fn string(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

fn raw_string(text: &str) -> usize {
    let hashes = text[1..].chars().take_while(|&c| c == '#').count();
    if !text[1 + hashes..].starts_with('"') {
        return 0;
    }
    let end = format!("\"{}", "#".repeat(hashes));
    let body = 2 + hashes;
    text[body..].find(&end).map_or(text.len(), |at| body + at + end.len())
}

/// A character literal; 0 for a lifetime.
fn character(text: &str) -> usize {
    let mut chars = text.char_indices().skip(1);
    match chars.next() {
        Some((_, '\\')) => chars.nth(1).and(text[3..].find('\'')).map_or(0, |at| 3 + at + 1),
        Some((at, c)) if text[at + c.len_utf8()..].starts_with('\'') => at + c.len_utf8() + 1,
        _ => 0,
    }
}

/// Words behind which a path may begin.
const KEYWORDS: [&str; 12] = ["use", "return", "in", "as", "mut", "dyn", "impl", "else", "match", "if", "where", "break"];

/// A path as written, and the inline modules (`mod tests { ... }`) around it.
pub struct Named {
    pub inside: Vec<String>,
    pub path: Vec<String>,
}

/// Every path that the code names, from its first segment, groups in braces resolved.
pub fn paths(code: &str) -> Vec<Named> {
    let tokens = tokens(code);
    let mut found = Vec::new();
    let mut blocks: Vec<Option<String>> = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let before = |n: usize| at.checked_sub(n).map_or("", |i| tokens[i].as_str());
        // A leading `::` begins a path; one behind a name or a closing `>` goes on with a type.
        let goes_on = before(1) == "::" && (before(2) == ">" || (is_name(before(2)) && !KEYWORDS.contains(&before(2))));
        match tokens[at].as_str() {
            // `pub(crate)` is a promise to others, not an import.
            "crate" | "super" | "self" if before(1) == "(" && before(2) == "pub" => {}
            "{" => blocks.push((before(2) == "mod").then(|| before(1).to_owned())),
            "}" => drop(blocks.pop()),
            name if is_name(name) && !KEYWORDS.contains(&name) && !goes_on => {
                let mut written = Vec::new();
                at = path(&tokens, at, &[], &mut written);
                let inside: Vec<String> = blocks.iter().flatten().cloned().collect();
                found.extend(written.into_iter().map(|path| Named { inside: inside.clone(), path }));
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    found
}

fn is_name(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

fn tokens(code: &str) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    let mut rest = code.trim_start();
    while let Some(c) = rest.chars().next() {
        let raw = rest.strip_prefix("r#").unwrap_or(rest);
        let name = raw.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(raw.len());
        let taken = if name > 0 {
            out.push(raw[..name].to_owned());
            rest.len() - raw.len() + name
        } else if rest.starts_with("::") {
            out.push("::".to_owned());
            2
        } else {
            out.push(c.to_string());
            c.len_utf8()
        };
        rest = rest[taken..].trim_start();
    }
    out
}

/// Reads one path, or a group of them, behind `prefix`; returns the place after it.
fn path(tokens: &[String], mut at: usize, prefix: &[String], found: &mut Vec<Vec<String>>) -> usize {
    let mut segments = prefix.to_vec();
    let token = |at: usize| tokens.get(at).map_or("", String::as_str);
    loop {
        if is_name(token(at)) || token(at) == "*" {
            segments.push(token(at).to_owned());
            at += 1;
        } else if token(at) == "{" {
            at += 1;
            while !["}", ""].contains(&token(at)) {
                let begun = at;
                if is_name(token(at)) || token(at) == "*" || token(at) == "{" {
                    at = path(tokens, at, &segments, found);
                    if token(at) == "as" {
                        at += 2;
                    }
                }
                if token(at) == "," || at == begun {
                    at += 1;
                }
            }
            return at + 1;
        }
        if token(at) == "::" && (is_name(token(at + 1)) || ["{", "*"].contains(&token(at + 1))) {
            at += 1;
        } else {
            found.push(segments);
            return at;
        }
    }
}
