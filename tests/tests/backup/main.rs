//! Backups of real clusters, restored into new ones: by the commands of `docs/operating/backup.md`, word for word.

#[cfg(test)]
mod imported;
#[cfg(test)]
mod million;
#[cfg(test)]
mod refused;
#[cfg(test)]
mod restored;
