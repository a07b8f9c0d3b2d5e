//! What a leader refuses: decided from its status alone.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{Admission, BEHIND_MAX, LATELY, MembershipRefusal};
use crate::address::is_unspecified;
use crate::cluster::{MEMBERS_MAX, check_address};
use crate::{LogIndex, MemberStatus, NodeId, Status};

/// What a leader sees of its cluster.
pub(super) struct View<'a>(pub(super) &'a Status);

impl View<'_> {
    pub(super) fn member(&self, node: NodeId) -> Result<&MemberStatus, MembershipRefusal> {
        let found = self.0.members.iter().find(|member| member.node == node);
        found.ok_or(MembershipRefusal::NotAMember { node: node.get() })
    }

    pub(super) fn named(&self, name: &str) -> Option<&MemberStatus> {
        self.0.members.iter().find(|member| member.name == name)
    }

    /// Whether a member has answered of late, as the leader itself always has.
    pub(super) fn is_there(&self, member: &MemberStatus) -> bool {
        member.node == self.0.node || member.heard.is_some_and(|heard| heard < LATELY)
    }

    /// Whether it is known of each member for how long it has been silent.
    pub(super) fn is_settled(&self, leads_for: Duration) -> bool {
        let told = |member: &MemberStatus| member.node == self.0.node || member.heard.is_some();
        leads_for >= LATELY || self.0.members.iter().all(told)
    }

    /// Refuses voters of whom too few are there to form a quorum.
    fn quorum(&self, voters: &BTreeSet<NodeId>) -> Result<(), MembershipRefusal> {
        let members = self.0.members.iter().filter(|member| voters.contains(&member.node));
        let there = members.filter(|member| self.is_there(member)).count();
        let (voters, needed) = (voters.len(), voters.len() / 2 + 1);
        if there < needed {
            return Err(MembershipRefusal::QuorumAtRisk { voters, there, needed });
        }
        Ok(())
    }

    fn voters(&self) -> BTreeSet<NodeId> {
        self.0.members.iter().filter(|member| member.voter).map(|member| member.node).collect()
    }

    /// Whether a learner may vote.
    pub(super) fn promote(&self, node: NodeId) -> Result<(), MembershipRefusal> {
        let member = self.member(node)?;
        if !self.is_there(member) {
            return Err(MembershipRefusal::Silent { node: node.get() });
        }
        let end = |index: Option<LogIndex>| index.map_or(0, |index| index.get() + 1);
        let behind = end(self.0.last).saturating_sub(end(member.matched));
        if behind > BEHIND_MAX || member.matched.is_none() {
            return Err(MembershipRefusal::Behind { node: node.get(), behind });
        }
        let mut voters = self.voters();
        voters.insert(node);
        self.quorum(&voters)
    }

    /// Whether a member may go.
    pub(super) fn remove(&self, node: NodeId, force: bool) -> Result<(), MembershipRefusal> {
        let member = self.member(node)?;
        let mut voters = self.voters();
        if !member.voter {
            return Ok(());
        }
        voters.remove(&node);
        if voters.is_empty() {
            return Err(MembershipRefusal::LastVoter { node: node.get() });
        }
        if force { Ok(()) } else { self.quorum(&voters) }
    }

    /// Who is to lead in this one's stead; nothing if it leads already.
    pub(super) fn lead(&self, wanted: Option<NodeId>) -> Result<Option<NodeId>, MembershipRefusal> {
        let Some(node) = wanted else { return self.successor().map(Some) };
        let member = self.member(node)?;
        if node == self.0.node {
            return Ok(None);
        }
        if !member.voter {
            return Err(MembershipRefusal::Learner { node: node.get() });
        }
        if !self.is_there(member) {
            return Err(MembershipRefusal::Silent { node: node.get() });
        }
        Ok(Some(node))
    }

    /// The voter that is there and furthest.
    pub(super) fn successor(&self) -> Result<NodeId, MembershipRefusal> {
        let others = self.0.members.iter().filter(|member| member.voter);
        let others = others.filter(|member| member.node != self.0.node);
        let there = others.clone().filter(|member| self.is_there(member));
        let furthest = there.max_by_key(|member| member.matched);
        let lone = || match others.map(|member| member.node.get()).next() {
            Some(node) => MembershipRefusal::Silent { node },
            None => MembershipRefusal::LastVoter { node: self.0.node.get() },
        };
        furthest.map(|member| member.node).ok_or_else(lone)
    }

    /// Whether an address is one, and nobody else's.
    pub(super) fn address(
        &self,
        node: Option<NodeId>,
        address: &str,
    ) -> Result<(), MembershipRefusal> {
        if check_address(address).is_err() || is_unspecified(address) {
            return Err(MembershipRefusal::Address { address: address.to_owned() });
        }
        let mut others = self.0.members.iter().filter(|member| Some(member.node) != node);
        match others.find(|member| member.address == address) {
            Some(MemberStatus { node, name, .. }) => Err(MembershipRefusal::AddressTaken {
                address: address.to_owned(),
                node: node.get(),
                name: name.clone(),
            }),
            None => Ok(()),
        }
    }

    /// Whose place a newcomer takes: a member's of its name that is gone, or nobody's.
    pub(super) fn admit(&self, admission: &Admission) -> Result<Option<NodeId>, MembershipRefusal> {
        let name = admission.name.as_str();
        let Some(member) = self.named(name) else {
            self.address(None, &admission.address)?;
            if self.0.members.len() >= MEMBERS_MAX {
                return Err(MembershipRefusal::Full { max: MEMBERS_MAX });
            }
            return Ok(None);
        };
        let (name, node) = (name.to_owned(), member.node.get());
        let there = self.is_there(member);
        // A learner that is not there is most often one whose admission was interrupted.
        match admission.replace || !member.voter {
            true if there => Err(MembershipRefusal::Alive { name, node }),
            false => Err(MembershipRefusal::NameTaken { name, node }),
            true => {
                self.address(Some(member.node), &admission.address)?;
                self.remove(member.node, false)?;
                Ok(Some(member.node))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{NodeName, Role, Term};

    /// A member that answered this many milliseconds ago, if ever, and has the log up to here.
    fn member(node: u64, voter: bool, heard: Option<u64>, matched: u64) -> MemberStatus {
        MemberStatus {
            node: NodeId::new(node),
            name: format!("n{node}"),
            address: format!("h{node}:7100"),
            voter,
            heard: heard.map(Duration::from_millis),
            matched: Some(LogIndex::new(matched)),
        }
    }

    /// What member 1 sees, which leads.
    fn status(members: Vec<MemberStatus>) -> Status {
        Status {
            node: NodeId::new(1),
            role: Role::Leader,
            leader: Some(NodeId::new(1)),
            term: Term::new(2),
            last: Some(LogIndex::new(1_000)),
            committed: Some(LogIndex::new(1_000)),
            applied: Some(LogIndex::new(1_000)),
            snapshot: None,
            purged: None,
            quorum_heard: None,
            changing: false,
            members,
        }
    }

    fn three(third_heard: Option<u64>) -> Status {
        status(vec![
            member(1, true, None, 1_000),
            member(2, true, Some(50), 999),
            member(3, true, third_heard, 998),
        ])
    }

    fn newcomer(name: &str, address: &str, replace: bool) -> Admission {
        let name = NodeName::new(name).unwrap();
        let (address, newest) = (address.to_owned(), berth_allocator::Level::NEWEST);
        Admission { name, address, replace, newest }
    }

    #[test]
    fn a_member_goes_if_those_left_are_a_quorum() {
        let (well, one_gone) = (three(Some(60)), three(Some(10_000)));
        let remove = |status: &Status, node, force| View(status).remove(NodeId::new(node), force);
        assert_eq!(remove(&well, 3, false), Ok(()));
        assert_eq!(remove(&one_gone, 3, false), Ok(()), "the one that is gone");
        let risk = MembershipRefusal::QuorumAtRisk { voters: 2, there: 1, needed: 2 };
        assert_eq!(remove(&one_gone, 2, false), Err(risk.clone()));
        assert_eq!(remove(&three(None), 2, false), Err(risk), "one that was never heard");
        assert_eq!(remove(&one_gone, 2, true), Ok(()));
        assert_eq!(remove(&well, 4, true), Err(MembershipRefusal::NotAMember { node: 4 }));
        let alone = status(vec![member(1, true, None, 1_000), member(2, false, None, 0)]);
        assert_eq!(remove(&alone, 1, true), Err(MembershipRefusal::LastVoter { node: 1 }));
        assert_eq!(remove(&alone, 2, false), Ok(()), "a learner counts for nothing");
    }

    #[test]
    fn a_learner_votes_once_it_has_the_log() {
        let with = |learner| {
            let mut status = three(Some(60));
            status.members.push(learner);
            View(&status).promote(NodeId::new(20))
        };
        assert_eq!(with(member(20, false, Some(10), 990)), Ok(()));
        let behind = MembershipRefusal::Behind { node: 20, behind: 900 };
        assert_eq!(with(member(20, false, Some(10), 100)), Err(behind));
        assert_eq!(
            with(member(20, false, Some(9_000), 990)),
            Err(MembershipRefusal::Silent { node: 20 })
        );
        let mut risky = three(Some(9_000));
        risky.members[1].heard = None;
        risky.members.push(member(20, false, Some(10), 990));
        let risk = MembershipRefusal::QuorumAtRisk { voters: 4, there: 2, needed: 3 };
        assert_eq!(View(&risky).promote(NodeId::new(20)), Err(risk));
    }

    #[test]
    fn a_newcomer_needs_a_name_and_an_address_of_its_own() {
        let (well, one_gone) = (three(Some(60)), three(Some(10_000)));
        let admit = |status: &Status, name, address, replace| {
            View(status).admit(&newcomer(name, address, replace))
        };
        assert_eq!(admit(&well, "n4", "h4:7100", false), Ok(None));
        assert!(matches!(
            admit(&well, "n4", "h2:7100", false),
            Err(MembershipRefusal::AddressTaken { node: 2, .. })
        ));
        for nowhere in ["0.0.0.0:7100", "[::]:7100", "h4"] {
            let refused = admit(&well, "n4", nowhere, false);
            assert!(matches!(refused, Err(MembershipRefusal::Address { .. })), "{nowhere}");
        }
        assert!(matches!(
            admit(&one_gone, "n3", "h3:7100", false),
            Err(MembershipRefusal::NameTaken { node: 3, .. })
        ));
        assert!(matches!(
            admit(&well, "n3", "h3:7100", true),
            Err(MembershipRefusal::Alive { node: 3, .. })
        ));
        assert_eq!(admit(&one_gone, "n3", "h3:7100", true), Ok(Some(NodeId::new(3))));
        let mut interrupted = well.clone();
        interrupted.members.push(member(20, false, None, 0));
        assert_eq!(admit(&interrupted, "n20", "h20:7100", false), Ok(Some(NodeId::new(20))));
        let many = (1..=15).map(|node| member(node, true, Some(1), 1_000)).collect();
        assert_eq!(
            admit(&status(many), "n16", "h16:1", false),
            Err(MembershipRefusal::Full { max: 15 })
        );
    }

    #[test]
    fn who_leads_next_votes_and_is_there() {
        let mut one_gone = three(Some(10_000));
        one_gone.members.push(member(20, false, Some(10), 1_000));
        let lead = |node: Option<u64>| View(&one_gone).lead(node.map(NodeId::new));
        assert_eq!(lead(Some(2)), Ok(Some(NodeId::new(2))));
        assert_eq!(lead(None), Ok(Some(NodeId::new(2))));
        assert_eq!(lead(Some(1)), Ok(None));
        assert_eq!(lead(Some(3)), Err(MembershipRefusal::Silent { node: 3 }));
        assert_eq!(lead(Some(20)), Err(MembershipRefusal::Learner { node: 20 }));
        let alone = status(vec![member(1, true, None, 1_000)]);
        assert_eq!(View(&alone).lead(None), Err(MembershipRefusal::LastVoter { node: 1 }));
    }

    #[test]
    fn a_new_leader_waits_until_it_knows_who_is_there() {
        let status = three(None);
        assert!(!View(&status).is_settled(Duration::ZERO));
        assert!(View(&status).is_settled(LATELY));
        assert!(View(&three(Some(60_000))).is_settled(Duration::ZERO));
    }
}
