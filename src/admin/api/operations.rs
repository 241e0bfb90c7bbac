//! Every operation, in the order of the description.

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::Value;

use super::{Access, Asked, DiffBody, Operation, PlanBody, ProbeBody, TestBody, Verb};
use crate::admin::{
    ask::Ask,
    operate::{DeadQuery, NewAck, NewSilence},
    view::{
        AcknowledgedView, DeliveryView, ExplanationView, FailureDetailView, FailureView, Listing,
        RetriedView, SilenceView, SinkView, SourceView, TestedView,
    },
};

fn of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

/// What operations have mostly.
const GET: Operation = Operation {
    verb: Verb::Get,
    path: "",
    id: "",
    summary: "",
    access: Access::Look,
    asked: Asked::Nothing,
    body: None,
    answer: of::<Value>,
    ask: |_| Ok(Ask::Account),
};

const POST: Operation = Operation { verb: Verb::Post, access: Access::Act, ..GET };

const DELETE: Operation = Operation { verb: Verb::Delete, ..POST };

pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        path: "/api/v1/sources",
        id: "listSources",
        summary: "Each list that is watched, with its last poll and coverage",
        asked: Asked::Part("name"),
        answer: of::<Listing<SourceView>>,
        ask: |_| Ok(Ask::Sources),
        ..GET
    },
    Operation {
        path: "/api/v1/failures",
        id: "listFailures",
        summary: "Failures, with what became of telling them",
        asked: Asked::List,
        answer: of::<Listing<FailureView>>,
        ask: |given| Ok(Ask::Failures(given.query)),
        ..GET
    },
    Operation {
        path: "/api/v1/failures/{id}",
        id: "getFailure",
        summary: "One failure, by its number or the cloud's task id, with all that happened to it",
        answer: of::<FailureDetailView>,
        ask: |given| Ok(Ask::Failure(given.subject)),
        ..GET
    },
    Operation {
        path: "/api/v1/failures/{id}/explain",
        id: "explainFailure",
        summary: "What happened to a failure, and whether somebody was told",
        answer: of::<ExplanationView>,
        ask: |given| Ok(Ask::Explain(given.subject)),
        ..GET
    },
    Operation {
        path: "/api/v1/failures/{id}/ack",
        id: "acknowledgeFailure",
        summary: "Looks after a failure: no more reminders of it",
        body: Some(of::<NewAck>),
        answer: of::<AcknowledgedView>,
        ask: |given| Ok(Ask::Acknowledge(given.subject.clone(), Some(given.body()?))),
        ..POST
    },
    Operation {
        path: "/api/v1/failures/{id}/ack",
        id: "unacknowledgeFailure",
        summary: "Takes an acknowledgement back",
        answer: of::<AcknowledgedView>,
        ask: |given| Ok(Ask::Acknowledge(given.subject, None)),
        ..DELETE
    },
    Operation {
        path: "/api/v1/deliveries",
        id: "listDeliveries",
        summary: "What is owed and what was delivered",
        asked: Asked::List,
        answer: of::<Listing<DeliveryView>>,
        ask: |given| Ok(Ask::Deliveries(given.query)),
        ..GET
    },
    Operation {
        path: "/api/v1/deliveries/{id}",
        id: "getDelivery",
        summary: "One delivery",
        answer: of::<DeliveryView>,
        ask: |given| Ok(Ask::Delivery(given.number()?)),
        ..GET
    },
    Operation {
        path: "/api/v1/deliveries/{id}/retry",
        id: "retryDelivery",
        summary: "Makes a pending, held or dead delivery due now",
        answer: of::<RetriedView>,
        ask: |given| Ok(Ask::Retry(given.number()?)),
        ..POST
    },
    Operation {
        path: "/api/v1/sinks",
        id: "listSinks",
        summary: "Each place that is told, with what is owed to it",
        asked: Asked::Part("name"),
        answer: of::<Listing<SinkView>>,
        ask: |_| Ok(Ask::Sinks),
        ..GET
    },
    Operation {
        path: "/api/v1/sinks/{name}/test",
        id: "testSink",
        summary: "Sends one message that is marked as a test",
        body: Some(of::<TestBody>),
        answer: of::<TestedView>,
        ask: |given| {
            let TestBody { kind } = given.body_or_default()?;
            Ok(Ask::TestSink(given.subject, kind))
        },
        ..POST
    },
    Operation {
        path: "/api/v1/silences",
        id: "listSilences",
        summary: "What nobody wants to hear for a while",
        asked: Asked::Part("id"),
        answer: of::<Listing<SilenceView>>,
        ask: |_| Ok(Ask::Silences),
        ..GET
    },
    Operation {
        path: "/api/v1/silences",
        id: "addSilence",
        summary: "Holds what matches; what still stands at the end is told as one notice",
        body: Some(of::<NewSilence>),
        answer: of::<SilenceView>,
        ask: |given| Ok(Ask::AddSilence(given.body()?)),
        ..POST
    },
    Operation {
        path: "/api/v1/silences/{id}",
        id: "expireSilence",
        summary: "Ends a silence now",
        answer: of::<SilenceView>,
        ask: |given| Ok(Ask::ExpireSilence(given.number()?)),
        ..DELETE
    },
    Operation {
        path: "/api/v1/dead/replay",
        id: "replayDead",
        summary: "Makes dead deliveries due again, under the ids that they had",
        body: Some(of::<DeadQuery>),
        ask: |given| Ok(Ask::ReplayDead(given.body()?)),
        ..POST
    },
    // What follows is for the commands alone.
    Operation {
        path: "/api/v1/sources/{name}/baseline",
        id: "resetBaseline",
        summary: "Has the next complete poll of a source set its baseline anew",
        access: Access::Own,
        ask: |given| Ok(Ask::ResetBaseline(given.subject)),
        ..DELETE
    },
    Operation {
        path: "/api/v1/deliveries/{id}/cancel",
        id: "cancelDelivery",
        summary: "Ends a delivery untold",
        access: Access::Own,
        ask: |given| Ok(Ask::Cancel(given.number()?)),
        ..POST
    },
    Operation {
        path: "/api/v1/dead/purge",
        id: "purgeDead",
        summary: "Ends dead deliveries untold",
        access: Access::Own,
        body: Some(of::<DeadQuery>),
        ask: |given| Ok(Ask::PurgeDead(given.body()?)),
        ..POST
    },
    Operation {
        path: "/api/v1/sinks/{name}/probe",
        id: "probeSink",
        summary: "Sends a test; if it is taken, lets what was kept back go",
        access: Access::Own,
        body: Some(of::<ProbeBody>),
        ask: |given| {
            let ProbeBody { resend } = given.body_or_default()?;
            Ok(Ask::ProbeSink(given.subject, resend))
        },
        ..POST
    },
    Operation {
        path: "/api/v1/state",
        id: "getState",
        summary: "What came of every failure that was sent a sink's way",
        access: Access::Own,
        ..GET
    },
    Operation {
        path: "/api/v1/state/records",
        id: "inspectState",
        summary: "Whether every record can be read",
        access: Access::Own,
        ask: |_| Ok(Ask::Inspect),
        ..GET
    },
    Operation {
        path: "/api/v1/state/info",
        id: "getStateInfo",
        summary: "How large the record is",
        access: Access::Own,
        ask: |_| Ok(Ask::StateInfo),
        ..GET
    },
    Operation {
        path: "/api/v1/state/checkpoint",
        id: "checkpoint",
        summary: "Writes a copy of the record",
        access: Access::Own,
        ask: |_| Ok(Ask::Checkpoint),
        ..POST
    },
    Operation {
        path: "/api/v1/state/compact",
        id: "compact",
        summary: "Writes the record anew, without what was forgotten",
        access: Access::Own,
        ask: |_| Ok(Ask::Compact),
        ..POST
    },
    Operation {
        path: "/api/v1/progress",
        id: "getProgress",
        summary: "How far work that somebody waits for is; null if none goes on",
        access: Access::Own,
        ask: |_| Ok(Ask::Progress),
        ..GET
    },
    Operation {
        path: "/api/v1/plan",
        id: "plan",
        summary: "Polls now and says what would be told",
        access: Access::Own,
        body: Some(of::<PlanBody>),
        ask: |given| {
            let PlanBody { config } = given.body_or_default()?;
            Ok(Ask::Plan(config))
        },
        ..POST
    },
    Operation {
        path: "/api/v1/diff",
        id: "diff",
        summary: "What another config would have told",
        access: Access::Own,
        body: Some(of::<DiffBody>),
        ask: |given| {
            let DiffBody { config, seconds } = given.body()?;
            Ok(Ask::Diff(config, seconds))
        },
        ..POST
    },
];
