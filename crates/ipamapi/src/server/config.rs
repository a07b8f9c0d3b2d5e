//! What a plugin server allows, and for how long.

use std::time::Duration;

use crate::DEFAULT_DEADLINE;

/// The settings of a [`Server`](super::Server). Each limit is one error or one wait when reached.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// How long the engine waits for an answer before it gets an error. Default 9 s.
    pub deadline: Duration,
    /// How long a started request may take to arrive. An idle connection may stay. Default 10 s.
    pub read_deadline: Duration,
    /// How long a stopping server waits for requests that are under way. Default 10 s.
    pub drain_deadline: Duration,
    /// Connections at a time; more wait to be accepted. Default 256.
    pub connections_max: usize,
    /// Calls of the driver at a time; more wait until their deadline. Default 1024.
    pub calls_max: usize,
    /// Size of a request's body. Default 256 KiB.
    pub body_bytes_max: usize,
    /// Size of a request's head. Default 16 KiB; at least 8 KiB.
    pub head_bytes_max: usize,
    /// Mode of the socket file. Default 0660.
    pub socket_mode: u32,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            deadline: DEFAULT_DEADLINE,
            read_deadline: Duration::from_secs(10),
            drain_deadline: Duration::from_secs(10),
            connections_max: 256,
            calls_max: 1024,
            body_bytes_max: 256 * 1024,
            head_bytes_max: 16 * 1024,
            socket_mode: 0o660,
        }
    }
}
