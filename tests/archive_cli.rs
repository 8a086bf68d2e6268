//! Sealed objects and the programs `age` and `zstd`: each side reads what the other wrote.

#![expect(clippy::unwrap_used, reason = "a test's own failure is a panic")]

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use retentiond::archive::{
    Cell, Column, Engine, FORMAT, Header, Identities, OpenError, Recipients, Row, Sealer, Table, VERSION, open,
};
use retentiond::state::write_private;

const SSH_PRIVATE: [&str; 2] = [include_str!("../src/archive/tests/keys/ed25519"), include_str!("../src/archive/tests/keys/rsa")];
const SSH_PUBLIC: [&str; 2] =
    [include_str!("../src/archive/tests/keys/ed25519.pub"), include_str!("../src/archive/tests/keys/rsa.pub")];

/// What `zstd -d` must give, to the byte: also the example of `docs/archive-format.md`.
const PLAIN: &str = include_str!("archive/example.jsonl");

/// A folder with a fresh key of `age-keygen` and the SSH keys; `None` where the programs are missing, loudly.
fn folder() -> Option<(tempfile::TempDir, Vec<PathBuf>, Vec<String>)> {
    for program in ["age", "age-keygen", "zstd"] {
        if Command::new(program).arg("--version").output().is_err() {
            assert!(std::env::var_os("CI").is_none(), "{program} must be installed in CI");
            eprintln!("SKIPPED: {program} is not installed, nothing was compared with it");
            return None;
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let native = run("age-keygen", &[], b"");
    let native = String::from_utf8(native).unwrap();
    let public = native.lines().find_map(|line| line.strip_prefix("# public key: ")).unwrap().to_owned();
    let mut paths = Vec::new();
    for (number, text) in [native.as_str()].into_iter().chain(SSH_PRIVATE).enumerate() {
        let path = folder.path().join(format!("key{number}"));
        write_private(&path, text.as_bytes()).unwrap();
        paths.push(path);
    }
    Some((folder, paths, vec![public, SSH_PUBLIC[0].trim().to_owned(), SSH_PUBLIC[1].trim().to_owned()]))
}

/// Runs a program with this input; its output.
fn run(program: &str, arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    writer.join().unwrap().unwrap();
    output.stdout
}

fn column(name: &str, kind: &str, category: Option<&str>) -> Column {
    Column { name: name.to_owned(), kind: kind.to_owned(), category: category.map(str::to_owned), files: None }
}

fn header() -> Header {
    let table = |name: &str, columns| Table {
        data_set: name.to_owned(),
        schema: Some("public".to_owned()),
        table: name.to_owned(),
        parent: None,
        on: Vec::new(),
        key: vec!["id".to_owned()],
        columns,
    };
    let client = table(
        "client",
        vec![column("id", "bigint", None), column("name", "text", Some("identity")), column("born", "date", Some("identity"))],
    );
    let scan = vec![
        column("id", "bigint", None),
        column("client_id", "bigint", None),
        column("page", "bytea", Some("file")),
        column("score", "float8", None),
    ];
    let scan =
        Table { parent: Some("client".to_owned()), on: vec![("client_id".to_owned(), "id".to_owned())], ..table("scan", scan) };
    Header {
        format: FORMAT.to_owned(),
        version: VERSION,
        archive: "litigation".to_owned(),
        source: "crm".to_owned(),
        engine: Engine::Postgres,
        data_set: "client".to_owned(),
        purpose: "claims".to_owned(),
        until: Some("2031-12-31".parse().unwrap()),
        batch: "3f0c9a7d52e14b86a1d0e4c2b7f59830".to_owned(),
        run: "81b2f4a09c6d4e1fb35c7a2e9d018f46".to_owned(),
        tables: vec![client, scan],
    }
}

fn rows() -> Vec<Row> {
    let text = |text: &str| Cell::Text(text.to_owned());
    vec![
        Row { table: 0, record: 0, cells: vec![Cell::Integer(42), text("Zoé \"Zo\" Durand\t𝄞\u{0}"), text("1969-07-21")] },
        Row {
            table: 1,
            record: 0,
            cells: vec![Cell::Integer(7), Cell::Integer(42), Cell::Bytes(vec![0, 255, 10, 13]), Cell::Real(-0.0)],
        },
        Row { table: 1, record: 0, cells: vec![Cell::Integer(8), Cell::Integer(42), Cell::Bytes(Vec::new()), Cell::Real(0.1)] },
        Row { table: 0, record: 1, cells: vec![Cell::Integer(i64::MIN), text(""), Cell::Null] },
        Row {
            table: 1,
            record: 1,
            cells: vec![Cell::Integer(i64::MAX), Cell::Integer(i64::MIN), Cell::Null, Cell::Real(f64::INFINITY)],
        },
    ]
}

fn opened(object: &[u8], key: &Path) -> (Header, Vec<Row>) {
    let (header, rows) = open(object, &Identities::read(key).unwrap()).unwrap();
    (header, rows.collect::<Result<_, _>>().unwrap())
}

#[test]
fn the_programs_open_what_we_sealed() {
    let Some((_folder, keys, publics)) = folder() else { return };
    let mut sealer = Sealer::new(&Recipients::parse(&publics).unwrap(), &header(), Vec::new()).unwrap();
    rows().iter().for_each(|row| sealer.row(row).unwrap());
    let object = sealer.finish().unwrap();
    for key in &keys {
        let packed = run("age", &["-d", "-i", key.to_str().unwrap()], &object);
        run("zstd", &["-q", "-t"], &packed);
        let plain = run("zstd", &["-q", "-d", "-c"], &packed);
        assert_eq!(String::from_utf8(plain).unwrap(), PLAIN, "{}", key.display());
        assert_eq!(opened(&object, key), (header(), rows()));
    }
}

#[test]
fn we_open_what_the_programs_made() {
    let Some((_folder, keys, publics)) = folder() else { return };
    let many: Vec<&str> = publics.iter().flat_map(|key| ["-r", key]).collect();
    for level in ["-1", "-19"] {
        let packed = run("zstd", &["-q", "-c", level], PLAIN.as_bytes());
        let all = run("age", &many, &packed);
        for (key, public) in keys.iter().zip(&publics) {
            assert_eq!(opened(&all, key), (header(), rows()));
            assert_eq!(opened(&run("age", &["-r", public], &packed), key), (header(), rows()));
        }
    }
}

#[test]
fn what_the_programs_made_otherwise_is_refused() {
    let Some((_folder, keys, publics)) = folder() else { return };
    let identities = Identities::read(&keys[0]).unwrap();
    let armoured = run("age", &["-a", "-r", &publics[0]], &run("zstd", &["-q", "-c"], PLAIN.as_bytes()));
    assert!(matches!(open(&armoured[..], &identities), Err(OpenError::NotSealed)));
    let loose = run("age", &["-r", &publics[0]], PLAIN.as_bytes());
    assert!(matches!(open(&loose[..], &identities), Err(OpenError::Io(_))));
}

#[test]
fn the_documented_example_is_what_is_written() {
    let documented = include_str!("../docs/archive-format.md");
    for line in PLAIN.lines() {
        assert!(documented.contains(line), "docs/archive-format.md lacks {line}");
    }
}
