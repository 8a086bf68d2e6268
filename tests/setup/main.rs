//! The printed setup script on real servers: it can be run twice, its role may do exactly what it grants, and its
//! triggers take the fence.

#![expect(clippy::unwrap_used, reason = "a test's own failure is a panic")]

mod fixture;
mod mariadb;
mod postgres;
mod sqlite;
