//! Usage samples. (Taken over by the metrics work; only the name is fixed here.)

/// The samples of this moment.
#[derive(Debug, Default)]
pub struct Metrics;
