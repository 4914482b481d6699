//! Ends a gateway whose data plane hangs, so that the supervisor starts it again: one that is there and carries nothing
//! would be worse.
//!
//! A data plane that has nothing to do sleeps. So it is woken once a second, and has made a turn a second later unless
//! it hangs. What counts is how often that was looked at, not what the clock says: a machine or process that was stopped did
//! not look either.

use std::sync::mpsc;
use std::time::Duration;
use std::{io, process, thread};

use crate::driver::CommandSender;
use crate::logging::id;

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A data plane that makes no turn between so many looks hangs.
const PATIENCE: u32 = 10;
/// The same once it was told to end.
const PATIENCE_AT_THE_END: u32 = 2;
/// How long the last line of the log may take: what hangs may be the log.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// How long the log's own thread has to write that line. It does not say when it has.
const WRITING: Duration = Duration::from_millis(500);

/// The data planes, and when each made a turn last.
#[derive(Debug)]
struct Watchdog {
    data_planes: Vec<Watched>,
}

#[derive(Debug)]
struct Watched {
    commands: CommandSender,
    /// Its turns up to the last look.
    seen: u64,
    in_vain: u32,
}

/// Watches the data planes from a thread of its own until the process ends.
///
/// # Errors
/// A lack of threads.
pub(crate) fn start(data_planes: &[CommandSender]) -> io::Result<()> {
    let mut watchdog = Watchdog::new(data_planes);
    thread::Builder::new()
        .name("watchdog".to_owned())
        .spawn(move || {
            loop {
                thread::sleep(LOOK_EVERY);
                if let Some(worker) = watchdog.look() {
                    abort(worker);
                }
            }
        })?;
    Ok(())
}

impl Watchdog {
    fn new(data_planes: &[CommandSender]) -> Self {
        let watched = |commands: &CommandSender| Watched {
            commands: commands.clone(),
            seen: 0,
            in_vain: 0,
        };
        Watchdog {
            data_planes: data_planes.iter().map(watched).collect(),
        }
    }

    /// Looks at every data plane and wakes it; the number of one that hangs.
    fn look(&mut self) -> Option<usize> {
        let mut hangs = None;
        for (number, watched) in self.data_planes.iter_mut().enumerate() {
            // One that has ended makes no turns and has no fault.
            let Some(turns) = watched.commands.turns() else {
                continue;
            };
            watched.in_vain = if turns == watched.seen {
                watched.in_vain + 1
            } else {
                0
            };
            watched.seen = turns;
            let patience = if watched.commands.is_ending() {
                PATIENCE_AT_THE_END
            } else {
                PATIENCE
            };
            if watched.in_vain >= patience {
                hangs = Some(number);
            }
            watched.commands.wake();
        }
        hangs
    }
}

/// Says why and aborts.
fn abort(worker: usize) -> ! {
    let (said, heard) = mpsc::channel();
    // If there is no thread to be had, it is not said.
    let _ = thread::Builder::new().spawn(move || {
        tracing::error!(
            id = id::HANGS,
            "data plane {worker} hangs: it makes no turn; aborting, so that the supervisor starts it again"
        );
        thread::sleep(WRITING);
        let _ = said.send(());
    });
    let _ = heard.recv_timeout(LAST_WORDS);
    process::abort();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::{Command, CommandReceiver, channel};
    use crate::sys::poll::{Interest, PollSet};

    /// A data plane that does nothing but turns, until it is told to hang.
    struct Idle {
        commands: CommandSender,
        tell: mpsc::Sender<()>,
        hung: mpsc::Receiver<()>,
    }

    impl Idle {
        fn start() -> Self {
            let (commands, mut receiver) = channel().unwrap();
            let ((tell, told), (say, hung)) = (mpsc::channel(), mpsc::channel());
            thread::spawn(move || {
                turn_until_told(&mut receiver, &told);
                say.send(()).unwrap();
                // Longer than the test.
                let _ = told.recv();
            });
            Idle { commands, tell, hung }
        }

        fn watchdog(&self) -> Watchdog {
            Watchdog::new(std::slice::from_ref(&self.commands))
        }

        /// Makes no turn from now on.
        fn hang(&self) {
            self.tell.send(()).unwrap();
            self.commands.wake();
            self.hung.recv().unwrap();
        }
    }

    fn turn_until_told(receiver: &mut CommandReceiver, told: &mpsc::Receiver<()>) {
        let mut set = PollSet::with_slots(1);
        set.watch(0, receiver, Interest::Readable);
        while told.try_recv().is_err() {
            set.wait(None).unwrap();
            while receiver.next().is_some() {}
            receiver.turned();
        }
    }

    /// Waits until it has turned since the last look.
    fn wait_for_turn(commands: &CommandSender, watchdog: &Watchdog) {
        while commands.turns() == Some(watchdog.data_planes[0].seen) {
            thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn one_that_has_nothing_to_do_is_woken_and_one_that_hangs_is_noticed() {
        let idle = Idle::start();
        let mut watchdog = idle.watchdog();
        for _ in 0..3 * PATIENCE {
            watchdog.data_planes[0].commands.wake();
            wait_for_turn(&idle.commands, &watchdog);
            assert_eq!(watchdog.look(), None, "it only sleeps");
        }
        idle.hang();
        // Its last turn may have come since.
        watchdog.look();
        watchdog.data_planes[0].in_vain = 0;
        let in_vain: Vec<_> = (0..PATIENCE).map(|_| watchdog.look()).collect();
        assert_eq!(in_vain[..PATIENCE as usize - 1], [None; PATIENCE as usize - 1]);
        assert_eq!(in_vain.last(), Some(&Some(0)));
    }

    #[test]
    fn one_that_should_end_has_less_time_and_one_that_has_ended_all_of_it() {
        let idle = Idle::start();
        let mut watchdog = idle.watchdog();
        idle.hang();
        idle.commands.send(Command::Shutdown);
        watchdog.look();
        watchdog.data_planes[0].in_vain = 0;
        assert_eq!([watchdog.look(), watchdog.look()], [None, Some(0)]);
        drop(idle.tell);
        while idle.commands.turns().is_some() {
            thread::sleep(Duration::from_millis(1));
        }
        assert_eq!([watchdog.look(), watchdog.look(), watchdog.look()], [None; 3]);
    }
}
