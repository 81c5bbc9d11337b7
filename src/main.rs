//! Arguments → mode → exit status.

use eddyline::cli::{Cli, ColorChoice, ColorEnvironment, Mode, RunOptions, use_color};
use eddyline::diagnostic::{Diagnostic, SourceText, draw_for_terminal};
use eddyline::engine::memory;
use eddyline::engine::pool::STACK;
use eddyline::repl;
use eddyline::session::{HeadlessRun, ScriptOptions, headless};
use std::io::{IsTerminal, Read, Write, stderr, stdin, stdout};
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    memory::keep_some();
    let main = std::thread::Builder::new().name("main".to_string()).stack_size(STACK).spawn(eddy);
    main.ok().and_then(|thread| thread.join().ok()).unwrap_or(ExitCode::FAILURE)
}

fn eddy() -> ExitCode {
    let cli = Cli::of_process();
    let terminal = stdin().is_terminal();
    let done = match (&cli.mode, &cli.command) {
        (Some(Mode::Run { file, options }), _) => run_file(file, options),
        (Some(Mode::Demo { rate, color }), _) => repl::demo::run(*rate, terminal && stdout().is_terminal(), colors(*color, &stdout())),
        (None, Some(sql)) => run(&SourceText::new("-c", sql), &cli.run, true),
        (None, None) if terminal => {
            cli.check_prompt();
            repl::run(colors(cli.run.color, &stdout()), stdout().is_terminal(), cli.run.args).map(|()| true)
        }
        (None, None) => run_file(Path::new("-"), &cli.run),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            // Nobody to tell when standard error is closed.
            let _ = stderr().write_all(draw_for_terminal(&error, None, colors(ColorChoice::Auto, &stderr())).as_bytes());
            ExitCode::FAILURE
        }
    }
}

fn run_file(file: &Path, options: &RunOptions) -> Result<bool, Diagnostic> {
    run(&script(file)?, options, file != Path::new("-"))
}

fn run(source: &SourceText, options: &RunOptions, stdin_is_data: bool) -> Result<bool, Diagnostic> {
    let script = ScriptOptions { keep_going: options.keep_going, color: colors(options.color, &stderr()) };
    headless(source, HeadlessRun { format: options.format.into(), arguments: options.args.clone(), stdin_is_data, script })
}

fn colors(choice: ColorChoice, stream: &impl IsTerminal) -> bool {
    use_color(choice, &ColorEnvironment::of_process(), stream.is_terminal())
}

/// The script of a file, or of standard input for `-`.
fn script(file: &Path) -> Result<SourceText, Diagnostic> {
    let standard = file == Path::new("-");
    let name = if standard { "<standard input>".to_string() } else { file.display().to_string() };
    let refuse = |why: &dyn std::fmt::Display| Diagnostic::error(format!("`{name}` cannot be read: {why}"));
    let mut bytes = Vec::new();
    if standard {
        stdin().lock().read_to_end(&mut bytes).map_err(|e| refuse(&e))?;
    } else {
        bytes = std::fs::read(file).map_err(|e| refuse(&e))?;
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok(SourceText::new(name, text)),
        Err(e) => Err(refuse(&format!("it is no UTF-8 text (byte {})", e.utf8_error().valid_up_to()))),
    }
}
