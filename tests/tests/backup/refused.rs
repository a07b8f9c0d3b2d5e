//! What is no backup, and where none is restored: a reason, and nothing changed.

use std::fs;
use std::process::Output;

use berth_tests::GLOBAL;

use crate::restored::hosts;

fn refused(output: &Output, code: i32, reason: &str) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{output:?}");
    assert!(said.contains(reason), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_restored_is_refused_before_anything_is_made() {
    let hosts = hosts().await;
    let engine = hosts.host("n2").engine();
    engine.handshake().await.unwrap();
    let pool = engine.pool(GLOBAL, "10.79.0.0/24").await.unwrap().id;
    engine.address(&pool).await.unwrap();
    let piped = hosts.shell("n2", "berth cluster backup - >piped.backup").await;
    assert!(piped.status.success(), "{piped:?}");
    let made = hosts.shell("n2", "berth cluster backup whole.backup").await;
    assert!(made.status.success(), "{made:?}");
    let whole = fs::read(hosts.file("whole.backup")).unwrap();
    let mut flipped = whole.clone();
    let middle = whole.len() / 2;
    flipped[middle] ^= 1;
    fs::write(hosts.file("flipped.backup"), flipped).unwrap();
    fs::write(hosts.file("cut.backup"), &whole[..whole.len() - 1]).unwrap();
    fs::write(hosts.file("other.backup"), "an essay").unwrap();

    let restore = async |file: &str, more: &str| {
        let line = format!("berth cluster restore {file} --data-dir made {more}");
        hosts.shell("n1", &line).await
    };
    refused(&restore("flipped.backup", "").await, 1, "BERTH-0120");
    refused(&restore("cut.backup", "").await, 1, "before its end");
    refused(&restore("other.backup", "").await, 1, "no backup of Berth");
    refused(&restore("absent.backup", "").await, 1, "cannot read absent.backup");
    refused(&restore("whole.backup", "--name stranger").await, 2, "stranger");
    refused(&restore("whole.backup", "--restoration 12").await, 2, "32 hexadecimal digits");
    assert!(!hosts.file("made").exists());
    refused(&hosts.shell("n1", "berth cluster restore whole.backup").await, 1, "is there");

    // An agent has nothing to back up, and nothing is left of what could not be written.
    refused(&hosts.shell("w1", "berth cluster backup agent.backup").await, 1, "ask a node");
    refused(&hosts.shell("n1", "berth cluster backup no/such/dir.backup").await, 1, "cannot write");
    assert!(!hosts.file("agent.backup").exists() && !hosts.file("agent.backup.part").exists());
    // Both are whole: a restore into a cluster of one.
    for file in ["whole.backup", "piped.backup"] {
        let line = format!(
            "berth cluster restore {file} --data-dir {file}.dir --initial-cluster n1=127.0.0.1:7199"
        );
        let restored = hosts.shell("n1", &line).await;
        assert!(restored.status.success(), "{restored:?}");
        let again = hosts.shell("n1", &line).await;
        refused(&again, 1, "a backup is restored into a new cluster only");
    }
}
