//! Programs that are connected: a bounded number of them, each for a bounded time.

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::time::Duration;

use tokio::net::UnixStream;
use tokio::task::AbortHandle;
use tokio::time::timeout;

/// Programs that are served at a time.
const MOST: usize = 8;
/// How long one may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

/// Those that are served.
#[derive(Debug, Default)]
pub(crate) struct Guests {
    /// The oldest first.
    tasks: VecDeque<AbortHandle>,
}

impl Guests {
    /// Serves one more. If there are too many, the one that has been there longest goes: one that does its part is done
    /// within a moment, so however many there are that do not, it finds its place.
    pub(crate) fn serve(&mut self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.retain(|task| !task.is_finished());
        while self.tasks.len() >= MOST {
            if let Some(oldest) = self.tasks.pop_front() {
                oldest.abort();
            }
        }
        self.tasks.push_back(tokio::spawn(task).abort_handle());
    }
}

/// Writes all of it within `patience`.
///
/// # Errors
/// The reader has gone, or is too slow.
pub(crate) async fn write(stream: &UnixStream, bytes: &[u8], patience: Duration) -> io::Result<()> {
    let all = async {
        let mut rest = bytes;
        while !rest.is_empty() {
            stream.writable().await?;
            match stream.try_write(rest) {
                Ok(written) => rest = rest.get(written..).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    };
    timeout(patience, all).await?
}

/// Reads up to a line break or the end within `patience`, and at most `most` bytes: what comes after that is not read.
///
/// # Errors
/// It is longer, or does not come in time.
pub(crate) async fn read_line(stream: &UnixStream, most: usize, patience: Duration) -> io::Result<Vec<u8>> {
    let all = async {
        let mut line = Vec::new();
        let mut chunk = [0; 4096];
        loop {
            stream.readable().await?;
            let count = match stream.try_read(&mut chunk) {
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                Err(error) => return Err(error),
            };
            let read = chunk.get(..count).unwrap_or_default();
            let end = read.iter().position(|byte| *byte == b'\n');
            line.extend_from_slice(read.get(..end.unwrap_or(count)).unwrap_or_default());
            if line.len() > most {
                return Err(io::Error::other(format!("a request has at most {most} bytes")));
            }
            if count == 0 || end.is_some() {
                return Ok(line);
            }
        }
    };
    timeout(patience, all).await?
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn the_one_that_is_there_longest_makes_room() {
        let mut guests = Guests::default();
        let mut ends: Vec<_> = (0..=MOST)
            .map(|_| {
                let (alive, end) = oneshot::channel::<()>();
                guests.serve(async move {
                    let _alive = alive;
                    std::future::pending().await
                });
                end
            })
            .collect();
        tokio::task::yield_now().await;
        assert!((&mut ends[0]).await.is_err(), "the first had to go");
        for end in &mut ends[1..] {
            assert_eq!(end.try_recv(), Err(oneshot::error::TryRecvError::Empty));
        }
    }

    #[tokio::test]
    async fn a_line_has_a_bound_and_an_end() {
        let pair = || {
            let (near, far) = std::os::unix::net::UnixStream::pair().unwrap();
            far.set_nonblocking(true).unwrap();
            (near, UnixStream::from_std(far).unwrap())
        };
        let (mut near, far) = pair();
        near.write_all(b"one\ntwo").unwrap();
        assert_eq!(read_line(&far, 3, PATIENCE).await.unwrap(), b"one");
        let (mut near, far) = pair();
        near.write_all(b"three").unwrap();
        drop(near);
        assert_eq!(read_line(&far, 10, PATIENCE).await.unwrap(), b"three");
        let (mut near, far) = pair();
        near.write_all(&[b'x'; 100]).unwrap();
        assert!(read_line(&far, 99, PATIENCE).await.is_err());
    }

    #[tokio::test]
    async fn who_says_nothing_and_who_does_not_read_is_not_waited_for() {
        let (near, far) = std::os::unix::net::UnixStream::pair().unwrap();
        far.set_nonblocking(true).unwrap();
        let far = UnixStream::from_std(far).unwrap();
        let short = Duration::from_millis(20);
        let outcome = read_line(&far, 9, short).await;
        assert_eq!(outcome.unwrap_err().kind(), io::ErrorKind::TimedOut);
        let outcome = write(&far, &vec![0; 8 << 20], short).await;
        assert_eq!(outcome.unwrap_err().kind(), io::ErrorKind::TimedOut);
        drop(near);
    }
}
