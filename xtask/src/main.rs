//! The project's own chores: `cargo xtask NAME`.

fn main() {}
