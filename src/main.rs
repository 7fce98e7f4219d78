//! Arguments, hooks and the exit code; everything else is the library's.

fn main() {}
