//! What the process-level suites share: starting nodes and engines, and asking them.
