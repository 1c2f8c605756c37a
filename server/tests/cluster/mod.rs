//! Any client on any node.

mod nodes;
mod outages;
mod skew;
mod together;
