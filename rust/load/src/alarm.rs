//! A wake-up at an exact time. The poll's own timeout counts in milliseconds, and an open loop of 20,000 requests a
//! second has one due every 50 microseconds.

use mio::{Registry, Token};
use std::io;

#[cfg(target_os = "linux")]
mod exact {
    use super::{Registry, Token, io};
    use mio::Interest;
    use mio::unix::SourceFd;
    use rustix::fd::{AsRawFd, OwnedFd};
    use rustix::time::{
        Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
    };

    /// A timer of the kernel that the poll waits for.
    #[derive(Debug)]
    pub struct Alarm {
        timer: OwnedFd,
    }

    impl Alarm {
        /// Makes a timer that wakes the poll of `registry` with `token`.
        pub fn new(registry: &Registry, token: Token) -> io::Result<Self> {
            let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
            registry.register(&mut SourceFd(&timer.as_raw_fd()), token, Interest::READABLE)?;
            Ok(Self { timer })
        }

        /// Sets it to go off after `delay_ns`; an earlier setting is forgotten.
        pub fn set(&self, delay_ns: u64) -> io::Result<()> {
            let delay =
                Timespec { tv_sec: (delay_ns / 1_000_000_000) as i64, tv_nsec: (delay_ns % 1_000_000_000) as _ };
            let once = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value: delay };
            timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &once)?;
            Ok(())
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod exact {
    use super::{Registry, Token, io};

    /// Without kernel timers the poll's millisecond timeout must do.
    #[derive(Debug)]
    pub struct Alarm;

    impl Alarm {
        /// Nothing to make.
        pub fn new(_registry: &Registry, _token: Token) -> io::Result<Self> {
            Ok(Self)
        }

        /// Nothing to set.
        pub fn set(&self, _delay_ns: u64) -> io::Result<()> {
            Ok(())
        }
    }
}

pub use exact::Alarm;
