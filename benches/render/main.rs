//! What it costs to put a notice into the words of each kind of sink. `cargo bench --bench render`.
//!
//! Times are of the processor, in microseconds for a notice, the least of several rounds: what
//! else runs on the host only adds. A kind over [`BUDGET_US`] for one failure ends the bench with
//! an error.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a bench that cannot set up its stage has failed, and prints what it measured"
)]

use std::{
    hint::black_box,
    process::ExitCode,
    time::{Duration, Instant},
};

use taskbell::{
    failure::Failure,
    http::Clients,
    name::Name,
    notice::{Notice, NoticeKind},
    render::{Language, Style, Words, sample},
    sink::{Build, KINDS, Kind, Sink},
};

/// Most microseconds that rendering a notice of one failure may take.
const BUDGET_US: f64 = 100.0;

/// Rounds for each figure.
const ROUNDS: u32 = 7;

/// How long a round takes, about.
const ROUND: Duration = Duration::from_millis(20);

fn sink(kind: &Kind, words: &Words) -> Box<dyn Sink> {
    let table = kind.example.replace("{endpoint}", "127.0.0.1:9").replace("{folder}", "/tmp");
    let mut options: toml::Table = table.parse().unwrap();
    let name = Name::parse(options.remove("name").unwrap().as_str().unwrap()).unwrap();
    options.remove("kind");
    (kind.build)(Build { name, options, clients: Clients::default(), words: words.clone() })
        .unwrap()
}

/// Microseconds to render `notice`.
fn measure(sink: &dyn Sink, notice: &Notice) -> f64 {
    let began = Instant::now();
    let mut times = 0_u32;
    while began.elapsed() < ROUND {
        black_box(sink.render(black_box(notice)));
        times += 1;
    }
    let round = || {
        let began = Instant::now();
        for _ in 0..times {
            black_box(sink.render(black_box(notice)));
        }
        began.elapsed().as_secs_f64() * 1e6 / f64::from(times)
    };
    (0..ROUNDS).map(|_| round()).fold(f64::INFINITY, f64::min)
}

/// A notice of `kind` with the first `count` of as many failures.
fn of(kind: NoticeKind, count: usize) -> Notice {
    let mut notice = sample(kind);
    let failures: Vec<Failure> = notice.failures.iter().cycle().take(count).cloned().collect();
    if notice.tally.is_none() || kind == NoticeKind::Digest {
        notice.total = u32::try_from(count).unwrap();
    }
    notice.failures = failures;
    notice
}

fn main() -> ExitCode {
    let notices = [
        ("one", of(NoticeKind::TaskFailed, 1)),
        ("digest of 12", of(NoticeKind::Digest, 12)),
        ("storm", of(NoticeKind::StormOpened, 3)),
        ("one hundred", of(NoticeKind::TaskFailed, 100)),
    ];
    let chinese = Style { language: Language::Chinese, ..Style::default() };
    print!("{:<14}", "kind");
    for (case, _) in &notices {
        print!("{case:>14}");
    }
    println!("{:>14}{:>14}", "one, Chinese", "bytes of one");
    let mut over = Vec::new();
    for kind in KINDS {
        let sink = sink(kind, &Words::default());
        print!("{:<14}", kind.name);
        for (case, notice) in &notices {
            let cost = measure(&*sink, notice);
            print!("{cost:>14.1}");
            if *case == "one" && BUDGET_US < cost {
                over.push(kind.name);
            }
        }
        let [(_, one), ..] = &notices;
        let in_chinese = measure(&*self::sink(kind, &Words::new(chinese.clone())), one);
        println!("{in_chinese:>14.1}{:>14}", sink.render(one).len());
    }
    if over.is_empty() {
        return ExitCode::SUCCESS;
    }
    println!("over {BUDGET_US} µs for one failure: {}", over.join(", "));
    ExitCode::FAILURE
}
