//! How an entry of the systemd journal is written, see "Journal Native Protocol" of systemd.

/// Where systemd listens.
pub const SOCKET: &str = "/run/systemd/journal/socket";

/// Appends a field to an entry. `name` is made of capitals, digits and `_`.
///
/// A value with a line break is told by its length, so that none can pass for a field.
pub fn field(entry: &mut Vec<u8>, name: &str, value: &str) {
    entry.extend_from_slice(name.as_bytes());
    if value.contains('\n') {
        entry.push(b'\n');
        let length = u64::try_from(value.len()).unwrap_or(u64::MAX);
        entry.extend_from_slice(&length.to_le_bytes());
    } else {
        entry.push(b'=');
    }
    entry.extend_from_slice(value.as_bytes());
    entry.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_value_can_pass_for_a_field() {
        let mut entry = Vec::new();
        field(&mut entry, "A", "plain=text");
        field(&mut entry, "B", "x\nC=forged");
        assert_eq!(entry, b"A=plain=text\nB\n\x0a\0\0\0\0\0\0\0x\nC=forged\n");
    }
}
