//! The rules that span routes, sources and sinks.

use std::{collections::BTreeMap, time::Duration};

use toml::Table;

use super::Check;
use crate::{
    config::{
        Source,
        locate::join,
        raw::{RawGroup, RawRoute},
    },
    decide::route::{Branch, Field, Group, Matcher, Route, Routes, Siblings},
    name::Name,
    notice::FAILURES_MAX,
    options::Period,
};

/// What a route takes over where it leaves out a key: from the route around it, or at the top
/// from nowhere.
struct Parent {
    path: String,
    /// Of the routes within it.
    depth: usize,
    /// `None`: there is nothing to take over.
    to: Option<Vec<Name>>,
    group: Group,
}

/// The routes that were read so far.
struct Reading<'a> {
    sinks: &'a BTreeMap<Name, usize>,
    /// In the order of the file, each with its path. `None`: it is wrong.
    routes: Vec<(String, Option<Route>)>,
}

/// Good routes, and where each stands.
struct Tree {
    routes: Routes,
    paths: Vec<String>,
}

impl Tree {
    fn path(&self, branch: &Branch<'_>) -> &str {
        self.paths.get(branch.at).map_or("route", String::as_str)
    }
}

impl Check {
    /// Reads the routes and checks that they take every failure. Rules about sources are left
    /// out if those could not be read.
    pub(super) fn routes(
        &mut self,
        tables: Vec<Table>,
        sinks: &BTreeMap<Name, usize>,
        sources: Option<&[Source]>,
    ) -> Option<Routes> {
        let top = Parent { path: String::new(), depth: 0, to: None, group: Group::default() };
        let mut reading = Reading { sinks, routes: Vec::new() };
        self.siblings(&top, tables, &mut reading);
        let (paths, routes): (_, Vec<_>) = reading.routes.into_iter().unzip();
        let routes = Routes(routes.into_iter().collect::<Option<_>>()?);
        let tree = Tree { routes, paths };
        self.coverage(&tree);
        self.reach(&tree, tree.routes.top());
        for (path, route) in tree.paths.iter().zip(&tree.routes.0) {
            self.about_sources(path, route, sources.unwrap_or_default());
        }
        Some(tree.routes)
    }

    /// Reads routes with the same parent, and those within them.
    fn siblings(&mut self, parent: &Parent, tables: Vec<Table>, reading: &mut Reading<'_>) {
        for (nth, mut table) in tables.into_iter().enumerate() {
            let path = join(&parent.path, &format!("route[{nth}]"));
            if Routes::COUNT_MAX <= reading.routes.len() {
                // The one beyond is told and kept as wrong; those behind it are not looked at.
                if Routes::COUNT_MAX == reading.routes.len() {
                    let most = Routes::COUNT_MAX;
                    let problem = format!("is one too many: there can be at most {most} routes");
                    self.problem(&path, &problem);
                    reading.routes.push((path, None));
                }
                return;
            }
            let within = self.list(&path, &mut table, "route").unwrap_or_default();
            let route = self.route(&path, table, parent, reading.sinks);
            let next = Parent {
                path: path.clone(),
                depth: parent.depth + 1,
                // Of a wrong one nothing is known, so nothing is missing from those within it.
                to: Some(route.as_ref().map(|route| route.to.clone()).unwrap_or_default()),
                group: route.as_ref().map(|route| route.group.clone()).unwrap_or_default(),
            };
            reading.routes.push((path, route));
            if !within.is_empty() && next.depth == Routes::DEPTH_MAX {
                let problem = format!("is nested deeper than {} levels", Routes::DEPTH_MAX);
                self.problem(&join(&next.path, "route"), &problem);
            } else {
                self.siblings(&next, within, reading);
            }
        }
    }

    fn route(
        &mut self,
        path: &str,
        table: Table,
        parent: &Parent,
        sinks: &BTreeMap<Name, usize>,
    ) -> Option<Route> {
        let raw: RawRoute = self.parse(path, table)?;
        let matchers: Vec<_> = raw
            .matchers
            .iter()
            .enumerate()
            .map(|(nth, text)| self.matcher(&format!("{path}.match[{nth}]"), text))
            .collect();
        let to_path = join(path, "to");
        let to = match (raw.to, &parent.to) {
            (Some(names), _) => self.known_sinks(&to_path, &names, sinks),
            (None, Some(to)) => Some(to.clone()),
            (None, None) => {
                self.problem(&to_path, "is required");
                None
            }
        };
        let group = self.group(&join(path, "group"), &raw.group, &parent.group);
        let mute = self.muted_by(&join(path, "mute"), raw.mute.as_deref().unwrap_or_default());
        let digest = raw.digest.as_ref().and_then(|raw| self.digest(&join(path, "digest"), raw));
        if digest.is_some() && raw.group.wait.is_some() {
            self.warn(&join(path, "group.wait"), "has no effect: `digest` says when to tell");
        }
        let remind = raw.remind.and_then(|raw| self.remind(&join(path, "remind"), raw));
        Some(Route {
            depth: parent.depth,
            matchers: matchers.into_iter().collect::<Option<_>>()?,
            to: to?,
            group: group?,
            continues: raw.continues,
            mute,
            digest,
            remind,
        })
    }

    fn matcher(&mut self, path: &str, text: &str) -> Option<Matcher> {
        match Matcher::parse(text) {
            Ok(matcher) => Some(matcher),
            Err(error) => {
                self.problem(path, &error.to_string());
                None
            }
        }
    }

    fn group(&mut self, path: &str, raw: &RawGroup, parent: &Group) -> Option<Group> {
        let by = raw.by.as_ref().map(|names| {
            let each = names.iter().enumerate().map(|(nth, name)| match Field::parse(name) {
                Ok(field) => Some(field),
                Err(problem) => {
                    self.problem(&format!("{path}.by[{nth}]"), &problem);
                    None
                }
            });
            each.collect::<Vec<_>>()
        });
        let wait = raw.wait.unwrap_or(Period(parent.wait));
        let wait = self.period(&join(path, "wait"), wait, Duration::ZERO..=Group::WAIT_MAX);
        let max_items = raw.max_items.unwrap_or(parent.max_items);
        let max_items = self.count(&join(path, "max_items"), max_items, 1..=FAILURES_MAX);
        Some(Group {
            by: match by {
                Some(by) => by.into_iter().collect::<Option<_>>()?,
                None => parent.by.clone(),
            },
            wait: wait?,
            max_items: max_items?,
        })
    }

    /// A failure that no route takes would reach nobody, and nobody would notice. What a route
    /// matches it takes, or one within it does, so only those at the top count.
    fn coverage(&mut self, tree: &Tree) {
        let Some(last) = tree.routes.top().last() else { return };
        let takes = |branch: Branch<'_>| {
            let route = branch.route;
            // Going on from a route to nobody counts as such only if nothing comes after it.
            let tells = !route.continues || !route.to.is_empty() || branch.at == last.at;
            route.takes_all() && tells
        };
        if !tree.routes.top().any(takes) {
            self.problem(
                tree.path(&last),
                "the last route must have no `match`, or a failure that no route takes would \
                 reach nobody; add a [[route]] with only `to` (`to = []` drops the rest on purpose)",
            );
        }
    }

    /// Routes that can have no effect.
    fn reach(&mut self, tree: &Tree, siblings: Siblings<'_>) {
        let mut siblings = siblings.peekable();
        let mut end = None;
        while let Some(branch) = siblings.next() {
            let (path, route) = (tree.path(&branch), branch.route);
            if let Some(end) = end {
                self.warn(path, &format!("is never reached: {end} takes every failure"));
                continue;
            }
            if route.takes_all() && !route.continues {
                end = Some(path);
            }
            if route.continues && siblings.peek().is_none() {
                let path = join(path, "continue");
                self.warn(&path, "has no effect: there is no route behind it");
            } else if route.continues && route.depth == 0 && !tells(&branch) {
                // One within another keeps the failure from that at least.
                self.warn(path, "has no effect: it tells nobody and continues");
            }
            self.reach(tree, branch.within);
        }
    }

    /// A condition on the source that holds for none is most likely a slip.
    fn about_sources(&mut self, path: &str, route: &Route, sources: &[Source]) {
        if sources.is_empty() {
            return;
        }
        for (nth, matcher) in route.matchers.iter().enumerate() {
            let value = |source: &Source| match matcher.field() {
                Field::Source => Some(source.name.as_str().to_owned()),
                Field::Label(name) if source.labels_rows(name) => None,
                Field::Label(name) => Some(source.labels.get(&**name).cloned().unwrap_or_default()),
                // Known only to the kind, or only of a failure.
                _ => None,
            };
            let values: Vec<_> = sources.iter().filter_map(value).collect();
            if !values.is_empty() && !values.iter().any(|value| matcher.holds_for(value)) {
                let path = format!("{path}.match[{nth}]");
                self.warn(&path, "holds for no source in this file");
            }
        }
    }
}

/// Whether a route, or one within it, names a sink.
fn tells(branch: &Branch<'_>) -> bool {
    !branch.route.to.is_empty() || branch.within.clone().any(|branch| tells(&branch))
}
