//! The `retentiond` command.

fn main() -> std::process::ExitCode {
    retentiond::cli::main().into()
}
