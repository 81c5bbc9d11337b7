//! The command line: help, versions, wrong arguments.

use super::session_run::{err, out, run};

#[test]
fn help() {
    insta::assert_snapshot!("help", out(&run(&["--help"])));
    insta::assert_snapshot!("help_run", out(&run(&["run", "--help"])));
    insta::assert_snapshot!("help_demo", out(&run(&["demo", "--help"])));
}

#[test]
fn version() {
    assert_eq!(out(&run(&["--version"])), format!("eddy {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn wrong_arguments_end_with_2() {
    for args in
        [&["--nonsense"][..], &["run"], &["run", "x.sql", "--format", "xml"], &["-c", "SELECT 1", "--arg", "x"], &["demo", "--rate", "0"]]
    {
        let output = run(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", err(&output));
    }
}

#[test]
fn a_script_that_is_not_there_ends_with_1() {
    let output = run(&["run", "no/such/script.sql"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(err(&output).starts_with("error: `no/such/script.sql` cannot be read"), "{}", err(&output));
}
