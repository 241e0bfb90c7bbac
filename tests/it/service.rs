//! The daemon under systemd: what it says to it, and the units that are packaged.

use std::{
    fs,
    os::unix::net::UnixDatagram,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};

use crate::stage::Stage;

/// No test waits longer for a word of the daemon.
const PATIENCE: Duration = Duration::from_secs(30);

/// A daemon that is killed with its test.
struct Daemon {
    child: Child,
    socket: UnixDatagram,
    _folder: tempfile::TempDir,
}

impl Daemon {
    fn start(stage: &Stage) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut command = stage.command(&["run", "--quiet", "--quiet"]);
        command.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "300000");
        let child = command.stderr(Stdio::null()).spawn().unwrap();
        Self { child, socket, _folder: folder }
    }

    /// The next message that is no beat of the heart.
    fn says(&self) -> String {
        loop {
            let message = self.hears();
            if message != "WATCHDOG=1\n" {
                return message;
            }
        }
    }

    fn hears(&self) -> String {
        let mut bytes = [0; 1024];
        let count = self.socket.recv(&mut bytes).expect("the daemon says nothing");
        String::from_utf8_lossy(&bytes[..count]).into_owned()
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// The time on the message that a reload begins.
    fn reloads(&self) -> u64 {
        let message = self.says();
        let time = message.strip_prefix("RELOADING=1\nMONOTONIC_USEC=");
        time.and_then(|time| time.trim().parse().ok()).expect(&message)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn systemd_is_told_of_start_reload_refusal_beat_and_stop() {
    let stage = Stage::new("").await;
    let mut daemon = Daemon::start(&stage);
    assert_eq!(daemon.says(), "READY=1\nSTATUS=watching 1 source\n");
    assert_eq!(daemon.hears(), "WATCHDOG=1\n");

    daemon.signal(Signal::HUP);
    let first = daemon.reloads();
    assert_eq!(daemon.says(), "READY=1\nSTATUS=watching 1 source\n");

    let good = fs::read_to_string(stage.config()).unwrap();
    fs::write(stage.config(), "[stor]").unwrap();
    daemon.signal(Signal::HUP);
    assert!(first < daemon.reloads(), "systemd waits for a later one");
    let refused = "the new config was refused, the old one stays; the log says why";
    assert_eq!(daemon.says(), format!("READY=1\nSTATUS={refused}\n"));

    fs::write(stage.config(), good).unwrap();
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.says(), "STOPPING=1\n");
    assert_eq!(daemon.child.wait().unwrap().code(), Some(0));
}

fn packaging() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging")
}

fn units() -> Vec<PathBuf> {
    let entries = fs::read_dir(packaging().join("systemd")).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    // The script beside them has no ending.
    let mut units: Vec<_> = paths.filter(|path| path.extension().is_some()).collect();
    units.sort();
    units
}

/// A value that a unit sets, once for each time.
fn values<'a>(unit: &'a str, key: &str) -> Vec<&'a str> {
    let lines = unit.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    lines.collect()
}

#[test]
fn units_call_commands_that_there_are() {
    use clap::CommandFactory as _;
    let mut seen = 0;
    for unit in units() {
        let text = fs::read_to_string(&unit).unwrap();
        for start in values(&text, "ExecStart") {
            let words = start.split(' ').collect::<Vec<_>>();
            let parsed = taskbell::cli::Cli::command().try_get_matches_from(&words);
            assert!(parsed.is_ok(), "{}: {start}: {parsed:?}", unit.display());
            assert!(start.contains("--config /etc/taskbell/config.toml"));
            assert_eq!(values(&text, "ConditionPathExists"), ["/etc/taskbell/config.toml"]);
            seen += 1;
        }
    }
    assert_eq!(seen, 2);
}

#[test]
fn both_services_live_in_the_same_sandbox() {
    let sandbox = |name: &str| {
        let text = fs::read_to_string(packaging().join("systemd").join(name)).unwrap();
        let (_, from) = text.split_once("DynamicUser=yes").unwrap();
        from.split("\n[Install]").next().unwrap().trim().to_owned()
    };
    assert_eq!(sandbox("taskbell.service"), sandbox("taskbell-once.service"));
    assert!(sandbox("taskbell.service").contains("SystemCallFilter=@system-service"));
}

#[test]
fn the_scripts_of_the_package_can_be_read_by_a_shell() {
    for name in ["build", "test", "postinst", "prerm", "postrm"] {
        let script = packaging().join("deb").join(name);
        let output = Command::new("sh").arg("-n").arg(&script).output().unwrap();
        assert!(output.status.success(), "{}: {output:?}", script.display());
    }
}

/// `None`: there is no systemd here to ask.
fn analyze(args: &[&str], unit: &Path) -> Option<String> {
    let output = Command::new("systemd-analyze").args(args).arg(unit).output().ok()?;
    let text = String::from_utf8_lossy(&output.stderr).into_owned()
        + &String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    Some(text)
}

#[test]
fn systemd_finds_nothing_wrong_with_the_units() {
    // It looks for the program and for the units that are named; the tests' binary stands in.
    let folder = tempfile::tempdir().unwrap();
    for unit in units() {
        let text = fs::read_to_string(&unit).unwrap();
        let text = text.replace("/usr/bin/taskbell", env!("CARGO_BIN_EXE_taskbell"));
        fs::write(folder.path().join(unit.file_name().unwrap()), text).unwrap();
    }
    for unit in units() {
        let unit = folder.path().join(unit.file_name().unwrap());
        let Some(said) = analyze(&["verify", "--man=no"], &unit) else { return };
        // A systemd before 253, see the unit.
        let odd = said.lines().filter(|line| !line.contains("ignoring: notify-reload"));
        assert_eq!(odd.collect::<Vec<_>>(), Vec::<&str>::new());
        if unit.extension().is_some_and(|kind| kind == "service") {
            // In tenths; systemd calls what is below 2.0 well protected.
            let Some(said) = analyze(&["security", "--offline=true", "--threshold=20"], &unit)
            else {
                return;
            };
            assert!(said.contains("Overall exposure level"), "{said}");
        }
    }
}
