//! `cargo xtask COMMAND`: everything that is done with the repository as a whole.

mod api_check;
mod audit;
mod codegen;
mod dist;
mod install;
mod process;
mod run;
mod suites;
mod tidy;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Mesh's own commands")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Build everything, start a server and an agent of this machine, print the link that signs you in
    Run {
        /// Further options of `mesh up`, such as --allow terminal:view
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        up: Vec<String>,
    },
    /// Install what the tests need and run them all
    Test,
    /// Check the rules that no compiler checks: dependency direction, module heads, file lengths
    Tidy,
    /// Generate the web client's types from mesh-protocol
    Codegen {
        /// Only fail where the committed files are stale
        #[arg(long)]
        check: bool,
    },
    /// Run a benchmark of bench/, such as `datachannel`
    Bench {
        name: String,
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        options: Vec<String>,
    },
    /// Ask the REST interface what nobody expects, for some minutes (schemathesis)
    ApiCheck,
    /// Kill the server a hundred times while people write, and count what is lost (minutes)
    Durability,
    /// Stop NATS for a minute under people who write, and let two thousand clients reconnect at once (minutes)
    Cluster,
    /// Send two gibibytes from page to page, to a machine and back, and hold the pages' memory to its bound (minutes)
    Transfers,
    /// Feed every fuzz target for some minutes, all at once
    Fuzz {
        #[arg(long, default_value_t = 10)]
        minutes: u64,
    },
    /// Keep 2,000 sockets busy, then let people come and go for two hours: what the server needs, and whether it gives it back
    Soak {
        /// How long people come and go
        #[arg(long, default_value_t = 120)]
        minutes: u64,
        /// With the programs of the dev profile, as the tests have them
        #[arg(long)]
        dev: bool,
        /// Only `crowd` or `churn`
        #[arg(long)]
        only: Option<String>,
    },
    /// Look at what others wrote: known holes, licences, where it comes from (cargo-deny, npm audit)
    Audit,
    /// Make the archive that people download: static programs, units, proxies, dashboards
    Dist {
        /// Pack what is in target/debug, without building
        #[arg(long)]
        dev: bool,
    },
    /// Take the pictures of docs/screenshots/ from the real page
    Screenshots,
}

fn main() -> ExitCode {
    match dispatch(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Run { up } => run::run(&up),
        Command::Test => suites::test(),
        Command::Tidy => tidy::tidy(),
        Command::Codegen { check: false } => codegen::write(),
        Command::Codegen { check: true } => codegen::check(),
        Command::Bench { name, options } => suites::bench(&name, &options),
        Command::ApiCheck => suites::api_check(),
        Command::Durability => suites::durability(),
        Command::Cluster => suites::cluster(),
        Command::Transfers => suites::transfers(),
        Command::Fuzz { minutes } => suites::fuzz(minutes),
        Command::Soak { minutes, dev, only } => suites::soak(minutes, dev, only.as_deref()),
        Command::Audit => audit::audit(),
        Command::Dist { dev } => dist::dist(dev).map(drop),
        Command::Screenshots => suites::screenshots(),
    }
}
