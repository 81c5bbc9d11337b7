//! Arguments → mode → exit status.

use eddyline::cli::{Cli, ColorChoice, ColorEnvironment, Mode, RunOptions, use_color};
use eddyline::diagnostic::{Diagnostic, SourceText, draw};
use eddyline::repl;
use eddyline::session::headless;
use std::io::{IsTerminal, Read, Write, stderr, stdin, stdout};
use std::path::Path;
use std::process::ExitCode;

/// Bytes of stack: a chain of thousands of operators is walked by recursion. Only what is used takes memory.
const STACK: usize = 256 << 20;

fn main() -> ExitCode {
    let main = std::thread::Builder::new().name("main".to_string()).stack_size(STACK).spawn(eddy);
    main.ok().and_then(|thread| thread.join().ok()).unwrap_or(ExitCode::FAILURE)
}

fn eddy() -> ExitCode {
    let cli = Cli::of_process();
    let done = match (cli.mode, cli.command) {
        (Some(Mode::Run { file, options }), _) => script(&file).and_then(|source| run(&source, &options)),
        (Some(Mode::Demo { rate, .. }), _) => repl::demo::run(rate, stdin().is_terminal() && stdout().is_terminal()),
        (None, Some(sql)) => run(&SourceText::new("-c", sql), &cli.run),
        (None, None) if stdin().is_terminal() => repl::run(colors(cli.run.color), stdout().is_terminal()).map(|()| true),
        (None, None) => script(Path::new("-")).and_then(|source| run(&source, &cli.run)),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            // Nobody to tell when standard error is closed.
            let _ = stderr().write_all(draw(&error, None).as_bytes());
            ExitCode::FAILURE
        }
    }
}

fn run(source: &SourceText, options: &RunOptions) -> Result<bool, Diagnostic> {
    headless(source, options.format.into(), options.keep_going, options.args.clone())
}

fn colors(choice: ColorChoice) -> bool {
    use_color(choice, &ColorEnvironment::of_process(), stdout().is_terminal())
}

/// The script of a file, or of standard input for `-`.
fn script(file: &Path) -> Result<SourceText, Diagnostic> {
    let name = if file == Path::new("-") { "<standard input>".to_string() } else { file.display().to_string() };
    let refuse = |why: &dyn std::fmt::Display| Diagnostic::error(format!("`{name}` cannot be read: {why}"));
    let mut bytes = Vec::new();
    if file == Path::new("-") {
        stdin().lock().read_to_end(&mut bytes).map_err(|e| refuse(&e))?;
    } else {
        bytes = std::fs::read(file).map_err(|e| refuse(&e))?;
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok(SourceText::new(name, text)),
        Err(e) => Err(refuse(&format!("it is no UTF-8 text (byte {})", e.utf8_error().valid_up_to()))),
    }
}
