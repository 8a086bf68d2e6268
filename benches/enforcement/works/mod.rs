//! One file for each work.

pub mod advice;
pub mod application;
pub mod census;
pub mod cold_start;
pub mod journal;
pub mod latency;
pub mod memory;
pub mod nightly;
pub mod throughput;
