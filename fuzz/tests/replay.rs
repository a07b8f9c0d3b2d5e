//! Runs the corpus: what fuzzing found must stay mended, and what it reached must stay reached.
#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use std::fs;
use std::path::Path;

use berth_fuzz::TARGETS;

fn corpus() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus")
}

#[test]
fn every_input_of_the_corpus_is_borne() {
    // A panic in a task of a runtime ends that task alone; here it is a failure all the same.
    let told = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        told(panic);
        std::process::abort();
    }));
    for target in TARGETS {
        let inputs: Vec<_> = fs::read_dir(corpus().join(target.name)).unwrap().collect();
        assert!(inputs.len() > 5, "{} inputs for {}", inputs.len(), target.name);
        for input in inputs {
            let path = input.unwrap().path();
            println!("{}", path.display());
            (target.run)(&fs::read(path).unwrap());
        }
    }
}

#[test]
fn every_corpus_has_a_target() {
    for corpus in fs::read_dir(corpus()).unwrap() {
        let name = corpus.unwrap().file_name().into_string().unwrap();
        assert!(berth_fuzz::target(&name).is_some(), "{name} is no target");
    }
}
