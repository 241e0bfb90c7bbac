//! The simulated cloud: its projects, their tasks, and what happens to them over time.
//!
//! Nothing in here runs by itself. Each request first brings the world up to `now`, which plays
//! every event that is due in the order of its time. So the world depends on the clock alone,
//! and a test with a clock of its own can jump over a day.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;

use super::{
    random::Random,
    scenario::{Bind, Event, EventAction, Scenario},
    task::{Fields, List, Row, SimTask},
};

/// One project.
#[derive(Debug)]
pub(super) struct Project {
    pub id: String,
    pub name: String,
    /// The failed tasks.
    pub failed: List,
    /// The running tasks, oldest first.
    pub running: Vec<Running>,
    /// What became of tasks that are in neither list: their status, by id.
    pub past: BTreeMap<String, Past>,
}

/// A task that was started over the interface.
#[derive(Debug)]
pub(super) struct Running {
    pub fields: Fields,
    pub ends_at: Timestamp,
}

/// The end of a task that is not listed any more.
#[derive(Clone, Debug)]
pub(super) struct Past {
    pub server_id: String,
    /// For instance `SUCCESS_RESET`.
    pub status: String,
}

/// Which tasks something happens to.
#[derive(Clone, Copy, Debug)]
enum Which<'a> {
    Ids(&'a [String]),
    Oldest(usize),
    All,
}

/// Everything there is.
#[derive(Debug)]
pub(super) struct World {
    pub started_at: Timestamp,
    pub random: Random,
    /// In the order of the scenario.
    projects: Vec<Project>,
    by_id: BTreeMap<String, usize>,
    events: Vec<Due>,
    bind: Bind,
    /// The number of the next row.
    seq: u64,
}

/// An event, and when it happens next.
#[derive(Debug)]
struct Due {
    event: Event,
    next: Option<Duration>,
    left: u64,
}

impl World {
    /// The world of `scenario` at its start.
    pub(super) fn new(scenario: &Scenario, started_at: Timestamp) -> Self {
        let events = scenario.events.iter().map(|event| Due {
            next: Some(event.at.0),
            left: if event.every.is_some() { event.times.unwrap_or(u64::MAX) } else { 1 },
            event: event.clone(),
        });
        let mut world = Self {
            started_at,
            random: Random::new(scenario.seed),
            projects: Vec::new(),
            by_id: BTreeMap::new(),
            events: events.collect(),
            bind: scenario.bind.clone(),
            seq: 0,
        };
        for declared in &scenario.projects {
            let name = declared.name.as_ref().unwrap_or(&declared.region);
            for (nth, id) in declared.ids().enumerate() {
                let index = world.projects.len();
                world.projects.push(Project {
                    id: id.clone(),
                    name: if nth == 0 { name.clone() } else { format!("{name}_{nth}") },
                    failed: List::default(),
                    running: Vec::new(),
                    past: BTreeMap::new(),
                });
                world.by_id.insert(id, index);
                // Oldest first, so that each row goes to the end of the list.
                for back in (1..=declared.generate.count).rev() {
                    let back = u32::try_from(back).unwrap_or(u32::MAX);
                    let age = declared.generate.spacing.0.saturating_mul(back);
                    let age = Some(crate::options::Period(age));
                    world.add(index, &SimTask { age, ..SimTask::default() }, started_at);
                }
                for task in &declared.tasks {
                    world.add(index, task, started_at);
                }
                let id = world.projects.get(index).map(|project| project.id.clone());
                for task in &declared.running {
                    world.run_task(id.as_deref().unwrap_or_default(), task, started_at);
                }
            }
        }
        world
    }

    /// Time since the start.
    pub(super) fn elapsed(&self, now: Timestamp) -> Duration {
        Duration::try_from(now.duration_since(self.started_at)).unwrap_or_default()
    }

    /// Plays what is due at `now`.
    pub(super) fn advance(&mut self, now: Timestamp) {
        let elapsed = self.elapsed(now);
        while let Some((at, index)) = self
            .events
            .iter()
            .enumerate()
            .filter_map(|(index, due)| due.next.filter(|at| *at <= elapsed).map(|at| (at, index)))
            .min()
        {
            let Some(due) = self.events.get_mut(index) else { break };
            due.left -= 1;
            due.next = due.event.every.filter(|_| 0 < due.left).map(|every| at + every.0);
            let event = due.event.clone();
            let at = self.started_at.checked_add(at).unwrap_or(now);
            self.happen(&event, at);
        }
        for index in 0..self.projects.len() {
            self.finish(index, now);
        }
    }

    fn happen(&mut self, event: &Event, at: Timestamp) {
        let Some(project) =
            event.project.as_ref().map_or(Some(0), |id| self.by_id.get(id).copied())
        else {
            return;
        };
        if event.action == EventAction::Appear {
            for _ in 0..event.count {
                self.add(project, &event.task, at);
            }
            return;
        }
        let which = match event {
            event if event.all => Which::All,
            event if !event.ids.is_empty() => Which::Ids(&event.ids),
            event => Which::Oldest(event.count),
        };
        for id in self.pick(project, which) {
            match event.action {
                EventAction::Appear => {}
                EventAction::Clear => drop(self.clear_at(project, &id, event.resolved)),
                EventAction::Refail => {
                    self.rewrite(project, &id, |fields| {
                        fields.task_time = at.as_millisecond().to_string();
                    });
                }
                EventAction::Change => {
                    self.rewrite(project, &id, |fields| fields.change(&event.task));
                }
            }
        }
    }

    fn pick(&self, project: usize, which: Which<'_>) -> Vec<String> {
        let Some(project) = self.projects.get(project) else { return Vec::new() };
        let oldest = project.failed.newest().rev().map(|row| row.id.to_string());
        match which {
            Which::Ids(ids) => ids.to_vec(),
            Which::Oldest(count) => oldest.take(count).collect(),
            Which::All => oldest.collect(),
        }
    }

    /// Ends the running tasks whose time is up.
    fn finish(&mut self, index: usize, now: Timestamp) {
        let Some(project) = self.projects.get_mut(index) else { return };
        let ended: Vec<Running> =
            project.running.extract_if(.., |running| running.ends_at <= now).collect();
        for running in ended {
            let (server_id, action) = (running.fields.server_id.clone(), running.fields.action());
            if self.bind.fails {
                let task = SimTask {
                    id: Some(running.fields.task_id.clone()),
                    operate_type: Some(format!("FAILED_{action}")),
                    error_code: self.bind.error_code.clone(),
                    error_message: self.bind.error_message.clone(),
                    server_name: Some(running.fields.server_name.clone()),
                    server_id: Some(server_id),
                    keypair: Some(running.fields.keypair_name.clone()),
                    ..SimTask::default()
                };
                self.add(index, &task, running.ends_at);
            } else if let Some(project) = self.projects.get_mut(index) {
                let past = Past { server_id, status: format!("SUCCESS_{action}") };
                project.past.insert(running.fields.task_id, past);
            }
        }
    }

    /// A project by its id.
    pub(super) fn project(&self, id: &str) -> Option<&Project> {
        self.by_id.get(id).and_then(|index| self.projects.get(*index))
    }

    /// A project by its id, to change it.
    pub(super) fn project_mut(&mut self, id: &str) -> Option<&mut Project> {
        self.by_id.get(id).and_then(|index| self.projects.get_mut(*index))
    }

    /// All projects.
    pub(super) fn projects(&self) -> &[Project] {
        &self.projects
    }

    /// Lists a task as failed. Returns its id, or nothing if the project does not exist.
    pub(super) fn add_task(&mut self, id: &str, task: &SimTask, now: Timestamp) -> Option<String> {
        let index = *self.by_id.get(id)?;
        Some(self.add(index, task, now))
    }

    fn add(&mut self, index: usize, task: &SimTask, now: Timestamp) -> String {
        let fields = Fields::of(task, now, &mut self.random);
        let seq = self.next_seq();
        let row = match &task.raw {
            Some(raw) => Row::verbatim(&fields, seq, raw.clone()),
            None => Row::new(&fields, seq),
        };
        if let Some(project) = self.projects.get_mut(index) {
            project.failed.insert(row);
        }
        fields.task_id
    }

    /// Takes a failed task off the list. Returns whether it was there.
    pub(super) fn clear_task(&mut self, project: &str, id: &str, resolved: bool) -> bool {
        self.by_id.get(project).copied().is_some_and(|index| self.clear_at(index, id, resolved))
    }

    fn clear_at(&mut self, index: usize, id: &str, resolved: bool) -> bool {
        let Some(project) = self.projects.get_mut(index) else { return false };
        let Some(row) = project.failed.remove(id) else { return false };
        project.remember(&row, resolved);
        true
    }

    /// Gives a listed task a new time. Returns whether it was there.
    pub(super) fn refail_task(&mut self, project: &str, id: &str, now: Timestamp) -> bool {
        self.by_id.get(project).copied().is_some_and(|index| {
            self.rewrite(index, id, |fields| {
                fields.task_time = now.as_millisecond().to_string();
            })
        })
    }

    /// Gives a listed task new texts. Returns whether it was there.
    pub(super) fn change_task(&mut self, project: &str, id: &str, texts: &SimTask) -> bool {
        self.by_id
            .get(project)
            .copied()
            .is_some_and(|index| self.rewrite(index, id, |fields| fields.change(texts)))
    }

    /// Renders a row again with changed fields. A verbatim row has none.
    fn rewrite(&mut self, index: usize, id: &str, change: impl FnOnce(&mut Fields)) -> bool {
        let seq = self.next_seq();
        let Some(project) = self.projects.get_mut(index) else { return false };
        let Some(mut fields) = project.failed.get(id).and_then(Row::fields) else { return false };
        let Some(old) = project.failed.remove(id) else { return false };
        change(&mut fields);
        // Changed texts alone do not move a row among those of the same time.
        let seq = if fields.at_ms() == old.at_ms { old.seq } else { seq };
        project.failed.insert(Row::new(&fields, seq));
        true
    }

    /// Starts a task that ends as the scenario says. Returns its id.
    pub(super) fn start(&mut self, id: &str, task: &SimTask, now: Timestamp) -> Option<String> {
        let ends_at = now.checked_add(self.bind.takes.0).unwrap_or(Timestamp::MAX);
        self.start_until(id, task, now, ends_at)
    }

    /// Starts a task that runs until somebody ends it. Returns its id.
    pub(super) fn run_task(&mut self, id: &str, task: &SimTask, now: Timestamp) -> Option<String> {
        let operate_type = task.operate_type.clone().or(Some("RUNNING_RESET".to_owned()));
        let task = SimTask { operate_type, ..task.clone() };
        self.start_until(id, &task, now, Timestamp::MAX)
    }

    /// Ends a running task well. Returns whether it ran.
    pub(super) fn end_task(&mut self, project: &str, id: &str) -> bool {
        let Some(project) = self.project_mut(project) else { return false };
        let Some(at) = project.running.iter().position(|one| one.fields.task_id == id) else {
            return false;
        };
        let fields = project.running.remove(at).fields;
        let status = format!("SUCCESS_{}", fields.action());
        project.past.insert(fields.task_id, Past { server_id: fields.server_id, status });
        true
    }

    fn start_until(
        &mut self,
        id: &str,
        task: &SimTask,
        now: Timestamp,
        ends_at: Timestamp,
    ) -> Option<String> {
        let fields = Fields::of(task, now, &mut self.random);
        let task_id = fields.task_id.clone();
        self.project_mut(id)?.running.push(Running { fields, ends_at });
        Some(task_id)
    }

    fn next_seq(&mut self) -> u64 {
        self.seq += 1;
        self.seq
    }
}

impl Project {
    /// Keeps what a query of the single task says once `row` is not listed any more.
    pub(super) fn remember(&mut self, row: &Row, resolved: bool) {
        let Some(fields) = row.fields() else { return };
        let outcome = if resolved { "SUCCESS" } else { "FAILED" };
        let status = format!("{outcome}_{}", fields.action());
        self.past.insert(fields.task_id, Past { server_id: fields.server_id, status });
    }
}
