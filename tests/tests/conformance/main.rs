//! The contract's numbered cases, run on Berth's own driver: in this process, on a cluster of one
//! node. Each case gets a host of its own: a fresh ledger, and a realm of its own in the cluster.

#[cfg(test)]
mod host;

#[cfg(test)]
mod tests {
    use std::process::{Child, Command};
    use std::sync::{Arc, Mutex};

    use ipamapi::Peer;
    use ipamapi::conformance::{Outcome, Profile, Replay, Report, Suite};

    use crate::host::Cluster;

    /// Processes that stand for engines: the driver looks up who calls.
    #[derive(Default)]
    struct Engines(Mutex<Vec<Child>>);

    impl Engines {
        /// The engine of an incarnation. The earlier ones have died.
        fn peer(&self, incarnation: u32) -> Peer {
            let mut engines = self.0.lock().unwrap();
            let wanted = usize::try_from(incarnation).unwrap();
            while engines.len() <= wanted {
                if let Some(last) = engines.last_mut() {
                    last.kill().unwrap();
                    last.wait().unwrap();
                }
                engines.push(Command::new("sleep").arg("infinity").spawn().unwrap());
            }
            Peer { pid: Some(engines[wanted].id()), uid: 0, gid: 0 }
        }
    }

    impl Drop for Engines {
        fn drop(&mut self) {
            for engine in self.0.get_mut().unwrap() {
                engine.kill().unwrap();
                engine.wait().unwrap();
            }
        }
    }

    /// What Berth claims: local addresses can be had again at once (global ones cool), a Swarm's new
    /// leader is known by its handshake, a host's new engine by its process.
    fn profile() -> Profile {
        let engines = Arc::new(Engines::default());
        Profile {
            reuses_at_once: true,
            automatic_v6: true,
            global_replay: Replay::OnHandshake,
            local_replay: Replay::OnNewProcess,
            engine: Arc::new(move |incarnation| engines.peer(incarnation)),
            ..Profile::default()
        }
    }

    async fn suite() -> Suite {
        let cluster = Arc::new(Cluster::start().await);
        let fresh = move |setup| {
            let cluster = Arc::clone(&cluster);
            async move { Some(cluster.host(setup).await) }
        };
        Suite::new(fresh, profile())
    }

    fn skipped(report: &Report) -> Vec<u8> {
        let skipped = |outcome: &Outcome| matches!(outcome, Outcome::Skipped(_));
        let cases = report.cases.iter().filter(|case| skipped(&case.outcome));
        cases.map(|case| case.number).collect()
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn through_the_trait() {
        let report = suite().await.run().await;
        println!("{report}");
        report.assert_none_failed();
        // Of several hosts; 44 is a test of the real cluster.
        assert_eq!(skipped(&report), [41, 44]);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn through_the_socket() {
        let report = suite().await.through_socket().run().await;
        println!("{report}");
        report.assert_none_failed();
        // Through a socket the suite is one process, and so always the same engine.
        assert_eq!(skipped(&report), [40, 41, 42, 44]);
    }
}
