//! A small Huawei Cloud: the tasks of the Key Pair Service and of Storage Disaster Recovery, IAM, and the gateway in front of them.
//!
//! It listens on a real socket, checks signatures as strictly as the cloud does, and tells a
//! story ([`Scenario`]): tasks fail and go, answers come late, cut, wrong or not at all. Tests,
//! `taskbell demo` and `taskbell simulate` drive the worker against it, so no line of the worker
//! knows that it is not talking to the cloud.
//!
//! The whole cloud is one synchronous value that answers a request at a given time; the server
//! around it only moves bytes. Events are played when somebody looks, never by a timer, so a
//! test that holds the clock also holds the cloud.

mod accounts;
mod answer;
pub mod control;
pub mod fault;
mod gateway;
mod iam;
mod kps;
mod log;
mod metadata;
mod random;
pub mod scenario;
mod sdrs;
mod server;
mod task;
pub mod verify;
mod wire;
mod world;

use std::{
    collections::BTreeMap,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use thiserror::Error;
use tokio::{net::TcpListener, task::JoinSet};

use self::{fault::Active, gateway::Cloud, server::Shared};
pub use self::{
    fault::{Drip, Fault, On, Requests, Reset},
    log::{Auth, Record},
    scenario::{Scenario, ScenarioError},
    task::SimTask,
};
use crate::clock::Clock;

/// Where the simulator listens if nothing else is said.
pub const LISTEN: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 9465);

/// A simulator that runs. Dropping it stops it, with every connection.
///
/// All methods take effect at once: the next request sees them.
#[derive(Debug)]
pub struct Simulator {
    address: SocketAddr,
    shared: Arc<Shared>,
    server: JoinSet<std::convert::Infallible>,
}

/// What a method of [`Simulator`] names is not there.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("there is no such project or task in the simulator")]
pub struct NotThere;

impl Simulator {
    /// Starts a simulator on `listen`; port 0 picks a free one. `clock` tells its time.
    ///
    /// # Errors
    ///
    /// When the address cannot be bound.
    pub async fn start(
        scenario: Scenario,
        listen: SocketAddr,
        clock: Arc<dyn Clock>,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(listen).await?;
        let address = listener.local_addr()?;
        let cloud = Mutex::new(Cloud::new(&scenario, clock.now()));
        let shared = Arc::new(Shared { cloud, clock });
        let mut server = JoinSet::new();
        server.spawn(server::serve(listener, Arc::clone(&shared)));
        Ok(Self { address, shared, server })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The base URL of both the Key Pair Service and IAM.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Stops it and waits until its port is free.
    pub async fn shutdown(mut self) {
        self.server.shutdown().await;
    }

    /// Lists a failed task. Returns its id.
    ///
    /// # Errors
    ///
    /// [`NotThere`] when the project does not exist.
    pub fn add_task(&self, project: &str, task: &SimTask) -> Result<String, NotThere> {
        self.with(|cloud, now| cloud.world.add_task(project, task, now)).ok_or(NotThere)
    }

    /// Takes a failed task off the list, as if its record had been deleted.
    ///
    /// # Errors
    ///
    /// [`NotThere`].
    pub fn clear_task(&self, project: &str, id: &str) -> Result<(), NotThere> {
        there(self.with(|cloud, _| cloud.world.clear_task(project, id, false)))
    }

    /// Takes a failed task off the list because it succeeded after all.
    ///
    /// # Errors
    ///
    /// [`NotThere`].
    pub fn resolve_task(&self, project: &str, id: &str) -> Result<(), NotThere> {
        there(self.with(|cloud, _| cloud.world.clear_task(project, id, true)))
    }

    /// Lets a listed task fail again now: same id, later time.
    ///
    /// # Errors
    ///
    /// [`NotThere`].
    pub fn refail_task(&self, project: &str, id: &str) -> Result<(), NotThere> {
        there(self.with(|cloud, now| cloud.world.refail_task(project, id, now)))
    }

    /// Changes the texts of a listed task to those that `texts` names.
    ///
    /// # Errors
    ///
    /// [`NotThere`].
    pub fn change_task(&self, project: &str, id: &str, texts: &SimTask) -> Result<(), NotThere> {
        there(self.with(|cloud, _| cloud.world.change_task(project, id, texts)))
    }

    /// Starts a task that runs until [`Simulator::end_task`]. Its `age` is how long it has been
    /// running already. Returns its id.
    ///
    /// # Errors
    ///
    /// [`NotThere`] when the project does not exist.
    pub fn run_task(&self, project: &str, task: &SimTask) -> Result<String, NotThere> {
        self.with(|cloud, now| cloud.world.run_task(project, task, now)).ok_or(NotThere)
    }

    /// Ends a running task: it succeeded.
    ///
    /// # Errors
    ///
    /// [`NotThere`].
    pub fn end_task(&self, project: &str, id: &str) -> Result<(), NotThere> {
        there(self.with(|cloud, _| cloud.world.end_task(project, id)))
    }

    /// Ids of the failed tasks, newest first. Empty if the project does not exist.
    #[must_use]
    pub fn task_ids(&self, project: &str) -> Vec<String> {
        self.with(|cloud, _| {
            let rows = cloud.world.project(project).map(|project| project.failed.newest());
            rows.into_iter().flatten().map(|row| row.id.to_string()).collect()
        })
    }

    /// Adds a fault. Its requests and times count from now.
    pub fn set_fault(&self, fault: Fault) {
        self.with(|cloud, now| {
            let set_at = cloud.world.elapsed(now);
            cloud.faults.push(Active::new(fault, set_at));
        });
    }

    /// Forgets all faults, those of the scenario too.
    pub fn clear_faults(&self) {
        self.with(|cloud, _| cloud.faults.clear());
    }

    /// Lets every token and every temporary key expire, issued ones and those of the scenario.
    pub fn expire_tokens(&self) {
        self.with(|cloud, now| {
            cloud.accounts.expire_tokens(now);
            cloud.metadata.rotate();
        });
    }

    /// The last 10,000 requests, oldest first; control requests are not among them.
    #[must_use]
    pub fn requests(&self) -> Vec<Record> {
        self.with(|cloud, _| cloud.log.records().cloned().collect())
    }

    /// How many requests there were of each kind. [`On::Any`] are those that led nowhere.
    #[must_use]
    pub fn counts(&self) -> BTreeMap<On, u64> {
        self.with(|cloud, _| cloud.log.counts().clone())
    }

    fn with<T>(&self, f: impl FnOnce(&mut Cloud, jiff::Timestamp) -> T) -> T {
        let now = self.shared.clock.now();
        self.shared.with(|cloud| {
            cloud.world.advance(now);
            f(cloud, now)
        })
    }
}

fn there(found: bool) -> Result<(), NotThere> {
    if found { Ok(()) } else { Err(NotThere) }
}
