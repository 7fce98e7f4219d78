//! Arguments, hooks and the exit code; everything else is the library's.

use std::io::Write as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let cli = match wsdash::cli::Cli::read(std::env::args_os()) {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let run = || -> anyhow::Result<u8> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()?;
        let code = runtime.block_on(wsdash::headless::run(&cli));
        // A credential plugin or a server that hangs must not hold up the end.
        runtime.shutdown_background();
        code
    };
    match run() {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "wsdash: {error:#}");
            ExitCode::FAILURE
        }
    }
}
