//! Which project a source watches.

use std::sync::OnceLock;

use tokio::sync::OnceCell;

use super::{credential::Setting, fault::Fault, iam::Iam, identity::Identity, options};
use crate::{notice::SourceInfo, options::OptionError, source::FaultClass};

/// A project, by its id or yet to be looked up.
#[derive(Debug)]
pub(in crate::source) struct Project {
    /// Once known, it stays: an account's projects do not change their ids.
    id: OnceCell<String>,
    lookup: Option<Lookup>,
    /// What the identity service said when it was asked about a project that is written.
    doubt: OnceCell<Option<String>>,
}

#[derive(Debug)]
struct Lookup {
    region: String,
    iam: Iam,
}

impl Lookup {
    fn of(setting: &Setting) -> Option<Self> {
        let iam = setting.iam.clone().filter(|_| !setting.region.is_empty())?;
        Some(Self { region: setting.region.clone(), iam })
    }
}

impl Project {
    /// The project with this id, or else the one of the region of `setting`.
    ///
    /// # Errors
    ///
    /// When neither is known.
    pub(in crate::source) fn new(
        id: Option<String>,
        setting: &Setting,
    ) -> Result<Self, OptionError> {
        if let Some(id) = id {
            let (id, lookup) = (OnceCell::new_with(Some(id)), Lookup::of(setting));
            return Ok(Self { id, lookup, doubt: OnceCell::new() });
        }
        match Lookup::of(setting) {
            Some(lookup) => {
                let (id, doubt) = (OnceCell::new(), OnceCell::new());
                Ok(Self { id, lookup: Some(lookup), doubt })
            }
            None => Err(OptionError::new(
                "project_id",
                "is required, or `region` to look it up by; `iam_endpoint` if it is not in the \
                 public cloud",
            )),
        }
    }

    /// The id, if it is known already.
    pub(in crate::source) fn known(&self) -> Option<&str> {
        self.id.get().map(String::as_str)
    }

    /// The id. Looked up once, however many ask at the same time.
    ///
    /// # Errors
    ///
    /// [`Fault`], above all when the region has no project or more than one.
    pub(in crate::source) async fn id(&self, identity: &Identity) -> Result<&str, Fault> {
        let look = async || {
            let id = match (&identity.project_id, &self.lookup) {
                (Some(id), _) => id.clone(),
                (None, Some(lookup)) => lookup.iam.project_of(&lookup.region, identity).await?,
                // `new` lets no such thing pass.
                (None, None) => String::new(),
            };
            if options::is_project_id(&id) {
                return Ok(id);
            }
            let what = "the identity's project has no id that could stand in a path";
            Err(Fault::new(FaultClass::Schema, false, what))
        };
        self.id.get_or_try_init(look).await.map(String::as_str)
    }

    /// What the identity service says about a project that the cloud refused to show: that it is
    /// another one than the region's. `None`: nothing of the kind. It is asked once and not at each
    /// poll: it would not change its mind.
    pub(in crate::source) async fn doubt(&self, identity: &Identity) -> Option<String> {
        let (id, lookup) = self.known().zip(self.lookup.as_ref())?;
        let region = &lookup.region;
        let ask = async || match lookup.iam.project_of(region, identity).await {
            Ok(theirs) if theirs != id => Ok(Some(format!(
                "project_id is {id}, but the project of region {region} is {theirs}"
            ))),
            Err(fault) if fault.retryable => Err(fault),
            Ok(_) | Err(_) => Ok(None),
        };
        self.doubt.get_or_try_init(ask).await.ok()?.clone()
    }
}

/// What a source says of itself, with its project's id as soon as that is known.
#[derive(Debug)]
pub(in crate::source) struct Description {
    written: SourceInfo,
    whole: OnceLock<SourceInfo>,
}

impl Description {
    /// As far as the config says it.
    pub(in crate::source) fn new(written: SourceInfo) -> Self {
        Self { written, whole: OnceLock::new() }
    }

    /// With the project's id that was found, if it was.
    pub(in crate::source) fn with(&self, project_id: Option<&str>) -> &SourceInfo {
        match project_id {
            Some(id) if self.written.project_id != id => self
                .whole
                .get_or_init(|| SourceInfo { project_id: id.to_owned(), ..self.written.clone() }),
            _ => &self.written,
        }
    }
}
