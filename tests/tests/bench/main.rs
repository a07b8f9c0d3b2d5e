//! `berth bench`, against real clusters. That it finds what is wrong is tested where it is
//! (`berth_node::bench`).

#[cfg(test)]
mod command;
#[cfg(test)]
mod counts;
