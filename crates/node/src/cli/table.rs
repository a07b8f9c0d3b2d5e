//! Tables for people: aligned, without lines, coloured on a terminal only.

use comfy_table::{Cell, CellAlignment, Color, Table, presets};

use crate::api::types::AddressState;

/// A table of these columns; those whose name begins with `#` hold numbers.
pub(super) fn table(header: &[&str], rows: impl IntoIterator<Item = Vec<Cell>>) -> String {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table.set_header(header.iter().map(|name| name.trim_start_matches('#')));
    table.add_rows(rows);
    for (column, name) in table.column_iter_mut().zip(header) {
        column.set_padding((0, 2));
        if name.starts_with('#') {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.trim_fmt()
}

/// Named facts, a line each.
pub(super) fn facts(facts: Vec<(&str, String)>) -> String {
    let width = facts.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
    let lines = facts.into_iter().map(|(name, value)| format!("{name:width$}  {value}"));
    lines.collect::<Vec<_>>().join("\n")
}

/// A cell with this text, or a dash.
pub(super) fn cell(text: Option<&str>) -> Cell {
    Cell::new(text.unwrap_or("-"))
}

/// The name of a state, in its colour.
pub(super) fn state(state: AddressState) -> Cell {
    let cell = Cell::new(state_name(state));
    match state {
        AddressState::Held => cell.fg(Color::Green),
        AddressState::Stale | AddressState::Cooling => cell.fg(Color::Yellow),
        AddressState::Suspect => cell.fg(Color::Red),
        AddressState::Free | AddressState::Reserved | AddressState::Edge => cell,
    }
}

/// The name of a state.
pub(super) const fn state_name(state: AddressState) -> &'static str {
    match state {
        AddressState::Free => "free",
        AddressState::Held => "held",
        AddressState::Stale => "stale",
        AddressState::Suspect => "suspect",
        AddressState::Cooling => "cooling",
        AddressState::Reserved => "reserved",
        AddressState::Edge => "edge",
    }
}
