//! The units are understood by systemd, and leave the process few powers.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use berth_tests::{binary, has_program};

/// systemd's measure of what a unit may do, from 0 to 100.
const EXPOSURE_MAX: &str = "25";
const UNITS: [&str; 2] = ["berth.service", "berth-agent.service"];

fn units() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/systemd"))
}

fn analyze(arguments: &[&str], unit: &str) {
    let output = Command::new("systemd-analyze").args(arguments).arg(unit).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{arguments:?} {unit}: {output:?}");
}

#[test]
fn systemd_takes_them() {
    if !has_program("systemd-analyze", "systemd looks at its units itself") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    // It looks for the programs, too, and for the units that they name.
    let berth = binary().display().to_string();
    for name in UNITS {
        let unit = fs::read_to_string(units().join(name)).unwrap();
        fs::write(dir.path().join(name), unit.replace("/usr/bin/berth", &berth)).unwrap();
    }
    for name in UNITS {
        let unit = dir.path().join(name).display().to_string();
        analyze(&["verify", "--man=no"], &unit);
        analyze(&["security", "--offline=true", "--threshold", EXPOSURE_MAX, "--no-pager"], &unit);
    }
}

/// What differs between the two, and nothing else does.
#[test]
fn the_agents_is_the_servers_but_for_names() {
    let [server, agent] = UNITS.map(|name| fs::read_to_string(units().join(name)).unwrap());
    let alike = |unit: &str| {
        let lines = unit.lines().filter(|line| !line.starts_with('#'));
        let own = ["Description=", "Conflicts=", "ExecStart="];
        lines
            .filter(|line| !own.iter().any(|own| line.starts_with(own)))
            .collect::<Vec<_>>()
            .join("\n")
    };
    assert_eq!(alike(&server), alike(&agent));
}
