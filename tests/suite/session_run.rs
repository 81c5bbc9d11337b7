//! Runs the real binary for other tests.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

/// The binary, in the root of the repository, with nothing of the tester's own environment that changes output.
pub(crate) fn eddy(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_eddy"));
    command.args(args).current_dir(root()).env_remove("NO_COLOR").env_remove("FORCE_COLOR").env_remove("CLICOLOR_FORCE");
    command
}

/// The root of the repository.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Runs to the end with that standard input.
pub(crate) fn run_with(args: &[&str], input: &str) -> Output {
    let mut child = spawn(args);
    let mut stdin = child.stdin.take().expect("piped");
    // A program that ends early does not read all of it.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    child.wait_with_output().expect("ends")
}

/// Runs to the end with nothing on standard input.
pub(crate) fn run(args: &[&str]) -> Output {
    run_with(args, "")
}

/// Starts with all three streams piped.
pub(crate) fn spawn(args: &[&str]) -> Child {
    eddy(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts")
}

pub(crate) fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

pub(crate) fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("UTF-8")
}

/// The JSON lines on standard output.
pub(crate) fn lines(output: &Output) -> Vec<serde_json::Value> {
    out(output).lines().map(|l| serde_json::from_str(l).expect(l)).collect()
}

/// Sends a signal to a child.
pub(crate) fn signal(child: &Child, signal: nix::sys::signal::Signal) {
    let pid = i32::try_from(child.id()).expect("a pid");
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), signal).expect("sent");
}

/// How long anything may take on a busy machine.
pub(crate) const DEADLINE: std::time::Duration = std::time::Duration::from_secs(30);

/// The next client of `listener`; fails when none comes in time.
pub(crate) fn accept(listener: TcpListener) -> TcpStream {
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || sender.send(listener.accept()));
    receiver.recv_timeout(DEADLINE).expect("eddy connects in time").expect("eddy connects").0
}
