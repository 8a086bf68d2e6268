//! Files that are made to hurt: the reader's memory, time and words stay bounded.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use super::workspace;

/// Checks with at most 300 MB of data, and returns what was said.
fn bounded_check(dir: &Path) -> String {
    let started = Instant::now();
    let output = Command::new("sh")
        .current_dir(dir)
        .env_clear()
        .args(["-c", "ulimit -d 300000; exec \"$0\" --config retentiond.toml check --offline", env!("CARGO_BIN_EXE_retentiond")])
        .output()
        .expect("the program");
    assert_eq!(
        output.status.code(),
        Some(78),
        "{}",
        String::from_utf8_lossy(&output.stderr).chars().take(2_000).collect::<String>()
    );
    assert!(started.elapsed() < Duration::from_secs(60), "{:?}", started.elapsed());
    assert!(output.stderr.len() < 400_000, "{} bytes were printed", output.stderr.len());
    String::from_utf8(output.stderr).expect("UTF-8")
}

fn written(file: &str, text: &str) -> String {
    let dir = workspace();
    std::fs::write(dir.path().join(file), text).expect("a file");
    bounded_check(dir.path())
}

#[test]
fn a_file_of_five_megabytes_is_not_read() {
    let text = written("map.toml", &"# x\n".repeat(1_310_720));
    assert!(text.contains("map.toml is 5242880 bytes long") && text.contains("at most 4194304 bytes"), "{text}");
}

#[test]
fn settings_of_five_megabytes_are_not_read() {
    let text = written("retentiond.toml", &"# x\n".repeat(1_310_720));
    assert!(text.contains("retentiond.toml is 5242880 bytes long"), "{text}");
}

#[test]
fn files_of_ten_megabytes_of_any_content_are_not_read() {
    for content in ["a", "\0", "[", "\u{202e}", "\u{feff}"] {
        for file in ["map.toml", "policy.toml", "retentiond.toml"] {
            let text = written(file, &content.repeat(10 * 1024 * 1024 / content.len()));
            assert!(text.contains("bytes long") && text.contains("at most 4194304 bytes"), "{text}");
        }
    }
}

#[test]
fn a_device_that_never_ends_is_not_read_to_its_end() {
    let dir = workspace();
    let settings = std::fs::read_to_string(dir.path().join("retentiond.toml")).expect("the settings");
    for (from, to) in [("map.toml", "/dev/zero"), ("\"policy.toml\"", "\"/dev/zero\"")] {
        std::fs::write(dir.path().join("retentiond.toml"), settings.replace(from, to)).expect("settings");
        let text = bounded_check(dir.path());
        assert!(text.contains("/dev/zero cannot be read: file too large"), "{text}");
    }
    std::fs::remove_file(dir.path().join("retentiond.toml")).expect("removed");
    std::os::unix::fs::symlink("/dev/zero", dir.path().join("retentiond.toml")).expect("a link");
    let text = bounded_check(dir.path());
    assert!(text.starts_with("retentiond: retentiond.toml: file too large"), "{text}");
}

#[test]
fn files_of_another_encoding_are_refused_where_they_are_read() {
    let policy = std::fs::read_to_string(workspace().path().join("policy.toml")).expect("the policy");
    let utf16: Vec<u8> = policy.encode_utf16().flat_map(u16::to_le_bytes).collect();
    for bytes in [
        [&[0xff, 0xfe], utf16.as_slice()].concat(),
        utf16,
        policy.replace("Politique", "Politiqu\u{e9}").chars().map(|c| c as u8).collect(),
    ] {
        let dir = workspace();
        std::fs::write(dir.path().join("policy.toml"), bytes).expect("a file");
        let text = bounded_check(dir.path());
        assert!(text.contains("policy.toml cannot be read: ") || text.contains("policy.toml:1:"), "{text}");
    }
}

#[test]
fn a_hundred_thousand_values_of_every_kind_are_bounded() {
    let names: String = (0..150_000).map(|n| format!("\"n{n}\", ")).collect();
    for (file, from, to) in [
        ("policy.toml", "needs = \"all\"", format!("needs = [{names}]")),
        ("policy.toml", "at_most = [", format!("at_most = [{names}")),
        ("policy.toml", "ended_by = [", format!("ended_by = [{names}")),
        ("map.toml", "plain = [", format!("plain = [{names}")),
        ("map.toml", "free_of_personal_data = [", format!("free_of_personal_data = [{names}")),
        ("map.toml", "columns = [\"first_name\"]", format!("columns = [{names}]")),
        ("map.toml", "key = [\"id\"]", format!("key = [{names}\"id\", \"id\"]")),
        ("retentiond.toml", "actors = [", format!("actors = [\"A\", {names}")),
        ("retentiond.toml", "policies = [", format!("policies = [{names}")),
    ] {
        let dir = workspace();
        let text = std::fs::read_to_string(dir.path().join(file)).expect("a base file");
        assert!(text.contains(from), "{from}");
        std::fs::write(dir.path().join(file), text.replacen(from, &to, 1)).expect("a file");
        let said = bounded_check(dir.path());
        assert!(said.contains(&format!("{file}:")), "{from}: {}", &said[..said.len().min(500)]);
    }
}

#[test]
fn a_hundred_thousand_brackets_are_refused_before_anything_recurses() {
    for open in ["[", "{ a = ", "[\n"] {
        for file in ["map.toml", "policy.toml", "retentiond.toml"] {
            let text = written(file, &format!("x = {}", open.repeat(100_000)));
            assert!(text.contains("nested too deep") && text.contains(&format!("{file}:")), "{text}");
        }
    }
}

#[test]
fn a_hundred_thousand_dots_are_refused_before_anything_recurses() {
    let text = written("policy.toml", &format!("a{} = 1\n", ".a".repeat(100_000)));
    assert!(text.contains("policy.toml:1:"), "{text}");
    let text = written("map.toml", &format!("[a{}]\n", ".a".repeat(100_000)));
    assert!(text.contains("map.toml:1:"), "{text}");
}

#[test]
fn a_hundred_thousand_unknown_keys_are_counted_and_five_hundred_shown() {
    let keys: String = (0..100_000).map(|n| format!("k{n} = 1\n")).collect();
    let text = written("policy.toml", &keys);
    assert!(text.contains("unknown key `k0`") && text.contains("policy.toml:1:1"), "{}", &text[..500]);
    assert!(text.contains("and 99502 more") || text.contains("and 99503 more"), "{}", &text[text.len() - 500..]);
}

#[test]
fn a_hundred_thousand_keys_twice_are_bounded() {
    let text = written("policy.toml", &"k = 1\n".repeat(100_000));
    assert!(text.contains("duplicate key") && text.contains("policy.toml:2:1") && text.contains("more"), "{}", &text[..500]);
}

#[test]
fn a_line_of_four_megabytes_is_not_printed() {
    let text = written("policy.toml", &format!("x = \"{}\"\n", "a".repeat(4_000_000)));
    assert!(text.contains("unknown key `x`") && text.len() < 10_000, "{} bytes", text.len());
    let text = written("policy.toml", &format!("{}x = ", "a = 1 # ".repeat(500_000)));
    assert!(text.contains("unknown key `a`") && text.len() < 10_000, "{} bytes", text.len());
}

#[test]
fn a_hundred_thousand_wrong_purposes_are_bounded() {
    let text = written("policy.toml", &"[[purpose]]\nkeeps = \"7\"\n".repeat(100_000));
    assert!(text.contains("100000 entries") && text.contains("at most 10000"), "{text}");
    let text = written("policy.toml", &"[[purpose]]\nkeeps = \"7\"\n".repeat(9_000));
    assert!(text.contains("more"), "{}", &text[text.len() - 300..]);
}

#[test]
fn bytes_that_are_no_text_are_refused() {
    let dir = workspace();
    std::fs::write(dir.path().join("policy.toml"), b"id = \"\xff\xfe\"").expect("a file");
    let text = bounded_check(dir.path());
    assert!(text.contains("policy.toml cannot be read: stream did not contain valid UTF-8"), "{text}");
}

#[test]
fn a_folder_or_a_missing_file_in_the_place_of_the_settings_is_said_plainly() {
    let dir = workspace();
    std::fs::remove_file(dir.path().join("retentiond.toml")).expect("removed");
    let text = bounded_check(dir.path());
    assert!(text.starts_with("retentiond: retentiond.toml: No such file"), "{text}");
    std::fs::create_dir(dir.path().join("retentiond.toml")).expect("a folder");
    let text = bounded_check(dir.path());
    assert!(text.starts_with("retentiond: retentiond.toml: Is a directory"), "{text}");
}
