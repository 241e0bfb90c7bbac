//! The `taskbell` command.

fn main() {}
