//! The log against a dumb model of it, on a disk that does its worst.

mod crash;
mod model;
mod operations;
mod packed;
mod real_disk;
mod record;
mod recovery;
mod steps;
mod threads;
