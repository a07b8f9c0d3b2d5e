//! Commands of the engine's client, to whichever engine.

use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio::time::timeout;

/// How long one command may take. A paused engine answers nothing.
const COMMAND_MAX: Duration = Duration::from_mins(1);

/// What a command says, or its error.
pub(crate) async fn run(mut command: Command) -> Result<String, String> {
    command.stdin(Stdio::null()).kill_on_drop(true);
    let output = match timeout(COMMAND_MAX, command.output()).await {
        Ok(output) => output.unwrap(),
        Err(_) => return Err(format!("{command:?} has no answer after {COMMAND_MAX:?}")),
    };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

/// A command of the engine that runs the hosts.
pub(crate) async fn outer(arguments: &[&str]) -> String {
    let mut command = Command::new("docker");
    command.args(arguments);
    run(command).await.unwrap_or_else(|error| panic!("docker {arguments:?}: {error}"))
}
