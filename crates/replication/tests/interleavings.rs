//! Explores how tasks may meet, and shows that each exploration finds the mistake it is for.
//! `scripts/interleavings` builds what this needs.
#![cfg(shuttle)]

use berth_replication::interleavings::{Exploration, Sin};

#[test]
fn commands_are_answered_once_and_honestly() {
    Exploration::Commands.pass();
}

#[test]
fn reads_see_what_was_answered_before_them() {
    Exploration::Reads.pass();
}

#[test]
fn an_applied_position_has_its_state() {
    Exploration::State.pass();
}

#[test]
fn readers_of_the_log_find_what_is_there() {
    Exploration::Log.pass();
    Exploration::CutLog.pass();
}

#[test]
fn nothing_succeeds_after_a_failed_write() {
    Exploration::FailingLog.pass();
}

#[test]
fn questions_and_answers_of_agents_find_each_other() {
    Exploration::Attendants.pass();
}

fn catches(exploration: Exploration, sin: Sin, says: &str) {
    let found = exploration.catch(sin);
    let found = found.unwrap_or_else(|| panic!("{sin:?} was not found"));
    assert!(found.contains(says), "{sin:?} was found by {found:?}");
}

#[test]
fn mistakes_are_found() {
    catches(Exploration::Commands, Sin::DenyWhatWasSent, "and its caller told that not");
    catches(Exploration::Reads, Sin::ServeLateReads, "was answered before");
    catches(Exploration::State, Sin::AnnounceFirst, "was waited for");
    catches(Exploration::Log, Sin::CountFirst, "Hole");
    catches(Exploration::CutLog, Sin::OverlookTruncations, "Hole");
    catches(Exploration::FailingLog, Sin::TryAgain, "after one that failed");
    catches(Exploration::Attendants, Sin::TakeAnyAnswer, "another one's answer");
}
