//! The conformance suite passes a right driver, and finds each flaw of a wrong one.

#[cfg(test)]
mod memory;

#[cfg(test)]
mod tests {
    use ipamapi::conformance::{Outcome, Profile, Replay, Report, Suite};

    use crate::memory::{Flaw, MemoryIpam};

    fn suite(flaw: Option<Flaw>) -> Suite {
        let profile = Profile {
            automatic_v6: true,
            global_replay: Replay::OnHandshake,
            local_replay: Replay::OnNewProcess,
            ..Profile::default()
        };
        Suite::new(move |setup| async move { Some(MemoryIpam::subject(setup, flaw)) }, profile)
    }

    fn skipped(report: &Report) -> Vec<u8> {
        let skipped = |outcome: &Outcome| matches!(outcome, Outcome::Skipped(_));
        let cases = report.cases.iter().filter(|case| skipped(&case.outcome));
        cases.map(|case| case.number).collect()
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_right_driver_passes_through_the_trait() {
        let report = suite(None).run().await;
        println!("{report}");
        report.assert_none_failed();
        assert_eq!((report.passed(), skipped(&report)), (42, vec![41, 44]));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_right_driver_passes_through_the_socket() {
        let report = suite(None).through_socket().run().await;
        println!("{report}");
        report.assert_none_failed();
        assert_eq!((report.passed(), skipped(&report)), (40, vec![40, 41, 42, 44]));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn each_flaw_is_found() {
        let mut overlooked = Vec::new();
        for (flaw, numbers) in [
            (Flaw::ForgetsOverlap, vec![1, 2, 4, 8, 16]),
            (Flaw::GivesReserved, vec![11, 15, 18, 25]),
            (Flaw::GivesTwice, vec![7, 22, 25, 42, 43]),
            (Flaw::RepeatsAutomatic, vec![5, 16, 21, 24, 38]),
            (Flaw::IgnoresSerial, vec![13]),
            (Flaw::IgnoresUndelivered, vec![31]),
            (Flaw::RefusesReplay, vec![33, 37, 38, 40, 42, 43]),
            (Flaw::HeedsLateReleases, vec![43]),
            (Flaw::RefusesFreeReleases, vec![25]),
            (Flaw::KeepsAddressesOfReleasedPools, vec![39]),
            (Flaw::ForgetsSome, vec![10, 18, 20, 22]),
            (Flaw::Races, vec![21, 22]),
        ] {
            let report = suite(Some(flaw)).run_only(&numbers).await;
            if report.failed() != numbers.len() {
                overlooked.push(format!("{flaw:?}:\n{report}"));
            }
        }
        assert!(overlooked.is_empty(), "{}", overlooked.join("\n\n"));
    }
}
