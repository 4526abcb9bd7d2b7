//! Child processes whose life is bound to ours.
//!
//! Owns the one audited piece of unsafe code of the product: what a child does between fork and exec. The
//! development environment calls it; nothing on the request path does. Invariant: a signal sent through
//! [`Supervised::signal`] reaches the child that was spawned and never a later process with the same number.
#![allow(unsafe_code)] // `pre_exec` and `unshare` are unsafe by nature; each use says why it holds.

use std::io;
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

use tokio::sync::watch;

/// The user that a child runs as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Identity {
    /// Our own user.
    Own,
    /// A user namespace of its own, in which our user bears the number `inside` (Linux). To the file system the
    /// child is still us, but it holds no privilege; a program that refuses to run as root accepts it.
    Namespace { inside: u32 },
    /// Another user; only root can do this.
    Other { uid: u32, gid: u32 },
}

/// How a child is asked to end. What each means is the child's to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    Interrupt,
    Quit,
    Terminate,
    Kill,
}

/// Makes `command` run as `identity` in `directory` and, on Linux, get `at_our_end` when the thread that spawns it
/// ends (so spawn from a thread that lives on: see [`Supervised`]). Elsewhere nothing tells a child of its parent's
/// end; what is left over must be found at the next start.
pub fn prepare(
    command: &mut Command,
    identity: Identity,
    directory: &Path,
    at_our_end: Option<Signal>,
) -> io::Result<()> {
    command.current_dir(directory);
    prepare_for_system(command, identity, directory, at_our_end)
}

#[cfg(target_os = "linux")]
fn prepare_for_system(
    command: &mut Command,
    identity: Identity,
    directory: &Path,
    at_our_end: Option<Signal>,
) -> io::Result<()> {
    use std::os::unix::ffi::OsStrExt as _;
    use std::os::unix::process::CommandExt as _;

    let directory = std::ffi::CString::new(directory.as_os_str().as_bytes())?;
    let namespace = match identity {
        Identity::Own => None,
        Identity::Other { uid, gid } => {
            command.uid(uid).gid(gid);
            None
        }
        Identity::Namespace { inside } => {
            let user_map = format!("{inside} {} 1", rustix::process::geteuid().as_raw());
            let group_map = format!("{inside} {} 1", rustix::process::getegid().as_raw());
            Some((user_map, group_map))
        }
    };
    let at_our_end = at_our_end.map(as_system_signal);
    let parent = rustix::process::getpid();
    let between_fork_and_exec = move || {
        if let Some((user_map, group_map)) = &namespace {
            // SAFETY: unshare of a user namespace alone detaches nothing that memory or descriptors depend on, and
            // the forked child has a single thread.
            unsafe { rustix::thread::unshare_unsafe(rustix::thread::UnshareFlags::NEWUSER) }?;
            // The kernel asks for this before an unprivileged process may map its group.
            write_whole(c"/proc/self/setgroups", b"deny")?;
            write_whole(c"/proc/self/uid_map", user_map.as_bytes())?;
            write_whole(c"/proc/self/gid_map", group_map.as_bytes())?;
            // Asked again with the new, lesser rights: a directory that only root reaches is found out here.
            rustix::process::chdir(directory.as_c_str())?;
        }
        if at_our_end.is_some() {
            // Last, because a change of user clears it.
            rustix::process::set_parent_process_death_signal(at_our_end)?;
            // The parent may have ended before the line above; then no signal would ever come.
            if rustix::process::getppid() != Some(parent) {
                return Err(io::ErrorKind::Interrupted.into());
            }
        }
        Ok(())
    };
    // SAFETY: after fork in a process with threads only async-signal-safe work is allowed. The closure makes plain
    // system calls (rustix wraps them without locks), on strings made before the fork: it neither allocates nor
    // frees.
    unsafe { command.pre_exec(between_fork_and_exec) };
    Ok(())
}

#[cfg(target_os = "linux")]
fn write_whole(path: &std::ffi::CStr, content: &[u8]) -> io::Result<()> {
    use rustix::fs::{Mode, OFlags};

    let file = rustix::fs::open(path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
    // These files of the kernel take their content in one write or refuse it.
    if rustix::io::write(&file, content)? == content.len() {
        Ok(())
    } else {
        Err(io::ErrorKind::WriteZero.into())
    }
}

#[cfg(all(unix, not(target_os = "linux")))]
fn prepare_for_system(
    command: &mut Command,
    identity: Identity,
    _directory: &Path,
    _at_our_end: Option<Signal>,
) -> io::Result<()> {
    use std::os::unix::process::CommandExt as _;

    match identity {
        Identity::Own => Ok(()),
        Identity::Other { uid, gid } => {
            command.uid(uid).gid(gid);
            Ok(())
        }
        Identity::Namespace { .. } => Err(io::ErrorKind::Unsupported.into()),
    }
}

#[cfg(not(unix))]
fn prepare_for_system(
    _command: &mut Command,
    identity: Identity,
    _directory: &Path,
    _at_our_end: Option<Signal>,
) -> io::Result<()> {
    if identity == Identity::Own { Ok(()) } else { Err(io::ErrorKind::Unsupported.into()) }
}

#[cfg(unix)]
fn as_system_signal(signal: Signal) -> rustix::process::Signal {
    match signal {
        Signal::Interrupt => rustix::process::Signal::INT,
        Signal::Quit => rustix::process::Signal::QUIT,
        Signal::Terminate => rustix::process::Signal::TERM,
        Signal::Kill => rustix::process::Signal::KILL,
    }
}

/// A child with a thread of its own, which spawned it and waits for it.
///
/// The thread lives exactly as long as the child, so that a parent-death signal tells of the end of this process and
/// of nothing less, and no ended child is left unreaped.
#[derive(Debug)]
pub struct Supervised {
    pid: u32,
    /// True once the child's number may have been given to another process.
    reaped: Arc<Mutex<bool>>,
    exit: watch::Receiver<Option<ExitStatus>>,
}

impl Supervised {
    /// Spawns `command` from a new thread. Fails as [`Command::spawn`] does.
    pub fn spawn(command: Command) -> io::Result<Self> {
        let (started, start) = mpsc::sync_channel(1);
        let (exited, exit) = watch::channel(None);
        let reaped = Arc::new(Mutex::new(false));
        let reaped_by_thread = Arc::clone(&reaped);
        std::thread::Builder::new()
            .name("supervisor".to_owned())
            .spawn(move || supervise(command, &started, &exited, &reaped_by_thread))?;
        let pid = start.recv().map_err(|_| io::Error::other("the supervising thread ended early"))??;
        Ok(Self { pid, reaped, exit })
    }

    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// How the child ended; none while it runs.
    pub fn exit_status(&self) -> Option<ExitStatus> {
        *self.exit.borrow()
    }

    /// Completes when the child has ended and has been reaped.
    pub async fn exited(&self) -> io::Result<ExitStatus> {
        let mut exit = self.exit.clone();
        let status = exit.wait_for(Option::is_some).await.map_err(io::Error::other)?;
        status.ok_or_else(|| io::Error::other("the child's exit status was lost"))
    }

    /// Blocks until the child has ended, at most for `limit`; tells whether it has.
    pub fn wait_at_most(&self, limit: Duration) -> bool {
        wait_for(limit, || self.exit_status().is_some())
    }

    /// Sends a signal; does nothing when the child has ended.
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        let reaped = self.reaped.lock().unwrap_or_else(PoisonError::into_inner);
        if *reaped { Ok(()) } else { send_signal(self.pid, signal) }
    }
}

fn supervise(
    mut command: Command,
    started: &mpsc::SyncSender<io::Result<u32>>,
    exited: &watch::Sender<Option<ExitStatus>>,
    reaped: &Mutex<bool>,
) {
    match command.spawn() {
        Err(error) => drop(started.send(Err(error))),
        Ok(mut child) => {
            drop(started.send(Ok(child.id())));
            wait_without_reaping(&child);
            let mut reaped = reaped.lock().unwrap_or_else(PoisonError::into_inner);
            let status = child.wait().unwrap_or_default();
            *reaped = true;
            drop(reaped);
            exited.send_replace(Some(status));
        }
    }
}

/// Waits until the child has ended, leaving its number taken, so that the lock around the reaping is held only for
/// an instant and a signal can be sent meanwhile.
#[cfg(unix)]
fn wait_without_reaping(child: &Child) {
    use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

    let Some(pid) = Pid::from_raw(child.id().cast_signed()) else { return };
    let ended = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    while matches!(waitid(WaitId::Pid(pid), ended), Err(rustix::io::Errno::INTR)) {}
}

#[cfg(not(unix))]
fn wait_without_reaping(child: &Child) {
    // The handle in `child` keeps the number from being given away.
    while process_exists(child.id()) {
        std::thread::sleep(POLL);
    }
}

/// Sends a signal to a process by number. The caller has made sure whose number it is.
#[cfg(unix)]
pub fn send_signal(pid: u32, signal: Signal) -> io::Result<()> {
    let pid = rustix::process::Pid::from_raw(pid.cast_signed()).ok_or(io::ErrorKind::InvalidInput)?;
    Ok(rustix::process::kill_process(pid, as_system_signal(signal))?)
}

/// Ends a process by number: outside Unix there is only the outright way.
#[cfg(not(unix))]
pub fn send_signal(pid: u32, _signal: Signal) -> io::Result<()> {
    let done = Command::new("taskkill").args(["/F", "/T", "/PID", &pid.to_string()]).output()?.status;
    if done.success() { Ok(()) } else { Err(io::Error::other("taskkill could not end the process")) }
}

/// Whether a process with this number exists, whoever's it is.
#[cfg(unix)]
pub fn process_exists(pid: u32) -> bool {
    let Some(pid) = rustix::process::Pid::from_raw(pid.cast_signed()) else { return false };
    // Not permitted to signal it: then it exists.
    !matches!(rustix::process::test_kill_process(pid), Err(rustix::io::Errno::SRCH))
}

#[cfg(not(unix))]
pub fn process_exists(pid: u32) -> bool {
    let filter = format!("PID eq {pid}");
    let listing = Command::new("tasklist").args(["/NH", "/FO", "CSV", "/FI", &filter]).output();
    listing.is_ok_and(|listing| String::from_utf8_lossy(&listing.stdout).contains(&format!("\"{pid}\"")))
}

/// How often a condition outside this process is looked at; nothing tells of it.
const POLL: Duration = Duration::from_millis(5);

/// Blocks until `condition` holds, at most for `limit`; tells whether it does.
pub fn wait_for(limit: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let begin = Instant::now();
    loop {
        if condition() {
            return true;
        }
        if begin.elapsed() >= limit {
            return false;
        }
        std::thread::sleep(POLL);
    }
}
