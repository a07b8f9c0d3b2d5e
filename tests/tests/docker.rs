//! A real Docker Engine whose networks get their addresses from Berth.
