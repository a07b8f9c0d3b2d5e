//! `berth cluster verify`

use std::collections::BTreeMap;

use comfy_table::Cell;
use hyper::Method;

use super::super::Failure;
use super::super::client::ApiClient;
use super::super::output::{Format, show};
use super::super::table::{cell, table};
use crate::api::types::{Resume, Verification, VerifiedMember};
use crate::code::Code;

const EXAMPLES: &str = "\
Examples:
  berth cluster verify
  berth cluster verify --output json

All nodes hash their state as of the same log entry, while they serve. It fails with exit code 1 if
they differ, which is a defect or a damage, and with 3 if a node did not answer.";

/// Compare the states of all nodes
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(in super::super) struct Arguments {
    /// How to show it
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    output: Format,
}

pub(super) async fn run(arguments: Arguments, api: ApiClient) -> Result<(), Failure> {
    let verified: Verification = api.change(Method::POST, "/v1/verify", &Resume::default()).await?;
    show(arguments.output, &verified, summary)?;
    verdict(&verified.members)
}

fn summary(verified: &Verification) -> String {
    let rows = verified.members.iter().map(|member| {
        vec![
            Cell::new(&member.name),
            Cell::new(member.id),
            cell(member.fingerprint.as_deref()),
            cell(member.error.as_deref()),
        ]
    });
    let members = table(&["MEMBER", "#ID", "FINGERPRINT", "ERROR"], rows);
    format!("at log entry {}, revision {}\n\n{members}", verified.index, verified.revision)
}

/// Nothing where all nodes have told the same.
fn verdict(members: &[VerifiedMember]) -> Result<(), Failure> {
    let mut by_state: BTreeMap<(&str, u64), Vec<&str>> = BTreeMap::new();
    for member in members {
        if let (Some(fingerprint), Some(revision)) = (&member.fingerprint, member.revision) {
            by_state.entry((fingerprint, revision)).or_default().push(&member.name);
        }
    }
    if by_state.len() > 1 {
        let most = by_state.values().map(Vec::len).max().unwrap_or_default();
        let few: Vec<&str> =
            by_state.values().filter(|names| names.len() < most).flatten().copied().collect();
        let one_most = by_state.values().filter(|names| names.len() == most).count() == 1;
        let which = if one_most {
            format!(
                "{} has another state than the others: stop it, and keep its data for a look",
                few.join(", ")
            )
        } else {
            let all: Vec<&str> = by_state.values().flatten().copied().collect();
            format!("{} have different states, and no majority has the same one", all.join(", "))
        };
        return Err(Failure::new(Code::Unhealthy, which));
    }
    let silent = members.iter().filter_map(|member| Some((&member.name, member.error.as_ref()?)));
    let silent: Vec<String> = silent.map(|(name, error)| format!("{name}: {error}")).collect();
    if silent.is_empty() {
        return Ok(());
    }
    let text = format!("not every node could be compared: {}", silent.join("; "));
    Err(Failure::new(Code::Unavailable, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(name: &str, fingerprint: Option<&str>) -> VerifiedMember {
        VerifiedMember {
            name: name.into(),
            id: 1,
            fingerprint: fingerprint.map(str::to_owned),
            revision: fingerprint.map(|_| 7),
            error: fingerprint.is_none().then(|| "it is silent".to_owned()),
        }
    }

    #[test]
    fn who_differs_is_named() {
        let said = |members: &[VerifiedMember]| verdict(members).unwrap_err().to_string();
        let (ada, bob, cyd) =
            (member("ada", Some("a")), member("bob", Some("a")), |f| member("cyd", f));
        verdict(&[ada.clone(), bob.clone(), cyd(Some("a"))]).unwrap();
        let differs = said(&[ada.clone(), bob.clone(), cyd(Some("c"))]);
        assert!(differs.starts_with("BERTH-0114: cyd has another state"), "{differs}");
        let silent = said(&[ada.clone(), bob, cyd(None)]);
        assert!(silent.contains("cyd: it is silent"), "{silent}");
        let torn = said(&[ada, cyd(Some("c"))]);
        assert!(torn.starts_with("BERTH-0114: ada, cyd have different"), "{torn}");
    }
}
