//! Polling: nothing new, many projects, and a daemon that waits.

use std::{fs, time::Duration};

use crate::{
    bare, median, ms,
    peers::{Cloud, PROJECT, Place, Receiver, status_kib},
};

/// `once` over known rows.
pub(crate) async fn nothing_new() {
    for rows in [10, 1_000, 100_000] {
        let cloud = Cloud::start(&format!("[[project]]\ngenerate = {{ count = {rows} }}\n"));
        let receiver = Receiver::start(Duration::ZERO).await;
        let place = Place::new(&cloud.url, receiver.address, &[PROJECT.to_owned()], "silent");
        place.once().await;
        let (mut ours, mut bares, mut peak) = (Vec::new(), Vec::new(), 0);
        for _ in 0..9 {
            let (time, kib) = place.once().await;
            ours.push(time);
            peak = peak.max(kib);
            bares.push(bare::poll(&cloud.url, PROJECT).await);
        }
        let (ours, bare) = (median(ours), median(bares));
        let mib = peak / 1024;
        println!(
            "poll, {rows} known rows: {} and {mib} MiB; bare client in-process {}",
            ms(ours),
            ms(bare)
        );
    }
}

/// A hundred projects behind 50 ms, sixteen at a time.
pub(crate) async fn many_projects() {
    let cloud = Cloud::start("latency = \"50ms\"\n[[project]]\ncount = 100\n");
    let receiver = Receiver::start(Duration::ZERO).await;
    let first = u128::from_str_radix(PROJECT, 16).unwrap();
    let projects: Vec<String> = (0..100).map(|number| format!("{:032x}", first + number)).collect();
    let place = Place::new(&cloud.url, receiver.address, &projects, "silent");
    place.once().await;
    let mut times = Vec::new();
    for _ in 0..5 {
        times.push(place.once().await.0);
    }
    let rounds = 100_u32.div_ceil(16);
    let floor = Duration::from_millis(50) * rounds;
    println!(
        "poll, 100 empty projects: {}; {rounds} rounds of latency are {}",
        ms(median(times)),
        ms(floor)
    );
}

/// A daemon with nothing to do.
pub(crate) async fn idle() {
    let cloud = Cloud::start("[[project]]\ngenerate = { count = 10 }\n");
    let receiver = Receiver::start(Duration::ZERO).await;
    let place = Place::new(&cloud.url, receiver.address, &[PROJECT.to_owned()], "silent");
    let mut daemon = place.command(&["-qq", "run"]).spawn().unwrap();
    tokio::time::sleep(Duration::from_secs(5)).await;
    let before = cpu_ticks(daemon.id());
    tokio::time::sleep(Duration::from_secs(60)).await;
    let ticks = cpu_ticks(daemon.id()) - before;
    let kib = status_kib(daemon.id(), "VmRSS:");
    daemon.kill().unwrap();
    daemon.wait().unwrap();
    // A tick is 10 ms on every Linux in use.
    println!("daemon, idle for 60 s, one poll: {} ms of CPU, {} MiB", ticks * 10, kib / 1024);
}

/// A thousand projects, polled once a minute by one daemon.
pub(crate) async fn fleet() {
    const COUNT: u32 = 1000;
    let cloud = Cloud::start("[[project]]\ncount = 1000\ngenerate = { count = 10 }\n");
    let receiver = Receiver::start(Duration::ZERO).await;
    let first = u128::from_str_radix(PROJECT, 16).unwrap();
    let projects: Vec<String> =
        (0..u128::from(COUNT)).map(|number| format!("{:032x}", first + number)).collect();
    let place = Place::of_one_table(&cloud.url, receiver.address, &projects);
    let mut daemon = place.command(&["-qq", "run"]).spawn().unwrap();
    // The first round sets a thousand baselines.
    tokio::time::sleep(Duration::from_secs(75)).await;
    let before = (cpu_ticks(daemon.id()), written_bytes(daemon.id()), cloud.requests().await);
    tokio::time::sleep(Duration::from_secs(120)).await;
    let after = (cpu_ticks(daemon.id()), written_bytes(daemon.id()), cloud.requests().await);
    let [rss, peak] = ["VmRSS:", "VmHWM:"].map(|key| status_kib(daemon.id(), key) / 1024);
    daemon.kill().unwrap();
    daemon.wait().unwrap();
    // A tick is 10 ms on every Linux in use.
    let busy = f64::from(u32::try_from(after.0 - before.0).unwrap()) / 120.0;
    let requests = f64::from(u32::try_from(after.2 - before.2).unwrap()) / 120.0;
    println!(
        "daemon, {COUNT} sources of 10 known rows, each polled every 60 s: {busy:.1} % of a core, \
         {rss} MiB, at most {peak} MiB; {requests:.1} requests a second, {} KiB written a minute",
        (after.1 - before.1) / 1024 / 2
    );
}

/// What a process wrote to files, in bytes.
fn written_bytes(pid: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/io")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("write_bytes:")).unwrap();
    line.trim().parse().unwrap()
}

fn cpu_ticks(pid: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = text.rsplit(')').next().unwrap().split_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}
