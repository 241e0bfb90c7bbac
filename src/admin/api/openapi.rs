//! The description of the API, made from the table of operations and the types that they use.

use schemars::{Schema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use super::{Access, Asked, OPERATIONS, Operation, PartQuery, Verb};
use crate::admin::{ListQuery, events::Happened, problem::Problem};

/// Where an OpenAPI document keeps its types.
const COMPONENTS: &str = "/components/schemas";

/// The two directions have generators of their own: a field that may be left out of a request is
/// always there in an answer.
struct Types {
    given: SchemaGenerator,
    answered: SchemaGenerator,
}

impl Types {
    fn new() -> Self {
        let settings =
            || SchemaSettings::draft2020_12().with(|one| one.definitions_path = COMPONENTS.into());
        Self {
            given: settings().into_generator(),
            answered: settings().for_serialize().into_generator(),
        }
    }
}

/// The OpenAPI 3.1 document of what the status server offers.
#[must_use]
pub fn openapi() -> Value {
    let mut types = Types::new();
    let mut paths: Map<String, Value> = Map::new();
    for operation in OPERATIONS.iter().filter(|one| one.access != Access::Own) {
        let verb = match operation.verb {
            Verb::Get => "get",
            Verb::Post => "post",
            Verb::Delete => "delete",
        };
        let described = describe(operation, &mut types);
        let path = paths.entry(operation.path).or_insert_with(|| json!({}));
        if let Some(path) = path.as_object_mut() {
            path.insert(verb.to_owned(), described);
        }
    }
    let happened = types.answered.subschema_for::<Happened>();
    paths.insert("/api/v1/events".to_owned(), events(&happened));
    let problem = types.answered.subschema_for::<Problem>();
    let mut schemas = types.given.take_definitions(true);
    schemas.extend(types.answered.take_definitions(true));
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "taskbell",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "What taskbell sees, tells and owes. Orders need the token of \
                [status] in the config; so does everything, if the server can be reached from \
                other hosts.",
        },
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": {
                "Problem": {
                    "description": "Refused: see detail",
                    "content": { "application/problem+json": { "schema": problem } },
                },
            },
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } },
        },
    })
}

fn describe(operation: &Operation, types: &mut Types) -> Value {
    let Operation { id, summary, .. } = operation;
    let answer = (operation.answer)(&mut types.answered);
    let mut parameters = in_path(operation.path);
    match operation.asked {
        Asked::Nothing => {}
        Asked::List => in_query(types.given.root_schema_for::<ListQuery>(), &mut parameters),
        Asked::Part(_) => in_query(types.given.root_schema_for::<PartQuery>(), &mut parameters),
    }
    let mut described = json!({
        "operationId": id,
        "summary": summary,
        "parameters": parameters,
        "responses": {
            "200": { "description": "Done", "content": { "application/json": { "schema": answer } } },
            "default": { "$ref": "#/components/responses/Problem" },
        },
    });
    let Some(fields) = described.as_object_mut() else { return described };
    let security = if operation.access == Access::Act {
        json!([{ "token": [] }])
    } else {
        json!([{}, { "token": [] }])
    };
    fields.insert("security".to_owned(), security);
    if let Some(body) = operation.body {
        let schema = body(&mut types.given);
        let content = json!({ "application/json": { "schema": schema } });
        let body = json!({ "required": true, "content": content });
        fields.insert("requestBody".to_owned(), body);
    }
    described
}

/// The `{…}` of a path.
fn in_path(path: &str) -> Vec<Value> {
    let names = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let one = |name: &str| {
        let schema = json!({ "type": "string", "minLength": 1 });
        json!({ "name": name, "in": "path", "required": true, "schema": schema })
    };
    names.map(one).collect()
}

/// The fields of a query, each a parameter of its own.
fn in_query(schema: Schema, parameters: &mut Vec<Value>) {
    let Value::Object(mut schema) = schema.to_value() else { return };
    let definitions = schema.remove("components").unwrap_or_default();
    let Some(Value::Object(fields)) = schema.remove("properties") else { return };
    for (name, mut field) in fields {
        let description = field.as_object_mut().and_then(|field| field.remove("description"));
        plain(&mut field, &definitions);
        parameters.push(json!({
            "name": name,
            "in": "query",
            "description": description,
            "schema": field,
        }));
    }
}

/// A parameter that is left out is not null, so its type need not say that it may be.
fn plain(field: &mut Value, definitions: &Value) {
    let Some(fields) = field.as_object_mut() else { return };
    if let Some(Value::Array(types)) = fields.get("type") {
        let one = types.iter().find(|one| *one != "null").cloned();
        fields.insert("type".to_owned(), one.unwrap_or_default());
    }
    if let Some(Value::Array(choices)) = fields.remove("anyOf")
        && let Some(choice) = choices.into_iter().find(|one| one.get("$ref").is_some())
    {
        let target = choice.get("$ref").and_then(Value::as_str).unwrap_or_default();
        let name = target.rsplit('/').next().unwrap_or_default();
        *field = definitions.pointer(&format!("/schemas/{name}")).cloned().unwrap_or_default();
    }
}

fn events(happened: &Schema) -> Value {
    json!({
        "get": {
            "operationId": "events",
            "summary": "Server-sent events of what happens",
            "description": "Each event has a `type`, and as `data` what the schema says. After a \
                break, send the last id in `Last-Event-ID`; an event of type `missed` says that \
                more was missed than is remembered: read the lists anew.",
            "parameters": [{
                "name": "Last-Event-ID",
                "in": "header",
                "schema": { "type": "string" },
            }],
            "security": [{}, { "token": [] }],
            "responses": {
                "200": {
                    "description": "A stream without end",
                    "content": { "text/event-stream": { "schema": happened } },
                },
                "default": { "$ref": "#/components/responses/Problem" },
            },
        },
    })
}
