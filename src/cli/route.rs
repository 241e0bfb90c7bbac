//! Where failures would go: the tree of routes, and questions to it.
//!
//! Both need the config alone, without its secrets, so that they run where it is reviewed. Only a
//! project that the config leaves to be looked up is asked of the daemon or the store, if a route
//! cares and there is one.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use thiserror::Error;

use super::{Output, out};
use crate::{
    admin::client,
    config::Config,
    decide::route::{Branch, Field, NO_LABELS, Route, Routes, Siblings, Subject, Tried},
    exit::Exit,
    name::Name,
    options::{self, Period},
    task::Action,
};

/// `route …`.
#[derive(Debug, clap::Subcommand)]
pub(super) enum RouteCommand {
    /// Show the tree of routes, with the numbers that deliveries carry
    Show,
    /// Say where a failure would go
    Test(TestArgs),
}

/// `route test`.
#[derive(Debug, clap::Args)]
pub(super) struct TestArgs {
    /// What is known of the failure: `source`, `project`, `region`, `action`,
    /// `operate_type`, `error_code`, `error_message`, `server_name`, `keypair`, or `labels.NAME`. A
    /// source of the config brings its project, region and labels
    #[arg(value_name = "KEY=VALUE", value_parser = Given::parse)]
    given: Vec<Given>,
    /// Fail unless it goes to these sinks, in this order; "" for nobody
    #[arg(long, value_name = "A,B")]
    verify_sinks: Option<String>,
}

/// One `KEY=VALUE`.
#[derive(Clone, Debug)]
struct Given {
    field: Field,
    value: String,
}

impl Given {
    fn parse(raw: &str) -> Result<Self, String> {
        let (key, value) = raw.split_once('=').ok_or("expected a key, `=` and a value")?;
        let field = Field::parse(key)?;
        let names = Action::ALL.map(Action::as_str);
        if field == Field::Action && !value.is_empty() && !names.contains(&value) {
            return Err(match options::nearest(&names, value) {
                Some(near) => format!("`{value}` is not an action; did you mean `{near}`?"),
                None => format!("`{value}` is not an action; actions are {}", names.join(", ")),
            });
        }
        Ok(Self { field, value: value.to_owned() })
    }
}

/// What keeps a test from being made, or from being passed.
#[derive(Debug, Error)]
enum TestError {
    #[error("`{0}` is given twice")]
    Twice(Field),
    #[error("it should go to {}, but it goes to {}", names(.expected), names(.actual))]
    Differs { expected: Vec<String>, actual: Vec<String> },
}

pub(super) async fn run(config: &Config, command: &RouteCommand, output: Output) -> Exit {
    match command {
        RouteCommand::Show => show(&config.routes, output),
        RouteCommand::Test(args) => test(config, args, output).await,
    }
}

/// A failure as far as it is known.
#[derive(Default)]
struct Example {
    fields: BTreeMap<Field, String>,
    labels: BTreeMap<String, String>,
}

impl Example {
    /// What was given, and what the config knows of its source.
    async fn new(config: &Config, given: &[Given]) -> Result<Self, TestError> {
        let mut example = Self::default();
        for Given { field, value } in given {
            let earlier = match field {
                Field::Label(name) => example.labels.insert(name.to_string(), value.clone()),
                field => example.fields.insert(field.clone(), value.clone()),
            };
            if earlier.is_some() {
                return Err(TestError::Twice(field.clone()));
            }
        }
        let Some(wanted) = example.fields.get(&Field::Source) else { return Ok(example) };
        match config.sources.iter().find(|source| source.name.as_str() == wanted) {
            Some(source) => {
                let mut info = source.info();
                if info.project_id.is_empty() && !example.fields.contains_key(&Field::Project) {
                    info.project_id = found_project(config, &source.name).await;
                }
                example.fields.entry(Field::Project).or_insert(info.project_id);
                example.fields.entry(Field::Region).or_insert(info.region);
                for (name, value) in &source.labels {
                    example.labels.entry(name.clone()).or_insert_with(|| value.clone());
                }
            }
            None => tracing::warn!(source = wanted, "the config has no such source"),
        }
        Ok(example)
    }

    fn subject(&self) -> Subject<'_> {
        let field = |field| self.fields.get(&field).map_or("", String::as_str);
        Subject {
            source: field(Field::Source),
            project: field(Field::Project),
            region: field(Field::Region),
            action: field(Field::Action),
            operate_type: field(Field::OperateType),
            error_code: field(Field::ErrorCode),
            error_message: field(Field::ErrorMessage),
            server_name: field(Field::ServerName),
            keypair: field(Field::Keypair),
            own_labels: &NO_LABELS,
            labels: &self.labels,
        }
    }
}

/// The project that polls found for a source, if a route asks for it and it is known here.
async fn found_project(config: &Config, source: &Name) -> String {
    let cares =
        |route: &Route| route.matchers.iter().any(|matcher| *matcher.field() == Field::Project);
    if !config.routes.0.iter().any(cares) {
        return String::new();
    }
    let found = client::found_project(config, source).await;
    found.unwrap_or_else(|| {
        tracing::warn!(
            %source,
            "its project is looked up by the first poll, and not known here; give project=ID to \
             test by it"
        );
        String::new()
    })
}

async fn test(config: &Config, args: &TestArgs, output: Output) -> Exit {
    let example = match Example::new(config, &args.given).await {
        Ok(example) => example,
        Err(error) => return out::fail(&error, None, Exit::Usage),
    };
    let subject = example.subject();
    let selected = config.routes.select(&subject);
    let actual: Vec<String> = selected.iter().map(|choice| choice.sink.to_string()).collect();
    let printed = match output {
        Output::Json => out::json(&answer(&config.routes, &example, &actual)),
        Output::Table => {
            out::text_as_is(&actual.iter().flat_map(|sink| [sink, "\n"]).collect::<String>())
        }
    };
    let Some(wanted) = &args.verify_sinks else {
        if actual.is_empty() {
            tracing::warn!("nobody is told; `route show` says which routes are to nobody");
        }
        return printed;
    };
    let wanted = wanted.split(',').map(str::trim).filter(|sink| !sink.is_empty());
    let expected: Vec<String> = wanted.map(str::to_owned).collect();
    if expected == actual {
        return printed;
    }
    let help = "`taskbell -o json route test` says what came of each route";
    out::fail(&TestError::Differs { expected, actual }, Some(help), Exit::Failed)
}

fn names(sinks: &[String]) -> String {
    if sinks.is_empty() { "nobody".to_owned() } else { sinks.join(", ") }
}

/// The answer to a test, for programs.
fn answer(routes: &Routes, example: &Example, sinks: &[String]) -> Value {
    let fields = example.fields.iter().map(|(field, value)| (field.to_string(), value));
    let labels = example.labels.iter().map(|(name, value)| (format!("labels.{name}"), value));
    let tried = routes.explain(&example.subject());
    let each = (1_usize..).zip(&tried).map(|(number, tried)| {
        let (outcome, condition) = match tried {
            Tried::Matched => ("matched", None),
            Tried::Passed => ("passed", None),
            Tried::Refused(matcher) => ("refused", Some(matcher.to_string())),
            Tried::NotReached => ("not_reached", None),
        };
        json!({ "route": number, "outcome": outcome, "refused_by": condition })
    });
    let took = (1_usize..).zip(&tried).filter(|(_, tried)| matches!(tried, Tried::Matched));
    json!({
        "subject": fields.chain(labels).collect::<BTreeMap<_, _>>(),
        "sinks": sinks,
        "matched": took.map(|(number, _)| number).collect::<Vec<_>>(),
        "routes": each.collect::<Vec<_>>(),
    })
}

fn show(routes: &Routes, output: Output) -> Exit {
    match output {
        Output::Table => {
            let lines = (1..).zip(&routes.0).map(|(number, route)| line(number, route));
            out::text_as_is(&lines.collect::<String>())
        }
        Output::Json => {
            let mut rows = Vec::new();
            push_rows(routes.top(), None, &mut rows);
            out::json(&Value::Array(rows))
        }
    }
}

/// A route as a line, deeper ones further in.
fn line(number: usize, route: &Route) -> String {
    let indent = "  ".repeat(route.depth);
    let conditions: Vec<_> = route.matchers.iter().map(ToString::to_string).collect();
    let conditions =
        if conditions.is_empty() { "everything".to_owned() } else { conditions.join(", ") };
    let to: Vec<_> = route.to.iter().map(ToString::to_string).collect();
    let by: Vec<_> = route.group.by.iter().map(ToString::to_string).collect();
    let (wait, max_items) = (Period(route.group.wait), route.group.max_items);
    let mute: Vec<_> = route.mute.iter().map(ToString::to_string).collect();
    let more = [
        route.digest.as_ref().map(|digest| format!(", digest {digest}")),
        (!mute.is_empty()).then(|| format!(", mute {}", mute.join(" "))),
        route.remind.map(|remind| format!(", remind after {}", Period(remind.first))),
        route.continues.then(|| ", continue".to_owned()),
    ];
    let more: String = more.into_iter().flatten().collect();
    format!(
        "{indent}{number}  {conditions} -> {}  (by {}, wait {wait}, max_items {max_items})\
         {more}\n",
        names(&to),
        // Notices are about one source whatever the config says.
        if by.is_empty() { "source".to_owned() } else { by.join(", ") },
    )
}

fn push_rows(siblings: Siblings<'_>, parent: Option<u32>, rows: &mut Vec<Value>) {
    for branch in siblings {
        rows.push(row(&branch, parent));
        let number = branch.number();
        push_rows(branch.within, Some(number), rows);
    }
}

/// A route for programs, in the words of the config.
fn row(branch: &Branch<'_>, parent: Option<u32>) -> Value {
    let Route { matchers, to, group, continues, mute, digest, remind, .. } = branch.route;
    let text = |items: &[Field]| items.iter().map(ToString::to_string).collect::<Vec<_>>();
    json!({
        "route": branch.number(),
        "parent": parent,
        "match": matchers.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "to": to,
        "group": {
            "by": text(&group.by),
            "wait": Period(group.wait).to_string(),
            "max_items": group.max_items,
        },
        "mute": mute,
        "digest": digest.as_ref().map(ToString::to_string),
        "remind": remind.map(|remind| {
            json!({
                "first": Period(remind.first).to_string(),
                "factor": f64::from(remind.factor_percent) / 100.0,
                "max": Period(remind.max).to_string(),
                "count": remind.count,
            })
        }),
        "continue": continues,
    })
}
