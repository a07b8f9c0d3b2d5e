//! What nodes say of themselves: their positions are in order and never go back while they run, and in
//! the end they all say the same.

use berth_replication::{LogIndex, Status};

use crate::host::Host;
use crate::node::Node;
use crate::scene::Scene;

/// Looks at all nodes.
pub(crate) struct Monitor {
    before: Vec<Option<(u64, Status)>>,
}

impl Monitor {
    /// Of so many nodes.
    pub(crate) fn new(nodes: usize) -> Self {
        Self { before: (0..nodes).map(|_| None).collect() }
    }

    /// Looks.
    pub(crate) fn look(&mut self, scene: &mut Scene) {
        for host in 0..scene.hosts.len() {
            let node = scene.hosts[host].node();
            let Some(replica) = node.as_ref().and_then(Node::replica) else { continue };
            let generation = scene.hosts[host].generation();
            let now = replica.status();
            let in_order = [now.purged, now.snapshot, now.applied, now.last];
            let known: Vec<LogIndex> = in_order.into_iter().flatten().collect();
            if !known.is_sorted() {
                scene.violation(format!("C6: n{} tells {in_order:?}", host + 1));
            }
            match &self.before[host] {
                Some((same, before)) if *same == generation => {
                    if let Some(what) = went_back(before, &now) {
                        scene.violation(format!("C7: {what} of n{} went back", host + 1));
                    }
                    if (before.role, before.leader) != (now.role, now.leader) {
                        let (role, leader, term) = (now.role, now.leader, now.term);
                        scene.event(format_args!(
                            "n{} is {role:?} of {leader:?} in {term}",
                            host + 1
                        ));
                        if role == berth_replication::Role::Leader {
                            scene.count("leaders");
                        }
                    }
                }
                _ => {}
            }
            self.before[host] = Some((generation, now));
        }
    }

    /// Whether all nodes follow one leader, have applied the same, and hold the same.
    pub(crate) fn agree(scene: &Scene) -> bool {
        let nodes: Option<Vec<_>> = scene.hosts[..scene.nodes].iter().map(Host::node).collect();
        let Some(nodes) = nodes else { return false };
        let views: Vec<_> = nodes
            .iter()
            .filter_map(Node::replica)
            .map(|replica| {
                let status = replica.status();
                (status.leader, status.applied, status.last, status.members.len())
            })
            .collect();
        let same = views.windows(2).all(|pair| pair[0] == pair[1]);
        same && views.iter().all(|(leader, applied, last, _)| leader.is_some() && applied == last)
    }
}

fn went_back(before: &Status, now: &Status) -> Option<&'static str> {
    let pairs = [
        ("the term", before.term.get() > now.term.get()),
        ("the committed position", before.committed > now.committed),
        ("the applied position", before.applied > now.applied),
        ("the snapshot", before.snapshot > now.snapshot),
        ("the purged position", before.purged > now.purged),
    ];
    pairs.into_iter().find(|(_, back)| *back).map(|(what, _)| what)
}
