//! Ways in which a file is damaged.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

/// Bytes of a block that a disk may lose as a whole.
const BLOCK: usize = 512;

/// Random numbers that a seed repeats (`SplitMix64`).
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit
    }
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    /// One bit is another one.
    Flip,
    /// From here on a few bytes are others: a torn write.
    Torn,
    /// A block is zero.
    Zero,
    /// The file ends here.
    Cut,
    /// The file is not there.
    Gone,
    /// The file is as it was earlier.
    Stale,
}

const KINDS: [Kind; 8] = [
    Kind::Flip,
    Kind::Torn,
    Kind::Zero,
    Kind::Cut,
    Kind::Flip,
    Kind::Gone,
    Kind::Flip,
    Kind::Stale,
];

/// One damage to one file.
#[derive(Debug)]
pub(crate) struct Damage {
    file: PathBuf,
    kind: Kind,
    /// Where, in parts of 2^32 of the file.
    place: u64,
    value: u64,
}

impl Damage {
    /// The next damage: all files in turn, each in every way, at random places.
    pub(crate) fn draw(files: &[PathBuf], number: u64, dice: &mut Dice) -> Self {
        let turn = usize::try_from(number).unwrap();
        let (file, kind) =
            (files[turn % files.len()].clone(), KINDS[turn / files.len() % KINDS.len()]);
        Self { file, kind, place: dice.below(1 << 32), value: dice.below(u64::MAX) }
    }

    /// What kind of file it is: its name without numbers, and its directory.
    pub(crate) fn class(&self) -> String {
        let name = self.file.to_string_lossy();
        name.chars()
            .filter(|c| !c.is_ascii_digit())
            .collect::<String>()
            .trim_end_matches('-')
            .to_owned()
    }

    pub(crate) fn kind(&self) -> &'static str {
        match self.kind {
            Kind::Flip => "flip",
            Kind::Torn => "torn",
            Kind::Zero => "zero",
            Kind::Cut => "cut",
            Kind::Gone => "gone",
            Kind::Stale => "stale",
        }
    }

    /// Damages the file in `dir`; false if that leaves it as it was.
    pub(crate) fn apply(&self, dir: &Path, older: &Path) -> bool {
        let path = dir.join(&self.file);
        let before = fs::read(&path).unwrap();
        let mut bytes = before.clone();
        let length = bytes.len() as u64;
        let at = usize::try_from((length * self.place) >> 32).unwrap();
        let value = self.value.to_le_bytes();
        match self.kind {
            Kind::Gone => {
                fs::remove_file(&path).unwrap();
                return true;
            }
            Kind::Stale => match fs::read(older.join(&self.file)) {
                Ok(earlier) => bytes = earlier,
                Err(_) => return false,
            },
            Kind::Cut => bytes.truncate(at),
            Kind::Flip if bytes.is_empty() => return false,
            Kind::Flip => bytes[at] ^= 1 << (value[0] % 8),
            Kind::Torn => {
                bytes.iter_mut().skip(at).zip(value).for_each(|(byte, other)| *byte = other);
            }
            Kind::Zero => {
                bytes.iter_mut().skip(at / BLOCK * BLOCK).take(BLOCK).for_each(|byte| *byte = 0);
            }
        }
        fs::write(&path, &bytes).unwrap();
        bytes != before
    }
}

/// All files below a directory, by their paths in it. RocksDB's diaries and locks hold nothing.
pub(crate) fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![dir.to_owned()];
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().and_then(OsStr::to_str).unwrap();
            if path.is_dir() {
                open.push(path);
            } else if !(name == "LOCK" || name == "berth.lock" || name.starts_with("LOG")) {
                found.push(path.strip_prefix(dir).unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}

/// Copies a directory.
pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for file in fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        let target = to.join(file.file_name());
        if file.file_type().unwrap().is_dir() {
            copy(&file.path(), &target);
        } else {
            fs::copy(file.path(), target).unwrap();
        }
    }
}
