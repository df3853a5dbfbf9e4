//! What a process and this thread use, as the system counts it.

use std::fs;
use std::io;

/// Processor time and memory of a process at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct ProcessUsage {
    /// User and system time of all its threads; the kernel counts it in ticks of 10 ms.
    pub cpu_seconds: f64,
    /// Resident memory now.
    pub rss_bytes: u64,
    /// Most resident memory it ever had.
    pub rss_peak_bytes: u64,
}

/// Reads what a process uses from /proc (Linux).
pub fn of_process(pid: u32) -> io::Result<ProcessUsage> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let broken = || io::Error::new(io::ErrorKind::InvalidData, format!("/proc/{pid} reads unlike proc(5)"));
    Ok(ProcessUsage {
        cpu_seconds: cpu_ticks(&stat).ok_or_else(broken)? as f64 / rustix::param::clock_ticks_per_second() as f64,
        rss_bytes: kibibytes(&status, "VmRSS:").ok_or_else(broken)? * 1024,
        rss_peak_bytes: kibibytes(&status, "VmHWM:").ok_or_else(broken)? * 1024,
    })
}

/// utime + stime of a `stat` line: fields 14 and 15, counted after the command in parentheses, which is field 2.
fn cpu_ticks(stat: &str) -> Option<u64> {
    let after_command = &stat[stat.rfind(')')? + 1..];
    let mut fields = after_command.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

fn kibibytes(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

/// Processor time of the calling thread.
pub fn thread_cpu_seconds() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// Lets this process have as many sockets as the system allows it.
pub fn raise_descriptor_limit() -> io::Result<()> {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    Ok(setrlimit(Resource::Nofile, limit)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_read_past_a_strange_command() {
        let stat = "12 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 70 8 0 0 20 0";
        assert_eq!(cpu_ticks(stat), Some(78));
        assert_eq!(cpu_ticks("12 (a) S 1"), None);
    }

    #[test]
    fn memory_is_read_in_kibibytes() {
        let status = "Name:\tx\nVmHWM:\t   300 kB\nVmRSS:\t   200 kB\n";
        assert_eq!(kibibytes(status, "VmRSS:"), Some(200));
        assert_eq!(kibibytes(status, "VmHWM:"), Some(300));
        assert_eq!(kibibytes(status, "VmSwap:"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_uses_memory_and_time() {
        let mut sum = 0u64;
        while thread_cpu_seconds() < 0.03 {
            sum = sum.wrapping_add(1);
        }
        let usage = of_process(std::process::id()).expect("Linux has /proc");
        assert!(usage.cpu_seconds > 0.0 && usage.rss_bytes > 100_000 && usage.rss_peak_bytes >= usage.rss_bytes);
        assert!(sum > 0);
    }
}
