//! Every failpoint of this crate.

/// All places, in the order of a life.
pub(super) const PLACES: [&str; 50] = [
    "directory-write.before",
    "directory-write.after",
    "directory-rename.before",
    "directory-rename.after",
    "witness-made.before",
    "witness-made.after",
    "home-write.before",
    "home-write.after",
    "home-rename.before",
    "home-rename.after",
    "vote.before",
    "vote.after",
    "append.before",
    "append.after",
    "round.before",
    "round.after",
    "witness.before",
    "witness.after",
    "callback.before",
    "callback.after",
    "truncate.before",
    "truncate.after",
    "committed.before",
    "committed.after",
    "snapshot-build.before",
    "snapshot-build.after",
    "snapshot-write.before",
    "snapshot-write.after",
    "snapshot-rename.before",
    "snapshot-rename.after",
    "snapshot-sync.before",
    "snapshot-sync.after",
    "snapshot-remove.before",
    "snapshot-remove.after",
    "snapshot-receive.before",
    "snapshot-receive.after",
    "snapshot-piece.before",
    "snapshot-piece.after",
    "snapshot-received.before",
    "snapshot-received.after",
    "snapshot-install.before",
    "snapshot-install.after",
    "snapshot-swap.before",
    "snapshot-swap.after",
    "purge.before",
    "purge.after",
    "entry.before",
    "entry.after",
    "cut.before",
    "cut.after",
];

/// Whether a life passes it only where a directory begins.
pub(super) fn is_first(plan: &str) -> bool {
    ["witness-made", "home"].iter().any(|first| plan.contains(first))
}

/// Whether a life passes it a few times at most.
pub(super) fn is_rare(place: &str) -> bool {
    let rare =
        ["directory", "snapshot-remove", "snapshot-re", "snapshot-in", "snapshot-swap", "cut"];
    is_first(place) || rare.iter().any(|rare| place.starts_with(rare))
}
