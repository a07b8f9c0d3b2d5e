//! Rolling upgrades under load, by the commands of `docs/operating/upgrade.md`, from one build to another:
//! `BERTH_BIN_OLD` and `BERTH_BIN_NEW`, which `scripts/upgrade` makes.

#[cfg(test)]
mod rolling;
