//! One data channel between two processes: ours and libdatachannel, one run, interleaved.

pub(crate) mod end;

use clap::Args;

#[derive(Args)]
pub(crate) struct Options {}

pub(crate) fn run(_: &Options) -> anyhow::Result<()> {
    Ok(())
}
