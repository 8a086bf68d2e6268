//! The printed setup script on real servers: it can be run twice, its role may do exactly what it grants, and its
//! triggers take the fence.

mod fixture;
mod mariadb;
mod postgres;
mod sqlite;
