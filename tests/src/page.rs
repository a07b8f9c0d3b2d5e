//! The commands of a page of the documentation.

/// A block of commands, and the hosts on which each of them runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// Names of hosts.
    pub hosts: Vec<String>,
    /// One a line.
    pub commands: Vec<String>,
}

/// All blocks of a page that begin with "sh" and the names of hosts.
pub fn blocks(page: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for line in page.lines() {
        match (&mut open, line.strip_prefix("```")) {
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (Some(block), None) => block.commands.push(line.to_owned()),
            (None, Some(head)) => {
                if let Some(hosts) = head.strip_prefix("sh ") {
                    let hosts = hosts.split(' ').map(str::to_owned).collect();
                    open = Some(Block { hosts, commands: Vec::new() });
                }
            }
            (None, None) => {}
        }
    }
    blocks
}
