//! A sign that something has happened in a directory (inotify).

use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::path::Path;

use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, WatchDescriptor};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// What happens when a file is written, replaced, linked, removed, or gets other rights.
const EVENTS: AddWatchFlags = AddWatchFlags::IN_CLOSE_WRITE
    .union(AddWatchFlags::IN_CREATE)
    .union(AddWatchFlags::IN_MOVED_TO)
    .union(AddWatchFlags::IN_MOVED_FROM)
    .union(AddWatchFlags::IN_DELETE)
    .union(AddWatchFlags::IN_ATTRIB)
    .union(AddWatchFlags::IN_DELETE_SELF)
    .union(AddWatchFlags::IN_MOVE_SELF)
    .union(AddWatchFlags::IN_ONLYDIR);

/// Says that something happens in the directories that are watched.
#[derive(Debug)]
pub struct DirectoryChanges {
    queue: AsyncFd<Queue>,
}

/// A directory that is watched. The same directory gives the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WatchedDirectory(WatchDescriptor);

#[derive(Debug)]
struct Queue(Inotify);

impl AsRawFd for Queue {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

impl DirectoryChanges {
    /// Watches nothing yet. Within a tokio runtime only.
    ///
    /// # Errors
    /// This user has too many of these (`EMFILE`), or the system has none.
    pub fn open() -> io::Result<Self> {
        let queue = Queue(Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC)?);
        // SAFETY: an owned descriptor is open and stays the same one until it is dropped, which the `AsyncFd` that
        // owns it does after it has taken it out of the reactor.
        let queue = unsafe { AsyncFd::register_with_interest(queue, Interest::READABLE) }?;
        Ok(DirectoryChanges { queue })
    }

    /// Watches a directory.
    ///
    /// # Errors
    /// It is not there or no directory, it cannot be read, or this user watches too many (`ENOSPC`).
    pub fn watch(&self, directory: &Path) -> io::Result<WatchedDirectory> {
        let watched = self.queue.get_ref().0.add_watch(directory, EVENTS)?;
        Ok(WatchedDirectory(watched))
    }

    /// Watches it no more. It may have gone by itself.
    pub fn unwatch(&self, directory: WatchedDirectory) {
        let _ = self.queue.get_ref().0.rm_watch(directory.0);
    }

    /// What has happened until now is known.
    pub fn forget(&self) {
        while self.read() {}
    }

    /// Waits until something happens.
    pub async fn heard(&mut self) {
        loop {
            let Ok(mut ready) = self.queue.readable().await else {
                return std::future::pending().await;
            };
            if ready.get_inner().0.read_events().is_ok() {
                return;
            }
            // Nothing is there after all, or it was read meanwhile.
            ready.clear_ready();
        }
    }

    /// Reads some of what has happened; whether there was anything.
    fn read(&self) -> bool {
        let events = self.queue.get_ref().0.read_events();
        events.is_ok_and(|events| !events.is_empty())
    }
}
