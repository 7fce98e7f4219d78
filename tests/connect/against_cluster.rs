//! Exec, logs and reviews against a real cluster.
