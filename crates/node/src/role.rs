//! Roles, as users write them: `server`, `read`, `allocate:SPACE`, `admin`.

use berth_allocator::{Role, SpaceName};

const ALLOCATE: &str = "allocate:";

/// A role as it is written.
pub(crate) fn text(role: &Role) -> String {
    match role {
        Role::Server => "server".to_owned(),
        Role::Read => "read".to_owned(),
        Role::Allocate(space) => format!("{ALLOCATE}{space}"),
        Role::Admin => "admin".to_owned(),
    }
}

/// The role that a text names; of the API's, since servers have tokens of their own.
pub(crate) fn parse(text: &str) -> Result<Role, String> {
    match text {
        "read" => Ok(Role::Read),
        "admin" => Ok(Role::Admin),
        _ => {
            let space = text.strip_prefix(ALLOCATE).ok_or_else(|| {
                format!("{text:?} is no role: use read, {ALLOCATE}SPACE or admin")
            })?;
            SpaceName::new(space).map(Role::Allocate).map_err(|error| error.to_string())
        }
    }
}
