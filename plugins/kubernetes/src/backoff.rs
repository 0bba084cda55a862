//! How long to wait before asking again.

use std::time::Duration;

/// Waits that double up to half a minute, each shortened by chance so that replicas spread out.
#[derive(Debug)]
pub(crate) struct Backoff {
    longest: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { longest: FIRST }
    }
}

impl Backoff {
    /// The next wait: between half of the longest and the longest.
    pub(crate) fn next(&mut self) -> Duration {
        let wait = self.longest.mul_f64(rand::random_range(0.5..1.0));
        self.longest = (self.longest * 2).min(LAST);
        wait
    }

    /// It went well: begin anew.
    pub(crate) fn reset(&mut self) {
        self.longest = FIRST;
    }
}

const FIRST: Duration = Duration::from_millis(800);
const LAST: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_up_to_half_a_minute_and_begin_anew() {
        let mut backoff = Backoff::default();
        let mut longest = FIRST;
        for _ in 0..10 {
            let wait = backoff.next();
            assert!(wait >= longest / 2 && wait <= longest, "{wait:?} of {longest:?}");
            longest = (longest * 2).min(LAST);
        }
        assert_eq!(longest, LAST);
        backoff.reset();
        assert!(backoff.next() <= FIRST);
    }
}
