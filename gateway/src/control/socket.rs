//! A Unix socket in the file system: made with its directory, replaced if a process that has ended left it, removed at
//! the end.

use std::fs::{self, DirBuilder, File, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use crate::logging::id;
use socket2::{Domain, SockAddr, Socket, Type};
use tokio::net::{UnixListener, UnixStream};

/// Connections that wait to be accepted.
const BACKLOG: i32 = 16;
/// Another gateway that starts at the same moment is waited for this long, in so many steps.
const WAIT_FOR_OTHER: Duration = Duration::from_millis(10);
const WAITS: u32 = 20;

/// A socket that programs of this host connect to.
#[derive(Debug)]
pub(crate) struct Listener {
    listener: UnixListener,
    path: PathBuf,
    /// Which file is ours.
    file: (u64, u64),
}

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    /// Its directory cannot be made.
    #[error("cannot make its directory: {0}")]
    Directory(io::Error),
    /// It is another gateway's.
    #[error("another gateway is there")]
    Taken,
    /// Something else has its name.
    #[error("there is a file of that name that is no socket")]
    NoSocket,
    /// It cannot be given to the group.
    #[error("cannot give it to the group: {0}")]
    Group(io::Error),
    /// The system refused it.
    #[error("{0}")]
    System(#[from] io::Error),
}

impl Listener {
    /// Listens at `path`, which gets this mode, and belongs to this group if one is named. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// [`Refusal`]; then nothing was changed.
    pub(crate) fn open(path: &Path, mode: u32, group: Option<u32>) -> Result<Listener, Refusal> {
        let directory = path.parent().unwrap_or(Path::new("/"));
        make_directories(directory).map_err(Refusal::Directory)?;
        // Of two gateways that find the same old socket one must not remove what the other has just made.
        let _turn = take_turn(directory);
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        let address = SockAddr::unix(path)?;
        // The file gets the mode of the socket, less what the umask takes; so it is never open to more than it should be.
        // A group gets in when it is the right one.
        let first = if group.is_some() { mode & 0o700 } else { mode };
        nix::sys::stat::fchmod(&socket, nix::sys::stat::Mode::from_bits_truncate(first))
            .map_err(io::Error::from)?;
        if let Err(error) = socket.bind(&address) {
            if error.kind() != io::ErrorKind::AddrInUse {
                return Err(error.into());
            }
            remove_stale(path, &address)?;
            socket.bind(&address)?;
        }
        let found = fs::symlink_metadata(path)?;
        let listener = net::UnixListener::from(socket_that_listens(socket)?);
        if group.is_some()
            && let Err(error) = std::os::unix::fs::chown(path, None, group)
        {
            // Nobody listens: the next gateway replaces it.
            let _ = fs::remove_file(path);
            return Err(Refusal::Group(error));
        }
        fs::set_permissions(path, Permissions::from_mode(mode))?;
        Ok(Listener {
            listener: UnixListener::from_std(listener)?,
            path: path.to_owned(),
            file: (found.dev(), found.ino()),
        })
    }

    /// The next program that connects. After an error, which is a lack of descriptors, it waits a little.
    pub(crate) async fn accept(&self) -> UnixStream {
        loop {
            match self.listener.accept().await {
                Ok((stream, _)) => return stream,
                Err(error) => {
                    tracing::debug!(id = id::SOCKET_ERROR, "{}: {error}", self.path.display());
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let ours = |found: fs::Metadata| (found.dev(), found.ino()) == self.file;
        if fs::symlink_metadata(&self.path).is_ok_and(ours) {
            // If it cannot be removed, the next gateway finds it without an owner and replaces it.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn socket_that_listens(socket: Socket) -> io::Result<Socket> {
    socket.listen(BACKLOG)?;
    Ok(socket)
}

/// Makes a directory and those above it, open to all who look; those that are there stay as they are.
fn make_directories(directory: &Path) -> io::Result<()> {
    if directory.as_os_str().is_empty() || directory.is_dir() {
        return Ok(());
    }
    if let Some(above) = directory.parent() {
        make_directories(above)?;
    }
    match DirBuilder::new().mode(0o755).create(directory) {
        // Whatever the umask is.
        Ok(()) => fs::set_permissions(directory, Permissions::from_mode(0o755)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && directory.is_dir() => Ok(()),
        Err(error) => Err(error),
    }
}

/// Holds the directory for a moment. Anybody who may look into it could hold it, so it is only waited for a little.
fn take_turn(directory: &Path) -> Option<File> {
    let directory = if directory.as_os_str().is_empty() {
        Path::new(".")
    } else {
        directory
    };
    let file = File::open(directory).ok()?;
    for _ in 0..WAITS {
        match file.try_lock() {
            Ok(()) => return Some(file),
            Err(TryLockError::WouldBlock) => sleep(WAIT_FOR_OTHER),
            Err(TryLockError::Error(_)) => return None,
        }
    }
    None
}

/// Removes a socket that nobody listens at any more.
fn remove_stale(path: &Path, address: &SockAddr) -> Result<(), Refusal> {
    if !fs::symlink_metadata(path)?.file_type().is_socket() {
        return Err(Refusal::NoSocket);
    }
    let probe = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    // One whose queue is full is there too.
    probe.set_nonblocking(true)?;
    match probe.connect(address) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(fs::remove_file(path)?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        _ => Err(Refusal::Taken),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::symlink_metadata(path).unwrap().mode() & 0o777
    }

    #[tokio::test]
    async fn it_is_made_with_its_directory_and_its_mode_and_removed_at_the_end() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("a/b/observe.sock");
        let listener = Listener::open(&path, 0o660, None).unwrap();
        assert_eq!(mode(&path), 0o660);
        assert_eq!(
            [mode(&root.path().join("a")), mode(&root.path().join("a/b"))],
            [0o755; 2]
        );
        let mut guest = net::UnixStream::connect(&path).unwrap();
        let stream = listener.accept().await;
        guest.write_all(b"x").unwrap();
        stream.readable().await.unwrap();
        drop(listener);
        assert!(!path.exists() && path.parent().unwrap().exists());
    }

    #[tokio::test]
    async fn one_without_an_owner_is_replaced_and_anything_else_is_left_alone() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("control.sock");
        drop(net::UnixListener::bind(&path).unwrap());
        let first = Listener::open(&path, 0o600, None).unwrap();
        assert_eq!(mode(&path), 0o600);
        assert!(matches!(Listener::open(&path, 0o600, None), Err(Refusal::Taken)));
        assert!(net::UnixStream::connect(&path).is_ok(), "it is still there");
        // Somebody has moved it away and made another: that one is not ours to remove.
        fs::rename(&path, root.path().join("old.sock")).unwrap();
        let second = Listener::open(&path, 0o600, None).unwrap();
        drop(first);
        assert!(net::UnixStream::connect(&path).is_ok());
        drop(second);
        fs::write(&path, "precious").unwrap();
        assert!(matches!(
            Listener::open(&path, 0o600, None),
            Err(Refusal::NoSocket)
        ));
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    }

    #[tokio::test]
    async fn a_directory_that_is_a_file_and_a_name_too_long_are_refusals() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("a"), "").unwrap();
        let below = root.path().join("a/b/c.sock");
        assert!(matches!(
            Listener::open(&below, 0o600, None),
            Err(Refusal::Directory(_))
        ));
        let long = root.path().join("x".repeat(120));
        assert!(matches!(
            Listener::open(&long, 0o600, None),
            Err(Refusal::System(_))
        ));
    }

    #[tokio::test]
    async fn a_group_may_connect_only_if_it_can_be_given_to_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("c.sock");
        let own = nix::unistd::getegid().as_raw();
        let listener = Listener::open(&path, 0o660, Some(own)).unwrap();
        let found = fs::metadata(&path).unwrap();
        assert_eq!((found.mode() & 0o777, found.gid()), (0o660, own));
        drop(listener);
        assert!(!path.exists());
    }
}
