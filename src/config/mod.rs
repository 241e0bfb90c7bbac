//! What the operator wrote, checked.
//!
//! Two steps. `raw` mirrors the file and knows only about spelling; `check` turns it into the
//! plain structs below and knows about meaning: ranges, and rules that span keys. All mistakes
//! are reported together, each with its line and the key as it is typed. The rest of the program
//! sees neither the file nor a `Raw` type.
//!
//! A kind's own keys stay an opaque table here. Their names are checked with the file; their
//! values when the adapters are built, because that reads secrets.

use std::{
    collections::BTreeMap,
    fmt,
    fs::File,
    io::Read as _,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use toml::de::DeTable;

use crate::{
    clock::Clock,
    decide::{
        diff::FirstRun,
        retry::RetryPolicy,
        route::Routes,
        rules::{Rules, SinkRules, SourceFacts},
        window::Window,
    },
    heartbeat::Heartbeat,
    http::{Clients, HostLimit},
    name::Name,
    notice::SourceInfo,
    options::{self, OptionError, SecretRef},
    render::{Hints, Language, Style, Target, Template, Templates, Words, Zone},
    sink, source,
};

mod check;
mod locate;
mod raw;
mod schema;
mod secrets;
mod status;
#[cfg(test)]
mod tests;
mod text;

pub use locate::{ConfigError, Problem, Warning};
pub use schema::schema;
pub use status::{Status, TOKEN_BYTES_MIN};
pub use text::{TemplateFiles, Text};

use check::Kinds;
use locate::Places;

/// Where a config is looked for when none is named, in this order.
pub const SEARCHED: [&str; 2] = ["config.toml", "/etc/taskbell/config.toml"];

/// Names the config file, if the command line does not.
pub const FILE_VARIABLE: &str = "TASKBELL_CONFIG";

/// Longest config file. Thousands of sources fit; a device or a log file named by mistake does
/// not fill our memory.
pub const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// The whole config.
#[derive(Clone, Debug)]
pub struct Config {
    /// `[store]`.
    pub store: Store,
    /// `[[source]]`, in the order of the file. Never empty.
    pub sources: Vec<Source>,
    /// `[[sink]]`, in the order of the file. Never empty.
    pub sinks: Vec<Sink>,
    /// `[[route]]`. Takes every failure.
    pub routes: Routes,
    /// `[[mute]]`, by name.
    pub windows: BTreeMap<Name, Window>,
    /// `[delivery]`.
    pub retry: RetryPolicy,
    /// `[worker]`.
    pub worker: Worker,
    /// `[status]`; `None`: it is off.
    pub status: Option<Status>,
    /// `[text]`: what sinks and the status page have that say nothing else.
    pub text: (Language, Zone),
    /// `[hints]`.
    pub hints: Arc<Hints>,
    /// What is odd, but no reason not to run. In the order of the file.
    pub warnings: Vec<Warning>,
    places: Places,
}

/// Where the ledger and the deliveries are kept.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Store {
    /// A folder. Relative to the working directory.
    pub path: PathBuf,
    /// How long a cleared failure is remembered.
    pub retention: Duration,
    /// From one copy of the whole store, beside it, to the next.
    pub checkpoint: Duration,
}

/// One list that is watched.
#[derive(Clone)]
pub struct Source {
    /// Unique among the sources.
    pub name: Name,
    /// Which table of the file it is from. One table may stand for several sources.
    pub table: usize,
    /// What builds it.
    pub kind: &'static source::Kind,
    /// The kind's own keys. May hold literal secrets.
    pub options: toml::Table,
    /// From the start of one poll to the start of the next.
    pub interval: Duration,
    /// For a whole poll. At most `interval`.
    pub timeout: Duration,
    /// What to do with the failures that stand at first.
    pub first_run: FirstRun,
    /// So many intervals without a complete poll, and it counts as blind.
    pub blind_after: u32,
    /// Where signs of life go.
    pub heartbeat_url: Option<SecretRef>,
    /// For routes.
    pub labels: BTreeMap<String, String>,
}

/// One place where notices go.
#[derive(Clone)]
pub struct Sink {
    /// Unique among the sinks.
    pub name: Name,
    /// What builds it.
    pub kind: &'static sink::Kind,
    /// The kind's own keys. May hold literal secrets.
    pub options: toml::Table,
    /// For one attempt.
    pub timeout: Duration,
    /// Most attempts at the same time. 1 keeps strict order.
    pub concurrency: usize,
    /// What it is told and how much of it, and who is told in its place.
    pub rules: SinkRules,
    /// In which words it is told.
    pub text: Text,
}

/// The worker itself.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Worker {
    /// Most sources polled at the same time.
    pub poll_concurrency: usize,
    /// Most requests to one host in a time, over all sources.
    pub host_limit: HostLimit,
    /// How long a stop waits for what is in flight.
    pub shutdown_grace: Duration,
}

/// The names of options, whose values may be secrets.
struct Keys<'a>(&'a toml::Table);

impl fmt::Debug for Keys<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source")
            .field("name", &self.name)
            .field("table", &self.table)
            .field("kind", &self.kind.name)
            .field("options", &Keys(&self.options))
            .field("interval", &self.interval)
            .field("timeout", &self.timeout)
            .field("first_run", &self.first_run)
            .field("blind_after", &self.blind_after)
            .field("heartbeat_url", &self.heartbeat_url)
            .field("labels", &self.labels)
            .finish()
    }
}

impl Source {
    /// Whether the rows of its list may bring a label of this name.
    fn labels_rows(&self, name: &str) -> bool {
        let labels = self.options.get("row").and_then(|row| row.get("labels"));
        labels.is_some_and(|labels| labels.get(name).is_some())
    }

    /// Which list it is, as far as the file says. Known without its secrets, which building it
    /// needs: all kinds call these keys the same.
    #[must_use]
    pub fn info(&self) -> SourceInfo {
        let text = |key: &str| self.options.get(key).and_then(toml::Value::as_str);
        SourceInfo {
            name: self.name.clone(),
            kind: self.kind.name.to_owned(),
            region: text("region").unwrap_or_default().to_owned(),
            project_id: text("project_id").unwrap_or_default().to_owned(),
        }
    }
}

impl fmt::Debug for Sink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sink")
            .field("name", &self.name)
            .field("kind", &self.kind.name)
            .field("options", &Keys(&self.options))
            .field("timeout", &self.timeout)
            .field("concurrency", &self.concurrency)
            .field("rules", &self.rules)
            .field("text", &self.text)
            .finish()
    }
}

/// The file to read: the one that is `given`, else the one that `TASKBELL_CONFIG` names, else the
/// first of [`SEARCHED`] that exists.
///
/// # Errors
///
/// [`ConfigError::NotFound`].
pub fn search(given: Option<&Path>) -> Result<PathBuf, ConfigError> {
    search_in(given, options::env(FILE_VARIABLE), &SEARCHED.map(PathBuf::from))
}

fn search_in(
    given: Option<&Path>,
    variable: Option<String>,
    places: &[PathBuf],
) -> Result<PathBuf, ConfigError> {
    given
        .map(Path::to_owned)
        .or(variable.filter(|path| !path.is_empty()).map(PathBuf::from))
        .or_else(|| places.iter().find(|path| path.exists()).cloned())
        .ok_or_else(|| ConfigError::NotFound { searched: places.to_vec() })
}

impl Config {
    /// Finds, reads and checks the config; see [`search`].
    ///
    /// # Errors
    ///
    /// [`ConfigError`].
    pub fn load(path: Option<&Path>) -> Result<Self, ConfigError> {
        let file = search(path)?;
        let unreadable = |cause| ConfigError::Unreadable { file: file.clone(), cause };
        let opened = File::open(&file).map_err(unreadable)?;
        let mode = opened.metadata().map_err(unreadable)?.permissions().mode();
        let mut bytes = Vec::new();
        // One byte more than allowed tells that there is more.
        opened.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(unreadable)?;
        if FILE_BYTES_MAX < u64::try_from(bytes.len()).unwrap_or(u64::MAX) {
            let problem = Places::none(&file).problem("", "is longer than a config can be (4 MiB)");
            return Err(ConfigError::Invalid(vec![problem]));
        }
        let text = std::str::from_utf8(&bytes).map_err(|error| {
            let problem = locate::not_utf8(&file, &bytes, error.valid_up_to());
            ConfigError::Invalid(vec![problem])
        })?;
        let mut config = Self::parse(text, &file)?;
        config.warnings.extend(secrets::exposed(&config, mode));
        config.warnings.extend(config.stray(&file));
        Ok(config)
    }

    /// What is odd about a record that lies elsewhere for whoever is in another folder: the daemon
    /// and a command that read the same file would not find the same one.
    fn stray(&self, file: &Path) -> Option<Warning> {
        let path = &self.store.path;
        let folder = |path: &Path| path.canonicalize().ok();
        let around = match file.parent() {
            Some(parent) if parent != Path::new("") => folder(parent),
            _ => return None,
        };
        if path.is_absolute() || around == folder(Path::new(".")) {
            return None;
        }
        let here = std::path::absolute(path).unwrap_or_else(|_| path.clone());
        let problem = format!(
            "`{}` counts from where a command is run, here {}; a whole path is the same from \
             everywhere",
            path.display(),
            here.display(),
        );
        Some(self.places.problem("store.path", &problem))
    }

    /// Checks the text of a config. `file` is for messages only.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Invalid`] with everything that is wrong, as far as it can be told apart.
    pub fn parse(text: &str, file: &Path) -> Result<Self, ConfigError> {
        Self::parse_with(text, file, Kinds { sources: source::KINDS, sinks: sink::KINDS })
    }

    fn parse_with(text: &str, file: &Path, kinds: Kinds) -> Result<Self, ConfigError> {
        let not_toml =
            |error: toml::de::Error| ConfigError::Invalid(vec![locate::syntax(file, text, &error)]);
        let (root, errors) = DeTable::parse_recoverable(text);
        // Those behind the first one mostly follow from it.
        let place = |error: &toml::de::Error| error.span().map_or(usize::MAX, |span| span.start);
        if let Some(error) = errors.into_iter().min_by_key(place) {
            return Err(not_toml(error));
        }
        let places = Places::of(file, text, root.get_ref());
        let table = serde::Deserialize::deserialize(toml::de::Deserializer::from(root))
            .map_err(not_toml)?;
        check::check(table, places, kinds)
    }

    /// What decisions go by. Reads no secrets.
    #[must_use]
    pub fn rules(&self) -> Rules {
        let facts = self.sources.iter().map(|source| {
            let facts = SourceFacts::new(source.info(), source.labels.clone());
            (source.name.clone(), facts)
        });
        let sinks = self.sinks.iter().map(|sink| (sink.name.clone(), sink.rules.clone()));
        Rules {
            routes: self.routes.clone(),
            sinks: sinks.collect(),
            sources: facts.collect(),
            windows: self.windows.clone(),
        }
    }

    /// Builds the sources, in the order of the file. Reads secrets and does no other I/O; how their
    /// credentials fare later is remembered in `standings`.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Invalid`] with the first problem of each source.
    pub fn build_sources(
        &self,
        clock: &Arc<dyn Clock>,
        clients: &Clients,
        standings: &source::Standings,
    ) -> Result<Vec<Box<dyn source::Source>>, ConfigError> {
        let credentials = source::Shelf::remembered(standings.clone());
        self.build("source", (&self.sources, |_, source| source.table), |source| {
            (source.kind.build)(source::Build {
                name: source.name.clone(),
                options: source.options.clone(),
                clock: Arc::clone(clock),
                clients: clients.clone(),
                shelf: credentials.clone(),
            })
        })
    }

    /// Reads the token of the status page, to know that it can be used.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Invalid`] with what is wrong with it.
    pub fn check_status(&self) -> Result<(), ConfigError> {
        let token = self.status.as_ref().map_or(Ok(None), Status::token);
        token.map(drop).map_err(|error| {
            let (path, problem) = check::in_table("status", &error);
            ConfigError::Invalid(vec![self.places.problem(&path, &problem)])
        })
    }

    /// Where the signs of life of each source go, in the order of the file. Reads secrets and does
    /// no other I/O.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Invalid`] with the problem of each source.
    pub fn build_heartbeats(
        &self,
        clients: &Clients,
    ) -> Result<Vec<Option<Heartbeat>>, ConfigError> {
        self.build("source", (&self.sources, |_, source| source.table), |source| {
            let wrong = |problem: String| OptionError::new("heartbeat_url", problem);
            let Some(place) = &source.heartbeat_url else { return Ok(None) };
            let url = place.read().map_err(wrong)?;
            Heartbeat::new(&url, clients).map(Some).map_err(|problem| wrong(problem.to_owned()))
        })
    }

    /// Builds the sinks, in the order of the file. Reads secrets and does no other I/O.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Invalid`] with the first problem of each sink.
    pub fn build_sinks(&self, clients: &Clients) -> Result<Vec<Box<dyn sink::Sink>>, ConfigError> {
        self.build("sink", (&self.sinks, |nth, _| nth), |sink| {
            (sink.kind.build)(sink::Build {
                name: sink.name.clone(),
                options: sink.options.clone(),
                clients: clients.clone(),
                words: self.words(sink)?,
            })
        })
    }

    /// Reads and compiles the templates of `sink`.
    fn words(&self, sink: &Sink) -> Result<Words, OptionError> {
        let Text { language, zone, templates } = sink.text.clone();
        let style = Style { language, zone, hints: Arc::clone(&self.hints) };
        let read = |key: &str, path: Option<PathBuf>, target| {
            let wrong = |problem| OptionError::new(format!("template.{key}"), problem);
            path.map(|path| Template::read(&path, target, &style).map_err(wrong)).transpose()
        };
        let templates = Templates {
            title: read("title", templates.title, Target::Line)?,
            text: read("text", templates.text, Target::Plain)?,
            html: read("html", templates.html, Target::Html)?,
        };
        Ok(Words::with(style, templates))
    }

    fn build<I, T>(
        &self,
        table: &str,
        (items, place): (&[I], impl Fn(usize, &I) -> usize),
        build_one: impl Fn(&I) -> Result<T, OptionError>,
    ) -> Result<Vec<T>, ConfigError> {
        let mut adapters = Vec::with_capacity(items.len());
        let mut problems: Vec<Problem> = Vec::new();
        for (nth, item) in items.iter().enumerate() {
            match build_one(item) {
                Ok(adapter) => adapters.push(adapter),
                Err(error) => {
                    let table = format!("{table}[{}]", place(nth, item));
                    let (path, problem) = check::in_table(&table, &error);
                    let problem = self.places.problem(&path, &problem);
                    // All sources of one table have the same.
                    if !problems.contains(&problem) {
                        problems.push(problem);
                    }
                }
            }
        }
        if problems.is_empty() { Ok(adapters) } else { Err(ConfigError::Invalid(problems)) }
    }
}
