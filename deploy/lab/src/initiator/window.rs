//! The Linux initiator's congestion window towards one MAC address (`struct aoetgt` of drivers/block/aoe/aoe.h).

/// The most frames the driver keeps in flight (`aoe_maxout`).
const MAX_OUTSTANDING: u16 = 64;

/// How many frames may be, and are, in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// What the target can queue, at most 64 (`nframes`).
    ceiling: u32,
    /// What may be in flight now (`maxout`).
    limit: u32,
    /// Below it the limit grows by every reply, from it on by every window (`ssthresh`).
    threshold: u32,
    /// Replies until the limit grows again (`next_cwnd`).
    until_growth: u32,
    /// Frames in flight (`nout`).
    outstanding: u32,
}

impl Window {
    /// The window towards a target that advertises `buffer_count`: it begins at half of that.
    ///
    /// A buffer count below 2 begins at zero and never opens: such a target is unusable to Linux.
    pub fn new(buffer_count: u16) -> Self {
        let ceiling = u32::from(buffer_count.min(MAX_OUTSTANDING));
        let mut window = Window {
            ceiling,
            limit: 0,
            threshold: 0,
            until_growth: 0,
            outstanding: 0,
        };
        window.reset();
        window.limit = ceiling / 2;
        window
    }

    /// Takes in a new buffer count of the same target.
    pub fn set_buffer_count(&mut self, buffer_count: u16) {
        self.ceiling = u32::from(buffer_count.min(MAX_OUTSTANDING));
        if self.ceiling < self.limit {
            self.reset();
        }
    }

    /// Whether another frame may be sent.
    pub fn has_room(&self) -> bool {
        self.outstanding < self.limit
    }

    /// Frames that may be in flight.
    pub fn limit(&self) -> u32 {
        self.limit
    }

    /// Frames in flight.
    pub fn outstanding(&self) -> u32 {
        self.outstanding
    }

    /// A frame was sent.
    pub fn on_sent(&mut self) {
        self.outstanding += 1;
    }

    /// A frame in flight was answered.
    pub fn on_reply(&mut self) {
        if self.limit < self.ceiling {
            if self.limit < self.threshold {
                self.limit += 1;
            } else if self.outstanding == self.limit {
                match self.until_growth.checked_sub(1) {
                    Some(left) => self.until_growth = left,
                    None => {
                        self.limit += 1;
                        self.until_growth = self.limit;
                    }
                }
            }
        }
        self.outstanding = self.outstanding.saturating_sub(1);
    }

    /// A frame in flight was not answered in time: the window falls to one frame.
    pub fn on_timeout(&mut self) {
        if self.limit != 1 {
            self.threshold = self.limit / 2;
            self.limit = 1;
        }
        self.outstanding = self.outstanding.saturating_sub(1);
    }

    /// The device went down: nothing is in flight any more (`aoedev_downdev`).
    pub fn on_device_down(&mut self) {
        self.reset();
        self.outstanding = 0;
    }

    fn reset(&mut self) {
        self.limit = 1;
        self.threshold = self.ceiling / 2;
        self.until_growth = self.ceiling;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(window: &mut Window) {
        while window.has_room() {
            window.on_sent();
        }
    }

    /// Replies it takes, with the window always full, until the limit is `limit`.
    fn replies_until(window: &mut Window, limit: u32) -> u32 {
        let mut replies = 0;
        while window.limit() < limit {
            fill(window);
            window.on_reply();
            replies += 1;
            assert!(replies < 100_000);
        }
        replies
    }

    #[test]
    fn it_begins_at_half_and_is_capped_at_64() {
        assert_eq!(Window::new(16).limit(), 8);
        assert_eq!(Window::new(1024).limit(), 32);
        assert_eq!(Window::new(1).limit(), 0);
    }

    #[test]
    fn a_timeout_leaves_one_and_growth_is_fast_up_to_the_threshold_then_slow() {
        let mut window = Window::new(64);
        replies_until(&mut window, 64);
        fill(&mut window);
        window.on_timeout();
        assert_eq!(window.limit(), 1);
        while window.outstanding() > 0 {
            assert!(!window.has_room());
            window.on_timeout();
        }
        assert_eq!(
            replies_until(&mut window, 32),
            31,
            "one reply each up to half of 64"
        );
        assert!(
            replies_until(&mut window, 40) > 8 * 32,
            "then about a window each"
        );
    }

    #[test]
    fn it_never_exceeds_the_buffer_count_even_when_that_shrinks() {
        let mut window = Window::new(16);
        assert!(replies_until(&mut window, 16) > 0);
        fill(&mut window);
        window.on_reply();
        assert_eq!(window.limit(), 16);
        window.set_buffer_count(4);
        assert_eq!(window.limit(), 1);
        replies_until(&mut window, 4);
        fill(&mut window);
        window.on_reply();
        assert_eq!(window.limit(), 4);
    }
}
