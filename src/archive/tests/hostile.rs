//! Objects of somebody who has the public key, and wrote something else into them.

use std::io::Write as _;

use super::*;

/// Seals any plain text as this format does.
fn seal_text(plain: &[u8]) -> Vec<u8> {
    seal_packed(&zstd::encode_all(plain, 3).unwrap())
}

fn seal_packed(packed: &[u8]) -> Vec<u8> {
    let key: age::x25519::Identity = SECRET.parse().unwrap();
    let key = key.to_public();
    let mut writer = age::Encryptor::with_recipients([&key as _].into_iter()).unwrap().wrap_output(Vec::new()).unwrap();
    writer.write_all(packed).unwrap();
    writer.finish().unwrap()
}

/// What opening says of the header of `sample` and these lines behind it.
fn said(lines: &str) -> String {
    let header = serde_json::to_string(&sample::header()).unwrap();
    match opened(&seal_text(format!("{header}\n{lines}").as_bytes()), &pair().1) {
        Ok((_, rows)) => format!("{} rows", rows.len()),
        Err(error) => {
            let text = format!("{error:?} {error}");
            assert!(!text.contains("Durand"), "{text}");
            text.split_once(['(', ' ']).unwrap().0.to_owned()
        }
    }
}

#[test]
fn every_line_is_held_to_the_format() {
    let good = r#"{"t":0,"r":0,"v":[1,"Durand"]}"#;
    let end = r#"{"rows":1}"#;
    assert_eq!(said(&format!("{good}\n{end}\n")), "1 rows");
    assert_eq!(said("{\"rows\":0}\n"), "0 rows");
    // Without its trailer, or with a wrong one.
    assert_eq!(said(""), "NoTrailer");
    assert_eq!(said(&format!("{good}\n")), "NoTrailer");
    assert_eq!(said(&format!("{good}\n{end}")), "NoEnd");
    assert_eq!(said(&format!("{good}\n{}", &good[..9])), "NoEnd");
    assert_eq!(said("{\"rows\":1}\n"), "Count");
    assert_eq!(said(&format!("{good}\n{good}\n{end}\n")), "Count");
    assert_eq!(said(&format!("{good}\n{{\"rows\":-1}}\n")), "Line");
    assert_eq!(said(&format!("{good}\n{{\"rows\":1,\"t\":0}}\n")), "Line");
    // Something behind it.
    for more in ["\n", " ", good, "\n{\"rows\":1}\n"] {
        assert_eq!(said(&format!("{good}\n{end}\n{more}")), "AfterTrailer", "{more}");
    }
    // Rows of another shape.
    for bad in [
        r#"{"t":2,"r":0,"v":[1,"Durand"]}"#,
        r#"{"t":0,"r":0,"v":[1]}"#,
        r#"{"t":0,"r":0,"v":[1,"Durand",null]}"#,
        r#"{"t":1,"r":0,"v":[1,"Durand"]}"#,
    ] {
        assert_eq!(said(&format!("{bad}\n{end}\n")), "Fit", "{bad}");
    }
    for bad in [
        "",
        "null",
        r#"["Durand"]"#,
        r#"{"t":-1,"r":0,"v":[1,"Durand"]}"#,
        r#"{"t":0,"v":[1,"Durand"]}"#,
        r#"{"t":0,"r":0,"v":"Durand"}"#,
        r#"{"t":0,"r":0,"v":[1,true]}"#,
        r#"{"t":0,"r":0,"v":[1,{"Durand":"Durand"}]}"#,
        r#"{"t":0,"r":0,"v":[1,{"base64":"Durand"}]}"#,
        r#"{"t":0,"r":0,"v":[1,"Durand"],"Durand":1}"#,
        r#"{"t":0,"t":0,"r":0,"v":[1,"Durand"]}"#,
        r#"{"t":0,"r":0,"v":[1,"Durand"]} x"#,
        "{\"t\":0,\"r\":0,\"v\":[1,\"Durand\u{0}\"]}",
    ] {
        assert_eq!(said(&format!("{bad}\n{end}\n")), "Line", "{bad}");
    }
}

#[test]
fn files_are_named_where_the_header_has_them_and_counted() {
    let file = |n: u32| format!(r#"{{"f":{n},"store":"s","path":"Durand","bytes":1,"sha256":"{}"}}"#, "0f".repeat(32));
    let end = |files: u32| format!(r#"{{"rows":0,"files":{files}}}"#);
    let with = |lines: &[String]| {
        let header = serde_json::to_string(&Header { version: WITH_FILES, ..sample::header() }).unwrap();
        match opened(&seal_text(format!("{header}\n{}\n", lines.join("\n")).as_bytes()), &pair().1) {
            Ok(_) => "whole".to_owned(),
            Err(error) => format!("{error:?}").split(['(', ' ']).next().unwrap().to_owned(),
        }
    };
    assert_eq!(with(&[end(0)]), "whole");
    assert_eq!(with(&[file(0), file(1), end(2)]), "whole");
    assert_eq!(with(&[file(0), end(0)]), "Files");
    assert_eq!(with(&[file(0), file(0), end(2)]), "Files");
    assert_eq!(with(&[file(1), end(1)]), "Files");
    assert_eq!(with(&[r#"{"rows":0}"#.to_owned()]), "Files");
    assert_eq!(with(&[file(0).replace("\"f\":0", "\"f\":0,\"x\":1"), end(1)]), "Line");
    // An object of version 1 has none.
    assert_eq!(said(&format!("{}\n{{\"rows\":0}}\n", file(0))), "Line");
    assert_eq!(said("{\"rows\":0,\"files\":0}\n"), "Files");
}

#[test]
fn a_first_line_that_is_no_header_is_refused() {
    let fault = |plain: &[u8]| match opened(&seal_text(plain), &pair().1) {
        Err(OpenError::Header(fault)) => fault,
        other => panic!("{other:?}"),
    };
    assert_eq!(fault(b""), HeaderFault::Shape);
    assert_eq!(fault(b"\n"), HeaderFault::Shape);
    assert_eq!(fault(b"{\"rows\":0}\n"), HeaderFault::Shape);
    assert_eq!(fault(b"{\"format\":\"other\",\"version\":1}\n"), HeaderFault::Format);
    assert_eq!(fault(b"{\"format\":\"retentiond-archive\",\"version\":3}\n"), HeaderFault::Version(3));
    assert!(matches!(opened(&seal_text(b"{"), &pair().1), Err(OpenError::NoEnd { line: 1 })));
}

#[test]
fn a_line_without_end_is_not_read_into_memory() {
    let header = serde_json::to_string(&sample::header()).unwrap();
    let mut plain = format!("{header}\n").into_bytes();
    plain.resize(plain.len() + MAX_LINE + 1_000, b' ');
    assert!(matches!(opened(&seal_text(&plain), &pair().1), Err(OpenError::TooLong { line: 2 })));
}

#[test]
fn the_compressed_stream_must_be_whole_and_alone() {
    let plain = format!("{}\n{{\"rows\":0}}\n", serde_json::to_string(&sample::header()).unwrap());
    let packed = zstd::encode_all(plain.as_bytes(), 3).unwrap();
    let said = |packed: &[u8]| opened(&seal_packed(packed), &pair().1).map(|(_, rows)| rows.len());
    assert_eq!(said(&packed).unwrap(), 0);
    for cut in 0..packed.len() {
        assert!(said(&packed[..cut]).is_err(), "cut at {cut}");
    }
    assert!(matches!(said(&[&packed[..], b"x"].concat()), Err(OpenError::Io(_))));
    assert!(matches!(said(&[&packed[..], &packed].concat()), Err(OpenError::AfterTrailer { line: 3 })));
    assert!(said(plain.as_bytes()).is_err());
}

#[test]
fn what_is_not_of_age_is_told_as_such() {
    let (_, identities) = pair();
    for bytes in
        [&b""[..], b"age-encryption.org/v1\n", b"age-encryption.org/v9\n-> X25519 a\n", b"-----BEGIN AGE ENCRYPTED FILE-----\n"]
    {
        assert!(matches!(opened(bytes, &identities), Err(OpenError::NotSealed)), "{bytes:?}");
    }
}
