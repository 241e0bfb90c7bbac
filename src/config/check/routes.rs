//! The rules that span routes, sources and sinks.

use std::{collections::BTreeMap, time::Duration};

use toml::Table;

use super::{Check, unknown};
use crate::{
    config::{
        Source,
        locate::join,
        raw::{RawGroup, RawRoute},
    },
    decide::route::{Field, Group, Matcher, Route, Routes},
    name::Name,
    notice::FAILURES_MAX,
};

impl Check {
    /// Reads the routes and checks that they take every failure. Rules about sources are left
    /// out if those could not be read.
    pub(super) fn routes(
        &mut self,
        tables: Vec<Table>,
        sinks: &BTreeMap<Name, usize>,
        sources: Option<&[Source]>,
    ) -> Option<Routes> {
        let each = tables.into_iter().enumerate();
        let routes: Vec<_> = each.map(|(nth, table)| self.route(nth, table, sinks)).collect();
        let routes: Vec<Route> = routes.into_iter().collect::<Option<_>>()?;
        let last = routes.len().checked_sub(1)?;
        self.coverage(&routes, last);
        self.reach(&routes, last);
        for (nth, route) in routes.iter().enumerate() {
            self.about_sources(&format!("route[{nth}]"), route, sources.unwrap_or_default());
        }
        for (sink, nth) in sinks {
            if !routes.iter().any(|route| route.to.contains(sink)) {
                self.warn(&format!("sink[{nth}]"), "is never told anything: no route names it");
            }
        }
        Some(Routes(routes))
    }

    fn route(&mut self, nth: usize, table: Table, sinks: &BTreeMap<Name, usize>) -> Option<Route> {
        let path = format!("route[{nth}]");
        let raw: RawRoute = self.parse(&path, table)?;
        let matchers: Vec<_> = raw
            .matchers
            .iter()
            .enumerate()
            .map(|(nth, text)| self.matcher(&format!("{path}.match[{nth}]"), text))
            .collect();
        let to: Vec<_> = raw
            .to
            .iter()
            .enumerate()
            .map(|(nth, name)| {
                let path = format!("{path}.to[{nth}]");
                if raw.to.iter().take(nth).any(|earlier| earlier == name) {
                    self.problem(&path, &format!("`{name}` is listed already"));
                }
                self.known_sink(&path, name, sinks)
            })
            .collect();
        let group = self.group(&join(&path, "group"), &raw.group);
        let mute = self.muted_by(&join(&path, "mute"), raw.mute.as_deref().unwrap_or_default());
        let digest = raw.digest.as_ref().and_then(|raw| self.digest(&join(&path, "digest"), raw));
        if digest.is_some() && raw.group.wait.0 != Group::default().wait {
            self.warn(&join(&path, "group.wait"), "has no effect: `digest` says when to tell");
        }
        let remind = raw.remind.and_then(|raw| self.remind(&join(&path, "remind"), raw));
        Some(Route {
            matchers: matchers.into_iter().collect::<Option<_>>()?,
            to: to.into_iter().collect::<Option<_>>()?,
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

    fn known_sink(
        &mut self,
        path: &str,
        wanted: &str,
        sinks: &BTreeMap<Name, usize>,
    ) -> Option<Name> {
        let found = sinks.keys().find(|sink| sink.as_str() == wanted).cloned();
        // Without any good name, what is wrong is told elsewhere.
        if found.is_none() && !sinks.is_empty() {
            let known: Vec<_> = sinks.keys().map(Name::as_str).collect();
            self.problem(path, &unknown("sink", wanted, &known));
        }
        found
    }

    fn group(&mut self, path: &str, raw: &RawGroup) -> Option<Group> {
        let by: Vec<_> = raw
            .by
            .iter()
            .enumerate()
            .map(|(nth, name)| match Field::parse(name) {
                Ok(field) => Some(field),
                Err(problem) => {
                    self.problem(&format!("{path}.by[{nth}]"), &problem);
                    None
                }
            })
            .collect();
        let wait = self.period(&join(path, "wait"), raw.wait, Duration::ZERO..=Group::WAIT_MAX);
        let max_items = self.count(&join(path, "max_items"), raw.max_items, 1..=FAILURES_MAX);
        Some(Group {
            by: by.into_iter().collect::<Option<_>>()?,
            wait: wait?,
            max_items: max_items?,
        })
    }

    /// A failure that no route takes would reach nobody, and nobody would notice.
    fn coverage(&mut self, routes: &[Route], last: usize) {
        let takes = |(nth, route): (usize, &Route)| {
            // Going on from a route to nobody counts as such only if nothing comes after it.
            route.takes_all() && (!route.continues || !route.to.is_empty() || nth == last)
        };
        if !routes.iter().enumerate().any(takes) {
            self.problem(
                &format!("route[{last}]"),
                "the last route must have no `match`, or a failure that no route takes would \
                 reach nobody; add a [[route]] with only `to` (`to = []` drops the rest on purpose)",
            );
        }
    }

    /// Routes that can have no effect.
    fn reach(&mut self, routes: &[Route], last: usize) {
        let end = routes.iter().position(|route| route.takes_all() && !route.continues);
        for (nth, route) in routes.iter().enumerate() {
            let path = format!("route[{nth}]");
            if let Some(end) = end
                && end < nth
            {
                let problem = format!("is never reached: route[{end}] takes every failure");
                self.warn(&path, &problem);
            }
            if route.continues && nth == last {
                let path = join(&path, "continue");
                self.warn(&path, "has no effect: there is no route behind it");
            } else if route.continues && route.to.is_empty() {
                self.warn(&path, "has no effect: it tells nobody and continues");
            }
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
