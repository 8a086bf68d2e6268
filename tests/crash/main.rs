//! The engine under crashes: its process killed at random moments and at every system call, its connection cut, its disk full or failing, the
//! database server killed. After each of them the same questions are asked (`oracle.rs`) of the same organisation (`scene.rs`).
//!
//! | variable | meaning | in CI |
//! |---|---|---|
//! | `RETENTIOND_KILLS` | random kills, for each engine, of one worker and of three each, and of runs that ask a second source | 30, 15 and 10 |
//! | `RETENTIOND_SEED` | where chance begins | 1 |
//! | `RETENTIOND_STRACE` | `all`, or at how many system calls the process is killed or the disk fails | 8 and 4 |
//! | `RETENTIOND_CUTS` | `all`, or at how many messages the connection is cut in each way | 3, silently 1 |
//! | `RETENTIOND_CUT_WAYS` | only these ways: `Before`, `During`, `Reply`, `Late`, `Silent`, `SilentReply` | all |
//! | `RETENTIOND_SERVER_KILLS` | how often each server is killed | 2 |
//! | `RETENTIOND_CRASH_ENGINES` | `postgres`, `mariadb`, `mysql`, `sqlite`, separated by commas | all but `mysql` |

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

mod archive;
mod asked;
mod child;
mod cuts;
mod disk;
mod kills;
mod oracle;
mod proxy;
mod scene;
mod servers;
mod stage;
mod syscalls;
mod trace;
mod wanted;

#[path = "../support/asked.rs"]
mod asks;
#[expect(dead_code, reason = "chances that other tests take")]
#[path = "../support_random/chance.rs"]
mod chance;
#[expect(dead_code, reason = "fixtures and orders of the reference model belong to other tests")]
#[path = "../support/enforcement.rs"]
mod enforcement;
#[path = "../support/mod.rs"]
mod support;
