//! Who is connected: a bounded number, of whom the least useful makes room.

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::task::AbortHandle;
use tokio::time::Instant;

/// Connections at a time.
pub(super) const MOST: usize = 16;
/// One that is being answered for so long may have to go.
const WHILE: Duration = Duration::from_secs(1);

/// Those that are connected. They end with it.
#[derive(Debug, Default)]
pub(super) struct Crowd(Vec<Guest>);

#[derive(Debug)]
struct Guest {
    task: AbortHandle,
    pulse: Arc<Pulse>,
}

/// What becomes of one more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Room {
    /// There is room.
    Free,
    /// Another one had to go.
    Made,
    /// There is none: it has to go itself.
    None,
}

impl Crowd {
    /// Finds room for one more. Guests that never asked go first, then those that ask for nothing now, then those that take long to read,
    /// in each case the one that does so for the longest.
    pub(super) fn make_room(&mut self) -> Room {
        self.0.retain(|guest| !guest.task.is_finished());
        if self.0.len() < MOST {
            return Room::Free;
        }
        let now = Instant::now();
        let rank = |guest: &Guest| {
            let state = guest.pulse.state();
            let is_expendable = state.doing != Doing::Answers || now.duration_since(state.since) >= WHILE;
            is_expendable.then_some((state.doing, state.since))
        };
        let ranks = self.0.iter().enumerate();
        let ranks = ranks.filter_map(|(index, guest)| Some((rank(guest)?, index)));
        match ranks.min() {
            Some((_, index)) => {
                self.0.swap_remove(index).task.abort();
                Room::Made
            }
            None => Room::None,
        }
    }

    /// One more.
    pub(super) fn join(&mut self, pulse: Arc<Pulse>, task: impl Future<Output = ()> + Send + 'static) {
        self.0.push(Guest {
            task: tokio::spawn(task).abort_handle(),
            pulse,
        });
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        for guest in &self.0 {
            guest.task.abort();
        }
    }
}

/// What a connection does.
#[derive(Debug)]
pub(super) struct Pulse(Mutex<State>);

#[derive(Clone, Copy, Debug)]
struct State {
    doing: Doing,
    since: Instant,
    /// Something was answered.
    is_useful: bool,
    /// It is made, or it waits to be written.
    is_answered: bool,
}

/// The first that makes room stands first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Doing {
    /// A request is awaited, or a part of it came.
    Asks,
    /// It was answered and may ask again.
    Rests,
    /// Its request is answered, and the answer read.
    Answers,
}

impl Pulse {
    /// Of a connection that was just made.
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Pulse(Mutex::new(State {
            doing: Doing::Asks,
            since: Instant::now(),
            is_useful: false,
            is_answered: false,
        })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn becomes(state: &mut State, doing: Doing) {
        if state.doing != doing {
            state.doing = doing;
            state.since = Instant::now();
        }
    }

    /// Something came.
    pub(super) fn heard(&self) {
        let mut state = self.state();
        if state.doing == Doing::Rests {
            Pulse::becomes(&mut state, Doing::Asks);
        }
    }

    /// A whole request came.
    pub(super) fn asked(&self) {
        let mut state = self.state();
        state.is_answered = false;
        Pulse::becomes(&mut state, Doing::Answers);
    }

    /// Its answer is there.
    pub(super) fn answered(&self) {
        let mut state = self.state();
        state.is_answered = true;
        state.is_useful = true;
    }

    /// Everything was written.
    pub(super) fn flushed(&self) {
        let mut state = self.state();
        if state.doing == Doing::Answers && state.is_answered {
            Pulse::becomes(&mut state, Doing::Rests);
        }
    }

    /// Whether it waits for another request, after one that was answered.
    pub(super) fn is_idle(&self) -> bool {
        let state = self.state();
        state.is_useful && state.doing == Doing::Rests
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    async fn full(crowd: &mut Crowd) -> Vec<Arc<Pulse>> {
        let mut pulses = Vec::new();
        for _ in 0..MOST {
            advance(Duration::from_millis(1)).await;
            assert_eq!(crowd.make_room(), Room::Free);
            let pulse = Pulse::new();
            crowd.join(pulse.clone(), std::future::pending());
            pulses.push(pulse);
        }
        pulses
    }

    fn has(crowd: &Crowd, pulse: &Arc<Pulse>) -> bool {
        crowd.0.iter().any(|guest| Arc::ptr_eq(&guest.pulse, pulse))
    }

    #[tokio::test(start_paused = true)]
    async fn who_never_asks_makes_room_before_who_was_answered() {
        let mut crowd = Crowd::default();
        let pulses = full(&mut crowd).await;
        for useful in &pulses[..2] {
            useful.asked();
            useful.answered();
            useful.flushed();
        }
        pulses[2].asked();
        let mut gone = Vec::new();
        for _ in 0..MOST - 1 {
            assert_eq!(crowd.make_room(), Room::Made);
            let missing = pulses
                .iter()
                .position(|pulse| !has(&crowd, pulse) && !gone.iter().any(|gone| Arc::ptr_eq(gone, pulse)));
            let missing = missing.unwrap();
            gone.push(pulses[missing].clone());
            advance(Duration::from_millis(1)).await;
            let busy = Pulse::new();
            busy.asked();
            crowd.join(busy, std::future::pending());
        }
        let order: Vec<_> = gone
            .iter()
            .map(|gone| pulses.iter().position(|pulse| Arc::ptr_eq(gone, pulse)).unwrap())
            .collect();
        assert_eq!(order, [3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1]);
        assert_eq!(crowd.make_room(), Room::None, "all are being answered");
        advance(WHILE - Duration::from_millis(2)).await;
        assert_eq!(crowd.make_room(), Room::Made);
        assert!(!has(&crowd, &pulses[2]), "and this one takes the longest");
    }

    #[tokio::test(start_paused = true)]
    async fn those_that_ended_need_no_room() {
        let mut crowd = Crowd::default();
        full(&mut crowd).await;
        crowd.0[5].task.abort();
        tokio::task::yield_now().await;
        tokio::task::yield_now().await;
        assert_eq!(crowd.make_room(), Room::Free);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_is_not_made_is_not_read_either() {
        let pulse = Pulse::new();
        assert!(!pulse.is_idle());
        pulse.asked();
        pulse.flushed();
        assert_eq!(pulse.state().doing, Doing::Answers);
        pulse.answered();
        pulse.flushed();
        assert!(pulse.is_idle());
        pulse.heard();
        assert!(!pulse.is_idle());
    }
}
