use super::Context;
use crate::exit::Outcome;
pub(crate) async fn run(_context: Context, _args: super::args::ViewArgs) -> Outcome { Ok(()) }
