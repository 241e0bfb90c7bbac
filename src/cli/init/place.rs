//! Where the config, its secrets and the unit's drop-in go, and how they are written.

use std::{
    fs::{self, OpenOptions, Permissions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use super::{
    InitError,
    draft::{Draft, quoted},
};
use crate::config;

/// Where the packaged unit looks for its config.
pub(super) const SYSTEM_CONFIG: &str = "/etc/taskbell/config.toml";

/// The state folder of the packaged unit; the record lies in it.
const SYSTEM_STORE: &str = "/var/lib/taskbell/store";

/// Where packages put units.
const PACKAGED: [&str; 2] =
    ["/usr/lib/systemd/system/taskbell.service", "/lib/systemd/system/taskbell.service"];

/// The unit as it is packaged.
const UNIT: &str = include_str!("../../../packaging/systemd/taskbell.service");

/// The program in [`UNIT`].
const UNIT_PROGRAM: &str = "/usr/bin/taskbell";

/// The drop-in's name.
const DROP_IN: &str = "taskbell.service.d/init.conf";

/// Where everything goes.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) config: PathBuf,
    pub(super) store: PathBuf,
    secrets: PathBuf,
    /// Where units are, if it is for one.
    units: Option<PathBuf>,
}

/// Whether systemd runs here, we may tell it, and no other file was named.
pub(super) fn can_be_service(config: Option<&Path>) -> bool {
    config.is_none_or(|path| path == Path::new(SYSTEM_CONFIG))
        && Path::new("/run/systemd/system").is_dir()
        && rustix::process::geteuid().is_root()
}

impl Place {
    pub(super) fn new(config: Option<&Path>, systemd: bool, units: &Path) -> Self {
        let default = if systemd { SYSTEM_CONFIG } else { config::SEARCHED[0] };
        let config = config.unwrap_or(Path::new(default));
        // Paths in the config and in units must not depend on where they are read.
        let config = std::path::absolute(config).unwrap_or_else(|_| config.to_owned());
        let folder = config.parent().unwrap_or(Path::new("/")).to_owned();
        Self {
            store: if systemd { SYSTEM_STORE.into() } else { folder.join("taskbell-data") },
            secrets: folder.join("credentials"),
            config,
            units: systemd.then(|| units.to_owned()),
        }
    }

    /// How the config names the secret in this file.
    pub(super) fn reference(&self, file: &str) -> String {
        match self.units {
            Some(_) => format!("{{ credential = {} }}", quoted(file)),
            None => {
                let path = self.secrets.join(file).display().to_string();
                format!("{{ file = {} }}", quoted(&path))
            }
        }
    }

    /// Writes everything, the config last: a run that was cut short can be repeated.
    ///
    /// # Errors
    ///
    /// [`InitError::Write`].
    pub(super) fn write(&self, draft: &Draft) -> Result<(), InitError> {
        // The user of the service is another one: what it reads is open to it whatever our umask.
        let exact = self.units.is_some();
        if let Some(folder) = self.config.parent() {
            make(folder, 0o755, exact)?;
        }
        if !draft.secrets.is_empty() {
            make(&self.secrets, 0o700, false)?;
        }
        for (file, secret) in &draft.secrets {
            put(&self.secrets.join(file), secret.expose(), 0o600, false)?;
        }
        if let Some(units) = &self.units {
            let drop_in = units.join(DROP_IN);
            make(drop_in.parent().unwrap_or(units), 0o755, exact)?;
            if let Some(unit) = Self::unit(units) {
                put(&units.join("taskbell.service"), &unit, 0o644, exact)?;
            }
            put(&drop_in, &self.drop_in(draft), 0o644, exact)?;
        }
        put(&self.config, &draft.for_file(self), 0o644, exact)
    }

    /// The unit, if no package brought one.
    fn unit(units: &Path) -> Option<String> {
        if PACKAGED.iter().any(|path| Path::new(path).exists()) {
            return None;
        }
        if units.join("taskbell.service").exists() {
            return None;
        }
        let program = std::env::current_exe().ok()?.display().to_string();
        Some(UNIT.replace(UNIT_PROGRAM, &program))
    }

    /// What the unit does not know.
    fn drop_in(&self, draft: &Draft) -> String {
        let mut lines = vec!["# Written by `taskbell init`.".to_owned()];
        if self.config == Path::new(SYSTEM_CONFIG) {
            lines.push("[Service]".to_owned());
        } else {
            let config = self.config.display();
            let program = std::env::current_exe().unwrap_or_else(|_| UNIT_PROGRAM.into());
            let start = program.display();
            lines.extend([
                "[Unit]".to_owned(),
                "ConditionPathExists=".to_owned(),
                format!("ConditionPathExists={config}"),
                "[Service]".to_owned(),
                "ExecStart=".to_owned(),
                format!("ExecStart={start} run --log-format journald --config {config}"),
            ]);
        }
        lines.extend(
            draft
                .secrets
                .keys()
                .map(|file| format!("LoadCredential={file}:{}", self.secrets.join(file).display())),
        );
        lines.join("\n") + "\n"
    }

    /// What was written, and what to do now.
    pub(super) fn told(&self, draft: &Draft) -> String {
        let config = self.config.display();
        let mut lines = vec![String::new(), format!("written: {config}")];
        let secrets = draft.secrets.keys();
        lines.extend(secrets.map(|file| format!("written: {}", self.secrets.join(file).display())));
        match &self.units {
            Some(units) => lines.extend([
                format!("written: {}", units.join(DROP_IN).display()),
                String::new(),
                "Now: systemctl daemon-reload && systemctl enable --now taskbell".to_owned(),
                format!(
                    "By hand: CREDENTIALS_DIRECTORY={} taskbell check --config {config}",
                    self.secrets.display()
                ),
            ]),
            None => lines.extend([String::new(), format!("Now: taskbell run --config {config}")]),
        }
        lines.join("\n")
    }
}

/// Makes a folder, less what the umask takes unless its mode is to be `exact`. One that is there
/// stays as it is.
fn make(folder: &Path, mode: u32, exact: bool) -> Result<(), InitError> {
    let there = folder.exists();
    let mut result = fs::DirBuilder::new().recursive(true).mode(mode).create(folder);
    if exact && !there {
        result = result.and_then(|()| fs::set_permissions(folder, Permissions::from_mode(mode)));
    }
    result.map_err(|cause| InitError::Write { path: folder.to_owned(), cause })
}

/// Puts a whole file in the place of what was there. Nobody sees a part of it, and nobody but its
/// readers by `mode` sees it at any time.
fn put(path: &Path, text: &str, mode: u32, exact: bool) -> Result<(), InitError> {
    let failed = |cause: io::Error| InitError::Write { path: path.to_owned(), cause };
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let new = path.with_file_name(name);
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    let mut file =
        OpenOptions::new().write(true).create_new(true).mode(mode).open(&new).map_err(failed)?;
    if exact {
        file.set_permissions(Permissions::from_mode(mode)).map_err(failed)?;
    }
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
    fs::rename(&new, path).map_err(failed)
}
