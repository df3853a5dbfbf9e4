//! The load itself: one thread, one poll, all connections. Closed loop: every answer starts the next request. Open
//! loop: requests are due at a fixed rate, and latency counts from the due time, so that a slow server cannot hide the
//! requests that it kept from being sent.

use crate::alarm::Alarm;
use crate::connection::{Answer, Connection, ConnectionError, SCRATCH_BYTES};
use crate::ledger::Ledger;
use crate::usage::{self, ProcessUsage};
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use std::collections::VecDeque;
use std::io;
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

/// How long requests under way may take to be answered after the load has ended.
const DRAIN: Duration = Duration::from_secs(10);
/// Longest sleep, so that phases change in time.
const POLL: Duration = Duration::from_millis(20);
const ALARM: Token = Token(usize::MAX);

/// What to do for how long.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// Load before anything is counted (errors always are).
    pub warm_up: Duration,
    /// Load that is counted.
    pub measured: Duration,
    /// Requests a second in total, for an open loop; without it the loop is closed.
    pub rate_per_second: Option<f64>,
    /// Requests of each connection after which it is done; the times above are then only a limit.
    pub quota: Option<u64>,
    /// The server's process, if its use of the machine is wanted.
    pub pid: Option<u32>,
}

/// What came of it.
#[derive(Debug)]
pub struct Outcome {
    /// Answers and their latencies.
    pub ledger: Ledger,
    /// Length of the measured part as it was.
    pub seconds: f64,
    /// Processor time of this thread in it.
    pub generator_cpu_seconds: f64,
    /// The server's use before and after it.
    pub server: Option<(ProcessUsage, ProcessUsage)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    WarmUp,
    Measured,
    Draining,
}

/// A moment at which the measured part begins or ends.
#[derive(Debug, Clone, Copy, Default)]
struct Mark {
    at_ns: u64,
    generator_cpu_seconds: f64,
    server: Option<ProcessUsage>,
}

/// When open-loop requests are due, and which connections could take one.
struct Pacer {
    interval_ns: f64,
    started_count: u64,
    ready: VecDeque<usize>,
    alarm: Alarm,
}

struct Driver<'a, C> {
    connections: &'a mut [C],
    alive: Vec<bool>,
    started: Vec<u64>,
    plan: &'a Plan,
    poll: Poll,
    begin: Instant,
    phase: Phase,
    marks: [Mark; 2],
    pacer: Option<Pacer>,
    ledger: Ledger,
    answers: Vec<Answer>,
    scratch: Vec<u8>,
}

/// Runs a load over connections that are set up.
pub fn run<C: Connection>(connections: &mut [C], plan: &Plan) -> Result<Outcome, ConnectionError> {
    let mut driver = Driver::new(connections, plan)?;
    driver.drive()?;
    let [first, last] = driver.marks;
    Ok(Outcome {
        ledger: driver.ledger,
        seconds: (last.at_ns - first.at_ns) as f64 / 1e9,
        generator_cpu_seconds: last.generator_cpu_seconds - first.generator_cpu_seconds,
        server: first.server.zip(last.server),
    })
}

impl<'a, C: Connection> Driver<'a, C> {
    fn new(connections: &'a mut [C], plan: &'a Plan) -> Result<Self, ConnectionError> {
        let poll = Poll::new()?;
        for (index, connection) in connections.iter().enumerate() {
            connection.socket().set_nonblocking(true)?;
            let descriptor = connection.socket().as_raw_fd();
            let both = Interest::READABLE | Interest::WRITABLE;
            poll.registry().register(&mut SourceFd(&descriptor), Token(index), both)?;
        }
        let pacer = match plan.rate_per_second {
            Some(rate) => Some(Pacer {
                interval_ns: 1e9 / rate,
                started_count: 0,
                ready: (0..connections.len()).flat_map(|index| vec![index; connections[index].room()]).collect(),
                alarm: Alarm::new(poll.registry(), ALARM)?,
            }),
            None => None,
        };
        Ok(Self {
            alive: vec![true; connections.len()],
            started: vec![0; connections.len()],
            connections,
            plan,
            poll,
            begin: Instant::now(),
            phase: Phase::WarmUp,
            marks: [Mark::default(); 2],
            pacer,
            ledger: Ledger::new(),
            answers: Vec::new(),
            scratch: vec![0; SCRATCH_BYTES],
        })
    }

    fn now_ns(&self) -> u64 {
        self.begin.elapsed().as_nanos() as u64
    }

    fn drive(&mut self) -> Result<(), ConnectionError> {
        let mut events = Events::with_capacity(1024);
        self.change_phase()?;
        if self.pacer.is_none() {
            (0..self.connections.len()).for_each(|index| self.refill(index));
        }
        while !self.change_phase()? {
            self.pace()?;
            if let Err(error) = self.poll.poll(&mut events, Some(POLL)) {
                if error.kind() == io::ErrorKind::Interrupted {
                    continue;
                }
                return Err(error.into());
            }
            for event in &events {
                if event.token() != ALARM && self.alive[event.token().0] {
                    self.serve(event.token().0);
                }
            }
        }
        Ok(())
    }

    /// Moves on to the phase that the time asks for; true when all is done.
    fn change_phase(&mut self) -> Result<bool, ConnectionError> {
        let now_ns = self.now_ns();
        let end_of_warm_up = self.plan.warm_up.as_nanos() as u64;
        let end = end_of_warm_up + self.plan.measured.as_nanos() as u64;
        let dead = !self.alive.contains(&true);
        if self.phase == Phase::WarmUp && now_ns >= end_of_warm_up {
            self.marks[0] = self.mark()?;
            self.phase = Phase::Measured;
        }
        if self.phase == Phase::Measured && (now_ns >= end || dead || self.quota_done()) {
            self.marks[1] = self.mark()?;
            self.phase = Phase::Draining;
            self.connections.iter_mut().for_each(Connection::check_all);
        }
        if self.phase != Phase::Draining {
            return Ok(dead);
        }
        let under_way: usize = self.living().map(Connection::in_flight).sum();
        let late = now_ns >= end + DRAIN.as_nanos() as u64;
        if under_way > 0 && late {
            self.ledger.fail(under_way as u64, &format!("no answer {} s after the end", DRAIN.as_secs()));
        }
        Ok(under_way == 0 || late)
    }

    fn living(&self) -> impl Iterator<Item = &C> {
        self.connections.iter().zip(&self.alive).filter(|(_, alive)| **alive).map(|(connection, _)| connection)
    }

    fn quota_done(&self) -> bool {
        let Some(quota) = self.plan.quota else { return false };
        let done = |index: usize| self.started[index] >= quota && self.connections[index].in_flight() == 0;
        (0..self.connections.len()).all(|index| !self.alive[index] || done(index))
    }

    fn mark(&self) -> Result<Mark, ConnectionError> {
        Ok(Mark {
            at_ns: self.now_ns(),
            generator_cpu_seconds: usage::thread_cpu_seconds(),
            server: self.plan.pid.map(usage::of_process).transpose()?,
        })
    }

    /// Takes what has come on a connection and, in a closed loop, starts the next requests.
    fn serve(&mut self, index: usize) {
        let result = self.connections[index].receive(&mut self.scratch, &mut self.answers);
        let now_ns = self.now_ns();
        let measured = self.phase == Phase::Measured;
        let answered = self.answers.len();
        for answer in self.answers.drain(..) {
            self.ledger.record(&answer, now_ns, measured);
        }
        if let Err(error) = result {
            return self.give_up(index, &error);
        }
        match &mut self.pacer {
            Some(pacer) => {
                pacer.ready.extend(std::iter::repeat_n(index, answered));
                self.flush(index);
            }
            None => self.refill(index),
        }
    }

    fn refill(&mut self, index: usize) {
        if self.phase != Phase::Draining {
            let quota = self.plan.quota.unwrap_or(u64::MAX);
            while self.started[index] < quota && self.connections[index].room() > 0 {
                let now_ns = self.now_ns();
                if !self.start(index, now_ns) {
                    return;
                }
            }
        }
        self.flush(index);
    }

    fn start(&mut self, index: usize, started_ns: u64) -> bool {
        self.started[index] += 1;
        let result = self.connections[index].start(started_ns);
        result.map_err(|error| self.give_up(index, &error)).is_ok()
    }

    fn flush(&mut self, index: usize) {
        if let Err(error) = self.connections[index].flush() {
            self.give_up(index, &error);
        }
    }

    /// A connection that cannot go on takes the requests under way with it.
    fn give_up(&mut self, index: usize, error: &ConnectionError) {
        self.alive[index] = false;
        self.ledger.fail(self.connections[index].in_flight().max(1) as u64, &error.to_string());
        if let Err(error) = self.connections[index].socket().shutdown(std::net::Shutdown::Both) {
            self.ledger.note(&error.to_string());
        }
    }

    /// Starts the open-loop requests that are due and sets the alarm for the next.
    fn pace(&mut self) -> Result<(), ConnectionError> {
        if self.phase == Phase::Draining {
            return Ok(());
        }
        while let Some(pacer) = &mut self.pacer {
            let due_ns = (pacer.started_count as f64 * pacer.interval_ns) as u64;
            let now_ns = self.begin.elapsed().as_nanos() as u64;
            if due_ns > now_ns {
                pacer.alarm.set(due_ns - now_ns)?;
                break;
            }
            let Some(index) = pacer.ready.pop_front() else { break };
            if !self.alive[index] {
                continue;
            }
            if self.connections[index].room() == 0 {
                pacer.ready.push_back(index); // flow control; its window update wakes the poll
                break;
            }
            pacer.started_count += 1;
            if self.start(index, due_ns) {
                self.flush(index);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "driver_tests.rs"]
mod tests;
