//! The power cut on a real file system: its image is copied while the daemon works.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::rounds;
use crate::stage::Stage;

/// Failures that come in each round.
const FAILURES: u32 = 12;

/// A file system in a file, mounted until dropped.
pub(crate) struct Mounted {
    pub(crate) at: PathBuf,
}

fn run(program: &str, args: &[&str]) -> Result<(), String> {
    let output = Command::new(program).args(args).stdin(Stdio::null()).output();
    match output {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
        Err(error) => Err(format!("{program}: {error}")),
    }
}

impl Mounted {
    /// `Err` says why this host does not let us.
    pub(crate) fn new(at: &Path, args: &[&str]) -> Result<Self, String> {
        fs::create_dir_all(at).unwrap();
        let at = at.to_owned();
        let place = at.to_str().unwrap();
        run("mount", &[args, &[place]].concat())?;
        Ok(Self { at })
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // What cannot be unmounted now is so when nobody uses it any more.
        drop(run("umount", &["--lazy", self.at.to_str().unwrap()]));
    }
}

fn make(image: &str) -> Result<(), String> {
    fs::File::create(image).and_then(|file| file.set_len(24 * 1024 * 1024)).unwrap();
    run("mkfs.ext4", &["-q", "-F", "-J", "size=4", image])
}

#[tokio::test]
async fn a_store_on_a_real_file_system_survives_a_cut_of_its_image_while_the_daemon_works() {
    let stage = Stage::new("max_items = 1, wait = \"0s\"").await;
    let folder = stage.store().parent().unwrap().to_owned();
    let image = folder.join("disk.img").display().to_string();
    let mounted =
        make(&image).and_then(|()| Mounted::new(&folder.join("disk"), &["-o", "loop", &image]));
    let disk = match mounted {
        Ok(disk) => disk,
        Err(reason) => {
            println!("DID NOT RUN: no file system can be mounted here: {}", reason.trim());
            return;
        }
    };
    let store = disk.at.join("store");
    stage.edit(&stage.store().display().to_string(), &store.display().to_string());
    stage.edit("interval = \"5s\"", "interval = \"1s\"");
    stage.edit("timeout = \"4s\"", "timeout = \"1s\"");
    let daemon = stage.daemon();
    stage.see("the baseline", |stage| !stage.chat.received().is_empty()).await;
    for round in 0..rounds() {
        let before = stage.told().len();
        for nth in 0..FAILURES {
            stage.fail(&format!("web-{round}-{nth}."));
        }
        // In the middle of telling, a little later in each round.
        let until = before + usize::try_from(1 + round % FAILURES).unwrap();
        stage.see("some of them", |stage| until <= stage.told().len()).await;
        let told: BTreeSet<String> =
            stage.told().into_iter().map(|(arrival, _)| arrival.id).collect();
        let copy = folder.join("copy.img").display().to_string();
        fs::copy(&image, &copy).unwrap();
        let at = folder.join("copy");
        let cut = Mounted::new(&at, &["-o", "loop", &copy]).unwrap();
        let known = stage.listed_in(&cut.at.join("store"), "delivery", "notice_id").await;
        let known = known.unwrap_or_else(|error| panic!("round {round}: {error}"));
        let forgotten: Vec<&String> = told.difference(&known).collect();
        assert!(forgotten.is_empty(), "round {round}: {forgotten:?}");
        drop(cut);
        fs::remove_file(&copy).unwrap();
        let all = before + usize::try_from(FAILURES).unwrap();
        stage.see("all of them", |stage| all <= stage.told().len()).await;
    }
    println!("{} cuts", rounds());
    drop(daemon);
}
