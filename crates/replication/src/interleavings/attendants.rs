//! Agents that attend: each question reaches the agent once, and each answer the one who asked, also where
//! an agent's old connection answers late.

use std::time::Duration;

use bytes::Bytes;
use shuttle::future::block_on;

use crate::attendants::Attendants;
use crate::{AskError, Deadline, NodeName};

fn soon() -> Deadline {
    Deadline::after(Duration::from_hours(1))
}

pub(super) fn explore() {
    block_on(async {
        let agent = NodeName::new("worker").expect("it is a name");
        let attendants = Attendants::default();
        // The agent is there before anybody asks; two of its connections attend, as after one broke.
        let connections: Vec<_> = (0..2)
            .map(|_| {
                let (attendants, agent) = (attendants.clone(), agent.clone());
                tokio::spawn(async move {
                    let mut answered = None;
                    while let Some((number, question)) =
                        attendants.attend(&agent, answered, soon()).await
                    {
                        shuttle::future::yield_now().await;
                        answered = Some((number, Ok(question)));
                    }
                })
            })
            .collect();
        let askers: Vec<_> = ["one", "two"]
            .into_iter()
            .map(|question| {
                let (attendants, agent) = (attendants.clone(), agent.clone());
                tokio::spawn(async move {
                    match attendants.ask(&agent, Bytes::from(question), soon()).await {
                        Ok(answer) => assert_eq!(answer, question, "another one's answer"),
                        Err(AskError::Silent(_)) => {}
                        Err(error) => panic!("{error}"),
                    }
                })
            })
            .collect();
        for asker in askers {
            asker.await.expect("it ended");
        }
        tokio::time::trigger_timeouts(|_| true);
        for connection in connections {
            connection.await.expect("it ended");
        }
    });
}
