use std::io::Write;
use std::sync::{Arc, Mutex};

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response as HttpResponse};
use berth_allocator::{
    Answer, ClaimId, Command, Ending, Evidence, FreeSuspect, Millis, PoolId, Prefix, Rejection,
    ReleaseAddress, Renew, Response, Revision, SpaceName, Text,
};
use berth_replication::LogIndex;

use super::*;
use crate::api::Problem;
use crate::code::Code;
use crate::sender::SubmitError;

/// What is written to it.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The lines of the log that come of something.
fn lines(level: Level, of: impl FnOnce()) -> String {
    let written = Written::default();
    let writer = written.clone();
    let log = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(move || writer.clone())
        .with_target(false)
        .with_level(false)
        .with_ansi(false)
        .without_time();
    tracing::subscriber::with_default(log.finish(), of);
    String::from_utf8(written.0.lock().unwrap().clone()).unwrap()
}

fn lab() -> SpaceName {
    SpaceName::new("lab").unwrap()
}

fn pool() -> PoolId {
    let prefix = Prefix::truncated("10.0.0.0/24".parse().unwrap());
    PoolId { space: lab(), epoch: None, prefix, sub_pool: None }
}

fn release() -> Command {
    let address = "10.0.0.7".parse().unwrap();
    let claim = ClaimId::new(5);
    Command::ReleaseAddress(ReleaseAddress { pool: pool(), address, claim, verify: false })
}

fn answer(outcome: Result<Response, Rejection>) -> Answer {
    Answer { revision: Revision::new(9), outcome }
}

fn user() -> Asker {
    let command = Some("x\n INFO audit=\"done\" who=\"root\"".to_owned());
    Asker::User(Process { uid: 1_000, pid: Some(7), command })
}

#[test]
fn a_line_says_who_what_and_what_came_of_it() {
    let delete = Command::DeleteSpace { name: lab() };
    let free = Command::FreeSuspect(FreeSuspect {
        pool: pool(),
        address: Some("10.0.0.7".parse().unwrap()),
        claim: ClaimId::new(5),
        evidence: Evidence::Operator {
            force: false,
            note: Some(Text::new("its \"VM\" is gone").unwrap()),
        },
    });
    let agent = Asker::Agent(NodeName::new("worker").unwrap());
    let written = lines(Level::INFO, || {
        let done = answer(Ok(Response::Done));
        Pending::begin(&user(), &delete).decided(Some(LogIndex::new(7)), &done);
        let refused = answer(Err(Rejection::AnswerForgotten));
        Pending::begin(&agent, &free).of_client(&"another").decided(None, &refused);
        let lost = SubmitError::Unknown("the leader is gone".to_owned());
        Pending::begin(&Asker::Doctor, &free).failed(&lost, false);
        Pending::begin(&Asker::Doctor, &free).failed(&lost, true);
        drop(Pending::begin(&Asker::Berth, &delete));
    });
    expect_test::expect![[r#"
        audit="done" who="user" uid=1000 pid=7 command="x\n INFO audit=\"done\" who=\"root\"" what="delete-space" space="lab" log_index=7 revision=9
        audit="refused" who="agent" agent="worker" what="free" space="lab" pool="lab/10.0.0.0/24" address="10.0.0.7" client="another" note="its \"VM\" is gone" code="BERTH-0022" why="the answer to this sequence number is no longer kept" revision=9
        audit="unknown" who="doctor" what="free" space="lab" pool="lab/10.0.0.0/24" address="10.0.0.7" note="its \"VM\" is gone" code="BERTH-0102" why="it is not known whether this was done: the leader is gone; look before you ask again"
        audit="unknown" who="berth" what="delete-space" space="lab" code="BERTH-0102" why="whoever asked did not wait for the outcome"
    "#]].assert_eq(&written);
    assert_eq!(written.lines().count(), 4, "what others chose makes no lines");
}

#[test]
fn routine_is_on_record_only_where_all_is() {
    let routine = || {
        let released = answer(Ok(Response::Released(Ending::Ended)));
        Pending::begin(&Asker::Engine(None), &release()).decided(None, &released);
        let renew = Renew { instance: 1, lease: Millis::new(1) };
        Pending::begin(&Asker::Berth, &Command::Renew(renew)).decided(None, &released);
    };
    assert_eq!(lines(Level::INFO, routine), "");
    expect_test::expect![[r#"
        audit="done" who="engine" what="release-address" space="lab" pool="lab/10.0.0.0/24" address="10.0.0.7" revision=9
    "#]].assert_eq(&lines(Level::DEBUG, routine));
}

#[test]
fn a_request_without_a_command_is_what_it_was_answered() {
    let result = |response: HttpResponse| Outcome::of_response(&response).result;
    assert_eq!(result(StatusCode::NO_CONTENT.into_response()), "done");
    assert_eq!(result(StatusCode::BAD_REQUEST.into_response()), "refused");
    let outcome = |code| Outcome::of_response(&Problem::new(code, "why").into_response());
    let refused = outcome(Code::NoSuchPath);
    assert_eq!((refused.result, refused.code.as_deref()), ("refused", Some("BERTH-0104")));
    assert_eq!(outcome(Code::OutcomeUnknown).result, "unknown");
}

#[test]
fn each_command_of_a_batch_has_its_own_line() {
    let batch = Command::Batch(vec![release(), Command::DeleteSpace { name: lab() }]);
    let outcomes = vec![Err(Rejection::AnswerForgotten), Ok(Response::Done)];
    let written = lines(Level::DEBUG, || {
        let agent = Asker::Agent(NodeName::new("worker").unwrap());
        Pending::begin(&agent, &batch).decided(None, &answer(Ok(Response::Batch(outcomes))));
    });
    expect_test::expect![[r#"
        audit="refused" who="agent" agent="worker" what="release-address" space="lab" pool="lab/10.0.0.0/24" address="10.0.0.7" code="BERTH-0022" why="the answer to this sequence number is no longer kept" revision=9
        audit="done" who="agent" agent="worker" what="delete-space" space="lab" revision=9
    "#]].assert_eq(&written);
}
