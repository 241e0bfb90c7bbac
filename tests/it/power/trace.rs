//! What a process asked of the kernel, as strace writes it down.

use std::{
    collections::BTreeMap,
    path::Path,
    process::{Command, Stdio},
};

/// One system call. Times are lines of the record, which strace writes in order.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) name: String,
    /// The file or the socket of its descriptor.
    pub(crate) file: String,
    /// Its data.
    pub(crate) data: Vec<u8>,
    /// Its last argument, which is the offset of `pwrite64`.
    pub(crate) last: u64,
    pub(crate) result: i64,
    pub(crate) began: usize,
    pub(crate) ended: usize,
}

impl Call {
    pub(crate) fn writes_a_file(&self) -> bool {
        matches!(self.name.as_str(), "pwrite64" | "write" | "writev" | "ftruncate")
            && self.file.starts_with('/')
    }

    pub(crate) fn sends(&self) -> bool {
        matches!(self.name.as_str(), "sendto" | "sendmsg" | "write" | "writev")
            && self.file.starts_with("TCP")
    }

    pub(crate) fn syncs(&self) -> bool {
        matches!(self.name.as_str(), "fdatasync" | "fsync") && self.result == 0
    }
}

/// Whether strace is there and may trace.
pub(crate) fn is_possible() -> bool {
    let tried = Command::new("strace")
        .args(["-f", "-o", "/dev/null", "true"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    tried.is_ok_and(|status| status.success())
}

/// `command` under strace, which writes into `record`.
pub(crate) fn traced(command: &Command, record: &Path) -> Command {
    const CALLS: &str =
        "trace=pwrite64,write,writev,ftruncate,sendto,sendmsg,fdatasync,fsync,rename";
    let mut strace = Command::new("strace");
    strace.args(["-f", "-yy", "-s", "16777216", "-e", CALLS, "-e", "signal=none", "-o"]);
    strace.arg(record).arg(command.get_program()).args(command.get_args());
    strace.env_remove("TASKBELL_FAILPOINT").stdin(Stdio::null());
    strace
}

/// The calls of a record, in the order of their beginning.
pub(crate) fn read(record: &Path) -> Vec<Call> {
    let text = String::from_utf8_lossy(&std::fs::read(record).unwrap()).into_owned();
    let mut open: BTreeMap<&str, (usize, String)> = BTreeMap::new();
    let mut calls = Vec::new();
    for (time, line) in text.lines().enumerate() {
        let Some((thread, rest)) = line.split_once(' ') else { continue };
        let rest = rest.trim_start();
        if let Some(start) = rest.strip_suffix("<unfinished ...>") {
            open.insert(thread, (time, start.to_owned()));
        } else if rest.starts_with("<... ") {
            let Some((began, start)) = open.remove(thread) else { continue };
            let end = rest.split_once("resumed>").map_or("", |(_, end)| end);
            calls.extend(call(&format!("{start}{end}"), began, time));
        } else {
            calls.extend(call(rest, time, time));
        }
    }
    calls.sort_by_key(|call| call.began);
    calls
}

/// `pwrite64(11</store/db>, "…", 24, 3262) = 24`
fn call(text: &str, began: usize, ended: usize) -> Option<Call> {
    let (name, rest) = text.split_once('(')?;
    let (args, result) = rest.rsplit_once(" = ")?;
    let result = result.split(' ').next()?.parse().ok()?;
    let file = args
        .split_once('<')
        .and_then(|(_, rest)| rest.split_once(['>', ']']))
        .map_or("", |(file, _)| file);
    // An address holds an arrow; what matters is up to its end.
    let file = if file.starts_with("TCP") {
        args.split_once('<')
            .and_then(|(_, rest)| rest.split_once("]>"))
            .map_or("", |(file, _)| file)
    } else {
        file
    };
    let last = args.trim_end().trim_end_matches(')').rsplit(", ").next()?.trim();
    Some(Call {
        name: name.to_owned(),
        file: file.to_owned(),
        data: data(args),
        last: last.parse().unwrap_or(0),
        result,
        began,
        ended,
    })
}

/// All that stands in quotation marks, one after the other, without its escapes.
fn data(args: &str) -> Vec<u8> {
    let mut data = Vec::new();
    let mut bytes = args.bytes().peekable();
    let mut quoted = false;
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => quoted = !quoted,
            _ if !quoted => {}
            b'\\' => match bytes.next() {
                Some(b'n') => data.push(b'\n'),
                Some(b't') => data.push(b'\t'),
                Some(b'r') => data.push(b'\r'),
                Some(b'v') => data.push(0x0b),
                Some(b'f') => data.push(0x0c),
                Some(digit @ b'0'..=b'7') => {
                    let mut value = u32::from(digit - b'0');
                    for _ in 0..2 {
                        match bytes.peek() {
                            Some(next @ b'0'..=b'7') => value = 8 * value + u32::from(next - b'0'),
                            _ => break,
                        }
                        bytes.next();
                    }
                    data.push(u8::try_from(value).unwrap());
                }
                Some(other) => data.push(other),
                None => {}
            },
            other => data.push(other),
        }
    }
    data
}

#[test]
fn a_record_is_read_as_it_was_meant() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("record");
    let text = concat!(
        "7 pwrite64(11</s/db>, \"\\0\\1012\\n\\\"\\377\", 6, 24 <unfinished ...>\n",
        "8 sendto(9<TCP:[127.0.0.1:1->127.0.0.1:2]>, \"GET\", 3, MSG_NOSIGNAL, NULL, 0) = 3\n",
        "7 <... pwrite64 resumed>)           = 6\n",
        "7 fdatasync(11</s/db>)              = -1 EIO (Input/output error) (INJECTED)\n",
    );
    std::fs::write(&path, text).unwrap();
    let calls = read(&path);
    assert_eq!(calls.len(), 3);
    let write = &calls[0];
    assert_eq!((write.began, write.ended, write.last, write.result), (0, 2, 24, 6));
    assert_eq!((write.file.as_str(), write.data.as_slice()), ("/s/db", &b"\0A2\n\"\xff"[..]));
    assert!(calls[1].sends() && calls[1].file.ends_with("127.0.0.1:2"), "{:?}", calls[1]);
    assert!(!calls[2].syncs(), "it failed");
}
