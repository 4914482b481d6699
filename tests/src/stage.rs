//! What every end-to-end story stands on: a directory, namespaces, the real vblade, tools with a time limit.
//!
//! A story is a closure given to [`play`]. Whatever it starts ends with it, and if it fails, the ends of all logs are
//! printed. Nothing in here waits without a limit.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use aoe_common::frame::{Address, SECTOR_LEN};
pub use aoe_lab::gateway::Counted;
use aoe_lab::gateway::{Access, Binaries, Transport};
use aoe_lab::isolation::{KernelSettings, explain};
use aoe_lab::netns::{Namespace, Process};
use aoe_lab::topology::{Attach, Gateways, PATIENCE, World, WorldPlan};
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, geteuid};
use tempfile::TempDir;

/// Lines of each log printed when a story fails.
const LAST_LINES: usize = 40;

/// Where one story happens. Dropping it removes the directory, after printing the logs if the thread panics.
#[derive(Debug)]
pub struct Stage {
    dir: TempDir,
    binaries: Binaries,
}

/// Plays one story on a stage of its own.
///
/// # Panics
/// When the story fails, after printing the last lines of every log; when there are neither rights to make namespaces
/// nor binaries, with a sentence that says what to do.
pub fn play(story: impl FnOnce(&Stage) -> Result<()>) {
    let stage = match Stage::set() {
        Ok(stage) => stage,
        Err(error) => panic!("{error:#}"),
    };
    if let Err(error) = story(&stage) {
        panic!("{error:#}");
    }
}

/// As [`play`], for a story about what only Noise has. Over another transport it says that it is not played, and why.
///
/// # Panics
/// As [`play`], or when the environment names no transport.
#[allow(clippy::print_stderr, reason = "nothing is skipped in silence")]
pub fn play_by_noise(why: &str, story: impl FnOnce(&Stage) -> Result<()>) {
    match Transport::of_environment() {
        Ok(Transport::Noise) => play(story),
        Ok(other) => eprintln!("not played over {}: {why}", other.name()),
        Err(error) => panic!("{error:#}"),
    }
}

impl Stage {
    /// Makes the directory (mode 0700), after making sure that a story can be played here at all.
    ///
    /// # Errors
    /// With what is missing: rights, or programs.
    pub fn set() -> Result<Self> {
        if let Err(refused) = Namespace::new("probe") {
            let why = explain(Errno::EPERM, geteuid().as_raw(), &KernelSettings::read());
            bail!(
                "{refused:#}. Not as root, and with user namespaces: `.ci/checks e2e`, which goes by `aoe-lab isolate`. \
                 If that fails too: {why}"
            );
        }
        Ok(Stage {
            binaries: Binaries::find()?,
            dir: tempfile::Builder::new().prefix("aoe-e2e-").tempdir()?,
        })
    }

    /// The directory. Files in it whose name ends with `.log` are printed when the story fails.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The real programs.
    pub fn binaries(&self) -> &Binaries {
        &self.binaries
    }

    /// Builds the two sites of a plan in the directory.
    ///
    /// # Errors
    /// Those of [`World::build`], or that this user cannot make TAP devices, if the plan has any.
    pub fn world(&self, plan: WorldPlan) -> Result<World> {
        if [plan.attach_a, plan.attach_b].contains(&Attach::Tap) {
            let opened = File::options().read(true).write(true).open("/dev/net/tun");
            opened.context("TAP devices need /dev/net/tun: run as root, or `chmod 0666 /dev/net/tun`")?;
        }
        World::build(self.dir(), &self.binaries, plan)
    }

    /// Makes a disk image of zeros that takes no space.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub fn image(&self, name: &str, sectors: u64) -> Result<PathBuf> {
        let path = self.dir().join(name);
        let file = File::create_new(&path).with_context(|| format!("making {}", path.display()))?;
        file.set_len(sectors * SECTOR_LEN as u64)?;
        Ok(path)
    }

    /// The usual beginning: a world with one export "disk", a real vblade behind it, both gateways up, and the import
    /// usable. The image is `disk.img` and has `sectors` sectors.
    ///
    /// # Errors
    /// When one of them does not come up.
    pub fn open(&self, plan: WorldPlan, target: Address, import: Address, sectors: u64) -> Result<Opened> {
        let mut world = self.world(plan)?;
        world.share("disk", target, Access::ReadWrite, import);
        self.raise(world, target, import, sectors)
    }

    /// The second half of [`Stage::open`], for a world with changes of one's own.
    ///
    /// # Errors
    /// When one of them does not come up.
    pub fn raise(&self, world: World, target: Address, import: Address, sectors: u64) -> Result<Opened> {
        let image = self.image("disk.img", sectors)?;
        // The gateways come first, because one of them may have to make the TAP device vblade runs on.
        let mut gateways = world.start()?;
        wait_for_device(&world.ground.tgt, world.target_device())?;
        let vblade = Vblade::start(&world.ground.tgt, world.target_device(), target, &image, &[])?;
        gateways.wait_for_import(import)?;
        Ok(Opened {
            gateways,
            vblade,
            world,
        })
    }

    /// Starts a real vblade at a world's target host, on an image of zeros of its own called after the address.
    ///
    /// # Errors
    /// As [`Vblade::start`].
    pub fn serve(&self, world: &World, target: Address, sectors: u64, options: &[&str]) -> Result<Vblade> {
        let device = world.target_device();
        wait_for_device(&world.ground.tgt, device)?;
        let image = self.image(&format!("{target}.img"), sectors)?;
        Vblade::start(&world.ground.tgt, device, target, &image, options)
    }

    /// Starts site A's gateway with a hosts file of its own.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start_with_hosts(&self, world: &World, hosts: &Path) -> Result<Process> {
        world.site_a.write()?;
        let script = "mount --bind \"$0\" /etc/hosts && exec \"$1\" run --config \"$2\"";
        let mut command = Command::new(tool("unshare")?);
        command.args(["--mount", "sh", "-c", script]).arg(hosts);
        command
            .arg(self.binaries.gateway())
            .arg(world.site_a.config_path());
        let log = world.site_a.dir().join("gateway.log");
        world.ground.gwa.spawn("gateway site-a", command, Some(&log))
    }

    fn print_logs(&self) {
        for log in logs(self.dir()) {
            let text = fs::read_to_string(&log).unwrap_or_default();
            let lines: Vec<_> = text.lines().collect();
            println!("-- the end of {}:", log.display());
            for line in &lines[lines.len().saturating_sub(LAST_LINES)..] {
                println!("    {line}");
            }
        }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if thread::panicking() {
            self.print_logs();
        }
    }
}

/// A world in which I/O can begin. Fields end in their order: gateways first, cables last.
#[derive(Debug)]
pub struct Opened {
    /// Both gateways.
    pub gateways: Gateways,
    /// The target.
    pub vblade: Vblade,
    /// Everything else.
    pub world: World,
}

/// A real vblade with a file behind it; dropping it ends it.
#[derive(Debug)]
pub struct Vblade {
    process: Process,
    image: PathBuf,
}

impl Vblade {
    /// Starts one on a device that is up, and waits until it listens. `options` such as `["-b", "4"]`.
    ///
    /// Its output goes to `vblade-SHELF-SLOT.log` beside the image.
    ///
    /// # Errors
    /// When vblade is not installed or does not start.
    pub fn start(
        namespace: &Namespace,
        device: &str,
        address: Address,
        image: &Path,
        options: &[&str],
    ) -> Result<Self> {
        let mut command = Command::new(tool("vblade")?);
        command
            .args(options)
            .args([address.shelf.to_string(), address.slot.to_string()])
            .arg(device)
            .arg(image);
        let log = image.with_file_name(format!("vblade-{}-{}.log", address.shelf, address.slot));
        let process = namespace.spawn(&format!("vblade {address}"), command, Some(&log))?;
        // It opens its socket before this line and advertises itself after it.
        process.wait_for_line(&format!("{address}, "), PATIENCE)?;
        Ok(Vblade {
            process,
            image: image.to_owned(),
        })
    }

    /// The process, for signals and its end.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// The file behind it.
    pub fn image(&self) -> &Path {
        &self.image
    }
}

/// Where an installed program is.
///
/// # Errors
/// When it is not installed; the message names the command that installs it.
pub fn tool(name: &str) -> Result<PathBuf> {
    // Not everybody has the directories of daemons in the PATH.
    let found = ["/usr/sbin", "/usr/bin", "/sbin", "/bin", "/usr/local/sbin"]
        .iter()
        .map(|dir| Path::new(dir).join(name))
        .find(|path| path.is_file());
    found.with_context(|| format!("{name} is not installed: `.ci/checks tools` installs what the tests need"))
}

/// What a program said and how it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spoken {
    /// Exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

/// Runs an installed program (see [`tool`]) inside a namespace, at most for `limit`.
///
/// # Errors
/// When it is missing or does not end in time (it is killed then; the message has what it said). A bad exit code is
/// not an error here.
pub fn run(namespace: &Namespace, program: &str, args: &[&str], limit: Duration) -> Result<Spoken> {
    let mut command = Command::new(tool(program)?);
    command.args(args);
    run_command(Some(namespace), command, limit)
}

/// As [`run`], for any command, inside a namespace or not.
///
/// # Errors
/// As [`run`].
pub fn run_command(namespace: Option<&Namespace>, mut command: Command, limit: Duration) -> Result<Spoken> {
    let words = format!("{command:?}");
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let child = match namespace {
        Some(namespace) => {
            let words = words.clone();
            namespace.run(move || command.spawn().with_context(|| format!("starting {words}")))?
        }
        None => command.spawn().with_context(|| format!("starting {words}"))?,
    };
    let pid = Pid::from_raw(i32::try_from(child.id())?);
    let (tell, ended) = channel();
    let waiter = thread::spawn(move || {
        // The receiver is below and stays until this thread has ended.
        let _ = tell.send(child.wait_with_output());
    });
    let in_time = ended.recv_timeout(limit);
    if in_time.is_err() {
        // Nobody has waited for it yet, so the number is still its own.
        kill(pid, Signal::SIGKILL)?;
    }
    let is_in_time = in_time.is_ok();
    let output = in_time.or_else(|_| ended.recv())?;
    let joined = waiter.join();
    ensure!(joined.is_ok(), "the thread waiting for {words} panicked");
    let spoken = Spoken::from(output?);
    ensure!(is_in_time, "{words} did not end within {limit:?}; {spoken:?}");
    println!("{words}: exit code {:?}", spoken.code);
    Ok(spoken)
}

impl From<Output> for Spoken {
    fn from(output: Output) -> Self {
        Spoken {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// Asks again and again until `holds` says yes.
///
/// # Errors
/// Those of `holds`, or that it did not within `limit`; `what` is what was waited for.
pub fn eventually(what: &str, limit: Duration, mut holds: impl FnMut() -> Result<bool>) -> Result<()> {
    let until = Instant::now() + limit;
    while !holds()? {
        ensure!(Instant::now() < until, "not within {limit:?}: {what}");
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// Waits for a device that somebody else makes, to be there and up.
///
/// # Errors
/// When it does not appear.
pub fn wait_for_device(namespace: &Namespace, device: &str) -> Result<()> {
    eventually(&format!("device {device} is up"), PATIENCE, || {
        Ok(namespace.facts(device).is_ok_and(|facts| facts.is_up))
    })
}

/// All log files below a directory.
fn logs(dir: &Path) -> Vec<PathBuf> {
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Vec::new(),
        entries => entries,
    };
    let mut found: Vec<PathBuf> = entries
        .into_iter()
        .flatten()
        .flatten()
        .flat_map(|entry| {
            let path = entry.path();
            if path.is_dir() {
                logs(&path)
            } else if path.extension().is_some_and(|extension| extension == "log") {
                vec![path]
            } else {
                Vec::new()
            }
        })
        .collect();
    found.sort();
    found
}
