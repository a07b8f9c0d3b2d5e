//! How much room is kept free on the disk.

use std::str::FromStr;

/// The usual share of a file system, in per cent, and the most that it comes to.
const USUAL_PERCENT: u64 = 5;
const USUAL_BYTES_MAX: u64 = 1 << 30;
const UNITS: [(&str, u64); 3] = [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)];

/// Room that is kept free on the file system of the data directory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum DiskReserve {
    /// What suits most.
    #[default]
    Usual,
    /// A share of it.
    Percent(u64),
    /// So many bytes.
    Bytes(u64),
}

impl DiskReserve {
    /// The reserve in bytes, on a file system of this size.
    pub fn of(self, size: u64) -> u64 {
        let share = |percent| size / 100 * percent;
        match self {
            Self::Usual => share(USUAL_PERCENT).min(USUAL_BYTES_MAX),
            Self::Percent(percent) => share(percent),
            Self::Bytes(bytes) => bytes,
        }
    }
}

/// It was neither.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoReserve;

impl FromStr for DiskReserve {
    type Err = NoReserve;

    fn from_str(text: &str) -> Result<Self, NoReserve> {
        let number = |text: &str| text.trim_end().parse::<u64>().map_err(|_| NoReserve);
        if let Some(percent) = text.strip_suffix('%') {
            return number(percent).map(Self::Percent).and_then(|reserve| match reserve {
                Self::Percent(0..=99) => Ok(reserve),
                _ => Err(NoReserve),
            });
        }
        for (unit, bytes) in UNITS {
            if let Some(count) = text.strip_suffix(unit) {
                return number(count)?.checked_mul(bytes).map(Self::Bytes).ok_or(NoReserve);
            }
        }
        number(text).map(Self::Bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reserve_is_a_share_or_a_size() {
        for (text, expected) in [
            ("0", DiskReserve::Bytes(0)),
            ("4096", DiskReserve::Bytes(4096)),
            ("3KiB", DiskReserve::Bytes(3 << 10)),
            ("256 MiB", DiskReserve::Bytes(256 << 20)),
            ("2GiB", DiskReserve::Bytes(2 << 30)),
            ("7%", DiskReserve::Percent(7)),
        ] {
            assert_eq!(text.parse(), Ok(expected), "{text}");
        }
        for text in ["", "%", "-1", "100%", "1.5GiB", "MiB", "3 kB", "99999999999GiB"] {
            assert_eq!(text.parse::<DiskReserve>(), Err(NoReserve), "{text}");
        }
    }

    #[test]
    fn the_usual_one_is_small_on_small_disks_and_no_more_than_a_gibibyte() {
        let usual = DiskReserve::default();
        assert_eq!(usual.of(100 << 20), 5 << 20);
        assert_eq!(usual.of(100 << 40), 1 << 30);
        assert_eq!(DiskReserve::Percent(10).of(100 << 40), 10 << 40);
    }
}
