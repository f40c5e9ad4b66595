//! What processes cost: processor time and memory, read from `/proc`.

use std::fs;
use std::time::Duration;

/// Processor time that a group of processes has used so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cpu {
    /// Time on a processor, by the scheduler's own clock.
    pub(super) total: Duration,
    /// Of it in the program itself, to 10 ms.
    pub(super) user: Duration,
    /// Of it in the kernel, to 10 ms.
    pub(super) system: Duration,
}

impl Cpu {
    /// The sum over these processes and all their threads.
    pub(super) fn of(processes: &[u32]) -> Self {
        let mut sum = Self::default();
        for process in processes {
            sum.total += on_processor(*process);
            let (user, system) = ticks(*process).unwrap_or_default();
            sum.user += user;
            sum.system += system;
        }
        sum
    }

    /// What was used since then.
    pub(super) fn since(self, then: Self) -> Self {
        Self {
            total: self.total.saturating_sub(then.total),
            user: self.user.saturating_sub(then.user),
            system: self.system.saturating_sub(then.system),
        }
    }
}

/// First field of `schedstat` of every thread: nanoseconds on a processor.
fn on_processor(process: u32) -> Duration {
    let Ok(threads) = fs::read_dir(format!("/proc/{process}/task")) else { return Duration::ZERO };
    let spent =
        threads.flatten().filter_map(|thread| fs::read_to_string(thread.path().join("schedstat")).ok());
    spent.filter_map(|line| line.split(' ').next()?.parse().ok().map(Duration::from_nanos)).sum()
}

/// `utime` and `stime` of `/proc/PID/stat`, in hundredths of a second on every Linux that we know.
fn ticks(process: u32) -> Option<(Duration, Duration)> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name in brackets may hold spaces; the fields after it don't.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let mut next = || Some(Duration::from_millis(10 * fields.next()?.parse::<u64>().ok()?));
    Some((next()?, next()?))
}

/// Resident memory of these processes together, in MiB; pages that they share count for each.
pub(super) fn resident(processes: &[u32]) -> f64 {
    let kib = processes.iter().filter_map(|process| {
        let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
        let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
        line.split_whitespace().nth(1)?.parse::<f64>().ok()
    });
    kib.sum::<f64>() / 1024.0
}

/// A process and its children.
pub(super) fn family(process: u32) -> Vec<u32> {
    let mut family = vec![process];
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(candidate) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        if parent(candidate) == Some(process) {
            family.push(candidate);
        }
    }
    family
}

fn parent(process: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

/// Busy and total time of the whole machine since it started, in the kernel's ticks.
pub(super) fn machine() -> (u64, u64) {
    let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
    let line = stat.lines().next().unwrap_or_default();
    let fields: Vec<u64> = line.split_whitespace().skip(1).filter_map(|field| field.parse().ok()).collect();
    let total = fields.iter().sum();
    let idle = fields.iter().skip(3).take(2).sum::<u64>();
    (total - idle, total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_costs_time_and_memory() {
        let me = [std::process::id()];
        let before = Cpu::of(&me);
        let mut sum = 0_u64;
        while Cpu::of(&me).since(before).total < Duration::from_millis(20) {
            sum = sum.wrapping_add(std::hint::black_box(1));
        }
        assert!(sum > 0);
        assert!(resident(&me) > 0.5);
        assert_eq!(family(me[0])[0], me[0]);
    }
}
