//! The cases, in the numbers of the contract. Each is one function.

mod addresses;
mod automatic;
mod concurrent;
mod numbering;
mod pools;
mod replay;
mod swarm;
mod transcript;
mod wire;

use std::future::Future;
use std::pin::Pin;

use super::lab::Lab;
use super::verdict::Verdict;

/// A case of the contract.
pub struct Case {
    /// Its number.
    pub number: u8,
    /// Its name, which begins with the number.
    pub name: &'static str,
    pub(crate) run: fn(Lab) -> Pin<Box<dyn Future<Output = Verdict> + Send>>,
}

macro_rules! cases {
    ($($number:literal $module:ident $name:ident)*) => {
        &[$(Case {
            number: $number,
            name: stringify!($name),
            run: |lab| Box::pin($module::$name(lab)),
        }),*]
    };
}

/// The cases that one process can show.
pub const CASES: &[Case] = cases! {
    1 pools case_01_pools_overlap_within_their_space
    2 pools case_02_v6_pools_overlap
    3 pools case_03_a_pool_is_released_once
    4 pools case_04_parent_and_child_pools_are_released_apart
    5 automatic case_05_automatic_pools_differ
    6 automatic case_06_automatic_pools_of_a_size
    7 addresses case_07_an_address_is_given_once
    8 pools case_08_sub_pools_share_their_pool
    9 pools case_09_a_sub_pool_may_be_the_pool
    10 numbering case_10_a_sub_pool_drains_to_its_last_address
    11 numbering case_11_nested_pools_drain_apart
    12 numbering case_12_dynamic_addresses_are_the_lowest_free
    13 numbering case_13_serial_addresses_go_on
    14 wire case_14_incomplete_requests_are_refused
    15 numbering case_15_the_nth_address
    16 pools case_16_overlap_matrix
    17 addresses case_17_tiny_pools
    18 numbering case_18_a_full_pool_gives_what_comes_back
    19 addresses case_19_half_released_and_asked_for_again
    20 concurrent case_20_requests_race_releases
    21 concurrent case_21_automatic_pools_in_parallel
    22 concurrent case_22_addresses_in_parallel
    23 automatic case_23_automatic_pools_fill_gaps
    24 automatic case_24_released_automatic_pools_come_first
    25 addresses case_25_v6_addresses
    26 addresses case_26_usage_counts_reserved_addresses
    27 pools case_27_sub_pools_wider_than_or_outside_their_pool
    28 wire case_28_a_plugin_without_capabilities
    29 wire case_29_replies_on_the_wire
    30 wire case_30_requests_on_the_wire
    31 wire case_31_a_dropped_request_leaks_nothing
    32 wire case_32_backoff
    33 swarm case_33_a_new_leader_finds_the_same_network
    34 swarm case_34_a_gateway_outside_its_subnet
    35 swarm case_35_a_network_comes_back
    36 swarm case_36_two_subnets_and_leftover_options
    37 swarm case_37_a_new_leader_replays_a_task
    38 swarm case_38_a_replay_is_not_overtaken
    39 transcript case_39_an_engines_day
    40 transcript case_40_a_swarms_day
    42 replay case_42_a_restarted_engine_asks_again
    43 replay case_43_a_late_release_frees_nothing
};

/// The cases that need several hosts: number, name, why.
pub const NEEDS_A_CLUSTER: &[(u8, &str, &str)] = &[
    (
        41,
        "case_41_one_network_on_three_hosts",
        "needs three hosts that share a space: one driver is one host",
    ),
    (
        44,
        "case_44_failover_within_a_request",
        "needs a replicated driver whose leader can be killed",
    ),
];
