//! Dice that always fall the same way for the same seed and record (SplitMix64). For invented data only, never for secrets.

/// A stream of numbers for one record.
pub(super) struct Random(u64);

impl Random {
    /// The dice of record `n` in `stream`.
    pub(super) fn new(stream: u64, n: u64) -> Self {
        let mut random = Self(stream.wrapping_add(n.wrapping_mul(0xD1B5_4A32_D192_ED03)));
        random.next();
        random
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number from 0 to `below` - 1; 0 when `below` is 0.
    pub(super) fn below(&mut self, below: i64) -> i64 {
        let below = below.max(1).unsigned_abs();
        i64::try_from(self.next() % below).unwrap_or(0)
    }

    /// Whether one of a hundred dice shows: true in `percent` of the cases.
    pub(super) fn percent(&mut self, percent: i64) -> bool {
        self.below(100) < percent
    }

    /// One of them. The list must not be empty.
    pub(super) fn pick<T: Copy>(&mut self, list: &[T]) -> T {
        list[usize::try_from(self.below(i64::try_from(list.len()).unwrap_or(1))).unwrap_or(0)]
    }

    /// The value in `percent` of the cases.
    pub(super) fn sometimes<T>(&mut self, percent: i64, value: T) -> Option<T> {
        self.percent(percent).then_some(value)
    }
}
