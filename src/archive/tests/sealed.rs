//! What goes in comes out, and nothing that was changed on the way.

use proptest::prelude::*;

use super::*;

/// Texts that a careless writer or reader changes.
const TEXTS: [&str; 6] = ["", "\u{0}", "\t\"\\\n\r", "null", "{\"base64\":\"\"}", "\u{2028}\u{feff}𝄞"];

fn cell() -> impl Strategy<Value = Cell> {
    prop_oneof![
        Just(Cell::Null),
        any::<String>().prop_map(Cell::Text),
        proptest::collection::vec(any::<char>(), 0..20).prop_map(|chars| Cell::Text(chars.into_iter().collect())),
        proptest::sample::select(TEXTS.to_vec()).prop_map(|text| Cell::Text(text.to_owned())),
        proptest::collection::vec(any::<u8>(), 0..300).prop_map(Cell::Bytes),
        prop_oneof![any::<i64>(), Just(i64::MIN), Just(i64::MAX)].prop_map(Cell::Integer),
        prop_oneof![any::<u64>().prop_map(f64::from_bits), Just(-0.0), Just(5e-324), Just(f64::MAX)].prop_map(Cell::Real),
    ]
}

fn row() -> impl Strategy<Value = Row> {
    (0..2_u32, any::<u64>()).prop_flat_map(|(table, record)| {
        let width = sample::header().tables[table as usize].columns.len();
        proptest::collection::vec(cell(), width).prop_map(move |cells| Row { table, record, cells })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn every_row_comes_back_as_it_went_in(rows in proptest::collection::vec(row(), 0..20)) {
        let (recipients, identities) = pair();
        let (header, found) = opened(&sealed(&recipients, &sample::header(), &rows), &identities).unwrap();
        prop_assert_eq!(header, sample::header());
        prop_assert_eq!(found, rows);
    }

    #[test]
    fn random_bytes_open_as_nothing(bytes in proptest::collection::vec(any::<u8>(), 0..400), whole in any::<bool>()) {
        let (_, identities) = pair();
        let head = if whole { &b"age-encryption.org/v1\n"[..] } else { b"" };
        prop_assert!(opened(&[head, &bytes].concat(), &identities).is_err());
    }
}

#[test]
fn an_object_longer_than_the_blocks_of_age_and_zstd_comes_back() {
    let (recipients, identities) = pair();
    let mut noise = vec![0; 400_000];
    getrandom::fill(&mut noise).unwrap();
    let rows: Vec<Row> = (0..4)
        .map(|record| Row { table: 0, record, cells: vec![Cell::Integer(1), Cell::Bytes(noise[record as usize * 9..].to_vec())] })
        .collect();
    let object = sealed(&recipients, &sample::header(), &rows);
    assert_eq!(opened(&object, &identities).unwrap().1, rows);
    // At the ends of age's blocks of 64 KiB too.
    for cut in (0..object.len()).step_by(4_099).chain((0..6).map(|block| object.len() - 1 - block * 65_552)) {
        assert!(opened(&object[..cut], &identities).is_err(), "cut at {cut}");
    }
}

#[test]
fn an_object_cut_anywhere_is_refused() {
    let (object, (_, identities)) = (small(), pair());
    assert!(opened(&object, &identities).is_ok());
    for cut in 0..object.len() {
        assert!(opened(&object[..cut], &identities).is_err(), "cut at {cut}");
    }
}

#[test]
fn an_object_with_any_byte_changed_is_refused() {
    let (object, (_, identities)) = (small(), pair());
    for at in 0..object.len() {
        for change in [1, 0x20, 0x80] {
            let mut changed = object.clone();
            changed[at] ^= change;
            assert!(opened(&changed, &identities).is_err(), "byte {at} changed by {change}");
        }
    }
}

#[test]
fn an_object_with_something_behind_it_is_refused() {
    let (object, (_, identities)) = (small(), pair());
    for more in [&b"\n"[..], b"\0", &object, &[0; 70_000]] {
        assert!(opened(&[&object, more].concat(), &identities).is_err());
    }
}

#[test]
fn a_row_that_does_not_fit_is_not_sealed_and_the_object_goes_on() {
    let (recipients, identities) = pair();
    let mut sealer = Sealer::new(&recipients, &sample::header(), Vec::new()).unwrap();
    let rows = sample::rows();
    sealer.row(&rows[0]).unwrap();
    for (table, cells) in [(2, 2), (u32::MAX, 0), (0, 1), (0, 3), (1, 2)] {
        let row = Row { table, record: 0, cells: vec![Cell::Null; cells] };
        assert!(matches!(sealer.row(&row), Err(SealError::Fit { row: 2 })), "{table} {cells}");
    }
    let long = Row { table: 0, record: 0, cells: vec![Cell::Null, Cell::Bytes(vec![0; MAX_LINE / 4 * 3])] };
    assert!(matches!(sealer.row(&long), Err(SealError::TooLong { row: 2 })));
    sealer.row(&rows[1]).unwrap();
    assert_eq!(sealer.rows(), 2);
    assert_eq!(opened(&sealer.finish().unwrap(), &identities).unwrap().1, rows[..2]);
}

#[test]
fn the_longest_line_that_is_sealed_can_be_opened() {
    let (recipients, identities) = pair();
    let row = |length| Row { table: 0, record: 0, cells: vec![Cell::Null, Cell::Text("x".repeat(length))] };
    let around = serde_json::to_string(&row(0)).unwrap().len();
    let mut sealer = Sealer::new(&recipients, &sample::header(), Vec::new()).unwrap();
    assert!(matches!(sealer.row(&row(MAX_LINE - around + 1)), Err(SealError::TooLong { .. })));
    sealer.row(&row(MAX_LINE - around)).unwrap();
    assert_eq!(opened(&sealer.finish().unwrap(), &identities).unwrap().1.len(), 1);
}

#[test]
fn a_writer_that_fails_spoils_the_object() {
    struct Full(usize);
    impl std::io::Write for Full {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 = self.0.checked_sub(bytes.len()).ok_or(std::io::ErrorKind::StorageFull)?;
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut noise = vec![0; 300_000];
    getrandom::fill(&mut noise).unwrap();
    let mut sealer = Sealer::new(&pair().0, &sample::header(), Full(1_000)).unwrap();
    let row = Row { table: 0, record: 0, cells: vec![Cell::Null, Cell::Bytes(noise)] };
    assert!((0..3).any(|_| matches!(sealer.row(&row), Err(SealError::Io(_)))));
    assert!(matches!(sealer.row(&row), Err(SealError::Spoiled)));
    assert!(matches!(sealer.finish(), Err(SealError::Spoiled)));
}

#[test]
fn a_header_that_nobody_could_read_is_not_sealed() {
    let mut header = sample::header();
    header.tables.clear();
    assert!(matches!(Sealer::new(&pair().0, &header, Vec::new()), Err(SealError::Header(HeaderFault::NoTable))));
}
