//! The `retentiond` command.

fn main() {}
