use jiff::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::{name::Name, task::Row};

fn failure(source: &str, row: &Row<'_>) -> Failure {
    let source = Name::parse(source).unwrap();
    Failure { source, ..Failure::example(1, row, Timestamp::UNIX_EPOCH) }
}

fn on(server: &str) -> Failure {
    failure("a", &Row { server_name: Some(server.into()), ..Row::default() })
}

fn line(counts: &[Count]) -> String {
    let words = counts.iter().map(|one| format!("{} {}", one.value, one.count));
    words.collect::<Vec<_>>().join(", ")
}

#[test]
fn the_most_frequent_come_first_and_ties_go_by_value() {
    let all: Vec<_> = "c b a f e d c a c".split(' ').map(on).collect();
    let tally = tally(&all);
    assert_eq!(line(&tally.servers), "c 3, a 2, b 1, d 1, e 1");
    assert_eq!(line(&tally.actions), "other 9");
    assert_eq!(line(&tally.sources), "a 9");
    assert_eq!(line(&tally.errors), "");
}

#[test]
fn errors_count_by_code_else_by_what_messages_have_in_common() {
    let row = |code: Option<&'static str>, message: Option<&'static str>| Row {
        operate_type: Some("FAILED_BIND".into()),
        error_code: code.map(Into::into),
        error_message: message.map(Into::into),
        server_id: Some("s-1".into()),
        ..Row::default()
    };
    let long =
        "The SSH port of the server cannot be reached; check the security group and the firewall";
    let tally = tally(&[
        failure("b", &row(Some("KPS.6009"), Some("one"))),
        failure("b", &row(None, Some("Port 22 of 10.0.0.1 is closed"))),
        failure("a", &row(None, Some("port 2222 of 10.0.0.12 is closed"))),
        failure("b", &row(None, None)),
        failure("b", &row(None, Some(long))),
    ]);
    assert_eq!(
        line(&tally.errors),
        "port # of # is closed 2, KPS.6009 1, \
         the ssh port of the server cannot be reached; check the security group and th… 1"
    );
    assert_eq!(line(&tally.servers), "s-1 5");
    assert_eq!(line(&tally.sources), "b 4, a 1");
    assert_eq!(line(&tally.actions), "bind 5");
}

#[test]
fn what_stands_out_survives_any_number_of_others() {
    let mut tallier = Tallier::default();
    for nth in 0..20 * TALLY_VALUES_MAX {
        tallier.add(&on(&format!("web-{nth}")));
        if nth % 10 == 0 {
            tallier.add(&on("db"));
        }
        assert!(tallier.servers.0.len() <= TALLY_VALUES_MAX);
    }
    let top = tallier.finish().servers;
    assert_eq!(top.first().map(|one| (one.value.as_str(), one.count)), Some(("db", 2048)));
}

proptest! {
    #[test]
    fn few_values_are_counted_exactly(servers in prop::collection::vec("[a-h]", 0..200)) {
        let all: Vec<_> = servers.iter().map(|server| on(server)).collect();
        let top = tally(&all).servers;
        for one in &top {
            let expected = servers.iter().filter(|server| **server == one.value).count();
            prop_assert_eq!(usize::try_from(one.count).unwrap(), expected);
        }
        prop_assert!(top.len() <= Tally::TOP_MAX);
        prop_assert!(top.windows(2).all(|pair| pair[0].count >= pair[1].count));
    }
}
