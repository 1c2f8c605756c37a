//! `mesh-bench`: load generators and comparisons. Every benchmark prints a table and keeps its raw results.

mod datachannel;
mod files;
mod process;
mod relay;
mod results;
mod soak;
mod terminal;

use clap::{Parser, Subcommand};

#[global_allocator]
static GLOBAL: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Parser)]
#[command(name = "mesh-bench", about = "Load generators and comparisons")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// What passes from node to node of a control plane of several, and what the hop costs.
    Cluster(relay::cluster::Options),
    /// Throughput, set-up time and memory of one data channel between two processes on this machine.
    Datachannel(datachannel::Options),
    /// A large file and many small ones, beside other programs.
    Files(files::Options),
    /// Messages, fan-out, connections and memory of the control plane, beside other servers.
    Relay(relay::Options),
    /// A crowd, and people who come and go for hours: what the server needs, and whether it gives it back.
    Soak(soak::Options),
    /// A shared terminal: echo, bulk output, the first screen and memory, beside a bare one, ssh and sshx.
    Terminal(terminal::Options),
    /// One end of a data channel, speaking JSON lines on standard input and output.
    #[command(hide = true)]
    DatachannelEnd(datachannel::end::Options),
}

fn main() -> anyhow::Result<()> {
    match Cli::parse().command {
        Command::Cluster(options) => relay::cluster::run(&options),
        Command::Datachannel(options) => datachannel::run(&options),
        Command::Files(options) => files::run(&options),
        Command::Relay(options) => relay::run(&options),
        Command::Soak(options) => soak::run(&options),
        Command::Terminal(options) => terminal::run(&options),
        Command::DatachannelEnd(options) => datachannel::end::run(options),
    }
}
