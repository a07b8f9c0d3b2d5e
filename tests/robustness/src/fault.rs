//! What goes wrong in a run.

/// A fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// The leader's connections look open to its peers, and are not.
    HalfOpen,
    /// A node hears nothing.
    Deaf,
    /// A follower is cut off until it needs a snapshot, whose way then breaks again and again.
    LateSnapshot,
    /// A node's disk refuses a sync.
    FailedSync,
    /// Bytes that mean nothing come in the midst of all connections.
    Garbage,
    /// A node is killed.
    Kill,
    /// All nodes are killed at once.
    KillAll,
    /// A node is stopped in good order.
    Stop,
    /// A process stands still.
    Pause,
    /// A node is cut off.
    Isolate,
    /// A node is heard by nobody.
    Mute,
    /// Each node speaks to the next one only.
    Ring,
    /// All links of a node are slow, each piece of data differently.
    Delay,
    /// A node's links carry little.
    Throttle,
    /// A node's peers take no bytes.
    Stall,
    /// Nobody can connect to a node.
    Refuse,
    /// All connections end by RST, again and again.
    Reset,
    /// All connections end in the midst of a frame, again and again.
    Cut,
    /// Frames begin that are larger than any may be.
    Oversized,
    /// A node's disk takes long to sync.
    SlowSync,
    /// A node has no file descriptors left.
    Descriptors,
    /// A thousand clients connect to a node's sockets, and say half a request or nothing.
    Crowd,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 22] = [
        Self::HalfOpen,
        Self::Deaf,
        Self::LateSnapshot,
        Self::FailedSync,
        Self::Garbage,
        Self::Kill,
        Self::Reset,
        Self::Pause,
        Self::Ring,
        Self::Stall,
        Self::KillAll,
        Self::Delay,
        Self::Descriptors,
        Self::Mute,
        Self::SlowSync,
        Self::Oversized,
        Self::Stop,
        Self::Throttle,
        Self::Refuse,
        Self::Isolate,
        Self::Cut,
        Self::Crowd,
    ];

    /// Whether it is one of the links' faults; else of processes.
    pub const fn is_of_links(self) -> bool {
        !matches!(
            self,
            Self::FailedSync
                | Self::Kill
                | Self::KillAll
                | Self::Stop
                | Self::Pause
                | Self::SlowSync
                | Self::Descriptors
                | Self::Crowd
        )
    }
}
