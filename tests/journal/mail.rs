//! Checkpoints are found in mails however the mail encodes them.

use base64::Engine as _;
use retentiond::journal::notes_in;

use super::fixture::{Fixture, check};

fn quoted_printable(text: &str) -> String {
    let mut out = String::new();
    let mut column = 0;
    for byte in text.bytes() {
        let piece = match byte {
            b'\n' => {
                out.push_str("\r\n");
                column = 0;
                continue;
            }
            b'=' | 0x80.. => format!("={byte:02X}"),
            _ => char::from(byte).to_string(),
        };
        if column + piece.len() > 75 {
            out.push_str("=\r\n");
            column = 0;
        }
        column += piece.len();
        out.push_str(&piece);
    }
    out
}

fn base64_lines(text: &str) -> String {
    let encoded = base64::prelude::BASE64_STANDARD.encode(text);
    let lines: Vec<&str> = encoded.as_bytes().chunks(76).map(|c| std::str::from_utf8(c).unwrap()).collect();
    lines.join("\r\n")
}

#[tokio::test]
async fn a_mailbox_of_any_encoding_is_a_witness() {
    let fixture = Fixture::new().await;
    let notes = [fixture.run(1, 1).await, fixture.run(2, 1).await, fixture.run(3, 1).await, fixture.run(4, 1).await];
    let body = |n: usize| format!("Bonjour,\n\nvoici le point de contrôle :\n\n{}\nCordialement\n", notes[n]);
    let quoted: String = body(3).lines().map(|line| format!("> {line}\n")).collect();
    let mbox = format!(
        "From x@example.org Sun Nov 22 02:00:00 2026\r\nSubject: a\r\nContent-Transfer-Encoding: 8bit\r\n\r\n{}\r\n\
         From x@example.org Mon Nov 23 02:00:00 2026\nContent-Transfer-Encoding: quoted-printable\n\n{}\n\
         From x@example.org Tue Nov 24 02:00:00 2026\nContent-Type: multipart/alternative; boundary=b\n\n--b\n\
         Content-Transfer-Encoding: base64\n\n{}\n--b--\n\
         From y@example.org Tue Nov 24 03:00:00 2026\n\n{quoted}\n",
        body(0).replace('\n', "\r\n"),
        quoted_printable(&body(1)),
        base64_lines(&body(2)),
    );
    let mut found = notes_in(&mut mbox.as_bytes()).unwrap();
    let mut expected = notes.to_vec();
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
    let report = check(&fixture.export().await, &fixture.key, &found);
    assert!(report.is_sound(), "{:?}", report.faults);
    assert_eq!((report.witnesses, report.witnessed), (4, report.entries));
}

#[tokio::test]
async fn checkpoints_of_other_logs_in_the_mailbox_are_counted_and_left_out() {
    let fixture = Fixture::new().await;
    let other = Fixture::named("retentiond/other").await;
    let mailbox = format!("{}\n{}", fixture.run(1, 1).await, other.run(1, 1).await);
    let report = check(&fixture.export().await, &fixture.key, &notes_in(&mut mailbox.as_bytes()).unwrap());
    assert!(report.is_sound(), "{:?}", report.faults);
    assert_eq!((report.witnesses, report.other_logs), (1, 1));
}

#[test]
fn text_without_a_note_has_none() {
    for text in
        ["", "\n\n\n", "— \n", "a\n1\nb\n\n— x y\n", "origin\n12\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\n— a !\n"]
    {
        assert_eq!(notes_in(&mut text.as_bytes()).unwrap(), Vec::<String>::new(), "{text:?}");
    }
}
